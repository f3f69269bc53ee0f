"""Running strategies: each sees every tick that it wants; one that fails takes no other down."""

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import NamedTuple, Self

from alchemiser_cli.clock import NS_PER_SECOND, Clock, SystemClock
from alchemiser_cli.errors import AlchemiserError, StrategyExecutionError
from alchemiser_cli.faults import fault_point
from alchemiser_cli.logs import get_logger
from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.settings.trading import TradingSettings
from alchemiser_cli.telemetry import SILENT, Telemetry
from alchemiser_cli.telemetry.names import (
    INFERENCE_SECONDS,
    INFERENCES,
    STRATEGIES_LOADED,
    STRATEGY_DISABLED,
    STRATEGY_FAILURES,
    STRATEGY_TICKS_SKIPPED,
)
from alchemiser_cli.telemetry.tracing import NO_TRACING, Tracing
from alchemiser_cli.trading.account import AccountView
from alchemiser_cli.trading.signals import Hold, Intent, ModelStamp, Origin, Signal, signal_id
from alchemiser_cli.trading.strategies.answers import (
    NonsenseError,
    checked_answer,
    checked_features,
)
from alchemiser_cli.trading.strategies.contract import Strategy
from alchemiser_cli.trading.strategies.failing import Failure, failure_of
from alchemiser_cli.trading.strategies.holds import Held, HoldLog
from alchemiser_cli.trading.strategies.overruns import OverranError, OverrunGuard

__all__ = ["StrategyHost"]

TOO_LITTLE = Hold("has too little history")
UNCHANGED = Hold("unchanged")
MOST_SYMBOLS = 65_536

_STRATEGY = fault_point("trading.strategy")

_log = get_logger("trading", "trading.strategies")


class _Look(NamedTuple):
    """What came of showing one tick to one strategy."""

    features: dict[str, float] | None
    answer: Hold | tuple[Intent, ...]
    model: ModelStamp | None
    policy_expired: bool
    inference_ns: int


class _Seat:
    """One strategy of the host, its counters, and the targets that it emitted last."""

    def __init__(self, strategy: Strategy, telemetry: Telemetry) -> None:
        self.strategy = strategy
        self.id = strategy.strategy_id
        self.param_hash = strategy.param_hash
        self.failures = 0
        self.targets: dict[str, int] = {}
        self.inferences = telemetry.counter(INFERENCES, strategy_id=self.id)
        self.inference_seconds = telemetry.histogram(INFERENCE_SECONDS, strategy=self.id)


