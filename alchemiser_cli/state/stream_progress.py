"""How far each stream has come, written where other processes can see it."""

import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

import msgspec
from sqlalchemy import insert, select, update

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors import AlchemiserError
from alchemiser_cli.logs import get_logger
from alchemiser_cli.state.database import StateDatabase
from alchemiser_cli.state.schema import progress

__all__ = ["Progress", "ProgressReporter", "read_progress"]

INTERVAL_S = 1.0

_log = get_logger("monitoring", "state.stream_progress")


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """One stream's progress; all times are UTC nanoseconds.

    ``last_event_ns`` is the newest event time that was seen, ``last_change_ns`` when it last
    moved on, ``at_ns`` when this was written.
    """

    name: str
    connected: bool
    last_event_ns: int | None
    last_change_ns: int
    count: int
    at_ns: int


def read_progress(database: StateDatabase) -> list[Progress]:
    """Return the progress of every stream that ever reported, by name.

    Raises:
        DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
    """
    with database.begin() as connection:
        rows = connection.execute(select(progress).order_by(progress.c.name)).mappings()
        return [Progress(**row) for row in rows]


class ProgressReporter:
    """Writes one stream's progress once a second from a thread of its own.

    The stream only stores two numbers; a database that is slow or gone costs it nothing.
    """

    def __init__(self, database: StateDatabase, name: str, clock: Clock) -> None:
        """Prepare to report under ``name``, such as ``consumer:GROUP:TOPIC``."""
        self._database = database
        self._name = name
        self._clock = clock
        self._count = 0
        self._last_event_ns: int | None = None
        self._last_change_ns = clock.now_ns()
        self._told = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"progress {name}", daemon=True)

    def __enter__(self) -> Self:
        """Begin to report."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Report once more, as disconnected."""
        self._ended.set()
        self._thread.join()

    def seen(self, event_time_ns: int) -> None:
        """Take note of one event."""
        self._count += 1
        if self._last_event_ns is None or event_time_ns > self._last_event_ns:
            self._last_event_ns = event_time_ns
            self._last_change_ns = self._clock.now_ns()

    def _run(self) -> None:
        while not self._ended.wait(INTERVAL_S):
            self._write(connected=True)
        self._write(connected=False)

    def _write(self, *, connected: bool) -> None:
        row = Progress(
            name=self._name,
            connected=connected,
            last_event_ns=self._last_event_ns,
            last_change_ns=self._last_change_ns,
            count=self._count,
            at_ns=self._clock.now_ns(),
        )
        values = msgspec.structs.asdict(row)
        try:
            with self._database.begin() as connection:
                mine = progress.c.name == self._name
                changed = connection.execute(update(progress).where(mine).values(values))
                if not changed.rowcount:
                    connection.execute(insert(progress).values(values))
        except AlchemiserError as error:
            if not self._told:
                self._told = True
                with suppress(Exception):
                    _log.warning("progress_not_written", code=error.code, why=error.why)
