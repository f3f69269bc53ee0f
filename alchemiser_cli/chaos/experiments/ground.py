"""What the actions and probes of a running experiment act on: a laboratory, or the real home."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from alchemiser_cli.chaos.announcing import Announcer
from alchemiser_cli.chaos.experiments.pace import Pace
from alchemiser_cli.chaos.leases import Lease, LeaseStore
from alchemiser_cli.chaos.workloads.workload import Work, Workload
from alchemiser_cli.clock import Clock
from alchemiser_cli.errors.journal import ErrorJournal
from alchemiser_cli.settings.resolve import Resolved
from alchemiser_cli.state import StateDatabase

__all__ = ["Ground", "InjectedFault", "current_ground", "standing_on"]


@dataclass
class InjectedFault:
    """A fault of this run, and the account of the work when it began and when it was over.

    ``over_ns`` is when it was over; its lease's end until somebody ends it before.
    """

    lease: Lease
    over_ns: int
    before: Work | None = None
    after: Work | None = None


@dataclass
class Ground:
    """One run's surroundings. ``clock`` and ``database`` are out of the reach of faults.

    ``workload`` and ``journal`` are None where the experiment has no laboratory, and after its
    runner was killed. ``steady_since_ns`` is since when the workload is steady without a break, as
    far as the watch saw; None while it is not. ``announcer`` puts faults of a real home on record;
    those of a laboratory are not.
    """

    run: str
    owner: str
    resolved: Resolved
    database: StateDatabase
    leases: LeaseStore
    clock: Clock
    pace: Pace
    workload: Workload | None = None
    journal: ErrorJournal | None = None
    began_ns: int = 0
    steady_since_ns: int | None = None
    announcer: Announcer | None = None
    faults: list[InjectedFault] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, fault: InjectedFault) -> None:
        """Note a fault that was injected."""
        with self.lock:
            self.faults.append(fault)

    def noted(self) -> list[InjectedFault]:
        """Return the faults so far."""
        with self.lock:
            return list(self.faults)

    def all_over(self) -> bool:
        """Tell whether no fault of this run is in force or still to begin."""
        now_ns = self.clock.now_ns()
        return all(fault.over_ns <= now_ns for fault in self.noted())


_CURRENT: ContextVar[Ground] = ContextVar("chaos_ground")


def current_ground() -> Ground:
    """Return what the running experiment stands on.

    Raises:
        RuntimeError: outside of an experiment.
    """
    try:
        return _CURRENT.get()
    except LookupError:
        raise RuntimeError(
            "this works only in an experiment that `alchemiser chaos run` runs"
        ) from None


@contextmanager
def standing_on(ground: Ground) -> Iterator[Ground]:
    """Let actions and probes that are called in the block act on ``ground``."""
    token = _CURRENT.set(ground)
    try:
        yield ground
    finally:
        _CURRENT.reset(token)
