"""Files and folders that are on the disk when the call returns, readable by their owner only."""

import os
from pathlib import Path

__all__ = ["replace_file", "sync", "write_file"]

MODE = 0o600


def write_file(file: Path, content: bytes) -> None:
    """Write a new ``file`` and sync it; fail if it is there.

    Raises:
        OSError: as the system answers.
    """
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(descriptor)


def replace_file(file: Path, content: bytes) -> None:
    """Put ``content`` at ``file``; who reads sees the old or the new one, also after a crash.

    Raises:
        OSError: as the system answers; the old file stays then.
    """
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    try:
        write_file(temporary, content)
        temporary.replace(file)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync(file.parent)


def sync(path: Path) -> None:
    """Have the system write ``path``, a file or a folder, to the disk.

    Raises:
        OSError: as the system answers.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
