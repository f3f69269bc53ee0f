"""Faults of a real home: injected with permission, announced, seen, and ended."""

from collections.abc import Collection

import msgspec
from sqlalchemy import select

from alchemiser_cli.chaos.announcing import Announcer
from alchemiser_cli.chaos.leases import Lease, LeaseStore, ProcessStrikes
from alchemiser_cli.chaos.permission import demand_permission
from alchemiser_cli.errors import AlchemiserError
from alchemiser_cli.faults import Fault
from alchemiser_cli.settings import Settings
from alchemiser_cli.state import StateDatabase, chaos_run

__all__ = ["ChaosControl", "ChaosStanding", "LeaseStanding", "RunStanding"]

UNDER_WAY = ("running", "rolling-back")


class LeaseStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A lease, and how often its fault struck in each process."""

    lease: Lease
    strikes: list[ProcessStrikes]


class RunStanding(msgspec.Struct, frozen=True, kw_only=True):
    """An experiment under way; times are UTC nanoseconds, ``process`` is HOST:PID."""

    id: str
    title: str
    owner: str
    process: str
    state: str
    started_ns: int
    seen_ns: int


class ChaosStanding(msgspec.Struct, frozen=True, kw_only=True):
    """What is broken on purpose at ``at_ns``, and what was.

    ``troubles`` say what could not be written down of faults that are over.
    """

    at_ns: int
    in_force: list[LeaseStanding]
    past: list[LeaseStanding]
    runs: list[RunStanding]
    troubles: list[str]


class ChaosControl:
    """What the commands do with leases; every method raises the errors of ``LeaseStore``."""

    def __init__(
        self, settings: Settings, database: StateDatabase, store: LeaseStore, announcer: Announcer
    ) -> None:
        """Keep what is needed; nothing is opened before the first call."""
        self._settings = settings
        self._database = database
        self._store = store
        self._announcer = announcer

    def inject(
        self,
        target: str,
        fault: Fault,
        *,
        duration_s: float,
        begins_in_s: float,
        owner: str,
        reason: str,
        drill: bool,
        confirmed: Collection[str],
    ) -> Lease:
        """Put a fault in force, if that is permitted; it is on record before it counts.

        Raises:
            ChaosRefusedError: ``chaos-refused``.
            LeaseHeldError: ``lease-held``.
            AuditLostError: ``audit-lost``; AuditLockedError ``audit-locked``; AuditCorruptError
                ``audit-corrupt``.
        """
        demand_permission(self._settings, confirmed)
        self._announcer.ended(self._store.mark_over())
        lease = self._store.take(
            target,
            fault,
            duration_s=duration_s,
            begins_in_s=begins_in_s,
            environment=str(self._settings.environment),
            owner=owner,
            reason=reason,
            drill=drill,
            witness=self._announcer.write_taken,
        )
        self._announcer.tell_taken(lease)
        return lease

    def stop(self, id_or_target: str | None, by: str) -> list[LeaseStanding]:
        """End one lease, or every lease without a name; returns what was ended.

        They are over also where their end cannot be written down.

        Raises:
            LeaseNotFoundError: ``lease-not-found``.
            AuditLostError: ``audit-lost``; AuditLockedError ``audit-locked``; AuditCorruptError
                ``audit-corrupt``.
        """
        over = self._store.mark_over()
        if id_or_target is None:
            ended = self._store.end_all(by)
        else:
            ended = [self._store.end(self._store.find(id_or_target).id, by)]
        self._announcer.ended([*over, *ended])
        return [self._standing(lease) for lease in ended]

    def standing(self, past: int = 0) -> ChaosStanding:
        """Return what is in force, the last ``past`` leases that are over, and experiments."""
        troubles = []
        try:
            self._announcer.ended(self._store.mark_over())
        except AlchemiserError as trouble:
            troubles.append(f"{trouble.code}: {trouble.what}")
        in_force = self._store.in_force()
        held = {lease.id for lease in in_force}
        over = [one for one in self._store.history(past + len(held)) if one.id not in held]
        return ChaosStanding(
            at_ns=self._store.now_ns,
            in_force=[self._standing(lease) for lease in in_force],
            past=[self._standing(lease) for lease in over[:past]],
            runs=self._runs(),
            troubles=troubles,
        )

    def _standing(self, lease: Lease) -> LeaseStanding:
        return LeaseStanding(lease=lease, strikes=self._store.strikes(lease.id))

    def _runs(self) -> list[RunStanding]:
        columns = [chaos_run.c[name] for name in RunStanding.__struct_fields__]
        query = select(*columns).where(chaos_run.c.state.in_(UNDER_WAY))
        with self._database.begin() as connection:
            rows = connection.execute(query.order_by(chaos_run.c.started_ns)).mappings()
            return [RunStanding(**row) for row in rows]
