"""What a breaker remembers of its calls, and whether that is reason enough to open."""

import threading

from alchemiser_cli.resilience.circuit import BreakerPolicy
from alchemiser_cli.resilience.windows import Window, window_of

__all__ = ["CallRecord"]


class CallRecord:
    """The window of calls and the row of failures; safe to share between threads.

    ``passed`` counts successes that are not in the window yet: a success costs one addition,
    and the next failure brings the window up to date.
    """

    __slots__ = ("_lock", "_policy", "_row", "_window", "passed")

    def __init__(self, policy: BreakerPolicy) -> None:
        self._policy = policy
        self._window = window_of(policy)
        self._row = 0
        self._lock = threading.Lock()
        self.passed = 0

    def add(self, at_ns: int, *, failed: bool, slow: bool) -> str:
        """Count one call at the monotonic ``at_ns``; return why to open now, or nothing."""
        with self._lock:
            self._take_in(at_ns)
            self._window.add(at_ns, failed=failed, slow=slow)
            self._row = self._row + 1 if failed else 0
            return self._reason() if failed or slow else ""

    def look(self, at_ns: int) -> tuple[int, int, int, int]:
        """Return how many calls the window holds, failed ones, slow ones, and failures in a row."""
        with self._lock:
            self._take_in(at_ns)
            return self._window.calls, self._window.failures, self._window.slow, self._row

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._window.clear()
            self.passed = self._row = 0

    def _take_in(self, at_ns: int) -> None:
        passed, self.passed = self.passed, 0
        if passed:
            self._row = 0
        self._window.passed(passed, at_ns)

    def _reason(self) -> str:
        policy, window = self._policy, self._window
        if policy.consecutive_failures is not None and self._row >= policy.consecutive_failures:
            return f"failed calls in a row: {self._row}"
        if window.calls < policy.minimum_calls:
            return ""
        if policy.failure_rate is not None and _reaches(
            window.failures, policy.failure_rate, window
        ):
            return f"{window.failures} of {window.calls} calls failed"
        if policy.slow_call_s is not None and _reaches(window.slow, policy.slow_rate, window):
            return f"{window.slow} of {window.calls} calls were slow"
        return ""


def _reaches(some: int, rate: float, window: Window) -> bool:
    return some > 0 and some >= rate * window.calls
