"""Laws of the risk gate: whatever comes, in whatever order, no approval goes past a limit."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.settings import RiskSettings
from alchemiser_cli.trading.book import Book
from alchemiser_cli.trading.kill_switch import KillSwitch
from alchemiser_cli.trading.orders import Execution, OrderUpdate, order_of
from alchemiser_cli.trading.risk import RiskGate, TradeStatistics
from alchemiser_cli.trading.risk.exposure import units_within
from alchemiser_cli.trading.risk.statistics import calibration_error
from alchemiser_cli.trading.signals import Origin, Signal

CALL = "SPX-20231215-C-4500"
MULTIPLIER = 100
PRICES = {"A": 100.0, "SPX": 4400.0, CALL: 30.0}
SYMBOLS = st.sampled_from(list(PRICES))
STRATEGIES = st.sampled_from(["one", "two"])
# Around the limits, and small enough for one option.
WANTED = st.integers(-3, 3) | st.sampled_from([-900, -500, -450, -90, 0, 90, 450, 500, 900])
ASKED = st.lists(st.tuples(STRATEGIES, SYMBOLS, WANTED), min_size=1, max_size=6)
RISK = RiskSettings(
    max_daily_loss=0.9,
    max_daily_drawdown=0.95,
    max_trade_loss=3.0,
    max_positions=3,
    max_notional=0.5,
    max_leverage=0.8,
    max_quantity=400,
)
ROUNDING = 1 + 1e-9


class GateMachine(RuleBasedStateMachine):
    """Signals, fills, cancellations and prices in any order; the law is a model of its own."""

    @initialize()
    def begin(self):
        self.folder = tempfile.TemporaryDirectory()
        home = Path(self.folder.name)
        self.clock = ManualClock()
        self.book = Book("paper", 100_000.0, MULTIPLIER)
        self.switch = KillSwitch(home, home / "run" / "kill_switch.json", self.clock)
        self.gate = RiskGate(
            RISK, MULTIPLIER, self.book, self.switch, None, self.clock, halt_on_drawdown=False
        )
        self.prices = dict(PRICES)
        self.open = {}  # by order id: the decision, and what is left of it
        self.decided = []
        self.number = 0
        for symbol in PRICES:
            self.book.mark(symbol, self.prices[symbol], self.clock.now_ns())

    def teardown(self):
        if hasattr(self, "folder"):
            self.folder.cleanup()

    @rule(asked=ASKED)
    def signals(self, asked):
        for strategy, symbol, wanted in asked:
            self._ask(strategy, symbol, wanted)

    @rule(asked=ASKED, stop=st.sampled_from(["reduce_only", "reduce_only", "halted", "switch"]))
    def signals_while_stopped(self, asked, stop):
        if stop == "switch":
            self.switch.set("law", "test")
        else:
            self.gate.change_state(stop, "by hand")
        self.signals(asked)
        if stop == "switch":
            self.switch.clear("law", "test")
        self.gate.change_state("active", "by hand")

    @rule(symbol=SYMBOLS, factor=st.floats(0.8, 1.25))
    def price(self, symbol, factor):
        self.clock.advance(1.0)
        self.prices[symbol] *= factor
        for one, price in self.prices.items():
            self.book.mark(one, price, self.clock.now_ns())

    @precondition(lambda self: self.open)
    @rule(data=st.data(), end=st.sampled_from(["", "cancelled", "expired"]))
    def fill(self, data, end):
        order = data.draw(st.sampled_from(list(self.open)))
        decision, left = self.open[order]
        quantity = data.draw(st.integers(0, left))
        if quantity:
            self._execute(decision, quantity)
        left -= quantity
        self.open[order] = (decision, left)
        if end or not left:
            done = decision.quantity - left
            state = end if left else "filled"
            self.gate.on_update(OrderUpdate(order_id=order, state=state, filled=done, at_ns=0))
            del self.open[order]

    @rule(strategy=STRATEGIES, symbol=SYMBOLS)
    def flatten(self, strategy, symbol):
        self.number += 1
        held = abs(self.book.position(strategy, symbol))
        decision = self.gate.approve_flatten(strategy, symbol, Origin("operator", 0, self.number))
        assert decision.quantity <= held
        if decision.approved:
            self.open[order_of(decision, 0).order_id] = (decision, decision.quantity)

    @precondition(lambda self: self.decided)
    @rule(data=st.data())
    def repeat(self, data):
        signal, decision = data.draw(st.sampled_from(self.decided))
        assert self.gate.decide(signal) is decision

    @invariant()
    def what_works_is_known(self):
        if hasattr(self, "gate"):
            assert set(self.gate.working) == set(self.open)

    def _ask(self, strategy, symbol, target):
        self.number += 1
        now_ns = self.clock.now_ns()
        signal = Signal(
            signal_id=f"s{self.number}",
            strategy_id=strategy,
            param_hash="p",
            broker="paper",
            symbol=symbol,
            target=target,
            reason="law",
            reference_price=self.prices[symbol],
            tick_time_ns=now_ns,
            decided_at_ns=now_ns,
            origin=Origin("ticks", 0, self.number),
        )
        before = self._worst(symbol), self._worst(symbol, strategy), self._total()
        decision = self.gate.decide(signal)
        self.decided.append((signal, decision))
        if not decision.approved:
            assert decision.quantity == 0
            return
        assert not self.switch.active
        assert self.gate.trading_state != "halted"
        self.open[order_of(decision, 0).order_id] = (decision, decision.quantity)
        self._judge(decision, before)

    def _judge(self, decision, before):
        symbol, strategy = decision.signal.symbol, decision.signal.strategy_id
        equity = self.book.equity
        account, own, total = before
        longest, shortest = after = self._worst(symbol)
        long_unit, short_unit = self._units(symbol)
        grown, unit = (longest, long_unit) if decision.side == "buy" else (-shortest, short_unit)
        assert grown <= RISK.max_quantity
        assert max(grown, 0) * unit <= RISK.max_notional * equity * ROUNDING
        assert self._total() <= max(total, RISK.max_leverage * equity) * ROUNDING
        if self.gate.trading_state == "reduce_only":
            for was, now in ((account, after), (own, self._worst(symbol, strategy))):
                assert max(now[0], -now[1]) <= max(was[0], -was[1])

    def _worst(self, symbol, strategy=None):
        """The position if all of one side is filled, and if all of the other one is."""
        longest = shortest = (
            self.book.positions().get(symbol, 0)
            if strategy is None
            else self.book.position(strategy, symbol)
        )
        for decision, left in self.open.values():
            signal = decision.signal
            if signal.symbol == symbol and strategy in {None, signal.strategy_id}:
                longest += left if decision.side == "buy" else 0
                shortest -= left if decision.side == "sell" else 0
        return longest, shortest

    def _units(self, symbol):
        price = self.prices[symbol]
        if symbol != CALL:
            return price, price
        return price * MULTIPLIER, max(self.prices["SPX"], price) * MULTIPLIER

    def _total(self):
        total = 0.0
        for symbol in PRICES:
            (longest, shortest), (long_unit, short_unit) = self._worst(symbol), self._units(symbol)
            total += max(longest * long_unit, -shortest * short_unit, 0.0)
        return total

    def _execute(self, decision, quantity):
        order = order_of(decision, 0)
        self.number += 1
        execution = Execution(
            execution_id=f"x{self.number}",
            kind="fill",
            order_id=order.order_id,
            strategy_id=order.strategy_id,
            broker="paper",
            symbol=order.symbol,
            change=quantity if order.side == "buy" else -quantity,
            price=self.prices[order.symbol],
            commission=0.0,
            at_ns=self.clock.now_ns(),
        )
        self.book.apply(execution)
        self.gate.on_execution(execution)


TestGate = GateMachine.TestCase
TestGate.settings = settings(max_examples=40, stateful_step_count=30)


@given(st.floats(-1e12, 1e12), st.floats(1e-9, 1e9))
def test_what_fits_never_exceeds_the_amount(amount, unit):
    fit = units_within(amount, unit)

    assert fit >= 0
    assert fit * unit <= max(amount, 0.0)
    assert max(amount, 0.0) < (fit + 2) * unit or amount > 1e15 * unit


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1))
def test_a_calibration_error_is_a_share(trades):
    assert 0.0 <= calibration_error(trades) <= 1.0


@given(st.lists(st.tuples(st.integers(-5, 5).filter(bool), st.integers(1, 9)), max_size=30))
def test_round_trips_earn_what_the_book_realises(fills):
    """Together, when all is closed at the end, with every commission taken off."""
    book, statistics, profit = Book("paper", 1e6, MULTIPLIER), TradeStatistics(MULTIPLIER), []
    statistics._ended = lambda trip: profit.append(trip.profit)
    rest = -sum(change for change, _ in fills)
    for number, (change, price) in enumerate([*fills, (rest, 5)] if rest else fills):
        execution = Execution(
            execution_id=str(number),
            kind="fill",
            order_id="",
            strategy_id="one",
            broker="paper",
            symbol="A",
            change=change,
            price=float(price),
            commission=0.25,
            at_ns=0,
        )
        book.apply(execution)
        statistics.count(execution, None)

    assert abs(sum(profit) - (book.realised_pnl - book.fees)) < 1e-6
