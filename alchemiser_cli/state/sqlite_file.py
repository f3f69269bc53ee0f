"""The file of a SQLite state database: private, tuned for one writer among readers, backed up."""

import errno
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from alchemiser_cli.clock import SystemClock
from alchemiser_cli.errors import DiskFullError, StateUnreachableError

__all__ = ["back_up", "make_private_file", "pragmas"]

_NS_PER_SECOND = 1_000_000_000
_BETWEEN_TRIES_S = 0.01


def make_private_file(file: Path) -> None:
    """Create the file with mode 0600, so that SQLite's own files inherit it.

    Raises:
        DiskFullError: ``disk-full``.
        StateUnreachableError: ``state-unreachable`` where no file can be made.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.touch(mode=0o600, exist_ok=True)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFullError(
                f"no space is left for the state database {file}",
                why=str(error),
                next_step="Free space on that disk, or choose another --home.",
            ) from error
        raise StateUnreachableError(
            f"the state database {file} cannot be created",
            why=str(error),
            next_step="Choose a writable --home, or correct the folder's permissions.",
        ) from error


def pragmas(timeout_s: float) -> Callable[[Any, object], None]:
    """Return what sets up a new connection of SQLAlchemy's pool, within ``timeout_s`` seconds."""

    def set_up(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        _enter_wal(cursor, timeout_s)
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA wal_autocheckpoint=4000")  # a checkpoint, and its sync, each 16 MB
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    return set_up


def _enter_wal(cursor: sqlite3.Cursor, timeout_s: float) -> None:
    """Switch the file to a write-ahead log.

    Two connections that switch it at once each hold a lock that the other wants. SQLite then
    refuses one of them at once, whatever its busy timeout: it has to ask again.
    """
    clock = SystemClock()  # real time, as SQLite's own timeout is
    deadline_ns = clock.monotonic_ns() + int(timeout_s * _NS_PER_SECOND)
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode == sqlite3.SQLITE_BUSY
            if not busy or clock.monotonic_ns() >= deadline_ns:
                raise
            clock.sleep(_BETWEEN_TRIES_S)
        else:
            return


def back_up(file: Path, version: int) -> Path:
    """Copy what is committed in ``file`` to ``FILE.vVERSION.bak`` beside it, and return that.

    An unfinished copy never stands under that name.

    Raises:
        sqlite3.Error: the database cannot be read, or the copy not written.
        DatabaseError: ``state-unreachable``, or ``disk-full``, where no file can be made.
    """
    backup = file.with_name(f"{file.name}.v{version}.bak")
    unfinished = backup.with_name(f"{backup.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    make_private_file(unfinished)
    with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(unfinished)) as copy:
        source.backup(copy)
    return unfinished.replace(backup)
