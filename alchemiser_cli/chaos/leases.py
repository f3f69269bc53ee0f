"""Leases: faults that somebody asked for, each with an end, in the state database."""

import uuid
from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, RowMapping, and_, func, insert, select, update

from alchemiser_cli.clock import NS_PER_SECOND, Clock, SystemClock, TrueClock, iso_from_ns
from alchemiser_cli.errors import LeaseHeldError, LeaseNotFoundError
from alchemiser_cli.faults import Fault, Strikes
from alchemiser_cli.state import StateDatabase, fault_lease, fault_strike
from alchemiser_cli.state.statements import insert_if_absent

__all__ = ["ITS_END", "Lease", "LeaseStore", "ProcessStrikes"]

ITS_END = "its end"
"""Who ended a lease that nobody ended before its time."""

_TEXT_LENGTH = 500
_NAME_LENGTH = 128
_table = fault_lease.c


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """A fault at a target, for every process of one environment; times are UTC nanoseconds.

    It is in force from ``begins_ns`` up to ``ends_ns``, unless ``ended_by`` ended it before, at
    ``ended_ns``. With ``drill`` people are told of the errors that it causes. ``run`` is the
    experiment that it belongs to.
    """

    id: str
    target: str
    environment: str
    owner: str
    fault: Fault
    reason: str
    drill: bool
    run: str | None
    at_ns: int
    begins_ns: int
    ends_ns: int
    ended_ns: int | None = None
    ended_by: str | None = None

    @property
    def word(self) -> str:
        """Return what was asked for, as ``chaos inject`` takes it."""
        return self.fault.word or str(self.fault.kind)

    def remaining_s(self, now_ns: int) -> float:
        """Return the seconds from ``now_ns`` to its end, never more than it was taken for."""
        if self.ended_ns is not None:
            return 0.0
        return max(0, min(self.ends_ns - now_ns, self.ends_ns - self.at_ns)) / NS_PER_SECOND


class ProcessStrikes(msgspec.Struct, frozen=True, kw_only=True):
    """How often a fault struck in one process, HOST:PID; times are UTC nanoseconds."""

    process: str
    count: int
    first_ns: int
    last_ns: int


