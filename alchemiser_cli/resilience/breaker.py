"""A circuit breaker: stop calling what fails, and try with care whether it works again.

Source: M. Nygard, "Release It!", 2007; the windows and the half-open limit as in resilience4j.
"""

import threading
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import ParamSpec, TypeVar

import msgspec

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors import AlchemiserError, CircuitOpenError, RetrySafety
from alchemiser_cli.logs import get_logger
from alchemiser_cli.resilience.call_record import CallRecord
from alchemiser_cli.resilience.circuit import (
    BreakerPolicy,
    BreakerState,
    Circuit,
    admitted,
    closed,
    is_probing,
    isolated,
    opened,
    refusal_s,
    released,
)
from alchemiser_cli.resilience.shared_circuit import CircuitStore, OnChange, SharedCircuit
from alchemiser_cli.resilience.wording import code_of
from alchemiser_cli.resilience.wrapping import wrapped

__all__ = ["BreakerMetrics", "CircuitBreaker"]

P = ParamSpec("P")
T = TypeVar("T")

_log = get_logger("monitoring", "breaker")


class BreakerMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """One breaker now; rates are shares of the window's ``calls``, ``open_total_ns`` is up to now.

    ``refused`` counts the calls that this process did not make. ``shared`` tells whether other
    processes see this state.
    """

    name: str
    state: BreakerState
    reason: str
    calls: int
    failure_rate: float
    slow_rate: float
    consecutive_failures: int
    refused: int
    opened_count: int
    open_total_ns: int
    open_until_ns: int
    shared: bool


