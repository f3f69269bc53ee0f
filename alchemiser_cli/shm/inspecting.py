"""What state a segment is in, read from outside: takes nothing, maps nothing, repairs nothing."""

import contextlib
import os
import stat
from pathlib import Path

import msgspec

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.errors import AlchemiserError, SegmentAttachError, SegmentNotFoundError
from alchemiser_cli.settings import ShmSettings
from alchemiser_cli.shm.control import (
    HEARTBEAT_WORD,
    PUBLISHES_WORD,
    REPAIRS_WORD,
    RETIRED_WORD,
    TAKEOVERS_WORD,
    read_writer,
)
from alchemiser_cli.shm.files import segment_file, segment_names
from alchemiser_cli.shm.identity import ProcessIdentity
from alchemiser_cli.shm.layout import (
    CACHE_LINE,
    MANIFEST_AT,
    PUBLISHED_WORD,
    READER_LINES,
    Header,
    Problem,
    read_header,
    read_tail,
)
from alchemiser_cli.shm.lease import LeaseEvidence, lease_evidence
from alchemiser_cli.shm.presence import ReaderSeen, readers_seen
from alchemiser_cli.shm.slot_reports import SlotReport, TensorReport, slot_report, tensor_reports
from alchemiser_cli.shm.slots import Provenance, slot_of
from alchemiser_cli.shm.words import PUBLISHED, unseal

__all__ = ["SegmentFacts", "gather_all", "gather_facts"]


class SegmentFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a segment's file tells; ``None`` where it does not.

    ``problem`` and ``finding`` are those of the header. ``generation`` is the published one,
    ``published`` its slot. ``age_s`` and ``silence_s`` are since its publication and since the
    writer's last sign, in seconds of the wall clock, at ``looked_ns`` (UTC). ``spare_header`` is
    the copy at the end.
    """

    name: str
    size: int
    mode: int
    owner: int
    looked_ns: int
    problem: Problem | None
    finding: str
    lease: LeaseEvidence
    header: Header | None = None
    spare_header: Header | None = None
    generation: int | None = None
    retired: bool = False
    age_s: float | None = None
    silence_s: float | None = None
    created_age_s: float | None = None
    slots: list[SlotReport] = []
    published: SlotReport | None = None
    last_writer: ProcessIdentity | None = None
    readers: list[ReaderSeen] = []
    tensors: list[TensorReport] = []
    publishes: int = 0
    takeovers: int = 0
    repairs: int = 0

    @property
    def provenance(self) -> Provenance | None:
        """Where the published generation comes from."""
        head = None if self.published is None else self.published.head
        return None if head is None else head.provenance


def gather_facts(
    settings: ShmSettings,
    name: str,
    clock: Clock,
    *,
    lease: LeaseEvidence | None = None,
    tensors: bool = True,
) -> SegmentFacts:
    """Read all there is to know of the segment ``name``; never raises on what it holds.

    ``lease`` stands for the evidence where the caller took the lease itself.

    Raises:
        SegmentNotFoundError: ``segment-not-found``.
        SegmentAttachError: ``segment-attach-failed`` if the file cannot be opened.
    """
    file = segment_file(settings.directory, name)
    evidence = lease or lease_evidence(file)
    descriptor = _opened(file)
    try:
        return _gathered(descriptor, name, evidence, clock, tensors=tensors)
    except OSError as error:
        raise _unreadable(file, error) from error
    finally:
        os.close(descriptor)


def gather_all(settings: ShmSettings, clock: Clock) -> list[SegmentFacts]:
    """Return the facts of each segment in the folder, also of one that this user must not read.

    One that vanishes meanwhile is left out.
    """
    found = []
    for name in segment_names(settings.directory):
        try:
            found.append(gather_facts(settings, name, clock, tensors=False))
        except SegmentNotFoundError:
            continue
        except SegmentAttachError as error:
            with contextlib.suppress(FileNotFoundError):
                found.append(_closed(segment_file(settings.directory, name), name, error, clock))
    return found


def _closed(file: Path, name: str, error: SegmentAttachError, clock: Clock) -> SegmentFacts:
    """Return the little that is known of a file that cannot be opened."""
    status = file.lstat()
    return SegmentFacts(
        name=name,
        size=status.st_size,
        mode=stat.S_IMODE(status.st_mode),
        owner=status.st_uid,
        looked_ns=clock.now_ns(),
        problem="unreadable",
        finding=error.why.rstrip("."),
        lease=lease_evidence(file),
    )


def _opened(file: Path) -> int:
    try:
        return os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise SegmentNotFoundError(
            f"there is no {file}",
            why="No writer has made it, or it was removed.",
            next_step="See which there are: alchemiser shm status",
        ) from error
    except OSError as error:
        raise _unreadable(file, error) from error


def _unreadable(file: Path, error: OSError) -> AlchemiserError:
    return SegmentAttachError(
        f"{file} cannot be read",
        why=f"{error}.",
        next_step="Look at the file and its owner.",
    )


def _gathered(
    descriptor: int, name: str, lease: LeaseEvidence, clock: Clock, *, tensors: bool
) -> SegmentFacts:
    status = os.fstat(descriptor)
    reading = read_header(descriptor)
    spare = read_tail(descriptor).header
    words = _control_words(descriptor)
    now_ns = clock.now_ns()
    header = reading.header
    generation = unseal(PUBLISHED, words[PUBLISHED_WORD])
    slots = (
        []
        if header is None
        else [slot_report(descriptor, header, index) for index in range(header.slot_count)]
    )
    published = _published(slots, generation)
    head = None if published is None else published.head
    described: list[TensorReport] = []
    if tensors and header is not None and published is not None and published.checksum_ok:
        described = tensor_reports(descriptor, header, published.index)
    return SegmentFacts(
        name=name,
        size=status.st_size,
        mode=stat.S_IMODE(status.st_mode),
        owner=status.st_uid,
        looked_ns=now_ns,
        problem=reading.problem,
        finding=reading.finding,
        header=header,
        spare_header=spare,
        generation=generation,
        retired=words[PUBLISHED_WORD] == RETIRED_WORD,
        age_s=None if head is None else (now_ns - head.published_ns) / NS_PER_SECOND,
        silence_s=_since(words[HEARTBEAT_WORD], now_ns),
        created_age_s=None if header is None else (now_ns - header.created_ns) / NS_PER_SECOND,
        slots=slots,
        published=published,
        lease=lease,
        last_writer=read_writer(words),
        readers=[] if header is None else readers_seen(_reader_lines(descriptor, header)),
        tensors=described,
        publishes=words[PUBLISHES_WORD],
        takeovers=words[TAKEOVERS_WORD],
        repairs=words[REPAIRS_WORD],
    )


def _control_words(descriptor: int) -> memoryview:
    start = os.pread(descriptor, MANIFEST_AT, 0)
    return memoryview(start.ljust(MANIFEST_AT, b"\0")).cast("Q")


def _reader_lines(descriptor: int, header: Header) -> bytes:
    return os.pread(descriptor, READER_LINES * CACHE_LINE, header.readers_at)


def _published(slots: list[SlotReport], generation: int | None) -> SlotReport | None:
    """Return the slot of the published generation; None if nothing was published yet."""
    if generation is None or not slots:
        return None
    found = slots[slot_of(generation)]
    untouched = all(slot.state in {"empty", "writing"} for slot in slots)
    return None if untouched and found.generation != generation else found


def _since(at_ns: int, now_ns: int) -> float | None:
    return (now_ns - at_ns) / NS_PER_SECOND if 0 < at_ns <= now_ns else None
