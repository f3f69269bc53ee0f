"""The journal: every failure that a command ended with, kept in the state database."""

import traceback
import uuid
from collections.abc import Mapping

import msgspec
from sqlalchemy import insert, select

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors.base import AlchemiserError
from alchemiser_cli.state import StateDatabase, error_journal

__all__ = ["ErrorJournal", "JournalRow"]


class JournalRow(msgspec.Struct, frozen=True):
    """One failure as it was recorded; ``at_ns`` is UTC nanoseconds."""

    id: str
    at_ns: int
    code: str
    severity: str
    component: str
    operation: str
    run_id: str
    what: str
    why: str
    next_step: str
    context: dict[str, object]
    traceback: str
    recovered: bool = False
    injected: bool = False


class ErrorJournal:
    """Appends failures to the state database and reads them back."""

    def __init__(self, database: StateDatabase, clock: Clock) -> None:
        """Use an open-on-demand database; the journal opens nothing itself."""
        self._database = database
        self._clock = clock

    def record(
        self, error: AlchemiserError, *, component: str, operation: str, run_id: str
    ) -> JournalRow:
        """Write one failure through to the database and return its row.

        Raises:
            DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
            DiskFullError: ``disk-full``.
        """
        row = JournalRow(
            id=uuid.uuid4().hex,
            at_ns=self._clock.now_ns(),
            code=error.code,
            severity=error.severity,
            component=component,
            operation=operation,
            run_id=run_id,
            what=_storable(error.what),
            why=_storable(error.why),
            next_step=_storable(error.next_step),
            context=error.context,
            traceback=_storable("".join(traceback.format_exception(error))),
        )
        values = msgspec.structs.asdict(row)
        values["context"] = _context_json(row.context)
        with self._database.begin() as connection:
            connection.execute(insert(error_journal).values(**values))
        return row

    def recent(self, limit: int = 50) -> list[JournalRow]:
        """Return the latest ``limit`` failures, the newest first.

        Raises:
            DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
        """
        newest = select(error_journal).order_by(error_journal.c.at_ns.desc()).limit(limit)
        with self._database.begin() as connection:
            rows = [dict(row) for row in connection.execute(newest).mappings()]
        for row in rows:
            row["context"] = msgspec.json.decode(row["context"])
        return [JournalRow(**row) for row in rows]


def _context_json(context: Mapping[str, object]) -> str:
    """Encode each fact, as its text where JSON has no form for it."""
    facts = {}
    for name, value in context.items():
        try:
            fact = msgspec.json.encode(value, enc_hook=str)
        except Exception:  # noqa: BLE001  a fact that cannot be encoded must not cost the row
            fact = msgspec.json.encode(_storable(value))
        facts[_storable(name)] = msgspec.Raw(fact)
    return msgspec.json.encode(facts).decode()


def _storable(value: object) -> str:
    """Return text that every database takes: no lone surrogate (of a file's name), no NUL."""
    try:
        text = str(value)
    except Exception as error:  # noqa: BLE001  whatever a foreign __str__ raises
        text = f"<{type(value).__name__} whose text raised {type(error).__name__}>"
    return text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")
