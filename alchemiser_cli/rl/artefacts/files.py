"""The files of an artefact: written so that a kill leaves nothing half, read without trust."""

import contextlib
import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

from alchemiser_cli.errors import AlchemiserError, DiskFullError, HomeNotWritableError
from alchemiser_cli.rl.durable import replace_file

__all__ = ["append_line", "checked_file", "file_fault", "locked_folder", "make_folder"]
__all__ += ["storage_error", "write_file"]

FILE_MODE = 0o600
FOLDER_MODE = 0o700
_LOCK = ".lock"


def make_folder(folder: Path) -> None:
    """Create ``folder`` with mode 0700, and its parents; one that exists stays as it is.

    Raises:
        HomeNotWritableError: ``home-not-writable``.
        DiskFullError: ``disk-full``.
    """
    try:
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(error, folder) from error


def write_file(path: Path, content: bytes) -> None:
    """Put ``content`` at ``path`` with mode 0600; who reads sees the old or the new one.

    Raises:
        HomeNotWritableError: ``home-not-writable``.
        DiskFullError: ``disk-full``; the file that was there stays.
    """
    try:
        replace_file(path, content)
    except OSError as error:
        raise storage_error(error, path) from error


def append_line(path: Path, line: bytes) -> None:
    """Add ``line`` to ``path``, synced; the file gets mode 0600.

    Raises:
        HomeNotWritableError: ``home-not-writable``.
        DiskFullError: ``disk-full``.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
    try:
        with os.fdopen(os.open(path, flags, FILE_MODE), "ab") as file:
            file.write(line + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise storage_error(error, path) from error


@contextlib.contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Hold the one lock of those who write in ``folder``; the kernel drops it on death.

    Raises:
        HomeNotWritableError: ``home-not-writable``.
        DiskFullError: ``disk-full``.
    """
    make_folder(folder)
    try:
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, FILE_MODE)
    except OSError as error:
        raise storage_error(error, folder) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def checked_file(folder: Path, name: str, sha256: str | None) -> bytes:
    """Return a file's content after its SHA-256 was compared; None: it has none to compare.

    What is returned is what was hashed: the file is read once.

    Raises:
        ValueError: what is wrong with the file, as a sentence's part.
    """
    with _opened(folder, name) as file:
        content = file.read()
    if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError(f"{name} has another SHA-256")
    return content


def file_fault(folder: Path, name: str, sha256: str) -> str | None:
    """Return what is wrong with a file, or None; it is read in pieces."""
    try:
        with _opened(folder, name) as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except ValueError as error:
        return str(error)
    return None if found == sha256 else f"{name} has another SHA-256"


def storage_error(error: OSError, path: Path) -> AlchemiserError:
    """Return the coded error for a failed write at ``path``."""
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    failure = (DiskFullError if full else HomeNotWritableError)(
        f"no space was left to write {path}" if full else f"{path} cannot be written",
        why=f"The file system answered: {error.strerror or error}.",
        next_step="Free some space or allow this user to write there, or set another --home.",
        context={"path": str(path), "errno": error.errno},
    )
    failure.injected = getattr(error, "injected", False) is True
    return failure


def _opened(folder: Path, name: str) -> BufferedReader:
    """Open a regular file that lies in ``folder`` itself; nothing leads to another place."""
    if name in {"", ".", ".."} or "/" in name or "\0" in name:
        raise ValueError(f"{name!r} lies outside the artefact")
    try:
        descriptor = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise ValueError(f"{name} is missing") from None
    except OSError as error:
        link = error.errno == errno.ELOOP
        raise ValueError(f"{name} is a link" if link else f"{name}: {error.strerror}") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError(f"{name} is not a regular file")
    return os.fdopen(descriptor, "rb")
