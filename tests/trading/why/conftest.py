"""Audit trails as a strategy, the gate and a broker write them."""

import msgspec
import pytest

from alchemiser_cli.clock import NS_PER_SECOND, iso_from_ns
from alchemiser_cli.trading.audit.record import AuditRecord
from alchemiser_cli.trading.decisions import Decision, LimitReading, decision_id
from alchemiser_cli.trading.orders import Execution, OrderUpdate, order_of
from alchemiser_cli.trading.signals import ModelStamp, Origin, Signal, signal_id

START_NS = 1_516_372_200 * NS_PER_SECOND  # Friday 2018-01-19, 09:30 in New York
LIMITS = (
    LimitReading("kill switch", 0.0, 0.0, passed=True),
    LimitReading("notional of SPX / equity", 0.31, 0.5, passed=True),
)


class Trail:
    """Writes what a strategy, the gate and a broker put on record."""

    def __init__(self):
        self.records = []
        self.at_ns = START_NS

    def write(self, event, event_id, detail=None, **fields):
        values = {
            "schema_version": 1,
            "sequence": len(self.records),
            "at": iso_from_ns(self.at_ns),
            "at_ns": self.at_ns,
            "app_version": "0.6.0",
            "run_id": "run-1",
            "broker": "paper",
            "strategy_id": "momentum",
            "param_hash": "p" * 16,
            "model_hash": "",
            "reason": "",
            "symbol": "SPX",
            "side": "",
            "quantity": 0,
            "limits": (),
            "causation": "",
            "prev_hash": "",
            "hash": "",
        }
        raw = msgspec.Raw(msgspec.json.encode(detail))
        self.records.append(
            AuditRecord(event=event, event_id=event_id, detail=raw, **(values | fields))
        )
        self.at_ns += 1_000_000

    def signal(self, offset, *, target=3, reason="trend is up", symbol="SPX"):
        origin = Origin("market.ticks", 2, offset)
        signal = Signal(
            signal_id=signal_id("momentum", "p" * 16, symbol, origin),
            strategy_id="momentum",
            param_hash="p" * 16,
            broker="paper",
            symbol=symbol,
            target=target,
            reason=reason,
            reference_price=2_800.0,
            tick_time_ns=self.at_ns,
            decided_at_ns=self.at_ns,
            origin=origin,
            confidence=0.62,
            model=ModelStamp(
                name="momentum-sp500", version="3", hash="a" * 64, feature_schema_hash="f" * 16
            ),
            features={"return_5": 0.0123, "volatility_20": 0.11},
        )
        self.write(
            "SIGNAL", signal.signal_id, signal, quantity=target, reason=reason, symbol=symbol
        )
        return signal

    def decision(self, signal, *, quantity=3, reason="approved", limits=LIMITS):
        decision = Decision(
            decision_id=decision_id(signal.signal_id),
            signal=msgspec.structs.replace(signal, features={}),
            approved=quantity > 0,
            reason=reason,
            side="buy" if quantity else None,
            quantity=quantity,
            limits=limits,
            decided_at_ns=self.at_ns,
        )
        self.write(
            "TRADE_APPROVED" if quantity else "TRADE_REJECTED",
            decision.decision_id,
            decision,
            causation=signal.signal_id,
            reason=reason,
            limits=limits,
            symbol=signal.symbol,
        )
        return decision

    def order(self, decision):
        order = order_of(decision, self.at_ns)
        self.write("ORDER_SUBMITTED", order.order_id, order, quantity=order.change)
        return order

    def fill(self, order, change, price, number):
        execution = Execution(
            execution_id=f"{order.order_id}/{number}",
            kind="fill",
            order_id=order.order_id,
            strategy_id=order.strategy_id,
            broker="paper",
            symbol=order.symbol,
            change=change,
            price=price,
            commission=0.01,
            at_ns=self.at_ns,
            origin=Origin("market.ticks", 2, 1_000 + number),
        )
        self.write(
            "EXECUTED",
            execution.execution_id,
            execution,
            quantity=change,
            causation=order.order_id,
            reason="fill",
        )

    def closed(self, order, state="filled", *, filled=3, reason=""):
        update = OrderUpdate(
            order_id=order.order_id,
            state=state,
            filled=filled,
            at_ns=self.at_ns,
            reason=reason,
        )
        event = "ORDER_REJECTED" if state == "rejected" else "ORDER_CLOSED"
        self.write(event, order.order_id, update, reason=reason or state)

    def trade(self, offset, *, price=2_801.0):
        order = self.order(self.decision(self.signal(offset)))
        self.fill(order, 2, price, 1)
        self.fill(order, 1, price + 3, 2)
        self.closed(order)
        return order


@pytest.fixture(scope="session")
def new_trail():
    """What makes an empty trail."""
    return Trail


@pytest.fixture
def trail():
    return Trail()


@pytest.fixture(scope="session")
def limits():
    """Readings of limits that all passed."""
    return LIMITS


@pytest.fixture(scope="session")
def stale():
    """Readings of which the last failed."""
    return (*LIMITS, LimitReading("age of the price, s", 90.0, 60.0, passed=False))
