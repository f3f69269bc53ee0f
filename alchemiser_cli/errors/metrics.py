"""How often what fails where: counts and rates over the last minute, five minutes and hour.

A window of N minutes covers N whole minutes and the slot that is running, so that a look right
after a slot began still sees the failures before it; a rate divides by the time really covered.
"""

import threading
from collections import deque
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

import msgspec

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.errors.journal.records import MinuteCount

__all__ = [
    "WINDOWS_MIN",
    "ErrorMetrics",
    "ErrorWindow",
    "ErrorWindows",
    "Rate",
    "Recovery",
    "from_minutes",
]

WINDOWS_MIN = (1, 5, 60)
_SLOTS = 60  # a window; the running slot, which a rate must not round, is at most 1/60 of it
_NS_PER_MINUTE = 60 * NS_PER_SECOND

_Pair = tuple[int, int]
_Kind = tuple[str, str, bool]  # code, component, injected
_Key = TypeVar("_Key", bound=Hashable)


class Rate(msgspec.Struct, frozen=True):
    """Failures in a window: how many, how many of them critical, and how many a minute."""

    count: int
    criticals: int
    per_minute: float


class ErrorWindow(msgspec.Struct, frozen=True):
    """Failures in the last ``minutes``; ``covered_s`` is what the rates divide by.

    Injected failures are counted in ``injected`` alone.
    """

    minutes: int
    covered_s: float
    total: Rate
    by_code: dict[str, Rate]
    by_component: dict[str, Rate]
    injected: int


class Recovery(msgspec.Struct, frozen=True):
    """Recoveries in the last hour, injected failures left out.

    ``rate`` is None without an attempt, ``mean_s`` is None where no time is known.
    """

    attempted: int
    recovered: int
    rate: float | None
    mean_s: float | None


class ErrorMetrics(msgspec.Struct, frozen=True):
    """The numbers behind health, thresholds and reports."""

    last_minute: ErrorWindow
    last_5_minutes: ErrorWindow
    last_hour: ErrorWindow
    recovery: Recovery

    @property
    def criticals_5min(self) -> int:
        """Critical failures in the last five minutes."""
        return self.last_5_minutes.total.criticals


