"""The spill: where failures go while the database cannot take them, and how they come back.

One file of JSON lines that every process of a home appends to. Whoever can write the database
again renames it to a name of its own, takes in its lines and removes it. Taking in twice does no
harm, for the store knows an occurrence by its id.
"""

import fcntl
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from alchemiser_cli.errors.journal.records import Captured

__all__ = ["Spill"]

FILE = "error_spill.jsonl"
CLAIMED = "error_spill.*.claimed.jsonl"
BATCH = 500
SPILL_LIMIT = 256 * 1024 * 1024  # bytes; beyond them only critical failures are kept


class Spill:
    """The spill file of one folder. Needs no lock of this process, so signals may use it."""

    def __init__(self, folder: Path) -> None:
        """Keep the folder; it is made with the first line."""
        self.file = folder / FILE
        self._folder = folder
        self._encoder = msgspec.json.Encoder(enc_hook=str)

    def append(self, captures: Sequence[Captured], *, durable: bool) -> bool:
        """Append one line each; with ``durable`` they are on the disk when this returns.

        Returns whether they were written: not beyond ``SPILL_LIMIT``, unless ``durable``.

        Raises:
            OSError: when the file cannot be written.
        """
        lines = b"".join(_line(self._encoder, one) for one in captures)
        with self._opened() as descriptor:
            if os.fstat(descriptor).st_size > SPILL_LIMIT and not durable:
                return False
            # The newline before parts these lines from one that a dying process left torn.
            _write_all(descriptor, b"\n" + lines)
            if durable:
                os.fsync(descriptor)
        return True

    def size(self) -> int:
        """Return how many bytes there are to take in."""
        return sum(_size(file) for file in (self.file, *self._folder.glob(CLAIMED)))

    def claimed(self) -> Iterator["ClaimedSpill"]:
        """Claim what lies here, first what others claimed and did not finish.

        The current file comes last, so that a database that takes nothing leaves it in use.
        """
        for file in sorted(self._folder.glob(CLAIMED)):
            yield from _locked(file)
        mine = self._folder / f"error_spill.{os.getpid()}-{uuid.uuid4().hex}.claimed.jsonl"
        with suppress(FileNotFoundError, NotADirectoryError):
            self.file.rename(mine)
            yield from _locked(mine)

    @contextmanager
    def _opened(self) -> Iterator[int]:
        """Open the current file; the shared lock keeps a claimer from reading too early."""
        while True:
            descriptor = self._open()
            try:
                if _is_current(descriptor, self.file):
                    yield descriptor
                    return
            finally:
                os.close(descriptor)

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        try:
            return os.open(self.file, flags, 0o600)
        except FileNotFoundError:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            return os.open(self.file, flags, 0o600)


class ClaimedSpill:
    """A spill file that only this process takes in."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.damaged = 0

    def batches(self) -> Iterator[list[Captured]]:
        """Yield what it holds; a line that is no failure (torn by a crash) is counted."""
        decoder = msgspec.json.Decoder(Captured)
        batch = []
        with self._file.open("rb") as lines:
            for line in lines:
                try:
                    if line.strip():
                        batch.append(decoder.decode(line))
                except msgspec.DecodeError:
                    self.damaged += 1
                if len(batch) == BATCH:
                    yield batch
                    batch = []
        if batch:
            yield batch

    def remove(self) -> None:
        """Remove the file, once all it holds is in the database."""
        self._file.unlink()


def _locked(file: Path) -> Iterator[ClaimedSpill]:
    """Yield the file unless another journal is at it or was done with it meanwhile."""
    with suppress(FileNotFoundError, BlockingIOError), file.open("rb+") as opened:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(opened.fileno()).st_nlink:
            yield ClaimedSpill(file)


def _is_current(descriptor: int, file: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return os.fstat(descriptor).st_ino == file.stat().st_ino
    except (BlockingIOError, FileNotFoundError):
        return False  # it was claimed since it was opened


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _write_all(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def _line(encoder: msgspec.json.Encoder, captured: Captured) -> bytes:
    return encoder.encode(captured) + b"\n"
