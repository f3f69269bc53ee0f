"""Time as a dependency: nothing else in the package reads a clock or sleeps."""

import threading
import time
from datetime import UTC, datetime
from typing import Protocol

from alchemiser_cli.faults import fault_point

__all__ = [
    "Clock",
    "ManualClock",
    "SystemClock",
    "TrueClock",
    "duration_text",
    "iso_from_ns",
    "ns_from_datetime",
]

NS_PER_SECOND = 1_000_000_000

_SKEW = fault_point("clock.skew")


class Clock(Protocol):
    """What the core may know of time."""

    def now_ns(self) -> int:
        """Return UTC wall-clock time in nanoseconds since the Unix epoch."""
        ...

    def monotonic_ns(self) -> int:
        """Return a clock in nanoseconds that never goes back, for durations and deadlines."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait for ``seconds``; returns at once for zero or less."""
        ...


class SystemClock:
    """The operating system's clocks."""

    def now_ns(self) -> int:
        """Return ``time.time_ns()``, and what a fault adds to it."""
        if _SKEW.armed is not None:
            return time.time_ns() + _SKEW.offset_ns()
        return time.time_ns()

    def monotonic_ns(self) -> int:
        """Return ``time.monotonic_ns()``."""
        return time.monotonic_ns()

    def sleep(self, seconds: float) -> None:
        """Block the calling thread."""
        if seconds > 0:
            time.sleep(seconds)


class TrueClock(SystemClock):
    """The operating system's clocks, whatever a fault does to the wall clock.

    It is for what bounds the faults themselves.
    """

    def now_ns(self) -> int:
        """Return ``time.time_ns()``."""
        return time.time_ns()


class ManualClock:
    """A clock that moves only when told to; ``sleep`` advances it and returns at once.

    Both readings move together. Safe to share between threads.
    """

    def __init__(self, now_ns: int = 1_700_000_000 * NS_PER_SECOND) -> None:
        """Start at ``now_ns`` (UTC nanoseconds); the monotonic reading starts at zero."""
        self._now_ns = now_ns
        self._monotonic_ns = 0
        self._lock = threading.Lock()

    def now_ns(self) -> int:
        """Return the current manual wall-clock time in nanoseconds."""
        with self._lock:
            return self._now_ns

    def monotonic_ns(self) -> int:
        """Return the manual monotonic time in nanoseconds."""
        with self._lock:
            return self._monotonic_ns

    def sleep(self, seconds: float) -> None:
        """Advance by ``seconds`` without waiting."""
        if seconds > 0:
            self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Move both readings forward by ``seconds``; ``jump`` is what goes back."""
        if seconds < 0:
            raise ValueError("a monotonic clock does not go back")
        step = round(seconds * NS_PER_SECOND)
        with self._lock:
            self._now_ns += step
            self._monotonic_ns += step

    def jump(self, seconds: float) -> None:
        """Move only the wall clock, back or forth, as a clock correction does."""
        with self._lock:
            self._now_ns += round(seconds * NS_PER_SECOND)


def iso_from_ns(at_ns: int) -> str:
    """Format UTC nanoseconds as ISO 8601 with offset, to the microsecond."""
    seconds, nanoseconds = divmod(at_ns, NS_PER_SECOND)
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=nanoseconds // 1_000)
    return moment.isoformat(timespec="microseconds")


def ns_from_datetime(moment: datetime) -> int:
    """Convert a datetime to UTC nanoseconds; a naive one is taken as UTC."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    whole = int(moment.replace(microsecond=0).timestamp())
    return whole * NS_PER_SECOND + moment.microsecond * 1_000


def duration_text(seconds: float) -> str:
    """Write a duration in its largest fitting unit: 40 s, 12 min, 3 h, 5 d."""
    for unit, length_s in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length_s:
            return f"{seconds / length_s:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
