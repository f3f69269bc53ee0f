"""Looking again and again from a thread of its own, so that a slow database freezes nobody."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Self, TypeVar

import msgspec

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.errors import AlchemiserError
from alchemiser_cli.errors.journal.records import ErrorGroup
from alchemiser_cli.health.feeds import Feed, feeds
from alchemiser_cli.health.readings import (
    NS_PER_MINUTE,
    BreakerReading,
    Bucket,
    breakers,
    error_series,
    open_groups,
)
from alchemiser_cli.health.status import HealthStatus, health_status
from alchemiser_cli.health.surroundings import Surroundings

__all__ = ["Lookout", "Sight", "WatchFrame", "watch_frame"]

SERIES_MINUTES = 60
LATEST_GROUPS = 12

Seen = TypeVar("Seen")


class WatchFrame(msgspec.Struct, frozen=True):
    """One look for the watch; ``series`` has a bucket a minute, ending with the present one."""

    status: HealthStatus
    series: list[Bucket]
    breakers: list[BreakerReading]
    feeds: list[Feed]
    groups: list[ErrorGroup]


def watch_frame(surroundings: Surroundings) -> WatchFrame:
    """Look once.

    Raises:
        DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
    """
    now_ns, database = surroundings.clock.now_ns(), surroundings.database
    minute = now_ns // NS_PER_MINUTE
    return WatchFrame(
        series=error_series(database, minute - SERIES_MINUTES + 1, minute, 1),
        breakers=breakers(database, now_ns),
        feeds=feeds(database, surroundings.settings, now_ns),
        groups=open_groups(database, LATEST_GROUPS),
        status=health_status(surroundings),
    )


@dataclass(frozen=True)
class Sight(Generic[Seen]):
    """The last look that succeeded, ``age_s`` seconds ago, and what is wrong since.

    ``seen`` and ``age_s`` are None before the first; ``problem`` is empty where all is well.
    """

    seen: Seen | None
    age_s: float | None
    problem: str


class Lookout(Generic[Seen]):
    """Looks every ``interval_s`` seconds while its block lasts; asking it never waits.

    A look that takes longer than ``limit_s`` is reported as a problem while it lasts; there is
    never more than one under way.
    """

    def __init__(
        self, look: Callable[[], Seen], clock: Clock, *, interval_s: float, limit_s: float
    ) -> None:
        """Keep what to do; the thread starts with the block."""
        self._look = look
        self._clock = clock
        self._interval_s = interval_s
        self._limit_s = limit_s
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._seen: Seen | None = None
        self._seen_ns: int | None = None
        self._started_ns: int | None = None
        self._problem = ""
        # A daemon: a look that never returns must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="health watch", daemon=True)

    def __enter__(self) -> Self:
        """Begin to look."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End without waiting for a look that is under way."""
        self._ended.set()

    def sight(self) -> Sight[Seen]:
        """Return what is known now."""
        now_ns = self._clock.monotonic_ns()
        with self._lock:
            problem = self._problem
            if self._started_ns is not None:
                waited_s = (now_ns - self._started_ns) / NS_PER_SECOND
                if waited_s > self._limit_s:
                    problem = f"no answer for {waited_s:.0f} s"
            seen_ns = self._seen_ns
            age_s = None if seen_ns is None else (now_ns - seen_ns) / NS_PER_SECOND
            return Sight(self._seen, age_s, problem)

    def _run(self) -> None:
        while not self._ended.is_set():
            with self._lock:
                self._started_ns = self._clock.monotonic_ns()
            seen, problem = self._once()
            with self._lock:
                self._started_ns = None
                self._problem = problem
                if not problem:
                    self._seen, self._seen_ns = seen, self._clock.monotonic_ns()
            self._ended.wait(self._interval_s)

    def _once(self) -> tuple[Seen | None, str]:
        try:
            return self._look(), ""
        except AlchemiserError as error:
            return None, f"{error.what}: {error.why}"
        except Exception as error:  # noqa: BLE001  the view shows it, and the next look tries again
            return None, f"{type(error).__name__}: {error}"
