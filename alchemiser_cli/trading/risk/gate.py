"""The gate: every signal gets exactly one decision, by limits that are looked at in one order.

The order is that of ``Judge``. The first limit that refuses ends it; its reading is the
decision's last. What an order may be at most is judged in the worst case, in which everything
that works on its side is filled and nothing on the other.

An order that only reduces (see ``gather_case``) passes the reduced state, the limit of a trade's
loss, which it does not have, that of positions, the cool-down, notional and leverage, and the age
of a policy's weights: getting out must stay possible. Nothing passes a halt, the kill switch, a
daily loss limit or an open breaker but what an operator flattens.
"""

from collections.abc import Callable

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.errors import AlchemiserError
from alchemiser_cli.settings import RiskSettings
from alchemiser_cli.telemetry import SILENT, Telemetry
from alchemiser_cli.trading.account import AccountView
from alchemiser_cli.trading.decisions import Decision, LimitReading, Reason, Side, decision_id
from alchemiser_cli.trading.hours import TradingHours
from alchemiser_cli.trading.instruments import Instrument, instrument_of
from alchemiser_cli.trading.kill_switch import KillSwitch
from alchemiser_cli.trading.orders import Execution, OrderUpdate
from alchemiser_cli.trading.risk.case import Case, gather_case
from alchemiser_cli.trading.risk.day import DayLosses, TradingDay
from alchemiser_cli.trading.risk.exposure import Exposure
from alchemiser_cli.trading.risk.flattening import FLATTEN, Flattening, flatten_decision
from alchemiser_cli.trading.risk.halting import LossStop
from alchemiser_cli.trading.risk.judging import Judge
from alchemiser_cli.trading.risk.limits import LimitTable, TradeLimits
from alchemiser_cli.trading.risk.memory import DecisionMemory
from alchemiser_cli.trading.risk.reporting import RiskReporting
from alchemiser_cli.trading.risk.staleness import StalenessReport
from alchemiser_cli.trading.risk.states import StateChange, TradingState, TradingStates
from alchemiser_cli.trading.risk.statistics import TradeStatistics
from alchemiser_cli.trading.risk.working import WorkingOrders
from alchemiser_cli.trading.signals import Origin, Signal, signal_id

__all__ = ["RiskGate"]

REPORT_NS = NS_PER_SECOND
MOST_PAIRS = 65_536


