"""Keeping a report as a file that appears whole and is readable by its owner only."""

import errno
import os
from contextlib import suppress
from pathlib import Path

from alchemiser_cli.errors import DiskFullError, UsageError

__all__ = ["write_report"]


def write_report(file: Path, text: str) -> None:
    """Write ``text`` beside ``file`` with mode 0600, then put it in its place.

    Raises:
        DiskFullError: ``disk-full``.
        UsageError: ``usage``, where the file cannot be written.
    """
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as writing:
                writing.write(text)
                writing.flush()
                os.fsync(writing.fileno())
            part.replace(file)
        except BaseException:
            with suppress(OSError):
                part.unlink()
            raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFullError(
                f"no space is left for {file}",
                why=str(error),
                next_step="Free space there, or choose another file.",
            ) from error
        raise UsageError(
            f"the report cannot be written to {file}",
            why=str(error),
            next_step="Choose a file in a folder that exists and that you may write to.",
        ) from error
