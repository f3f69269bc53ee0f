"""The file behind the kill switch's flag: it survives a reboot, which shared memory does not."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

import msgspec

from alchemiser_cli.clock import Clock

__all__ = ["KillSwitchRecord", "locked_folder", "read_record", "write_record"]

MODE = 0o600
LOCK_ATTEMPTS = 200
LOCK_PAUSE_S = 0.005


class KillSwitchRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Who set or cleared the kill switch, when and why; ``since_ns`` is in UTC nanoseconds."""

    state: Literal["set", "clear"]
    reason: str
    by: str
    since_ns: int
    host: str


def read_record(file: Path) -> KillSwitchRecord | None:
    """Return what the file says; None where there is none.

    Raises:
        ValueError: It is not what we write.
        OSError: It cannot be read.
    """
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return None
    try:
        return msgspec.json.decode(content, type=KillSwitchRecord)
    except msgspec.MsgspecError as error:
        raise ValueError(f"it is no record of a kill switch: {error}") from error


def write_record(file: Path, record: KillSwitchRecord) -> None:
    """Put the record on the disk, mode 0600; who reads sees the old or the new one, whole.

    Raises:
        OSError: As the system answers; the old one stays then.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        unfinished.unlink(missing_ok=True)
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(msgspec.json.format(msgspec.json.encode(record)) + b"\n")
            opened.flush()
            os.fsync(descriptor)
        unfinished.replace(file)
    except OSError:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def locked_folder(folder: Path, clock: Clock) -> Iterator[bool]:
    """Hold the folder's lock, so that processes change the kill switch one after the other.

    Yields whether it is held: it is given up after a second, and where the folder cannot be
    opened. Locking needs no room on the disk.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        yield False
        return
    try:
        yield _locked(descriptor, clock)
    finally:
        os.close(descriptor)


def _locked(descriptor: int, clock: Clock) -> bool:
    for _ in range(LOCK_ATTEMPTS):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # another holds it, or the file system has no locks
            clock.sleep(LOCK_PAUSE_S)
        else:
            return True
    return False
