"""What happened to the latest calls: the last N of them, or those of the last seconds."""

from collections import deque
from typing import Protocol

from alchemiser_cli.resilience.circuit import BreakerPolicy

__all__ = ["CountWindow", "TimeWindow", "Window", "window_of"]

_BUCKETS = 10


class Window(Protocol):
    """Counts of calls, failed ones and slow ones; times are monotonic nanoseconds."""

    calls: int
    failures: int
    slow: int

    def passed(self, calls: int, at_ns: int) -> None:
        """Count ``calls`` that went well."""
        ...

    def add(self, at_ns: int, *, failed: bool, slow: bool) -> None:
        """Count one call."""
        ...

    def clear(self) -> None:
        """Forget everything."""
        ...


class CountWindow:
    """The last ``size`` calls."""

    __slots__ = ("_ring", "_size", "calls", "failures", "slow")

    def __init__(self, size: int) -> None:
        self._size = size
        self._ring: deque[tuple[bool, bool]] = deque()
        self.calls = self.failures = self.slow = 0

    def passed(self, calls: int, at_ns: int) -> None:
        """Count ``calls`` that went well."""
        for _ in range(min(calls, self._size)):
            self.add(at_ns, failed=False, slow=False)

    def add(self, at_ns: int, *, failed: bool, slow: bool) -> None:  # noqa: ARG002  a Window's
        """Count one call; the oldest falls out of a full window."""
        ring = self._ring
        if len(ring) == self._size:
            was_failed, was_slow = ring.popleft()
            self.failures -= was_failed
            self.slow -= was_slow
        ring.append((failed, slow))
        self.calls = len(ring)
        self.failures += failed
        self.slow += slow

    def clear(self) -> None:
        """Forget everything."""
        self._ring.clear()
        self.calls = self.failures = self.slow = 0


class TimeWindow:
    """The calls of the last ``span_s`` seconds, which leave it a tenth of the span at a time."""

    __slots__ = ("_buckets", "_step_ns", "calls", "failures", "slow")

    def __init__(self, span_s: float) -> None:
        self._step_ns = max(1, round(span_s * 1e9 / _BUCKETS))
        self._buckets: deque[list[int]] = deque()  # [number, calls, failures, slow]
        self.calls = self.failures = self.slow = 0

    def passed(self, calls: int, at_ns: int) -> None:
        """Count ``calls`` that went well just now."""
        self._bucket(at_ns)[1] += calls
        self.calls += calls

    def add(self, at_ns: int, *, failed: bool, slow: bool) -> None:
        """Count one call."""
        bucket = self._bucket(at_ns)
        bucket[1] += 1
        bucket[2] += failed
        bucket[3] += slow
        self.calls += 1
        self.failures += failed
        self.slow += slow

    def clear(self) -> None:
        """Forget everything."""
        self._buckets.clear()
        self.calls = self.failures = self.slow = 0

    def _bucket(self, at_ns: int) -> list[int]:
        number, buckets = at_ns // self._step_ns, self._buckets
        while buckets and buckets[0][0] <= number - _BUCKETS:
            _, calls, failures, slow = buckets.popleft()
            self.calls -= calls
            self.failures -= failures
            self.slow -= slow
        if not buckets or buckets[-1][0] != number:
            buckets.append([number, 0, 0, 0])
        return buckets[-1]


def window_of(policy: BreakerPolicy) -> Window:
    """Make the window that the policy asks for."""
    return CountWindow(policy.window) if policy.window_s is None else TimeWindow(policy.window_s)