class RiskGate:
    """The risk gate of one account; it belongs to one thread.

    Book an execution before ``on_execution`` tells of it. The state that it is in at a restart
    follows from ``restore``, ``on_execution`` and ``on_update`` in the trail's order, and from
    ``restore_state`` and ``restore_day``.
    """

    def __init__(
        self,
        risk: RiskSettings,
        multiplier: int,
        account: AccountView,
        kill_switch: KillSwitch,
        hours: TradingHours | None,
        clock: Clock,
        *,
        broker: str = "paper",
        circuit_open: Callable[[], bool] = lambda: False,
        halt_on_drawdown: bool = True,
        on_state: Callable[[StateChange], None] = lambda _: None,
        on_kill_switch: Callable[[str], None] = lambda _: None,
        on_failure: Callable[[AlchemiserError], None] = lambda _: None,
        telemetry: Telemetry = SILENT,
    ) -> None:
        """Guard ``account``.

        Args:
            risk: The limits.
            multiplier: Units of its underlying that one option contract is worth.
            account: Positions, equity and prices, as they are at each decision.
            kill_switch: Read before each decision, and set by a daily loss limit.
            hours: What a day is; None: that of UTC.
            clock: The time that ages are taken against.
            broker: Name of the broker, for metrics and for flattening.
            circuit_open: Whether the broker's breaker refuses calls.
            halt_on_drawdown: Whether a daily loss limit sets the kill switch, too.
            on_state: Told of each change of state that the gate makes itself.
            on_kill_switch: Told the reason when the gate set the kill switch.
            on_failure: Told where that went wrong, the gate being halted all the same; and once
                when the prices of a symbol become too old to trade on.
            telemetry: Where decisions are counted.
        """
        self._risk = risk
        self._multiplier = multiplier
        self._account = account
        self._kill_switch = kill_switch
        self._clock = clock
        self._broker = broker
        self._circuit_open = circuit_open
        self._on_state = on_state
        self._stop = LossStop(kill_switch, on_kill_switch, on_failure, enabled=halt_on_drawdown)
        self._table = LimitTable(risk)
        self._pairs: dict[tuple[str, str], tuple[Instrument, TradeLimits]] = {}
        self._working = WorkingOrders()
        self._memory = DecisionMemory()
        self._day = DayLosses(hours)
        self._states = TradingStates()
        self._exposure = Exposure(account, self._working, multiplier)
        self._judge = Judge(
            risk, account, kill_switch, self._exposure, self._day, self._states, self._memory
        )
        self._reporting = RiskReporting(broker, telemetry)
        self._staleness = StalenessReport(on_failure)
        self._reported_ns = 0
        self.statistics = TradeStatistics(multiplier)

    @property
    def trading_state(self) -> TradingState:
        """Whether trading is active, may only reduce positions, or is halted."""
        return self._states.state

    @property
    def day(self) -> TradingDay:
        """The day that losses are counted from."""
        return self._day.today

    @property
    def working(self) -> tuple[str, ...]:
        """Ids of the orders that were approved and have not ended, the oldest first."""
        return self._working.ids

    def decide(self, signal: Signal) -> Decision:
        """Return the one decision about ``signal``: approved, resized or refused.

        A signal that comes again gets the same one, and nothing is counted twice. An approved
        quantity counts as working from here on, until ``on_update`` tells of its order's end.
        """
        known = self._memory.get(signal.signal_id)
        if known is not None:
            return known
        case = self._gathered(signal)
        refusal = self._judge.judge(case)
        change = case.change
        side: Side | None = "buy" if change > 0 else "sell" if change else None
        reason: Reason = refusal or ("approved" if case.quantity == abs(change) else "resized")
        decision = Decision(
            decision_id=decision_id(signal.signal_id),
            signal=signal,
            approved=refusal is None,
            reason=reason,
            side=side,
            quantity=0 if refusal else case.quantity,
            limits=tuple(case.readings),
            decided_at_ns=case.now_ns,
        )
        self._take(decision)
        self._reporting.decided(decision)
        if refusal is None:
            self._staleness.approved(signal.symbol)
        elif refusal == "stale_market_data":
            self._staleness.refused(decision)
        if refusal == "daily_loss_limit_exceeded":
            self._halt(case.readings[-1], case.now_ns)
        if case.breaker_open:
            self._follow_breaker(case.now_ns, is_open=True)
        return decision

    def approve_flatten(
        self, strategy: str, symbol: str, origin: Origin, reason: str = "an operator flattens"
    ) -> Decision:
        """Return the decision that closes a strategy's position, whatever else is stopped.

        ``origin`` is the operator's request: asked again with it, the decision is the same. What
        closes the position already and still works is left out; with nothing to close it is no
        approval.
        """
        name = signal_id(strategy, FLATTEN, symbol, origin)
        known = self._memory.get(name)
        if known is not None:
            return known
        decision = flatten_decision(
            self._account,
            self._working,
            Flattening(
                signal_id=name,
                strategy=strategy,
                symbol=symbol,
                broker=self._broker,
                reason=reason,
                origin=origin,
                now_ns=self._clock.now_ns(),
            ),
            stopped=self._kill_switch.active,
            state=self.trading_state,
        )
        self._take(decision)
        self._reporting.decided(decision)
        return decision

    def on_execution(self, execution: Execution) -> None:
        """Take in a fill or a settlement, which is in the account already; each one counts once."""
        if self.statistics.knows(execution.execution_id):
            return
        order = self._working.executed(execution)
        self.statistics.count(execution, order)
        self._reporting.trades(self.statistics)

    def on_update(self, update: OrderUpdate) -> None:
        """Take in what became of an order, with the executions that come with it."""
        for execution in update.executions:
            self.on_execution(execution)
        self._working.updated(update)

    def review(self) -> None:
        """Look at the kill switch, the day's losses and the breaker without a signal.

        Call it about once a second: losses grow between signals, too, and a peak that no decision
        saw is known only from here.
        """
        self._kill_switch.refresh()
        now_ns, equity = self._clock.now_ns(), self._account.equity
        self._day.look(now_ns, equity)
        beyond = [one for one in self._judge.loss_readings(equity) if not one.passed]
        if beyond and self.trading_state != "halted":
            self._halt(beyond[0], now_ns)
        self._follow_breaker(now_ns, is_open=self._circuit_open())
        self._report(now_ns, equity)

    def change_state(self, state: str, reason: str) -> bool:
        """Go to ``state`` at an operator's word; return whether that changed anything.

        A daily loss that is still beyond its limit halts trading again with the next look.

        Raises:
            ValueError: There is no such state.
        """
        change = self._states.change(state, reason, self._clock.now_ns())
        if change is not None:
            self._reporting.moved(change)
        return change is not None

    def limits(self) -> list[LimitReading]:
        """Return where the account stands against the limits that need no signal."""
        equity = self._account.equity
        self._day.look(self._clock.now_ns(), equity)
        return self._judge.account_readings(equity, breaker_open=self._circuit_open())

    def restore(self, decision: Decision) -> None:
        """Remember a decision of before a restart; an approved one counts as working."""
        self._take(decision)

    def restore_state(self, state: str) -> None:
        """Go on in the state of before a restart."""
        self._states.change(state, "restored", self._clock.now_ns())

    def restore_day(self, day: str, equity: float, peak: float | None = None) -> None:
        """Go on with the day of before a restart: its ISO date, equity at its start, and peak."""
        self._day.restore(day, equity, peak)

    def _gathered(self, signal: Signal) -> Case:
        now_ns, account = self._clock.now_ns(), self._account
        breaker_open = self._circuit_open()
        if self._states.by_breaker and not breaker_open:
            self._follow_breaker(now_ns, is_open=False)
        known = self._pairs.get((signal.strategy_id, signal.symbol))
        if known is None:
            known = self._find_out(signal.strategy_id, signal.symbol)
        case = gather_case(signal, now_ns, account, self._working, known, breaker_open=breaker_open)
        self._day.look(now_ns, case.equity)
        if not -REPORT_NS < now_ns - self._reported_ns < REPORT_NS:
            self._report(now_ns, case.equity)
        return case

    def _find_out(self, strategy: str, symbol: str) -> tuple[Instrument, TradeLimits]:
        """Return the instrument, and the limits of a strategy in it, and remember them."""
        if len(self._pairs) >= MOST_PAIRS:  # contracts come and go
            self._pairs.clear()
        instrument = instrument_of(symbol, self._multiplier)
        limits = self._table.of(strategy, symbol, instrument.underlying)
        self._pairs[strategy, symbol] = instrument, limits
        return instrument, limits

    def _take(self, decision: Decision) -> None:
        self._memory.add(decision)
        if decision.approved:
            self._working.add(decision)
            self._judge.traded[decision.signal.symbol] = decision.decided_at_ns

    def _follow_breaker(self, now_ns: int, *, is_open: bool) -> None:
        change = self._states.follow_breaker(now_ns, is_open=is_open)
        if change is not None:
            self._tell(change)

    def _halt(self, beyond: LimitReading, now_ns: int) -> None:
        """Stop trading for a loss beyond its limit; the state first, which cannot fail."""
        change = self._states.change("halted", beyond.name, now_ns)
        if change is not None:
            self._tell(change)
        self._stop.set(beyond)

    def _tell(self, change: StateChange) -> None:
        self._reporting.moved(change)
        self._on_state(change)

    def _report(self, now_ns: int, equity: float) -> None:
        self._reported_ns = now_ns
        stopped, most = self._kill_switch.active, self._risk.max_daily_loss
        self._reporting.account(self._day, equity, most, stopped=stopped)