class ErrorWindows:
    """Counts this process's failures as they happen; safe to share between threads.

    Memory is bound by the pairs of code and component that fail within an hour. Recording costs
    the same however many failures came before.
    """

    def __init__(self, clock: Clock) -> None:
        """Start empty; ``clock``'s monotonic reading moves the windows."""
        self._clock = clock
        self._lock = threading.Lock()
        self._windows = [
            _Ring[_Kind](minutes * _NS_PER_MINUTE // _SLOTS) for minutes in WINDOWS_MIN
        ]
        self._recoveries = _Ring[bool](_NS_PER_MINUTE)

    def record(
        self,
        code: str,
        component: str,
        *,
        critical: bool = False,
        injected: bool = False,
        count: int = 1,
    ) -> None:
        """Count ``count`` failures of ``code`` in ``component`` now."""
        key = (code, component, injected)
        now_ns = self._clock.monotonic_ns()
        with self._lock:
            for window in self._windows:
                window.add(key, now_ns, count, count if critical else 0)

    def record_recovery(self, *, recovered: bool, seconds: float) -> None:
        """Count an attempt to recover that ended now after ``seconds``."""
        now_ns = self._clock.monotonic_ns()
        with self._lock:
            self._recoveries.add(recovered, now_ns, 1, round(seconds * NS_PER_SECOND))

    def metrics(self) -> ErrorMetrics:
        """Return all windows as they are now."""
        now_ns = self._clock.monotonic_ns()
        with self._lock:
            counted = [(ring.totals(now_ns), ring.covered_ns(now_ns)) for ring in self._windows]
            tries = self._recoveries.totals(now_ns)
        minute, five, hour = (
            _window(minutes, totals, covered_ns)
            for minutes, (totals, covered_ns) in zip(WINDOWS_MIN, counted, strict=True)
        )
        recovered, recovered_ns = tries.get(True, (0, 0))
        failed, _ = tries.get(False, (0, 0))
        mean_s = recovered_ns / recovered / NS_PER_SECOND if recovered else None
        return ErrorMetrics(minute, five, hour, _recovery(recovered + failed, recovered, mean_s))


def from_minutes(minutes: Iterable[MinuteCount], now_ns: int) -> ErrorMetrics:
    """Return the same numbers from the journal, for all processes and one that just started.

    ``minutes`` are those of the last hour (others are left out), ``now_ns`` is UTC. The journal
    knows whether a failure was recovered, but neither attempts nor times: each failure counts
    as an attempt, and ``mean_s`` is None.
    """
    this_minute, since_ns = divmod(now_ns, _NS_PER_MINUTE)
    rows = list(minutes)
    windows = []
    for length in WINDOWS_MIN:
        totals: dict[_Kind, _Pair] = {}
        for row in rows:
            if this_minute - length <= row.minute <= this_minute:
                key = (row.code, row.component, row.injected)
                count, criticals = totals.get(key, (0, 0))
                totals[key] = (count + row.count, criticals + row.criticals)
        windows.append(_window(length, totals, length * _NS_PER_MINUTE + since_ns))
    minute, five, hour = windows
    recovered = sum(
        row.recovered
        for row in rows
        if not row.injected and this_minute - WINDOWS_MIN[-1] <= row.minute <= this_minute
    )
    return ErrorMetrics(minute, five, hour, _recovery(hour.total.count, recovered, None))


class _Ring(Generic[_Key]):
    """Pairs of sums by key over the last slots; what falls out is subtracted, never recounted."""

    def __init__(self, slot_ns: int) -> None:
        self._slot_ns = slot_ns
        self._slots: deque[tuple[int, dict[_Key, _Pair]]] = deque()  # those with something in them
        self._totals: dict[_Key, _Pair] = {}

    def add(self, key: _Key, now_ns: int, first: int, second: int) -> None:
        """Add to both sums of ``key`` in the running slot."""
        self._forget(now_ns)
        running = now_ns // self._slot_ns
        if not self._slots or self._slots[-1][0] < running:
            self._slots.append((running, {}))
        for sums in (self._slots[-1][1], self._totals):
            there = sums.get(key, (0, 0))
            sums[key] = (there[0] + first, there[1] + second)

    def totals(self, now_ns: int) -> dict[_Key, _Pair]:
        """Return both sums of every key that is in the window."""
        self._forget(now_ns)
        return dict(self._totals)

    def covered_ns(self, now_ns: int) -> int:
        """Return how long the window is: its whole slots and what has passed of the running."""
        return _SLOTS * self._slot_ns + now_ns % self._slot_ns

    def _forget(self, now_ns: int) -> None:
        oldest = now_ns // self._slot_ns - _SLOTS
        while self._slots and self._slots[0][0] < oldest:
            for key, (first, second) in self._slots.popleft()[1].items():
                there = self._totals[key]
                left = (there[0] - first, there[1] - second)
                if left[0]:
                    self._totals[key] = left
                else:
                    del self._totals[key]


def _window(minutes: int, totals: dict[_Kind, _Pair], covered_ns: int) -> ErrorWindow:
    by_code: dict[str, _Pair] = {}
    by_component: dict[str, _Pair] = {}
    injected = count = criticals = 0
    for (code, component, on_purpose), (failures, critical) in totals.items():
        if on_purpose:
            injected += failures
            continue
        count, criticals = count + failures, criticals + critical
        for name, sums in ((code, by_code), (component, by_component)):
            there = sums.get(name, (0, 0))
            sums[name] = (there[0] + failures, there[1] + critical)

    def rate(pair: _Pair) -> Rate:
        return Rate(pair[0], pair[1], pair[0] * _NS_PER_MINUTE / covered_ns)

    return ErrorWindow(
        minutes,
        covered_ns / NS_PER_SECOND,
        rate((count, criticals)),
        {name: rate(by_code[name]) for name in sorted(by_code)},
        {name: rate(by_component[name]) for name in sorted(by_component)},
        injected,
    )


def _recovery(attempted: int, recovered: int, mean_s: float | None) -> Recovery:
    return Recovery(attempted, recovered, recovered / attempted if attempted else None, mean_s)
