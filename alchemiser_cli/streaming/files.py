"""Small private files, written so that a reader sees the old or the new one and nothing between."""

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from alchemiser_cli.errors import AlchemiserError, DiskFullError, HomeNotWritableError

__all__ = ["locked", "make_private_folder", "storage_error", "write_atomically"]


def make_private_folder(folder: Path) -> None:
    """Create ``folder`` and its parents with mode 0700; one that exists stays as it is.

    Raises:
        HomeNotWritableError: ``home-not-writable``.
        DiskFullError: ``disk-full``.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(error, folder) from error


def write_atomically(path: Path, content: bytes) -> None:
    """Put ``content`` at ``path`` with mode 0600: a temporary file, synced, then renamed.

    Raises:
        HomeNotWritableError: ``home-not-writable``.
        DiskFullError: ``disk-full``; the file that was there stays.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise storage_error(error, path) from error


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on ``path`` between processes; the kernel drops it on death.

    Raises:
        HomeNotWritableError: ``home-not-writable`` if the lock file cannot be made.
        DiskFullError: ``disk-full``.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise storage_error(error, path) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def storage_error(error: OSError, path: Path) -> AlchemiserError:
    """Return the coded error for a failed write at ``path``."""
    context: dict[str, object] = {"path": str(path), "errno": error.errno}
    reason = error.strerror or str(error)
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return DiskFullError(
            f"no space was left to write {path}",
            why=f"The file system answered: {reason}.",
            next_step="Free some space, or set another home with --home.",
            context=context,
        )
    return HomeNotWritableError(
        f"{path} cannot be written",
        why=f"The file system answered: {reason}.",
        next_step="Make the folder writable for this user, or set another home with --home.",
        context=context,
    )
