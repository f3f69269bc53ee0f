"""Small files that other processes read: replaced whole, and for their owner only."""

import os
from pathlib import Path

__all__ = ["replace_file"]


def replace_file(file: Path, content: bytes, *, durable: bool = False) -> None:
    """Write ``content`` beside ``file`` with mode 0600, and put it in its place.

    ``durable`` forces it to the disk before that.

    Raises:
        OSError: as the system answers.
    """
    new = file.with_suffix(".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, content)
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
    new.replace(file)
