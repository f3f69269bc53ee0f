"""The stages of trading where other processes see them: in the state database, once a second."""

import threading
from collections.abc import Iterable
from contextlib import suppress
from types import TracebackType
from typing import Self

from sqlalchemy import insert, select, update

from alchemiser_cli.errors import AlchemiserError
from alchemiser_cli.logs import get_logger
from alchemiser_cli.state import StateDatabase, progress
from alchemiser_cli.trading.activity import StageActivity, StageSeen

__all__ = ["PREFIX", "ActivityReporter", "ActivityStore"]

PREFIX = "trading:"
"""What the names of the stages' rows begin with."""

REPORT_EVERY_S = 1.0

_log = get_logger("monitoring", "trading.activity")


class ActivityStore:
    """Stages of all processes in the state database: rows ``trading:BROKER:STAGE`` of progress.

    In such a row ``last_change_ns`` is the last work and ``last_event_ns`` the last time that
    the stage gave the next one something to do.
    """

    def __init__(self, database: StateDatabase) -> None:
        """Keep the database; nothing is opened before it is used."""
        self._database = database

    def write(self, stages: Iterable[StageSeen]) -> None:
        """Write ``stages`` over what is there, in one transaction.

        Raises:
            DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
            DiskFullError: ``disk-full``.
        """
        rows = [_row(one) for one in stages]
        with self._database.begin() as connection:
            for row in rows:
                mine = progress.c.name == row["name"]
                if not connection.execute(update(progress).where(mine).values(row)).rowcount:
                    connection.execute(insert(progress).values(row))

    def read(self, broker: str | None = None) -> list[StageSeen]:
        """Return the stages of ``broker``, or of all, by name.

        Raises:
            DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
        """
        names = f"{PREFIX}{'' if broker is None else broker + ':'}"
        query = (
            select(progress)
            .where(progress.c.name.startswith(names, autoescape=True))
            .order_by(progress.c.name)
        )
        with self._database.begin() as connection:
            rows = connection.execute(query).mappings().all()
        found = []
        for row in rows:
            of, _, stage = row["name"].removeprefix(PREFIX).rpartition(":")
            found.append(
                StageSeen(
                    broker=of,
                    stage=stage,
                    active_ns=row["last_change_ns"],
                    gave_ns=row["last_event_ns"],
                    reported_ns=row["at_ns"],
                    running=bool(row["connected"]),
                    count=row["count"],
                )
            )
        return found


class ActivityReporter:
    """A context manager that publishes a process's stages once a second, from its own thread.

    A database that is slow or gone costs trading nothing: it is logged once.
    """

    def __init__(
        self, activities: Iterable[StageActivity], store: ActivityStore | None = None
    ) -> None:
        """Prepare to publish ``activities``: gauges, and rows of ``store`` where there is one."""
        self._activities = tuple(activities)
        self._store = store
        self._told = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stage activity", daemon=True)

    def __enter__(self) -> Self:
        """Publish, and begin to repeat it."""
        self.report()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Publish once more, as no longer running."""
        self._ended.set()
        self._thread.join()
        self.report(running=False)

    def report(self, *, running: bool = True) -> None:
        """Publish now."""
        for activity in self._activities:
            activity.publish()
        if self._store is None:
            return
        try:
            self._store.write(
                one for activity in self._activities for one in activity.now(running=running)
            )
        except AlchemiserError as error:
            if not self._told:
                self._told = True
                with suppress(Exception):
                    _log.warning("stage_activity_not_written", code=error.code, why=error.why)
        else:
            self._told = False

    def _run(self) -> None:
        while not self._ended.wait(REPORT_EVERY_S):
            self.report()


def _row(one: StageSeen) -> dict[str, object]:
    return {
        "name": f"{PREFIX}{one.broker}:{one.stage}",
        "connected": one.running is not False,
        "last_event_ns": None if one.gave_ns is None else int(one.gave_ns),
        "last_change_ns": int(one.active_ns),
        "count": one.count,
        "at_ns": one.reported_ns or int(one.active_ns),
    }