class LeaseStore:
    """The leases of a state database; all processes that share it have the same.

    Of all leases at one target at most one is in force. Every method raises the errors of
    ``StateDatabase.begin``: without the database there are no leases.
    """

    def __init__(self, database: StateDatabase, clock: Clock) -> None:
        """Keep both; nothing is opened before the first call."""
        self._database = database
        self._clock = TrueClock() if isinstance(clock, SystemClock) else clock

    @property
    def now_ns(self) -> int:
        """Return the time by which leases begin and end; a fault of the clock does not move it."""
        return self._clock.now_ns()

    def take(
        self,
        target: str,
        fault: Fault,
        *,
        duration_s: float,
        begins_in_s: float = 0.0,
        environment: str,
        owner: str,
        reason: str = "",
        drill: bool = False,
        run: str | None = None,
        witness: Callable[[Lease], object] | None = None,
    ) -> Lease:
        """Put ``fault`` in force at ``target`` for ``duration_s``, from ``begins_in_s`` on.

        ``witness`` is given the lease before it counts: where it fails, nothing was taken.

        Raises:
            LeaseHeldError: ``lease-held``.
            DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
        """
        with self._database.begin(exclusive=True) as connection:
            now_ns = self.now_ns  # after the wait for the lock
            _mark_over(connection, now_ns)
            held = _first(connection, _table.target == target, _table.ended_ns.is_(None))
            if held is not None:
                raise _held(held, now_ns)
            begins_ns = now_ns + round(begins_in_s * NS_PER_SECOND)
            lease = Lease(
                id=uuid.uuid4().hex,
                target=target,
                environment=environment,
                owner=owner[:_NAME_LENGTH],
                fault=fault,
                reason=" ".join(reason.split())[:_TEXT_LENGTH],
                drill=drill,
                run=run,
                at_ns=now_ns,
                begins_ns=begins_ns,
                ends_ns=begins_ns + round(duration_s * NS_PER_SECOND),
            )
            row = msgspec.structs.asdict(lease) | {"fault": msgspec.json.encode(fault).decode()}
            connection.execute(insert(fault_lease).values(**row))
            if witness is not None:
                witness(lease)
        return lease

    def in_force(self, environment: str | None = None) -> list[Lease]:
        """Return the leases that are not over, also those that are still to begin, by target."""
        query = select(fault_lease).where(_table.ended_ns.is_(None), _table.ends_ns > self.now_ns)
        if environment is not None:
            query = query.where(_table.environment == environment)
        with self._database.begin() as connection:
            rows = connection.execute(query.order_by(_table.target)).mappings()
            return [_lease(row) for row in rows]

    def find(self, id_or_target: str) -> Lease:
        """Return the lease in force at a target, or the one whose id begins so.

        A whole id also finds a lease that is over.

        Raises:
            LeaseNotFoundError: ``lease-not-found``.
        """
        in_force = self.in_force()
        found = [one for one in in_force if one.target == id_or_target]
        found = found or [
            one for one in in_force if id_or_target and one.id.startswith(id_or_target)
        ]
        if not found:
            with self._database.begin() as connection:
                past = _first(connection, _table.id == id_or_target)
            found = [] if past is None else [past]
        if len(found) != 1:
            raise _not_found(id_or_target, found, [one.target for one in in_force])
        return found[0]

    def end(self, lease_id: str, by: str) -> Lease:
        """End a lease now, in the name of ``by``; one that is over stays as it is.

        Raises:
            LeaseNotFoundError: ``lease-not-found``.
        """
        with self._database.begin(exclusive=True) as connection:
            now_ns = self.now_ns
            _mark_over(connection, now_ns)
            own = and_(_table.id == lease_id, _table.ended_ns.is_(None))
            values = {"ended_ns": now_ns, "ended_by": by[:_NAME_LENGTH]}
            connection.execute(update(fault_lease).where(own).values(**values))
            ended = _first(connection, _table.id == lease_id)
        if ended is None:
            raise _not_found(lease_id, [], [])
        return ended

    def end_all(self, by: str, run: str | None = None) -> list[Lease]:
        """End every lease, or every lease of the experiment ``run``, now; returns those."""
        open_ = _table.ended_ns.is_(None)
        chosen = open_ if run is None else and_(open_, _table.run == run)
        with self._database.begin(exclusive=True) as connection:
            now_ns = self.now_ns
            _mark_over(connection, now_ns)
            rows = connection.execute(select(fault_lease).where(chosen)).mappings().all()
            values = {"ended_ns": now_ns, "ended_by": by[:_NAME_LENGTH]}
            connection.execute(update(fault_lease).where(chosen).values(**values))
        return [msgspec.structs.replace(_lease(row), **values) for row in rows]

    def mark_over(self) -> list[Lease]:
        """Mark the leases whose end is past as ended; each is returned to one caller only."""
        with self._database.begin(exclusive=True) as connection:
            return _mark_over(connection, self.now_ns)

    def drill_within(self, seconds: float) -> bool:
        """Tell whether a drill's lease is in force, or was within the last ``seconds``."""
        now_ns = self.now_ns
        over_ns = func.coalesce(_table.ended_ns, _table.ends_ns)
        lately = over_ns > now_ns - round(seconds * NS_PER_SECOND)
        begun = _table.begins_ns <= now_ns
        query = select(_table.id).where(_table.drill.is_(True), begun, lately).limit(1)
        with self._database.begin() as connection:
            return connection.execute(query).first() is not None

    def strikes(self, lease_id: str) -> list[ProcessStrikes]:
        """Return how often a lease's fault struck, by process, the first that it struck first."""
        column = fault_strike.c
        query = select(fault_strike).where(column.lease == lease_id)
        with self._database.begin() as connection:
            rows = connection.execute(query.order_by(column.first_ns, column.process))
            return [
                ProcessStrikes(
                    process=row.process,
                    count=row._mapping["count"],  # noqa: SLF001  a row's own count() is a method
                    first_ns=row.first_ns,
                    last_ns=row.last_ns,
                )
                for row in rows
            ]

    def note_strikes(self, lease_id: str, process: str, strikes: Strikes) -> None:
        """Write how often a fault struck in one process up to now."""
        values = msgspec.structs.asdict(strikes)
        key = {"lease": lease_id, "process": process}
        own = and_(fault_strike.c.lease == lease_id, fault_strike.c.process == process)
        with self._database.begin() as connection:
            if not insert_if_absent(connection, fault_strike, key | values):
                connection.execute(update(fault_strike).where(own).values(**values))

    def history(self, limit: int = 50) -> list[Lease]:
        """Return the last leases, over or not, the newest first."""
        query = select(fault_lease).order_by(_table.at_ns.desc(), _table.id).limit(limit)
        with self._database.begin() as connection:
            return [_lease(row) for row in connection.execute(query).mappings()]


def _mark_over(connection: Connection, now_ns: int) -> list[Lease]:
    past = and_(_table.ended_ns.is_(None), _table.ends_ns <= now_ns)
    rows = connection.execute(select(fault_lease).where(past)).mappings().all()
    if rows:
        values: dict[str, Any] = {"ended_ns": _table.ends_ns, "ended_by": ITS_END}
        connection.execute(update(fault_lease).where(past).values(**values))
    return [
        msgspec.structs.replace(_lease(row), ended_ns=row["ends_ns"], ended_by=ITS_END)
        for row in rows
    ]


def _first(connection: Connection, *conditions: ColumnElement[bool]) -> Lease | None:
    row = connection.execute(select(fault_lease).where(*conditions)).mappings().first()
    return None if row is None else _lease(row)


def _lease(row: RowMapping) -> Lease:
    return Lease(**{**row, "fault": msgspec.json.decode(row["fault"], type=Fault)})


def _held(held: Lease, now_ns: int) -> LeaseHeldError:
    return LeaseHeldError(
        f"{held.target} has a fault already: {held.word}",
        why=f"{held.owner} injected it, for another {held.remaining_s(now_ns):.0f} s.",
        next_step=f"Wait for its end, or end it: alchemiser chaos stop {held.target}",
        context={"target": held.target, "lease": held.id, "ends": iso_from_ns(held.ends_ns)},
    )


def _not_found(asked: str, found: list[Lease], targets: list[str]) -> LeaseNotFoundError:
    shown = ", ".join(targets)
    if found:
        why = f"{len(found)} leases have an id that begins so."
    else:
        why = f"Faults are in force at {shown}." if targets else "No fault is in force at all."
    return LeaseNotFoundError(
        f"{asked!r} names more than one lease" if found else f"no fault is in force for {asked!r}",
        why=why,
        next_step="See their ids and targets: alchemiser chaos status",
        context={"lease": asked},
    )
