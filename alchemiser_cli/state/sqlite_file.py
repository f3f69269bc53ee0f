"""The file of a SQLite state database: private, tuned for one writer among readers, backed up."""

import errno
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from alchemiser_cli.errors import DiskFullError, StateUnreachableError

__all__ = ["back_up", "make_private_file", "set_pragmas"]


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


def set_pragmas(connection: Any, _record: object) -> None:
    """Set up a new connection of SQLAlchemy's pool."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA wal_autocheckpoint=4000")  # a checkpoint, and its sync, each 16 MB
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


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
