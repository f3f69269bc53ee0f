"""Taking back what a killed runner left: faults end, rollbacks run, its scratch home goes."""

import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import msgspec

from alchemiser_cli.chaos.experiments.activities import run_activity
from alchemiser_cli.chaos.experiments.ground import Ground, standing_on
from alchemiser_cli.chaos.experiments.pace import Pace
from alchemiser_cli.chaos.experiments.providers import plugin_modules
from alchemiser_cli.chaos.experiments.reading import experiment_of
from alchemiser_cli.chaos.experiments.runs import RunRow, RunStore, only_one
from alchemiser_cli.chaos.laboratory import scratch_folder
from alchemiser_cli.chaos.leases import LeaseStore
from alchemiser_cli.clock import NS_PER_SECOND, TrueClock
from alchemiser_cli.errors import AlchemiserError, ExperimentRunningError
from alchemiser_cli.settings.resolve import Resolved
from alchemiser_cli.state import StateDatabase

__all__ = ["take_back_abandoned"]

SILENT_S = 60.0
"""After so long without a sign of life a runner on another host counts as dead."""


def take_back_abandoned(
    resolved: Resolved, database: StateDatabase, *, by: str, holds_lock: bool = False
) -> list[str]:
    """Take back every experiment whose runner is dead; return what was done, a line each.

    A runner on this host is dead when nobody holds the lock that each runner holds; one on another
    host, when it gave no sign of life for a minute. Two that take back at once do it once: the
    second one finds the lock held. ``holds_lock``: the caller holds it already.

    Raises:
        DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
    """
    store = RunStore(database, TrueClock())
    if not store.under_way():
        return []
    if holds_lock:
        return _take_back(resolved, database, store, by)
    try:
        with only_one(resolved.settings.run_folder):
            return _take_back(resolved, database, store, by)
    except ExperimentRunningError:
        return []  # its runner lives, or somebody else is taking it back


def _take_back(resolved: Resolved, database: StateDatabase, store: RunStore, by: str) -> list[str]:
    done = []
    for row in store.under_way():
        if _is_dead(row):
            done += _taken_back(resolved, database, row, by)
            store.end(row.id, "abandoned")
    return done


def _is_dead(row: RunRow) -> bool:
    if row.host == socket.gethostname():
        return True  # we hold the lock
    return TrueClock().now_ns() - row.seen_ns > SILENT_S * NS_PER_SECOND


def _taken_back(resolved: Resolved, database: StateDatabase, row: RunRow, by: str) -> list[str]:
    """End the leases, run the rollbacks, remove the scratch home; go on where one of them fails."""
    done = [f"the runner of {row.title!r} ({row.process}) is gone: its experiment is abandoned"]
    if row.folder is None:
        done += _healed(resolved, database, row, by)
    elif Path(row.folder) != scratch_folder(row.id):
        done.append(f"its folder {row.folder} is none of ours, and was left as it is")
    elif Path(row.folder).is_dir():
        # Whoever still lives in it finds no state database any more: no lease is in force.
        done += _tried(lambda: _ended_in(Path(row.folder or ""), row, resolved, by))
        shutil.rmtree(row.folder, ignore_errors=True)
        done.append(f"its scratch home {row.folder} was removed")
    return done


def _ended_in(folder: Path, row: RunRow, resolved: Resolved, by: str) -> list[str]:
    file = folder / "state.db"
    if not file.is_file():
        return []
    database = StateDatabase(f"sqlite:///{file}", TrueClock(), suffers=False)
    try:
        return _healed(resolved, database, row, by)
    finally:
        database.close()


def _healed(resolved: Resolved, database: StateDatabase, row: RunRow, by: str) -> list[str]:
    clock = TrueClock()
    leases = LeaseStore(database, clock)
    done: list[str] = []

    def end_faults() -> list[str]:
        return [f"the fault at {one.target} was ended" for one in leases.end_all(by, run=row.id)]

    def roll_back() -> list[str]:
        pace = Pace(clock)
        ground = Ground(row.id, by, resolved, database, leases, clock, pace)
        allowed = plugin_modules(resolved.settings)
        experiment = experiment_of("abandoned", msgspec.json.decode(row.document), allowed)
        lines = []
        with standing_on(ground):
            for activity in experiment.rollbacks:
                status = run_activity(activity, pace, clock).status
                lines.append(f"rollback: {activity.name}: {status}")
        return lines

    done += _tried(end_faults)
    done += _tried(roll_back)
    return done


def _tried(part: Callable[[], list[str]]) -> list[str]:
    try:
        return part()
    except AlchemiserError as error:
        return [f"{error.code}: {error.what}"]
