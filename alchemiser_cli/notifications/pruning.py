"""Forgetting what is long over: old messages of the ledger, and incidents that nothing tells of."""

import msgspec
from sqlalchemy import ColumnElement, Connection, Table, and_, delete, exists, func, select

from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.logs import get_logger
from alchemiser_cli.notifications.incident_rows import incident_of
from alchemiser_cli.state import StateDatabase, delivery
from alchemiser_cli.state import incident as table

__all__ = ["Pruned", "Pruner", "prune"]

PRUNE_EVERY_S = 3_600
PRUNED_AT_ONCE = 500  # rows of each table in one transaction

_DAY_S = 86_400
_SETTLED = ("sent", "failed", "digested", "cancelled")
_OVER = (
    select(table.c.id)
    .where(table.c.state == "resolved", table.c.due_ns.is_(None))
    .where(~exists().where(delivery.c.incident == table.c.id))
)

_log = get_logger("monitoring", "notifications.pruning")


class Pruned(msgspec.Struct, frozen=True):
    """How many rows of each kind were dropped, and whether there may be ``more``."""

    deliveries: int
    incidents: int
    more: bool


class Pruner:
    """Prunes once an hour, and again at each call while there is more."""

    def __init__(self, database: StateDatabase, keep_days: int) -> None:
        """Keep what was over within the last ``keep_days``."""
        self._database = database
        self._keep_ns = keep_days * _DAY_S * NS_PER_SECOND
        self._due_ns = 0

    def prune_due(self, now_ns: int) -> None:
        """Prune, if it is time; the log says how much was dropped.

        Raises:
            DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
        """
        if now_ns < self._due_ns:
            return
        done = prune(self._database, now_ns - self._keep_ns)
        if not done.more:
            self._due_ns = now_ns + PRUNE_EVERY_S * NS_PER_SECOND
        if done.deliveries or done.incidents:
            _log.info("old_alerts_dropped", messages=done.deliveries, incidents=done.incidents)


def prune(database: StateDatabase, before_ns: int, at_once: int = PRUNED_AT_ONCE) -> Pruned:
    """Drop what was over before ``before_ns`` (UTC ns): at most ``at_once`` rows of each kind.

    Of messages, those that are settled; but none that an open incident told, and not the last one
    that a channel took, which is its proof. Of incidents, those that are over, once no message of
    theirs is left. A trouble that comes back after that is told as a new one. It is one exclusive
    transaction, so that no courier takes up what is being dropped.

    Raises:
        DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
    """
    with database.begin(exclusive=True) as connection:
        messages = _old_messages(connection, before_ns, at_once)
        _drop(connection, delivery, messages)
        over = _OVER.where(table.c.resolved_ns < before_ns).limit(at_once)
        incidents = list(connection.execute(over).scalars())
        _drop(connection, table, incidents)
    return Pruned(len(messages), len(incidents), at_once in (len(messages), len(incidents)))


def _old_messages(connection: Connection, before_ns: int, at_once: int) -> list[str]:
    columns = delivery.c
    kept = _told_by_open_incidents(connection)
    found: list[str] = []
    for state in _SETTLED:  # there is an index of each state's times
        old = (
            select(columns.id)
            .where(columns.state == state, columns.due_ns < before_ns)
            .where(columns.sent_ns.is_(None) | (columns.sent_ns < before_ns))
            .where(~_of_an_open_incident(), ~_last_of_its_channel())
            .order_by(columns.due_ns)
            .limit(at_once + len(kept))
        )
        found += [one for one in connection.execute(old).scalars() if one not in kept]
    return found[:at_once]


def _told_by_open_incidents(connection: Connection) -> set[str]:
    """Return the messages that open incidents look back to; one may be named after another."""
    rows = connection.execute(select(table).where(table.c.state != "resolved")).mappings()
    told = (incident_of(row).course.told for row in rows)
    return {one for channels in told for ids in channels.values() for one in ids}


def _of_an_open_incident() -> ColumnElement[bool]:
    return exists().where(table.c.id == delivery.c.incident, table.c.state != "resolved")


def _last_of_its_channel() -> ColumnElement[bool]:
    other = delivery.alias()
    last = select(func.max(other.c.sent_ns)).where(other.c.channel == delivery.c.channel)
    return and_(delivery.c.sent_ns.is_not(None), delivery.c.sent_ns == last.scalar_subquery())


def _drop(connection: Connection, rows: Table, ids: list[str]) -> None:
    if ids:
        connection.execute(delete(rows).where(rows.c.id.in_(ids)))
