"""The journal: every failure that a command ended with, kept in the state database."""

import traceback
import uuid

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
            what=error.what,
            why=error.why,
            next_step=error.next_step,
            context=error.context,
            traceback="".join(traceback.format_exception(error)),
        )
        values = msgspec.structs.asdict(row)
        values["context"] = msgspec.json.encode(row.context, enc_hook=str).decode()
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
