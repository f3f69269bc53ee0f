"""Reading what the journal took in since last time, however late it was written.

A failure may reach the database long after it happened: a storm is added up for a second, and what
was spilled while the database was away is taken in when it is back. Time alone is therefore no
cursor. SQLite numbers its rows in the order in which they are written. A server does not: there the
cursor is the time, and the last hour is read again without what was read before.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    func,
    literal_column,
    not_,
    or_,
    select,
    update,
)

from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.errors.base import error_classes
from alchemiser_cli.errors.journal.once import AT_TERMINAL
from alchemiser_cli.exits import ExitCode
from alchemiser_cli.state import StateDatabase, alert_cursor, error_occurrence
from alchemiser_cli.state.statements import insert_if_absent

__all__ = ["JournalCursor"]

FIRST_LOOK_S = 3_600  # what a courier that never read before tells of
LATE_S = 3_600

_SOURCE = "journal"
_SEEN = msgspec.json.encode({AT_TERMINAL: True}).decode().strip("{}")
_TYPIST = {ExitCode.USAGE, ExitCode.CONFIG, ExitCode.NOT_FOUND}
_ROWID: ColumnElement[int] = literal_column("error_occurrence.rowid")
_LAST_NUMBER = select(func.max(_ROWID)).select_from(error_occurrence)
_occurrence = error_occurrence.c
_COLUMNS = [
    _occurrence[name]
    for name in ("id", "fingerprint", "at_ns", "code", "severity", "component", "what", "why")
] + [_occurrence.next_step, _occurrence.injected, _occurrence["count"].label("failures")]

Found = Row[Any]


class _Position(msgspec.Struct):
    """How far the journal was read: a row's number or, without numbers, a time and what it met."""

    row: int = 0
    at_ns: int = 0
    met: dict[str, int] = {}


class JournalCursor:
    """Unrecovered failures of some severities, each once; ``keep`` is called when they are safe.

    Left out is what only tells whoever typed a command that it was wrong: a failure with the exit
    code of usage, configuration or "not found" that ended a command at a terminal within a minute.
    A job without a terminal, and a command that ran for longer, are told of like any other.
    """

    def __init__(
        self, database: StateDatabase, severities: Sequence[str], *, injected: bool = False
    ) -> None:
        """Read from ``database``; failures caused on purpose only where ``injected``."""
        self._database = database
        self._severities = list(severities)
        self._injected = injected
        self._next: _Position | None = None

    def read(self, now_ns: int, limit: int) -> list[Found]:
        """Return up to ``limit`` failures that were not kept yet, in the order of their writing.

        Raises:
            DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
        """
        with self._database.begin() as connection:
            position = _load(connection)
            if connection.dialect.name == "sqlite":
                return self._by_number(connection, position, now_ns, limit)
            return self._by_time(connection, position, now_ns, limit)

    def keep(self, now_ns: int) -> None:
        """Go on behind what was read last, also in other processes.

        Raises:
            DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
        """
        if self._next is None:
            return
        values = {"position": msgspec.json.encode(self._next).decode(), "at_ns": now_ns}
        moved = update(alert_cursor).where(alert_cursor.c.source == _SOURCE).values(**values)
        with self._database.begin() as connection:
            if not connection.execute(moved).rowcount:
                insert_if_absent(connection, alert_cursor, {"source": _SOURCE, **values})
        self._next = None

    def _by_number(
        self, connection: Connection, position: _Position | None, now_ns: int, limit: int
    ) -> list[Found]:
        newest = int(connection.execute(_LAST_NUMBER).scalar() or 0)
        if position is None:
            old = _LAST_NUMBER.where(_occurrence.at_ns < now_ns - FIRST_LOOK_S * NS_PER_SECOND)
            position = _Position(row=int(connection.execute(old).scalar() or 0))
        elif position.row > newest:  # the database was replaced by an older one
            position = _Position(row=newest)
        query = self._wanted().add_columns(_ROWID.label("number")).where(position.row < _ROWID)
        found = list(connection.execute(query.order_by(_ROWID).limit(limit)))
        ended = newest if len(found) < limit else int(found[-1].number)
        self._next = _Position(row=max(position.row, ended))
        return found

    def _by_time(
        self, connection: Connection, position: _Position | None, now_ns: int, limit: int
    ) -> list[Found]:
        position = position or _Position(at_ns=now_ns - FIRST_LOOK_S * NS_PER_SECOND)
        late_ns = position.at_ns - (LATE_S * NS_PER_SECOND if position.met else 0)
        query = self._wanted().where(_occurrence.at_ns > late_ns)
        if position.met:
            query = query.where(_occurrence.id.not_in(list(position.met)))
        found = list(connection.execute(query.order_by(_occurrence.at_ns).limit(limit)))
        at_ns = max([position.at_ns, *(row.at_ns for row in found)])
        met = position.met | {row.id: row.at_ns for row in found}
        oldest_ns = at_ns - LATE_S * NS_PER_SECOND
        self._next = _Position(
            at_ns=at_ns, met={one: then for one, then in met.items() if then > oldest_ns}
        )
        return found

    def _wanted(self) -> Select[Any]:
        query = select(*_COLUMNS).where(
            _occurrence.severity.in_(self._severities),
            _occurrence.recovered.is_(False),
            or_(
                _occurrence.code.not_in(_of_the_typist()),
                not_(_occurrence.context.contains(_SEEN, autoescape=True)),
            ),
        )
        return query if self._injected else query.where(_occurrence.injected.is_(False))


def _of_the_typist() -> list[str]:
    return [kind.code for kind in error_classes() if kind.exit_code in _TYPIST]


def _load(connection: Connection) -> _Position | None:
    query = select(alert_cursor.c.position).where(alert_cursor.c.source == _SOURCE)
    position = connection.execute(query).scalar_one_or_none()
    try:
        return None if position is None else msgspec.json.decode(position, type=_Position)
    except msgspec.MsgspecError:
        return None
