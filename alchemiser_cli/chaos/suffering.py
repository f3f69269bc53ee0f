"""Suffering: a process looks for the leases of its environment, and lets their faults strike it."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from alchemiser_cli.chaos.leases import Lease, LeaseStore
from alchemiser_cli.chaos.lookout import LEAVING_S, may_suffer, state_file
from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.errors import AlchemiserError
from alchemiser_cli.errors.translate import translated
from alchemiser_cli.faults import Armed, FaultPoint, Strikes, fault_points
from alchemiser_cli.logs import get_logger
from alchemiser_cli.settings import Settings
from alchemiser_cli.state import StateDatabase

__all__ = ["Watcher", "process_name", "suffering", "watchers_database"]

SHORTEST_WAIT_S = 0.01
REMEMBERED_S = 86_400  # after its end, a lease

_log = get_logger("monitoring", "chaos.suffering")


def process_name() -> str:
    """Return what strikes of this process are written under: HOST:PID."""
    return f"{socket.gethostname()}:{os.getpid()}"


def watchers_database(settings: Settings, clock: Clock) -> StateDatabase:
    """Return the state database as a watcher opens it: one connection, and no fault hurts it."""
    timeout_s = min(1.0, settings.state.connect_timeout_s)
    return StateDatabase(settings.state_url, clock, timeout_s, pool_size=1, suffers=False)


class _Suffered:
    """One lease as this process has seen it.

    ``end_ns`` is on the monotonic clock. ``before`` are the strikes of an earlier time in force:
    it is interrupted while the database does not answer.
    """

    __slots__ = ("armed", "before", "end_ns", "point", "written")

    def __init__(self, end_ns: int) -> None:
        self.end_ns = end_ns
        self.point: FaultPoint | None = None
        self.armed: Armed | None = None
        self.before = Strikes()
        self.written = Strikes()

    @property
    def strikes(self) -> Strikes:
        """All strikes of the lease in this process."""
        if self.armed is None:
            return self.before
        before, now = self.before, self.armed.strikes
        return Strikes(
            before.count + now.count,
            before.first_ns or now.first_ns,
            now.last_ns or before.last_ns,
        )


class Watcher:
    """Arms and disarms the fault points of this process as the leases say.

    A lease never lasts longer here than it said when it was first seen, by the monotonic clock,
    whatever becomes of wall clock, database and owner. While the database does not answer, no
    lease is in force.
    """

    def __init__(self, settings: Settings, database: StateDatabase, clock: Clock) -> None:
        """Keep what is needed; nothing is opened before the first look."""
        self._store = LeaseStore(database, clock)
        self._clock = clock
        self._environment = str(settings.environment)
        self._poll_s = settings.chaos.poll_s
        self._file = state_file(settings)
        self._seen: dict[str, _Suffered] = {}
        self._trouble: str | None = None
        self._next_ns: int | None = None
        self._looking = threading.RLock()

    def look(self) -> list[str]:
        """Make one pass; returns the targets with a fault in force in this process."""
        with self._looking:
            now_ns = self._clock.monotonic_ns()
            leases = self._leases()
            self._next_ns = None
            asked = {lease.id for lease in leases or ()}
            for identity, one in self._seen.items():
                if one.armed is not None and (identity not in asked or one.armed.is_over):
                    self._disarm(one)
            for lease in leases or ():
                self._suffer(lease, now_ns)
            self._write_back()
            if leases is not None:
                self._forget_all_but(asked, now_ns)
            return [one.point.name for one in self._seen.values() if one.point is not None]

    def run(self, stop: threading.Event) -> None:
        """Look every ``chaos.poll_s`` seconds, and when a lease begins or ends, until ``stop``."""
        try:
            while not stop.is_set():
                try:
                    self.look()
                except Exception as error:  # noqa: BLE001  without a watcher faults would stay
                    self.release()
                    trouble = translated(error, doing="look for faults")
                    _log.error("faults_not_looked_up", code=trouble.code, why=trouble.why)
                stop.wait(self._wait_s())
        finally:
            self.release()

    def release(self) -> None:
        """End every fault that this watcher put in force, and write down how often they struck."""
        with self._looking:
            for one in self._seen.values():
                self._disarm(one)
            self._write_back()

    def _leases(self) -> list[Lease] | None:
        """Return the leases of this environment, None where the database does not tell."""
        if self._file is not None and not self._file.exists():
            return None  # looking must not make a database
        try:
            leases = self._store.in_force(self._environment)
        except AlchemiserError as trouble:
            if self._trouble != trouble.code:
                self._trouble = trouble.code
                _log.warning("leases_unread", code=trouble.code, why=trouble.why)
            return None
        self._trouble = None
        return leases

    def _suffer(self, lease: Lease, now_ns: int) -> None:
        """Put a lease's fault in force, once it has begun; remember when it must be over."""
        wall_ns = self._store.now_ns
        one = self._seen.get(lease.id)
        if one is None:
            remaining_ns = round(lease.remaining_s(wall_ns) * NS_PER_SECOND)
            one = self._seen[lease.id] = _Suffered(now_ns + remaining_ns)
        if one.end_ns <= now_ns:
            self._disarm(one)
            return
        if lease.begins_ns > wall_ns:
            self._wake_at(now_ns + lease.begins_ns - wall_ns)
            return
        left_ns = min(one.end_ns - now_ns, lease.ends_ns - max(wall_ns, lease.begins_ns))
        if left_ns <= 0:
            return
        self._wake_at(now_ns + left_ns)
        point = fault_points().get(lease.target)
        if one.armed is None and point is not None:
            self._arm(one, point, lease, left_ns / NS_PER_SECOND)

    def _arm(self, one: _Suffered, point: FaultPoint, lease: Lease, left_s: float) -> None:
        fault = lease.fault
        if fault.count is not None and one.before.count:
            fault = msgspec.structs.replace(fault, count=fault.count - one.before.count)

        def tell(_armed: Armed) -> None:
            self._write(lease.id, one.strikes)

        one.point = point
        one.armed = Armed(fault, left_s, target=lease.target, lease=lease.id, tell=tell)
        try:
            point.arm(one.armed)
        except Exception as error:  # noqa: BLE001  a condition that cannot be brought about
            trouble = translated(error, doing=f"bring about a fault at {lease.target}")
            _log.error("fault_not_begun", target=lease.target, code=trouble.code, why=trouble.why)
            one.end_ns = 0  # it is not tried again
            self._disarm(one)
            return
        _log.warning(
            "fault_in_force",
            target=lease.target,
            fault=lease.word,
            lease=lease.id,
            owner=lease.owner,
            remaining_s=round(left_s, 3),
        )

    def _disarm(self, one: _Suffered) -> None:
        point, armed = one.point, one.armed
        if point is None or armed is None:
            return
        armed.end()
        if point.armed is armed:
            try:
                point.disarm()
            except Exception as error:  # noqa: BLE001  the other faults must end as well
                trouble = translated(error, doing=f"end the fault at {point.name}")
                _log.error("fault_not_ended", target=point.name, code=trouble.code, why=trouble.why)
        one.before, one.armed, one.point = one.strikes, None, None
        _log.warning("fault_over", target=point.name, strikes=one.before.count)

    def _write_back(self) -> None:
        for identity, one in self._seen.items():
            strikes = one.strikes
            if strikes != one.written and self._write(identity, strikes):
                one.written = strikes

    def _write(self, lease: str, strikes: Strikes) -> bool:
        if self._file is not None and not self._file.exists():
            return False
        try:
            self._store.note_strikes(lease, process_name(), strikes)
        except AlchemiserError:
            return False
        return True

    def _forget_all_but(self, asked: set[str], now_ns: int) -> None:
        # A wall clock that is set back brings a lease back that was over: it must stay so.
        for identity, one in list(self._seen.items()):
            late = now_ns - one.end_ns > REMEMBERED_S * NS_PER_SECOND
            if late and identity not in asked and one.strikes == one.written:
                del self._seen[identity]

    def _wake_at(self, at_ns: int) -> None:
        self._next_ns = at_ns if self._next_ns is None else min(self._next_ns, at_ns)

    def _wait_s(self) -> float:
        if self._next_ns is None:
            return self._poll_s
        due_s = (self._next_ns - self._clock.monotonic_ns()) / NS_PER_SECOND
        return min(self._poll_s, max(SHORTEST_WAIT_S, due_s))


@contextmanager
def suffering(settings: Settings, database: StateDatabase, clock: Clock) -> Iterator[Watcher]:
    """Let faults strike this process while the block runs: a thread looks for their leases.

    ``database`` is best the one of ``watchers_database``. In production nothing is looked for
    unless ``chaos.allow`` names it. At the end every fault that came so is over.
    """
    watcher = Watcher(settings, database, clock)
    if not may_suffer(settings):
        yield watcher
        return
    stop = threading.Event()
    thread = threading.Thread(target=watcher.run, args=(stop,), name="suffering", daemon=True)
    thread.start()
    try:
        yield watcher
    finally:
        stop.set()
        thread.join(LEAVING_S)
