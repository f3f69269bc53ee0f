"""The lookout: whether there is any lease at all, so cheap that every command can ask."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from alchemiser_cli.clock import Clock
from alchemiser_cli.settings import Settings
from alchemiser_cli.settings.sections import Environment

__all__ = ["LEAVING_S", "looking_out", "may_suffer", "state_file"]

LEAVING_S = 2.0
"""How long the end of a block waits for the thread that looks for leases."""

_SQLITE = "sqlite:///"
_ANY_LEASE = "SELECT 1 FROM fault_lease WHERE ended_ns IS NULL LIMIT 1"
_BUSY_S = 0.2


def may_suffer(settings: Settings) -> bool:
    """Tell whether processes with these settings look for faults: in production only if allowed."""
    allowed = "production" in settings.chaos.allow
    return allowed or settings.environment is not Environment.PRODUCTION


def state_file(settings: Settings) -> Path | None:
    """Return the file of the state database; None for a server."""
    url = settings.state_url
    return Path(url.removeprefix(_SQLITE)) if url.startswith(_SQLITE) else None


@contextmanager
def looking_out(settings: Settings, clock: Clock) -> Iterator[None]:
    """Let faults strike this process while the block runs, as ``suffering`` does.

    What that needs is loaded when there is a lease, and not before: without one a look takes a
    fraction of a millisecond. Leases that are there at the begin are in force at once.
    """
    if not may_suffer(settings):
        yield
        return
    file, stop = state_file(settings), threading.Event()
    at_once = file is not None and _holds_leases(file)
    if at_once:
        with _watching(settings, clock):
            yield
        return
    thread = threading.Thread(
        target=_look_out, args=(settings, clock, file, stop), name="lookout", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(LEAVING_S)


@contextmanager
def _watching(settings: Settings, clock: Clock) -> Iterator[None]:
    from alchemiser_cli.chaos.suffering import suffering, watchers_database

    with (
        closing(watchers_database(settings, clock)) as database,
        suffering(settings, database, clock) as watcher,
    ):
        watcher.look()
        yield


def _look_out(settings: Settings, clock: Clock, file: Path | None, stop: threading.Event) -> None:
    """Wait for the first lease, and watch from then on; a server's are watched at once."""
    while file is not None and not _holds_leases(file):
        if stop.wait(settings.chaos.poll_s):
            return
    from alchemiser_cli.chaos.suffering import Watcher, watchers_database

    with closing(watchers_database(settings, clock)) as database:
        Watcher(settings, database, clock).run(stop)


def _holds_leases(file: Path) -> bool:
    """Tell whether a lease is marked as in force; without an answer there is none."""
    if not file.exists():
        return False  # looking must not make a database
    try:
        address = f"{file.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=_BUSY_S)) as connection:
            return connection.execute(_ANY_LEASE).fetchone() is not None
    except sqlite3.Error:
        return False
