"""Announcing: each lease and its end stands in an audit trail, and people are told of both."""

from collections.abc import Sequence

import msgspec

from alchemiser_cli.chaos.leases import Lease, LeaseStore
from alchemiser_cli.clock import NS_PER_SECOND, Clock, iso_from_ns
from alchemiser_cli.errors import AlchemiserError, AuditLockedError, LeaseHeldError
from alchemiser_cli.logs import get_logger
from alchemiser_cli.notifications.alert import Alert, fingerprint_of
from alchemiser_cli.notifications.incidents import IncidentStore
from alchemiser_cli.notifications.outbox import Outbox
from alchemiser_cli.settings import Settings
from alchemiser_cli.settings.sections import Environment
from alchemiser_cli.trading.audit import AnchorStore, AuditEntry, AuditEvent, AuditHead, AuditTrail

__all__ = ["TRAIL", "Announcer", "lease_alert", "standing_alerts"]

TRAIL = "chaos"
"""The audit trail of all that was broken on purpose."""

LOCK_S = 5.0  # how long a command waits for another one that writes to the trail

_BETWEEN_TRIES_S = 0.05
_log = get_logger("monitoring", "chaos.announcing")


class Announcer:
    """Writes leases into the audit trail ``chaos``, and tells people of them.

    ``key`` signs the trail's lines.
    """

    def __init__(
        self,
        settings: Settings,
        incidents: IncidentStore,
        clock: Clock,
        *,
        run_id: str,
        key: bytes | None = None,
    ) -> None:
        """Keep what is needed; nothing is opened before the first lease."""
        self._settings = settings
        self._outbox = Outbox(incidents)
        self._anchors = AnchorStore(incidents.database)
        self._clock = clock
        self._run_id = run_id
        self._key = key
        self._head: AuditHead | None = None

    def write_taken(self, lease: Lease) -> None:
        """Write a lease into the trail before it counts: the witness of ``LeaseStore.take``.

        Raises:
            AuditLostError: ``audit-lost``; AuditLockedError ``audit-locked``; AuditCorruptError
                ``audit-corrupt``: without its line no lease is taken.
        """
        self._write([_entry(lease, "FAULT_INJECTED")])

    def tell_taken(self, lease: Lease) -> None:
        """Tell people of a lease that was taken; what cannot be told is logged."""
        self._tell(lease_alert(lease))
        self._anchor()

    def ended(self, leases: Sequence[Lease]) -> None:
        """Tell people that these leases are over, and write their ends into the trail.

        Raises:
            AuditLostError: ``audit-lost``; AuditLockedError ``audit-locked``; AuditCorruptError
                ``audit-corrupt``: people were told all the same.
        """
        for lease in leases:
            at_ns = lease.ended_ns or lease.ends_ns
            self._tell(msgspec.structs.replace(lease_alert(lease), firing=False, at_ns=at_ns))
        if leases:
            self._write([_entry(lease, "FAULT_ENDED") for lease in leases])
            self._anchor()

    def _tell(self, alert: Alert) -> None:
        try:
            self._outbox.raise_alert(alert)
        except AlchemiserError as trouble:
            _log.warning("fault_not_announced", code=trouble.code, why=trouble.why)

    def _write(self, entries: Sequence[AuditEntry]) -> None:
        with self._trail() as trail:
            for entry in entries:
                trail.append(entry)
            self._head = trail.head

    def _anchor(self) -> None:
        """Keep the trail's head in the database, which has no transaction open any more."""
        if self._head is None:
            return
        try:
            self._anchors.save(self._head)
        except AlchemiserError as trouble:
            _log.warning("audit_not_anchored", trail=TRAIL, why=trouble.why)

    def _trail(self) -> AuditTrail:
        deadline_ns = self._clock.monotonic_ns() + round(LOCK_S * NS_PER_SECOND)
        while True:
            try:
                return AuditTrail(
                    self._settings.audit_folder / TRAIL,
                    self._settings.audit,
                    self._clock,
                    run_id=self._run_id,
                    broker="",
                    key=self._key,
                )
            except AuditLockedError:
                if self._clock.monotonic_ns() >= deadline_ns:
                    raise
                self._clock.sleep(_BETWEEN_TRIES_S)


def lease_alert(lease: Lease) -> Alert:
    """Return what people are told of a lease; the news of its end has the same fingerprint."""
    begins, ends = iso_from_ns(lease.begins_ns)[:19], iso_from_ns(lease.ends_ns)[:19]
    reason = f" Reason: {lease.reason}." if lease.reason else ""
    return Alert(
        fingerprint=fingerprint_of("chaos", lease.id),
        kind="drill",
        severity="high" if lease.environment == Environment.PRODUCTION else "medium",
        code=LeaseHeldError.code,
        component=TRAIL,
        what=f"a fault is injected at {lease.target}: {lease.word}",
        why=f"{lease.owner} asked for it, from {begins} to {ends} UTC.{reason}",
        next_step=f"See it: alchemiser chaos status; end it: alchemiser chaos stop {lease.target}",
        at_ns=lease.at_ns,
        group=TRAIL,
        injected=True,
    )


def standing_alerts(store: LeaseStore, environment: str) -> list[Alert]:
    """Return an alert for each lease in force that no experiment took, for a courier to repeat.

    Raises:
        DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
    """
    now_ns = store.now_ns
    return [
        msgspec.structs.replace(lease_alert(lease), at_ns=now_ns)
        for lease in store.in_force(environment)
        if lease.run is None and lease.begins_ns <= now_ns
    ]


def _entry(lease: Lease, event: AuditEvent) -> AuditEntry:
    ended = lease.ended_by or "" if event == "FAULT_ENDED" else ""
    return AuditEntry(
        event=event,
        event_id=lease.id,
        causation=lease.run or "",
        reason=f"{ended}: {lease.reason}" if ended and lease.reason else ended or lease.reason,
        symbol=lease.target,
        detail=lease,
    )
