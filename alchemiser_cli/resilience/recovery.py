"""Recovery from failures: the strategy of the error's class, once, with a result to journal."""

from collections import deque
from collections.abc import Callable

import msgspec

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors import ErrorContext, RecoveryExhaustedError, context_of
from alchemiser_cli.logs import get_logger
from alchemiser_cli.resilience.strategies import Advice, Outcome, RecoveryStrategy, Remedy
from alchemiser_cli.resilience.wording import code_of, text_of

__all__ = ["Recovery", "RecoveryGuard", "RecoveryResult"]

_KEYS = 1_024  # kinds of failures that are remembered before expired ones are swept out

_log = get_logger("error", "recovery")


class RecoveryResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one recovery; ``strategy`` is empty where there is none for the error.

    ``advice`` is what the caller may do now. ``key`` is the fingerprint, or the code and the
    component, by which repetition is counted.
    """

    code: str
    key: str
    strategy: str
    outcome: Outcome
    advice: Advice
    duration_s: float
    detail: str
    injected: bool


class RecoveryGuard:
    """Stops recoveries of the same failure that go round in circles.

    At most ``limit`` recoveries of one key within ``window_s`` seconds. Its memory is bounded
    by the number of different keys in a window.
    """

    def __init__(self, clock: Clock, *, limit: int = 5, window_s: float = 300.0) -> None:
        """Start with nothing seen."""
        if limit < 1 or window_s <= 0:
            raise ValueError("a guard needs limit >= 1 and window_s > 0")
        self._clock = clock
        self._limit = limit
        self._window_s = window_s
        self._seen: dict[str, deque[int]] = {}

    def admit(self, key: str) -> None:
        """Count one recovery of ``key``.

        Raises:
            RecoveryExhaustedError: ``recovery-loop``, when there were ``limit`` already; this
                one is then not counted.
        """
        now_ns = self._clock.monotonic_ns()
        begin_ns = now_ns - round(self._window_s * 1e9)
        if len(self._seen) >= _KEYS:
            self._seen = {one: seen for one, seen in self._seen.items() if seen[-1] > begin_ns}
        times = self._seen.setdefault(key, deque(maxlen=self._limit))
        if len(times) == self._limit and times[0] > begin_ns:
            raise RecoveryExhaustedError(
                f"{self._limit} recoveries from {key} did not last",
                why=f"They all happened within {self._window_s:g} s, so recovering does not help.",
                next_step="Mend the cause (see the runbook of the error), then resume.",
                context={"key": key, "limit": self._limit, "window_s": self._window_s},
            )
        times.append(now_ns)


class Recovery:
    """Strategies by error class; the most specific class of an error decides."""

    def __init__(
        self,
        clock: Clock,
        *,
        guard: RecoveryGuard | None = None,
        on_result: Callable[[Exception, RecoveryResult], None] | None = None,
    ) -> None:
        """Start without strategies; ``on_result`` is told of every result, to journal it."""
        self._clock = clock
        self._guard = guard
        self._on_result = on_result
        self._strategies: dict[type[BaseException], RecoveryStrategy] = {}

    def register(self, kind: type[Exception], strategy: RecoveryStrategy) -> None:
        """Use ``strategy`` for ``kind`` and its subclasses, in place of an earlier one."""
        self._strategies[kind] = strategy

    def strategy_for(self, error: BaseException) -> RecoveryStrategy | None:
        """Return the strategy of the error's class or its nearest base that has one."""
        for kind in type(error).__mro__:
            if (found := self._strategies.get(kind)) is not None:
                return found
        return None

    def recover(
        self,
        error: Exception,
        context: ErrorContext | None = None,
        *,
        fingerprint: str | None = None,
    ) -> RecoveryResult:
        """Recover from ``error`` by the strategy of its class; without one, skip.

        ``context`` defaults to the one that the error carries.

        Raises:
            RecoveryExhaustedError: ``recovery-loop``, from ``error``; journalled as failed.
        """
        context = context_of(error) if context is None else context
        code = code_of(error)
        key = fingerprint or ":".join(filter(None, (code, context.component)))
        strategy = self.strategy_for(error)
        started_ns = self._clock.monotonic_ns()
        loop: RecoveryExhaustedError | None = None
        if strategy is None:
            remedy = Remedy("skipped", "stop", "there is no strategy for this error")
        else:
            try:
                if self._guard is not None:
                    self._guard.admit(key)
                remedy = strategy.attempt(error, context)
            except RecoveryExhaustedError as stopped:
                loop, remedy = stopped, Remedy("failed", "stop", stopped.what)
            except Exception as fault:  # noqa: BLE001  whatever a strategy raises
                remedy = Remedy("failed", "stop", f"{code_of(fault)}: {text_of(fault)}")
        result = RecoveryResult(
            code=code,
            key=key,
            strategy="" if strategy is None else strategy.name,
            outcome=remedy.outcome,
            advice=remedy.advice,
            duration_s=(self._clock.monotonic_ns() - started_ns) / 1e9,
            detail=remedy.detail,
            injected=bool(getattr(error, "injected", False)),
        )
        self._tell(error, result)
        if loop is not None:
            loop.injected = result.injected
            raise loop from error
        return result

    def _tell(self, error: Exception, result: RecoveryResult) -> None:
        if self._on_result is None:
            return
        try:
            self._on_result(error, result)
        except Exception as fault:  # noqa: BLE001  a journal that fails must not stop recovery
            _log.warning("recovery_not_journalled", code=result.code, error=repr(fault))