class StrategyHost:
    """Shows ticks to the strategies of one broker and makes signals of what they want.

    Entered as a context, in the thread that then calls it, it also ends a strategy that hangs. A
    strategy that raises, hangs or answers nonsense gives a ``strategy-failed`` to ``on_failure``
    and nothing else; after ``trading.strategy_failures`` in a row it is disabled.
    """

    def __init__(
        self,
        strategies: Sequence[Strategy],
        settings: TradingSettings,
        clock: Clock,
        *,
        broker: str,
        telemetry: Telemetry = SILENT,
        tracing: Tracing = NO_TRACING,
        on_failure: Callable[[AlchemiserError], None] = lambda _error: None,
        on_disabled: Callable[[str, str], None] = lambda _strategy, _reason: None,
        now: Callable[[], int] | None = None,
    ) -> None:
        """Seat the strategies, which are loaded.

        ``tracing`` gets a span for each tick that a strategy is shown, and one for making its
        signals; it is not called while it is off. ``on_disabled`` gets a strategy and the reason.
        ``now`` gives the UTC nanoseconds that signals and holds are stamped with; without it,
        ``clock`` does.
        """
        self._settings = settings
        self._broker = broker
        self._telemetry = telemetry
        self._tracing = tracing
        self._on_failure = on_failure
        self._on_disabled = on_disabled
        self._now = clock.now_ns if now is None else now
        self._machine = SystemClock()  # an inference takes real time, also in a replay
        self._guard = OverrunGuard(settings.strategy_timeout_s)
        self._seats = [_Seat(strategy, telemetry) for strategy in strategies]
        self._newest_ns: dict[str, int] = {}
        self._struck: tuple[Strategy, Tick] | None = None  # by a fault, in this look
        self._holds = HoldLog(broker, settings.hold_report_s)
        self._skipped = telemetry.counter(STRATEGY_TICKS_SKIPPED, broker=broker)

    def __enter__(self) -> Self:
        """Begin to watch for strategies that hang."""
        self._guard.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop watching."""
        self._guard.__exit__(kind, error, traceback)

    @property
    def running(self) -> tuple[str, ...]:
        """The strategies that are not disabled, in their order."""
        return tuple(seat.id for seat in self._seats)

    @property
    def held(self) -> Mapping[tuple[str, str], Held]:
        """What each strategy holds now and why, by strategy and symbol."""
        return self._holds.now()

    def take_holds(self) -> list[Held]:
        """Return the holds to put on record since the last call.

        Those whose reason is new, and those last told ``trading.hold_report_s`` ago.
        """
        return self._holds.take_due()

    def warm(self, tick: Tick, origin: Origin | None = None) -> None:
        """Show a tick of the past: strategies take it in, and nothing is asked of them."""
        if self._is_new(tick):
            for seat in tuple(self._seats):
                self._shown(seat, tick, origin, None)

    def on_tick(self, tick: Tick, origin: Origin, account: AccountView) -> list[Signal]:
        """Show a tick to every strategy that wants it, and return their signals in that order.

        A tick that is not later than the newest one of its symbol is counted and shown to nobody.
        """
        signals: list[Signal] = []
        if not self._is_new(tick):
            return signals
        tracing = self._tracing
        for seat in tuple(self._seats):
            if tracing.on:
                self._traced(seat, tick, origin, account, signals)
                continue
            look = self._shown(seat, tick, origin, account)
            if look is not None:
                self._decide(seat, look, tick, origin, account, signals)
        return signals

    def _traced(
        self,
        seat: _Seat,
        tick: Tick,
        origin: Origin,
        account: AccountView,
        signals: list[Signal],
    ) -> None:
        with self._tracing.process_tick(seat.id):
            look = self._shown(seat, tick, origin, account)
            if look is not None and not isinstance(look.answer, Hold):
                with self._tracing.emit_signal(seat.id):
                    self._decide(seat, look, tick, origin, account, signals)
            elif look is not None:
                self._decide(seat, look, tick, origin, account, signals)

    def _is_new(self, tick: Tick) -> bool:
        newest, symbol = self._newest_ns, tick.symbol
        known = newest.get(symbol)
        if known is None:
            if len(newest) >= MOST_SYMBOLS:  # contracts come and go: forget the older half
                oldest = sorted(newest, key=newest.__getitem__)[: MOST_SYMBOLS // 2]
                for one in oldest:
                    del newest[one]
                for seat in self._seats:
                    for one in oldest:
                        seat.targets.pop(one, None)
        elif tick.event_time_ns <= known:
            self._skipped.inc()
            return False
        newest[symbol] = tick.event_time_ns
        return True

    def _shown(
        self, seat: _Seat, tick: Tick, origin: Origin | None, account: AccountView | None
    ) -> _Look | None:
        """Show a tick to one strategy; None where it does not want it, or failed."""
        try:
            look: _Look | None = self._guard.call(self._look, seat.strategy, tick, account)
        except OverranError as error:
            self._failed(
                seat, "hung", f"{self._settings.strategy_timeout_s:g}", tick, origin, error
            )
        except NonsenseError as error:
            self._failed(seat, "nonsense", str(error), tick, origin, error)
        except (Exception, SystemExit, GeneratorExit) as error:  # noqa: BLE001  a strategy's own
            text = f"{type(error).__name__}: {error}"
            self._failed(seat, "raised", text, tick, origin, error)
        else:
            if look is not None:
                seat.failures = 0
            return look
        return None

    def _look(self, strategy: Strategy, tick: Tick, account: AccountView | None) -> _Look | None:
        """Ask a strategy; all of its code runs in here, where it may be interrupted."""
        if not strategy.wants(tick.symbol):
            return None
        if _STRATEGY.armed is not None:
            self._suffer(strategy, tick)
        features = checked_features(strategy.features(tick))
        if features is None or account is None:
            return _Look(features, TOO_LITTLE, None, False, 0)
        model = strategy.model
        if model is None:
            answer = checked_answer(strategy.signal(tick, features, account))
            return _Look(features, answer, None, bool(strategy.policy_expired), 0)
        started_ns = self._machine.monotonic_ns()
        answer = checked_answer(strategy.signal(tick, features, account))
        spent_ns = self._machine.monotonic_ns() - started_ns
        # Read after acting: a policy takes newer weights when it looks.
        return _Look(features, answer, strategy.model, bool(strategy.policy_expired), spent_ns)

    def _suffer(self, strategy: Strategy, tick: Tick) -> None:
        """Pass the fault point, and remember a strike: what then fails, fails on purpose."""
        armed = _STRATEGY.armed
        before = None if armed is None else armed.strikes
        try:
            _STRATEGY.strike()
        finally:
            if armed is not None and armed.strikes is not before:
                self._struck = (strategy, tick)

    def _decide(
        self,
        seat: _Seat,
        look: _Look,
        tick: Tick,
        origin: Origin,
        account: AccountView,
        signals: list[Signal],
    ) -> None:
        """Make signals of a strategy's intents, and a note of what it holds."""
        if look.model is not None:
            seat.inferences.inc()
            seat.inference_seconds.observe(look.inference_ns / NS_PER_SECOND)
        at_ns, answer = self._now(), look.answer
        if isinstance(answer, Hold):
            self._hold(seat, tick.symbol, answer, origin, at_ns)
            return
        for intent in answer:
            symbol, target = intent.symbol, intent.target
            position = account.position(seat.id, symbol)
            if target == position and seat.targets.get(symbol, position) == target:
                self._hold(seat, symbol, UNCHANGED, origin, at_ns)
                continue
            seat.targets[symbol] = target
            self._holds.acted(seat.id, symbol)
            signals.append(self._signal(seat, intent, look, tick, origin, account, at_ns))

    def _signal(
        self,
        seat: _Seat,
        intent: Intent,
        look: _Look,
        tick: Tick,
        origin: Origin,
        account: AccountView,
        at_ns: int,
    ) -> Signal:
        symbol = intent.symbol
        price = tick.price if symbol == tick.symbol else account.price(symbol)
        return Signal(
            signal_id=signal_id(seat.id, seat.param_hash, symbol, origin),
            strategy_id=seat.id,
            param_hash=seat.param_hash,
            broker=self._broker,
            symbol=symbol,
            target=intent.target,
            reason=intent.reason,
            reference_price=price or 0.0,  # the gate refuses a symbol that has no price
            tick_time_ns=tick.event_time_ns,
            decided_at_ns=at_ns,
            origin=origin,
            confidence=intent.confidence,
            stop_price=intent.stop_price,
            model=look.model,
            policy_expired=look.policy_expired,
            features=look.features or {},
        )

    def _hold(self, seat: _Seat, symbol: str, hold: Hold, origin: Origin, at_ns: int) -> None:
        self._holds.note(seat.id, seat.param_hash, symbol, hold.reason, origin, at_ns)

    def _failed(
        self,
        seat: _Seat,
        reason: Failure,
        text: str,
        tick: Tick,
        origin: Origin | None,
        cause: BaseException,
    ) -> None:
        """Tell of a failure; the last one in a row that is allowed disables the strategy."""
        seat.failures += 1
        self._telemetry.counter(STRATEGY_FAILURES, strategy_id=seat.id, reason=reason).inc()
        error = failure_of(
            seat.id,
            reason,
            text,
            tick,
            broker=self._broker,
            origin=None if origin is None else str(origin),
            failures_in_a_row=seat.failures,
        )
        error.__cause__ = cause
        struck = self._struck
        error.injected = getattr(cause, "injected", False) is True or (
            struck is not None and struck[0] is seat.strategy and struck[1] is tick
        )
        if seat.failures >= self._settings.strategy_failures:
            self._disable(seat, error)
        self._on_failure(error)

    def _disable(self, seat: _Seat, error: StrategyExecutionError) -> None:
        self._seats.remove(seat)
        told = f"{error.code}: failures in a row: {seat.failures}. {error.why}"
        self._telemetry.counter(STRATEGY_DISABLED, strategy_id=seat.id).inc()
        self._telemetry.gauge(STRATEGIES_LOADED, broker=self._broker).set(len(self._seats))
        _log.warning("strategy_disabled", strategy=seat.id, broker=self._broker, reason=told)
        self._on_disabled(seat.id, told)
