"""The lines that readers write about themselves, and what others read there."""

import contextlib
import fcntl
import mmap
import os
from pathlib import Path

import msgspec

from alchemiser_cli.clock import Clock
from alchemiser_cli.shm.files import MODE, side_file
from alchemiser_cli.shm.identity import (
    Liveness,
    ProcessIdentity,
    current_process,
    liveness,
)
from alchemiser_cli.shm.layout import CACHE_LINE, READER_LINES, Header

__all__ = ["ReaderLine", "ReaderSeen", "readers_seen"]

PURPOSE = "readers"
ATTEMPTS = 50
PAUSE_S = 0.002
WORDS = CACHE_LINE // 8
# Words of a line.
PID, STARTED, NAMESPACE, GENERATION, RETRIES, FAILURES, HEARTBEAT, REFUSALS = range(WORDS)


class ReaderSeen(msgspec.Struct, frozen=True):
    """What a reader says of itself; ``heartbeat_ns`` is UTC, the counters begin at attachment."""

    line: int
    pid: int
    generation: int
    retries: int
    checksum_failures: int
    refusals: int
    heartbeat_ns: int
    alive: bool | None
    evidence: str


class ReaderLine:
    """One reader's line: the only memory of a segment that a reader can write.

    Without a free line, or the right to write, a reader works all the same and is not seen.
    """

    def __init__(self, file: Path, descriptor: int, header: Header, clock: Clock) -> None:
        self._words: memoryview | None = None
        size = READER_LINES * CACHE_LINE
        with contextlib.suppress(OSError, ValueError):
            mapped = mmap.mmap(descriptor, size, offset=header.readers_at)
            words = memoryview(mapped).cast("Q")
            self._words = _claimed(file, words, clock)

    def count(self, word: int) -> None:
        """Add one to ``RETRIES``, ``FAILURES`` or ``REFUSALS``."""
        if self._words is not None:
            self._words[word] += 1

    def saw(self, generation: int, at_ns: int) -> None:
        """Note the generation that is now used, and the time in UTC nanoseconds."""
        if self._words is not None:
            self._words[GENERATION] = generation
            self._words[HEARTBEAT] = at_ns

    def beat(self, at_ns: int) -> None:
        """Note that the reader lives, at ``at_ns`` in UTC nanoseconds."""
        if self._words is not None:
            self._words[HEARTBEAT] = at_ns

    def release(self) -> None:
        """Leave the line to others; twice is harmless."""
        if self._words is not None:
            self._words[PID] = 0
            self._words = None


def readers_seen(lines: bytes) -> list[ReaderSeen]:
    """Return the readers of the area ``lines``, whatever is in it; never raises."""
    words = memoryview(lines[: len(lines) // 8 * 8]).cast("Q")
    found = []
    for line in range(len(words) // WORDS):
        one = words[line * WORDS : (line + 1) * WORDS]
        if one[PID] == 0:
            continue
        seen = _liveness(one)
        found.append(
            ReaderSeen(
                line=line,
                pid=one[PID],
                generation=one[GENERATION],
                retries=one[RETRIES],
                checksum_failures=one[FAILURES],
                refusals=one[REFUSALS],
                heartbeat_ns=one[HEARTBEAT],
                alive={"alive": True, "dead": False}.get(seen.state),
                evidence=seen.evidence,
            )
        )
    return found


def _claimed(file: Path, words: memoryview, clock: Clock) -> memoryview | None:
    """Take a line that is free or whose reader is dead; None if the others do not let us."""
    side = side_file(file, PURPOSE)
    descriptor = os.open(side, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, MODE)
    try:
        if not _locked(descriptor, clock):
            return None
        me = current_process()
        for line in range(READER_LINES):
            one = words[line * WORDS : (line + 1) * WORDS]
            if one[PID] == 0 or _liveness(one).state == "dead":
                for word in range(WORDS):
                    one[word] = 0
                one[STARTED], one[NAMESPACE] = me.started, me.namespace
                one[PID] = me.pid
                return one
    finally:
        os.close(descriptor)
    return None


def _locked(descriptor: int, clock: Clock) -> bool:
    """Take the turn among readers; one that was stopped while it had it is not waited for."""
    for _ in range(ATTEMPTS):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            clock.sleep(PAUSE_S)
        else:
            return True
    return False


def _liveness(line: memoryview) -> Liveness:
    if line[PID] >= 1 << 31:
        return Liveness("dead", f"{line[PID]} is no number of a process")
    here = current_process()
    return liveness(ProcessIdentity(line[PID], line[STARTED], here.boot, line[NAMESPACE]))
