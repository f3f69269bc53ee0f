"""Experiments under way and over, in the state database of the real home; one at a time."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import msgspec
from sqlalchemy import insert, select, update

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors import ExperimentRunningError
from alchemiser_cli.state import StateDatabase, chaos_run

__all__ = ["RunRow", "RunStore", "only_one"]

State = Literal["running", "rolling-back", "over", "abandoned"]
UNDER_WAY = ("running", "rolling-back")

_LOCK = "chaos.lock"


class RunRow(msgspec.Struct, frozen=True, kw_only=True):
    """One experiment; ``folder`` is its scratch home, ``process`` HOST:PID, times UTC nanoseconds.

    ``document`` and ``journal`` are JSON.
    """

    id: str
    title: str
    document: str
    owner: str
    process: str
    folder: str | None
    state: State
    started_ns: int
    seen_ns: int
    ended_ns: int | None = None
    journal: str | None = None

    @property
    def host(self) -> str:
        """The host on which its runner runs, or ran."""
        return self.process.rpartition(":")[0]


class RunStore:
    """Rows of the table ``chaos_run``; errors are those of ``StateDatabase.begin``."""

    def __init__(self, database: StateDatabase, clock: Clock) -> None:
        """Keep both; nothing is opened before the first call."""
        self._database = database
        self._clock = clock

    def begin(
        self, run: str, title: str, document: dict[str, Any], owner: str, folder: Path | None
    ) -> None:
        """Note an experiment before it breaks anything."""
        now_ns = self._clock.now_ns()
        row = RunRow(
            id=run,
            title=title,
            document=msgspec.json.encode(document).decode(),
            owner=owner,
            process=f"{socket.gethostname()}:{os.getpid()}",
            folder=None if folder is None else str(folder),
            state="running",
            started_ns=now_ns,
            seen_ns=now_ns,
        )
        with self._database.begin() as connection:
            connection.execute(insert(chaos_run).values(**msgspec.structs.asdict(row)))

    def seen(self, run: str) -> None:
        """Note that the runner still lives."""
        self._change(run, seen_ns=self._clock.now_ns())

    def roll_back(self, run: str) -> None:
        """Note that only the rollbacks are left."""
        self._change(run, state="rolling-back", seen_ns=self._clock.now_ns())

    def end(self, run: str, state: State, journal: str | None = None) -> None:
        """Note the end, with the journal where there is one."""
        now_ns = self._clock.now_ns()
        self._change(run, state=state, seen_ns=now_ns, ended_ns=now_ns, journal=journal)

    def under_way(self) -> list[RunRow]:
        """Return the experiments that nobody noted an end of, the first one first."""
        columns = chaos_run.c
        query = select(chaos_run).where(columns.state.in_(UNDER_WAY)).order_by(columns.started_ns)
        with self._database.begin() as connection:
            return [RunRow(**row) for row in connection.execute(query).mappings()]

    def find(self, run: str) -> RunRow | None:
        """Return one experiment, or None."""
        with self._database.begin() as connection:
            row = connection.execute(select(chaos_run).where(chaos_run.c.id == run)).mappings()
            found = row.first()
        return None if found is None else RunRow(**found)

    def _change(self, run: str, **values: Any) -> None:
        with self._database.begin() as connection:
            connection.execute(update(chaos_run).where(chaos_run.c.id == run).values(**values))


@contextmanager
def only_one(run_folder: Path) -> Iterator[None]:
    """Hold the home's one place for an experiment while the block runs.

    The lock is the kernel's, which gives it back at any death of this process.

    Raises:
        ExperimentRunningError: ``experiment-running``: another process holds it.
    """
    run_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    place = os.open(run_folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(place, 32, 0).decode(errors="replace").strip() or "unknown"
            raise ExperimentRunningError(
                "another experiment is under way on this home",
                why=f"The process {holder} runs it; two at once would spoil each other's verdict.",
                next_step="Wait for its end; see it with: alchemiser chaos status",
                context={"pid": holder},
            ) from None
        os.ftruncate(place, 0)
        os.pwrite(place, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(place)
