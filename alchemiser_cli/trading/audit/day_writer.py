"""The open file of the day: a line goes in whole, or not at all."""

import errno
import os
from contextlib import suppress
from pathlib import Path

__all__ = ["DayWriter"]


class DayWriter:
    """Appends whole lines with one system call each; it sees what others do to the file."""

    __slots__ = ("_descriptor", "_file", "_size")

    def __init__(self, file: Path) -> None:
        """Open ``file`` for appending, made for its owner only where it is missing.

        Raises:
            OSError: as the system answers.
        """
        self._file = file
        self._descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._size = os.fstat(self._descriptor).st_size

    def write(self, line: bytes | bytearray) -> None:
        """Append a line; what was written of one that did not fit is taken back.

        Raises:
            OSError: as the system answers; ``ENOSPC`` for a line that was written in part, and
                ``ESTALE`` where the file is not as it was left.
        """
        if os.lseek(self._descriptor, 0, os.SEEK_END) != self._size:
            raise OSError(errno.ESTALE, "the file was changed by another program")
        try:
            written = os.write(self._descriptor, line)
        except OSError:
            self._cut_back()
            raise
        if written != len(line):
            self._cut_back()
            raise OSError(errno.ENOSPC, f"only {written} of {len(line)} bytes were written")
        self._size += written

    def free_bytes(self) -> int:
        """Return the free space of the disk that this user may use, after a look at the file.

        Raises:
            OSError: as the system answers, where the file is gone above all, and ``ESTALE`` where
                another one is in its place.
        """
        here, there = os.fstat(self._descriptor), self._file.stat()
        if (here.st_dev, here.st_ino) != (there.st_dev, there.st_ino):
            raise OSError(errno.ESTALE, "the file was replaced by another one")
        room = os.fstatvfs(self._descriptor)
        return room.f_bavail * room.f_frsize

    def sync(self) -> None:
        """Force what was written to the disk.

        Raises:
            OSError: as the system answers.
        """
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Close the file. Twice is harmless."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _cut_back(self) -> None:
        with suppress(OSError):  # half a line that stays is the tail that the next start cuts off
            os.ftruncate(self._descriptor, self._size)
