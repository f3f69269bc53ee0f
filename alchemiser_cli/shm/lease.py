"""The writer's lease: one writer a segment, and none that outlives its process."""

import contextlib
import fcntl
import functools
import os
import sys
from pathlib import Path
from weakref import WeakSet

import msgspec

from alchemiser_cli.clock import NS_PER_SECOND, Clock, duration_text
from alchemiser_cli.errors import SegmentAttachError, SegmentWriterAliveError
from alchemiser_cli.shm.control import HEARTBEAT_WORD
from alchemiser_cli.shm.files import MODE, side_file
from alchemiser_cli.shm.identity import ProcessIdentity, current_process, liveness
from alchemiser_cli.shm.words import WORD

__all__ = ["LeaseEvidence", "WriterLease", "lease_evidence"]

PURPOSE = "lease"
PATIENCE_S = 0.02


class LeaseEvidence(msgspec.Struct, frozen=True):
    """Who holds the lease of a segment, or held it last.

    ``held`` comes from the kernel, which drops the lock of a process that ends.
    """

    held: bool
    holder: ProcessIdentity | None
    alive: bool | None
    evidence: str


class WriterLease:
    """An exclusive ``flock`` on the side file of a segment, with the identity of who holds it.

    The side file stays when the lease is given back; whoever unlinks it holds the lease then.
    """

    def __init__(self, file: Path, clock: Clock) -> None:
        """Take the lease of the segment ``file``, or fail within ``PATIENCE_S``.

        ``taken_from`` is the process that died holding it, if one did.

        Raises:
            SegmentWriterAliveError: ``segment-writer-alive``; a hung writer is not robbed.
            SegmentAttachError: ``segment-attach-failed`` if the side file cannot be locked.
        """
        self._side = side_file(file, PURPOSE)
        while True:
            self._descriptor = _locked(file, self._side, clock)
            with contextlib.suppress(OSError):
                if os.fstat(self._descriptor).st_ino == self._side.stat().st_ino:
                    break
            os.close(self._descriptor)  # it was unlinked between our opening and locking it
        self.taken_from = _holder(self._descriptor)
        held = msgspec.json.encode(current_process())
        os.pwrite(self._descriptor, held, 0)
        os.ftruncate(self._descriptor, len(held))
        _leave_to_the_parent(self)

    @property
    def held(self) -> bool:
        """Whether this process holds the lease by this object."""
        return self._descriptor >= 0

    def release(self, *, unlink: bool = False) -> None:
        """Give the lease back; ``unlink`` removes the side file, too. Twice is harmless."""
        if self._descriptor < 0:
            return
        if unlink:
            self._side.unlink(missing_ok=True)
        os.ftruncate(self._descriptor, 0)  # given back, and not left by death
        os.close(self._descriptor)
        self._descriptor = -1

    def _forget(self) -> None:
        # In a child after a fork: its copy of the descriptor would keep the lock of a dead parent.
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


_LEASES: "WeakSet[WriterLease]" = WeakSet()


def lease_evidence(file: Path) -> LeaseEvidence:
    """Return who holds the lease of the segment ``file``; takes and changes nothing."""
    side = side_file(file, PURPOSE)
    try:
        descriptor = os.open(side, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        return LeaseEvidence(False, None, None, f"{side.name}: {error.strerror}")
    try:
        holder = _holder(descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return _evidence(True, holder)
        return _evidence(False, holder)
    finally:
        os.close(descriptor)


def _evidence(held: bool, holder: ProcessIdentity | None) -> LeaseEvidence:
    if holder is None:
        return LeaseEvidence(held, None, None, "the lease does not say who took it")
    found = liveness(holder)
    alive = {"alive": True, "dead": False}.get(found.state)
    lock = "the kernel holds its lock" if held else "its lock is free"
    return LeaseEvidence(held, holder, alive, f"{lock}; {found.evidence}")


def _holder(descriptor: int) -> ProcessIdentity | None:
    try:
        return msgspec.json.decode(os.pread(descriptor, 4_096, 0), type=ProcessIdentity)
    except (msgspec.MsgspecError, UnicodeDecodeError, OSError):
        return None


def _locked(file: Path, side: Path, clock: Clock) -> int:
    try:
        descriptor = os.open(side, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, MODE)
    except OSError as error:
        raise SegmentAttachError(
            f"the lease of {file} cannot be taken",
            why=f"{error}.",
            next_step="Make the folder of the segments writable for this user.",
        ) from error
    give_up_ns = clock.monotonic_ns() + round(PATIENCE_S * NS_PER_SECOND)
    while True:  # somebody may be just looking, see lease_evidence
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if clock.monotonic_ns() >= give_up_ns:
                os.close(descriptor)
                raise _alive(file, clock) from error
            clock.sleep(PATIENCE_S / 10)
        else:
            return descriptor


def _alive(file: Path, clock: Clock) -> SegmentWriterAliveError:
    found = lease_evidence(file)
    who = "another process" if found.holder is None else f"process {found.holder.pid}"
    return SegmentWriterAliveError(
        f"{who} writes {file}",
        why=f"Its lease is taken: {found.evidence}{_silence(file, clock)}.",
        next_step="Stop that process with SIGTERM; the lease of a dead one frees itself.",
        context={"pid": None if found.holder is None else found.holder.pid},
    )


def _silence(file: Path, clock: Clock) -> str:
    """Say how long the writer's heartbeat is ago: it may hang, and is not robbed even so."""
    try:
        with file.open("rb") as segment:
            beat = os.pread(segment.fileno(), WORD, HEARTBEAT_WORD * WORD)
    except OSError:
        return ""
    beat_ns = int.from_bytes(beat, sys.byteorder)
    if not beat_ns:
        return ""
    return f"; its last sign was {duration_text((clock.now_ns() - beat_ns) / NS_PER_SECOND)} ago"


def _leave_to_the_parent(lease: WriterLease) -> None:
    _watch_forks()
    _LEASES.add(lease)


@functools.cache
def _watch_forks() -> None:
    """Have the children of forks forget leases, from the first lease on."""
    os.register_at_fork(after_in_child=_forget_all)


def _forget_all() -> None:
    for lease in list(_LEASES):
        lease._forget()  # noqa: SLF001  this module's own class
