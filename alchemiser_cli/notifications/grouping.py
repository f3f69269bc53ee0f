"""Grouping: related incidents are told in one message; what is over is not told any more."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec
from sqlalchemy import Connection, select, update

from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.notifications.alert import RANKS
from alchemiser_cli.notifications.incident_rows import ROWS_AT_ONCE, Incident, incident_of
from alchemiser_cli.state import delivery
from alchemiser_cli.state import incident as table

__all__ = ["Notice", "Telling", "TellingKind", "gathered_until_ns", "grouped", "waits", "withdraw"]


TellingKind = Literal["alert", "repeat", "escalation", "resolved"]


class Telling(msgspec.Struct, frozen=True):
    """One incident that is to be told through ``channels``, in a message of ``kind``.

    ``silenced`` says in words which silence keeps it back; it is empty where none does.
    """

    incident: Incident
    kind: TellingKind
    channels: Sequence[str]
    silenced: str = ""


class Notice(msgspec.Struct, frozen=True):
    """One message through one channel, and the incidents that it tells of, the worst first."""

    kind: TellingKind
    channel: str
    silenced: str
    incidents: Sequence[Incident]

    @property
    def lead(self) -> Incident:
        """The incident that it is named after: the most severe, then the oldest."""
        return self.incidents[0]


def waits(incident: Incident) -> bool:
    """Return whether an incident waits for others of its group; what is urgent never does."""
    urgent = incident.severity == "critical" or incident.course.raised_ns is not None
    return bool(incident.group) and not urgent and incident.kind != "test"


def gathered_until_ns(due: Iterable[Incident], wait_s: float) -> Mapping[str, int]:
    """Return until when each group gathers: ``wait_s`` after its first incident became due."""
    first: dict[str, int] = {}
    for one in due:
        if waits(one) and (step_ns := one.step_ns) is not None:
            first[one.group] = min(first.get(one.group, step_ns), step_ns)
    return {group: at_ns + round(wait_s * NS_PER_SECOND) for group, at_ns in first.items()}


def grouped(tellings: Iterable[Telling]) -> list[Notice]:
    """Put into one message what has the same group, kind and channel.

    What was caused on purpose is never told with what is real, and a critical stands alone until
    it is over.
    """
    together: dict[tuple[object, ...], list[Telling]] = defaultdict(list)
    for one in tellings:
        incident = one.incident
        alone = not incident.group or (incident.severity == "critical" and incident.is_open)
        key = (alone, incident.id if alone else incident.group)
        on_purpose = incident.injected or incident.kind == "drill"
        for channel in one.channels:
            together[channel, one.kind, one.silenced, on_purpose, *key].append(one)
    return [
        Notice(
            members[0].kind,
            str(key[0]),
            members[0].silenced,
            sorted((one.incident for one in members), key=_worst_first),
        )
        for key, members in together.items()
    ]


def withdraw(connection: Connection, done: Sequence[Incident]) -> int:
    """Cancel what waits to be sent about incidents of which nothing more is told.

    A message that tells of another incident too, which goes on, becomes that one's. What a rate
    limit held stays held: a digest wakes nobody, and its count is to be told. Returns how many
    messages were cancelled.
    """
    waiting: list[str] = []
    ids = [one.id for one in done]
    for start in range(0, len(ids), ROWS_AT_ONCE):
        query = select(delivery.c.id).where(
            delivery.c.incident.in_(ids[start : start + ROWS_AT_ONCE]),
            delivery.c.state.in_(("queued", "sending")),
        )
        waiting += connection.execute(query).scalars()
    if not waiting:
        return 0
    heirs = _heirs(connection, done)
    gone = [one for one in waiting if one not in heirs]
    for one in waiting:
        if one in heirs:
            own = delivery.c.id == one
            connection.execute(update(delivery).where(own).values(incident=heirs[one]))
    for start in range(0, len(gone), ROWS_AT_ONCE):
        those = delivery.c.id.in_(gone[start : start + ROWS_AT_ONCE])
        cancelled = {"state": "cancelled", "leased_until_ns": None}
        connection.execute(update(delivery).where(those).values(**cancelled))
    return len(gone)


def _heirs(connection: Connection, done: Sequence[Incident]) -> dict[str, str]:
    """Return which incident that goes on each message tells of as well, by the message's id."""
    groups = {one.group for one in done if one.group}
    over = {one.id for one in done}
    goes_on = (table.c.state != "resolved", table.c.acknowledged_ns.is_(None))
    heirs: dict[str, str] = {}
    for group in sorted(groups):
        rows = connection.execute(select(table).where(table.c.grouping == group, *goes_on))
        for row in rows.mappings():
            one = incident_of(row)
            if one.id not in over:
                heirs |= {told: one.id for ids in one.course.told.values() for told in ids}
    return heirs


def _worst_first(incident: Incident) -> tuple[int, int, str]:
    return -RANKS[incident.severity], incident.opened_ns, incident.id
