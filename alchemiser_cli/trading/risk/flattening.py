"""Flattening: the decision that closes a position at an operator's word."""

from dataclasses import dataclass

from alchemiser_cli.trading.account import AccountView
from alchemiser_cli.trading.decisions import Decision, LimitReading, decision_id
from alchemiser_cli.trading.risk.states import LEVELS, TradingState
from alchemiser_cli.trading.risk.working import WorkingOrders
from alchemiser_cli.trading.signals import Origin, Signal

__all__ = ["FLATTEN", "Flattening", "flatten_decision"]

FLATTEN = "flatten"
"""What stands for the parameters' hash in the signal of an operator."""


@dataclass(frozen=True, slots=True)
class Flattening:
    """An operator's wish to close what ``strategy`` holds of ``symbol``."""

    signal_id: str
    strategy: str
    symbol: str
    broker: str
    reason: str
    origin: Origin
    now_ns: int


def flatten_decision(
    account: AccountView,
    working: WorkingOrders,
    wish: Flattening,
    *,
    stopped: bool,
    state: TradingState,
) -> Decision:
    """Return the decision on ``wish``, which no limit refuses.

    What closes the position already and still works is left out, so that it is not closed twice;
    where nothing is left to close it is no approval. ``stopped`` and ``state`` are noted.
    """
    strategy, symbol = wish.strategy, wish.symbol
    position = account.position(strategy, symbol)
    buys, sells = working.of_strategy(strategy, symbol)
    quantity = max(0, position - sells if position > 0 else -position - buys)
    signal = Signal(
        signal_id=wish.signal_id,
        strategy_id=strategy,
        param_hash=FLATTEN,
        broker=wish.broker,
        symbol=symbol,
        target=0,
        reason=wish.reason,
        reference_price=account.price(symbol) or 0.0,
        tick_time_ns=account.price_time_ns(symbol) or wish.now_ns,
        decided_at_ns=wish.now_ns,
        origin=wish.origin,
    )
    return Decision(
        decision_id=decision_id(wish.signal_id),
        signal=signal,
        approved=quantity > 0,
        reason="flatten" if quantity else "duplicate_position",
        side=None if not position else "sell" if position > 0 else "buy",
        quantity=quantity,
        limits=(
            LimitReading("kill_switch", float(stopped), None, passed=True),
            LimitReading("trading_state", LEVELS[state], None, passed=True),
            LimitReading("change", float(quantity), 1.0, passed=quantity > 0),
        ),
        decided_at_ns=wish.now_ns,
    )
