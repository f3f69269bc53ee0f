"""Incidents: alerts of one fingerprint are one trouble, with a beginning and an end."""

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, select

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors import IncidentNotFoundError
from alchemiser_cli.notifications.alert import RANKS, Alert
from alchemiser_cli.notifications.grouping import withdraw
from alchemiser_cli.notifications.incident_rows import (
    Incident,
    incident_of,
    rows_of,
    update_rows,
)
from alchemiser_cli.notifications.taking import Openings, Taking
from alchemiser_cli.settings import AlertSettings
from alchemiser_cli.state import StateDatabase
from alchemiser_cli.state import incident as table

__all__ = ["IncidentStore"]

AUTHOR_LENGTH = 64

_OPEN = table.c.state != "resolved"
_DUE = (
    select(table)
    .where(table.c.due_ns <= bindparam("now_ns"))
    .order_by(table.c.grouping, table.c.due_ns, table.c.id)
)


class IncidentStore:
    """Incidents in the state database; all processes that share it have the same.

    Every method may raise ``state-unreachable``, ``state-corrupt``, ``state-schema`` or
    ``disk-full``; then nothing of the call was kept. Safe to share between threads.
    """

    def __init__(
        self, database: StateDatabase, settings: AlertSettings, clock: Clock, policies: Openings
    ) -> None:
        """Keep what is needed; nothing is opened before the first call."""
        self.database = database
        self.settings = settings
        self._clock = clock
        self._policies = policies

    def take(self, alert: Alert) -> str:
        """Count an alert in its incident, and return the incident's id; as ``take_all`` does."""
        return self.take_all([alert])[0]

    def take_all(self, alerts: Sequence[Alert]) -> list[str]:
        """Count alerts in their incidents, in one transaction and in their order.

        A firing alert opens an incident where its fingerprint has none that is open; one that was
        quiet for long enough is closed first, so that it does not matter whether a courier came
        by in between. The news that a trouble is over closes it; where none is open it changes
        nothing, and its id is empty.
        """
        if not alerts:
            return []
        with self.database.begin(exclusive=True) as connection:
            taking = Taking(connection, alerts, self.settings, self._policies)
            now_ns = self._clock.now_ns()
            ids = [taking.take(alert, now_ns) for alert in alerts]
            taking.store()
        return ids

    def due(self, now_ns: int) -> list[Incident]:
        """Return incidents about which something is to be done, group by group."""
        with self.database.begin() as connection:
            return self.due_within(connection, now_ns, limit=None)

    def due_within(self, connection: Connection, now_ns: int, limit: int | None) -> list[Incident]:
        """Return what ``due`` does, at most ``limit``, as the caller's transaction sees it."""
        rows = connection.execute(_DUE.limit(limit), {"now_ns": now_ns}).mappings()
        return [incident_of(row) for row in rows]

    def find(self, prefix: str) -> Incident:
        """Return the incident whose id begins so.

        Raises:
            IncidentNotFoundError: ``incident-not-found`` where none does, or more than one.
        """
        with self.database.begin() as connection:
            return _named(connection, prefix)

    def open(self) -> list[Incident]:
        """Return the incidents that are not over, the most severe and then the newest first."""
        with self.database.begin() as connection:
            rows = connection.execute(select(table).where(_OPEN)).mappings()
            found = [incident_of(row) for row in rows]
        return sorted(found, key=lambda one: (-RANKS[one.severity], -one.opened_ns, one.id))

    def recent(self, limit: int = 50) -> list[Incident]:
        """Return the incidents that opened last, also those that are over, the newest first."""
        query = select(table).order_by(table.c.opened_ns.desc(), table.c.id).limit(limit)
        with self.database.begin() as connection:
            return [incident_of(row) for row in connection.execute(query).mappings()]

    def acknowledge(self, prefix: str, by: str) -> Incident:
        """Stop telling people of an incident, at once and on every channel.

        What still waits to be sent of it is cancelled, unless it also tells of another incident.
        Who acknowledged first stays written down. Its end is still told, once.

        Raises:
            IncidentNotFoundError: ``incident-not-found`` where no id begins so, or more than one.
        """
        with self.database.begin(exclusive=True) as connection:
            found = _named(connection, prefix)
            if found.acknowledged_ns is None and found.is_open:
                found.acknowledged_ns = self._clock.now_ns()
                found.acknowledged_by = by[:AUTHOR_LENGTH]
                found.schedule()
                update_rows(connection, [found])
                withdraw(connection, [found])
        return found


def _named(connection: Connection, prefix: str) -> Incident:
    """Return the one incident whose id begins so; ids are lower-case hexadecimal digits."""
    found: list[str] = []
    if prefix.isascii() and prefix.isalnum():
        key = table.c.id
        query = select(key).where(key >= prefix, key <= prefix.ljust(33, "z")).order_by(key)
        found = list(connection.execute(query.limit(2)).scalars())
    if len(found) == 1 or prefix in found:
        return rows_of(connection, [prefix if prefix in found else found[0]])[0]
    raise IncidentNotFoundError(
        f"{'more than one' if found else 'no'} incident begins with {prefix!r}",
        why="The beginning of an id must name exactly one incident.",
        next_step="Take the id from `alchemiser notify incidents`, with more of its digits.",
        context={"prefix": prefix, "matches": found},
    )