class CircuitBreaker:
    """Guards calls of one thing that may fail; safe to share between threads.

    It is also a decorator of plain and of async functions. An async call may wait for the store
    when the circuit changes, and for one look at it every ``refresh_s``.

    A success only counts itself; the window is brought up to date by the next failure, so a
    circuit opens upon a failed or slow call and never upon a good one.
    """

    __slots__ = (
        "_clock",
        "_closed",
        "_injected",
        "_is_plain",
        "_lock",
        "_monotonic_ns",
        "_on_change",
        "_probe_successes",
        "_record",
        "_refused",
        "_shared",
        "_slow_ns",
        "_store",
        "_timed",
        "name",
        "policy",
    )

    def __init__(
        self,
        name: str,
        policy: BreakerPolicy,
        clock: Clock,
        store: CircuitStore | None = None,
        *,
        on_change: OnChange | None = None,
    ) -> None:
        """Start closed, or as ``store`` knows the circuit ``name`` (at most 64 characters)."""
        self.name = name
        self.policy = policy
        self._clock = clock
        self._monotonic_ns = clock.monotonic_ns
        self._store = store
        self._on_change = on_change
        self._shared = SharedCircuit(
            name, clock, store, refresh_s=policy.refresh_s, on_change=self._changed
        )
        self._slow_ns = None if policy.slow_call_s is None else round(policy.slow_call_s * 1e9)
        self._timed = policy.slow_call_s is not None or policy.window_s is not None
        self._lock = threading.Lock()
        self._record = CallRecord(policy)
        self._probe_successes = (0, 0)  # half-open period, successes of this process in it
        self._refused = 0
        self._injected = False  # whether an injected error opened the circuit
        self._closed = True
        self._is_plain = store is None and not self._timed  # closed, and no clock to read

    @property
    def state(self) -> BreakerState:
        """The state that this process knows; an open one turns half-open with the next call."""
        return self._shared.current.state

    def __call__(self, function: Callable[P, T]) -> Callable[P, T]:
        """Return ``function`` with every call of it guarded."""
        return wrapped(function, self.call, self.call_async)

    def call(self, function: Callable[P, T], /, *args: P.args, **keywords: P.kwargs) -> T:
        """Call ``function`` if the circuit lets it through, and learn from what happens.

        Raises:
            CircuitOpenError: ``circuit-open``, without a call; ``retry_after_s`` is when to come
                back, None if only a person ends it.
        """
        # The common case first: closed, nothing to time, no look at the store due.
        if self._is_plain or (
            self._closed and not self._timed and self._monotonic_ns() < self._shared.due_ns
        ):
            try:
                result = function(*args, **keywords)
            except BaseException as error:
                self._leave(0, 0, error)
                raise
            self._record.passed += 1
            return result
        started_ns, period = self._enter()
        try:
            result = function(*args, **keywords)
        except BaseException as error:
            self._leave(started_ns, period, error)
            raise
        self._leave(started_ns, period, None)
        return result

    async def call_async(
        self, function: Callable[P, Awaitable[T]], /, *args: P.args, **keywords: P.kwargs
    ) -> T:
        """Await ``function`` if the circuit lets it through; raises as ``call``."""
        if self._is_plain or (
            self._closed and not self._timed and self._monotonic_ns() < self._shared.due_ns
        ):
            try:
                result = await function(*args, **keywords)
            except BaseException as error:
                self._leave(0, 0, error)
                raise
            self._record.passed += 1
            return result
        started_ns, period = self._enter()
        try:
            result = await function(*args, **keywords)
        except BaseException as error:
            self._leave(started_ns, period, error)
            raise
        self._leave(started_ns, period, None)
        return result

    def passage(self) -> "_Passage":
        """Return a context manager whose block is one call; it may contain awaits."""
        return _Passage(self)

    def isolate(self, reason: str) -> None:
        """Refuse every call, in every process that shares the circuit, until ``reset``."""
        now_ns = self._clock.now_ns()
        self._shared.apply(lambda circuit: isolated(circuit, now_ns, reason))

    def reset(self) -> None:
        """Close the circuit, whatever it was, and forget what happened so far."""
        now_ns = self._clock.now_ns()
        self._shared.apply(lambda circuit: closed(circuit, now_ns))
        self._forget()

    def metrics(self) -> BreakerMetrics:
        """Return counts and rates as this process knows them."""
        calls, failures, slow, row = self._record.look(self._monotonic_ns())
        circuit = self._shared.current
        return BreakerMetrics(
            name=self.name,
            state=circuit.state,
            reason=circuit.reason,
            calls=calls,
            failure_rate=failures / calls if calls else 0.0,
            slow_rate=slow / calls if calls else 0.0,
            consecutive_failures=row,
            refused=self._refused,
            opened_count=circuit.opened_count,
            open_total_ns=circuit.open_ns(self._clock.now_ns()),
            open_until_ns=circuit.open_until_ns,
            shared=self._store is not None and not self._shared.store_is_down,
        )

    def _enter(self) -> tuple[int, int]:
        """Return when the call starts (monotonic) and its half-open period, zero if none."""
        started_ns = self._monotonic_ns()
        if started_ns >= self._shared.due_ns:
            self._shared.refresh()
        circuit = self._shared.current
        if circuit.state is BreakerState.CLOSED:
            return started_ns, 0
        now_ns = self._clock.now_ns()
        if refusal_s(circuit, now_ns, self.policy) != 0:
            raise self._refusal(circuit, now_ns)
        before, after = self._shared.apply(lambda known: admitted(known, now_ns, self.policy))
        if after.state is BreakerState.CLOSED:  # another process closed it
            return started_ns, 0
        if after == before or after.state is not BreakerState.HALF_OPEN:
            raise self._refusal(after, now_ns)
        return started_ns, after.opened_count

    def _leave(self, started_ns: int, period: int, error: BaseException | None) -> None:
        now_ns = self._monotonic_ns() if self._timed else 0
        slow = self._slow_ns is not None and now_ns - started_ns >= self._slow_ns
        ignored = error is not None and not self._counts(error)
        if period:
            self._probed(period, error, ignored=ignored, slow=slow)
        elif error is None and not slow and self.policy.window_s is None:
            self._record.passed += 1
        elif not ignored:
            self._called(now_ns, error, slow=slow)

    def _probed(
        self, period: int, error: BaseException | None, *, ignored: bool, slow: bool
    ) -> None:
        now_ns = self._clock.now_ns()
        if ignored:
            self._shared.apply(lambda circuit: released(circuit, period))
        elif error is not None or slow:
            self._injected = getattr(error, "injected", False)
            said = "took too long" if error is None else f"failed with {code_of(error)}"
            self._shared.apply(
                lambda circuit: (
                    opened(circuit, now_ns, self.policy, f"a probe {said}")
                    if is_probing(circuit, period)
                    else circuit
                )
            )
        else:
            with self._lock:
                known, successes = self._probe_successes
                successes = successes + 1 if known == period else 1
                self._probe_successes = (period, successes)
            enough = successes >= self.policy.close_after
            self._shared.apply(
                lambda circuit: (
                    closed(circuit, now_ns)
                    if enough and is_probing(circuit, period)
                    else released(circuit, period)
                )
            )

    def _called(self, at_ns: int, error: BaseException | None, *, slow: bool) -> None:
        if not self._closed:
            return  # began before the circuit opened, and changes nothing any more
        tripped = self._record.add(at_ns, failed=error is not None, slow=slow)
        if tripped:
            self._injected = getattr(error, "injected", False)
            last = f", the last with {code_of(error)}" if error is not None else ""
            now_ns = self._clock.now_ns()
            self._shared.apply(lambda circuit: opened(circuit, now_ns, self.policy, tripped + last))

    def _counts(self, error: BaseException) -> bool:
        if isinstance(error, AlchemiserError):
            return error.recoverable or error.retry_safety is not RetrySafety.NEVER
        return isinstance(error, self.policy.foreign)

    def _refusal(self, circuit: Circuit, now_ns: int) -> CircuitOpenError:
        self._refused += 1
        wait_s = refusal_s(circuit, now_ns, self.policy)
        by_itself = "Nothing: it tries again by itself; mend what it guards if it opens again."
        by_hand = "Reset the breaker when the reason for its isolation is gone."
        error = CircuitOpenError(
            f"the circuit breaker {self.name} is {circuit.state}; the call was not made",
            why=circuit.reason or "What it guards failed too often.",
            next_step=by_hand if wait_s is None else by_itself,
            context={"breaker": self.name, "state": circuit.state.value},
        )
        error.retry_after_s = wait_s
        error.injected = self._injected
        return error

    def _changed(self, before: Circuit, after: Circuit) -> None:
        # Of two threads that tell at once the later one must not tell what was before.
        self._closed = self._shared.current.state is BreakerState.CLOSED
        self._is_plain = self._closed and self._store is None and not self._timed
        if self._closed:
            self._forget()
        if self._on_change is None:
            return
        try:
            self._on_change(before, after)
        except Exception as fault:  # noqa: BLE001  whatever a hook raises
            _log.warning("breaker_hook_failed", breaker=self.name, error=repr(fault))

    def _forget(self) -> None:
        self._record.clear()
        self._injected = False


class _Passage:
    """One guarded block."""

    __slots__ = ("_breaker", "_entry")

    def __init__(self, breaker: CircuitBreaker) -> None:
        self._breaker = breaker
        self._entry = (0, 0)

    def __enter__(self) -> None:
        self._entry = self._breaker._enter()  # noqa: SLF001  a part of the breaker

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._breaker._leave(*self._entry, error)  # noqa: SLF001  a part of the breaker
