"""The flag: one aligned word of eight bytes in shared memory, which all processes read.

One value means that trading may run. Any other value, a file that is missing, and a view that is
not mapped mean that it may not: nothing has to work for trading to stop.
"""

import mmap
import os
import stat
import sys
from collections.abc import Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

__all__ = ["ABSENT", "RUNNING", "STOPPED", "Flag", "FlagError", "flag_file"]

RUNNING = 0x52_55_4E_4E_49_4E_47_21  # "RUNNING!": no fill pattern and no likely rest of memory
STOPPED = 0
SIZE = 8
MODE = 0o600
ABSENT: Sequence[int] = (STOPPED,)
"""What is read where nothing is mapped."""


class FlagError(Exception):
    """The flag cannot be made, opened or trusted; the text says why."""


def flag_file(shm_folder: Path, file: Path) -> Path:
    """Return where the flag of the kill switch behind ``file`` lies: one for each home.

    The name is hidden, so that it is none of the segments of weights in the same folder.
    """
    digest = blake2b(os.fsencode(file.absolute()), digest_size=8).hexdigest()
    return shm_folder / f".alchemiser-kill-switch-{digest}"


class Flag:
    """A view of the flag in ``file``, which may be mapped or not.

    ``words[0]`` is the flag; reading it never raises. It is bound anew when what is mapped
    changes, so it is looked up for each read.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.words: Sequence[int] = ABSENT
        self._view: memoryview | None = None
        self._inode: tuple[int, int] | None = None

    @property
    def mapped(self) -> bool:
        """Whether there is memory behind the words."""
        return self._view is not None

    @property
    def current(self) -> bool:
        """Whether what is mapped is still what lies in the file, whole and ours."""
        if self._view is None:
            return False
        try:
            found = self.file.lstat()
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == self._inode and not _fault(found)

    def open(self) -> None:
        """Map the file as it is now.

        Owner, kind, mode and size are checked first: a page beyond the end of a file kills.

        Raises:
            FileNotFoundError: There is none.
            FlagError: It cannot be opened or is not what it must be.
        """
        self.close()
        try:
            descriptor = os.open(self.file, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise FlagError(f"{self.file} cannot be opened: {error.strerror}") from error
        try:
            found = os.fstat(descriptor)
            if fault := _fault(found):
                raise FlagError(f"{self.file} {fault}")
            self._view = memoryview(mmap.mmap(descriptor, SIZE)).cast("Q")
        except (OSError, ValueError) as error:
            raise FlagError(f"{self.file} cannot be mapped: {error}") from error
        finally:
            os.close(descriptor)
        self._inode = (found.st_dev, found.st_ino)
        self.words = self._view

    def create(self, word: int) -> None:
        """Make the file with ``word`` in it, and map it; map what another process made first.

        It comes to be with its content or not at all.

        Raises:
            FlagError: It cannot be made.
        """
        unfinished = self.file.with_name(f"{self.file.name}.{os.getpid()}")
        try:
            unfinished.unlink(missing_ok=True)
            descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL, MODE)
            try:
                os.fchmod(descriptor, MODE)  # whatever the umask
                os.write(descriptor, _native(word))  # and so its page is there: no SIGBUS later
            finally:
                os.close(descriptor)
            with suppress(FileExistsError):
                os.link(unfinished, self.file)
        except OSError as error:
            raise FlagError(f"{self.file} cannot be made: {error.strerror}") from error
        finally:
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)
        try:
            self.open()
        except FileNotFoundError as error:
            raise FlagError(f"{self.file} vanished") from error

    def write(self, word: int) -> bool:
        """Write the word; return whether there was memory to write it to."""
        if self._view is None:
            return False
        self._view[0] = word
        return True

    def close(self) -> None:
        """Let go of the memory; from here on the flag reads as stopped."""
        # The old view is not released: a reader on another thread may hold it for one more read.
        self.words, self._view, self._inode = ABSENT, None, None


def _fault(found: os.stat_result) -> str:
    if not stat.S_ISREG(found.st_mode):
        return "is not a regular file"
    if found.st_uid != os.geteuid():
        return f"belongs to user {found.st_uid}, not {os.geteuid()}"
    if stat.S_IMODE(found.st_mode) != MODE:
        return f"has mode {stat.S_IMODE(found.st_mode):04o}, not {MODE:04o}"
    if found.st_size != SIZE:
        return f"has {found.st_size} bytes, not {SIZE}"
    return ""


def _native(word: int) -> bytes:
    return word.to_bytes(SIZE, sys.byteorder)
