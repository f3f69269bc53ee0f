"""Writing: one generation after another, each into the slot that nobody reads."""

import os
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors import (
    SegmentExistsError,
    SegmentSchemaError,
    SegmentWriterAliveError,
    SharedMemoryFullError,
)
from alchemiser_cli.logs import get_logger
from alchemiser_cli.shm.control import (
    HEARTBEAT_WORD,
    PUBLISHED_NS_WORD,
    PUBLISHES_WORD,
    TAKEOVERS_WORD,
    last_generation,
    write_writer,
)
from alchemiser_cli.shm.files import create_file, open_file, segment_name
from alchemiser_cli.shm.identity import current_process
from alchemiser_cli.shm.layout import PUBLISHED_WORD, Header, plan_header, read_header
from alchemiser_cli.shm.lease import WriterLease
from alchemiser_cli.shm.mapping import Mapping
from alchemiser_cli.shm.schema import Manifest
from alchemiser_cli.shm.slots import Provenance, encode_provenance, slot_of
from alchemiser_cli.shm.struck import PUBLISH
from alchemiser_cli.shm.words import PUBLISHED, TO_COMPLETE, TO_WRITING, fence_of_one_thread, seal
from alchemiser_cli.telemetry import SILENT, Telemetry
from alchemiser_cli.telemetry import names as metric

__all__ = ["SegmentWriter"]

_LOG = get_logger("application", "shm")


class SegmentWriter:
    """The one writer of a segment: begins a generation, and makes it visible with one store.

    A generation is written into slot ``generation % 3``: its mark says WRITING, then come payload
    and checksum, then the mark COMPLETE, then the published word. A writer that dies leaves the
    published slot as it was. ``lock`` is to be held from ``begin`` to ``commit``.
    """

    def __init__(
        self,
        file: Path,
        manifest: Manifest,
        clock: Clock,
        *,
        provenance: Provenance | None = None,
        observation_hash: int = 0,
        create_only: bool = False,
        telemetry: Telemetry = SILENT,
    ) -> None:
        """Take the lease, then open the segment or make it.

        Raises:
            SegmentWriterAliveError: ``segment-writer-alive``.
            SegmentSchemaError: ``segment-schema-mismatch`` if it holds something else.
            SegmentExistsError: ``segment-exists`` with ``create_only``.
            SharedMemoryFullError: ``shared-memory-full``.
            SharedMemoryError: others as for ``create_file`` and ``open_file``.
        """
        self.file = file
        self.lock = threading.Lock()
        self.provenance = encode_provenance(provenance or Provenance())
        name = segment_name(file)
        self._published = telemetry.counter(metric.SHM_PUBLISHED, segment=name)
        self._shown_generation = telemetry.gauge(metric.SHM_GENERATION, segment=name)
        self._clock = clock
        self._fence = fence_of_one_thread()
        self._lease = WriterLease(file, clock)
        try:
            header = _existing_or_made(file, manifest, clock, observation_hash, create_only)
            descriptor, found = open_file(file)
            try:
                self.mapping = Mapping(descriptor, found, writable=True)
            finally:
                os.close(descriptor)
            _same(file, header, found)
        except BaseException:
            self._lease.release()
            raise
        words = self._words = self.mapping.words
        self.generation = last_generation(words, self.mapping.marks)
        self._next = seal(PUBLISHED, self.generation + 1)  # the published word to be
        write_writer(words, current_process())
        self.beat()
        if self._lease.taken_from is not None:
            words[TAKEOVERS_WORD] += 1
            _LOG.warning(
                "shm_spinlock_forced_clear",
                segment=file.name,
                dead_pid=self._lease.taken_from.pid,
                generation=self.generation,
            )

    def begin(self) -> tuple[int, int]:
        """Make the next generation's slot invalid; return the generation and the slot's index.

        Raises:
            SegmentWriterAliveError: ``segment-writer-alive`` if this object has no lease (any
                more): it was closed, or it came here by a fork.
        """
        if not self._lease.held:
            raise SegmentWriterAliveError(
                f"{self.file} is not ours to write",
                why="The lease was given back, or belongs to the parent of this process.",
                next_step="Open a writer in the process that writes.",
            )
        generation = self.generation + 1
        index = slot_of(generation)
        self._words[self.mapping.marks[index]] = self._next ^ TO_WRITING
        self._fence()
        return generation, index

    def times_ns(self) -> tuple[int, int]:
        """Return the time of publication: UTC and monotonic nanoseconds."""
        return self._clock.now_ns(), self._clock.monotonic_ns()

    def commit(self, generation: int, checksum: int, published_ns: int) -> None:
        """Make the slot of ``generation`` complete, and then the generation visible.

        Raises:
            SharedMemoryFullError: ``shared-memory-full`` where the memory gives no room.
        """
        if PUBLISH.armed is not None and not self._passes(generation):
            return
        words, fence = self._words, self._fence
        mark = self.mapping.marks[slot_of(generation)]
        words[mark + 1] = checksum
        fence()
        words[mark] = self._next ^ TO_COMPLETE
        fence()
        words[PUBLISHED_WORD] = self._next
        self.generation = generation
        self._next = seal(PUBLISHED, generation + 1)
        words[PUBLISHED_NS_WORD] = published_ns
        words[HEARTBEAT_WORD] = published_ns
        words[PUBLISHES_WORD] += 1
        self._published.inc()
        self._shown_generation.set(generation)

    def abandon(self, generation: int) -> None:
        """Leave the slot of ``generation`` empty: what was to be written is no good."""
        self._words[self.mapping.marks[slot_of(generation)]] = 0

    def _passes(self, generation: int) -> bool:
        """Pass the fault point; what is lost there leaves an empty slot, and its number free."""
        try:
            passes = PUBLISH.alter(b"") is not None
        except OSError as error:
            self.abandon(generation)
            full = SharedMemoryFullError(
                f"{self.file.parent} has no room for generation {generation}",
                why=f"The system answered: {error.strerror or error}.",
                next_step="Remove segments that nobody uses, or enlarge the tmpfs.",
                context={"generation": generation},
            )
            full.injected = True
            raise full from error
        if not passes:
            self.abandon(generation)
        return passes

    def beat(self) -> None:
        """Say that the writer lives, between publications that are far apart."""
        self._words[HEARTBEAT_WORD] = self._clock.now_ns()

    def close(self) -> None:
        """Give the lease back; the segment stays for its readers. Twice is harmless."""
        self._lease.release()

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the writer."""
        self.close()


def _existing_or_made(
    file: Path, manifest: Manifest, clock: Clock, observation_hash: int, create_only: bool
) -> Header:
    """Make the file where there is none, or only the remains of a creation that was killed."""
    now_ns = clock.now_ns()
    incarnation = int.from_bytes(os.urandom(8), "big")
    header = plan_header(
        manifest, created_ns=now_ns, incarnation=incarnation, observation_hash=observation_hash
    )
    if not create_only and _unfinished(file):
        file.unlink(missing_ok=True)
    try:
        create_file(file, header)
    except SegmentExistsError:
        if create_only:
            raise
    return header


def _unfinished(file: Path) -> bool:
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return read_header(descriptor).problem == "unfinished"
    finally:
        os.close(descriptor)


def _same(file: Path, wanted: Header, found: Header) -> None:
    """Refuse to write into a segment of something else."""
    if (wanted.schema_hash, wanted.observation_hash) == (found.schema_hash, found.observation_hash):
        return
    raise SegmentSchemaError(
        f"{file} holds something else",
        why=f"Its schema is {found.schema_hash:016x} (observations {found.observation_hash:016x}), "
        f"ours {wanted.schema_hash:016x} (observations {wanted.observation_hash:016x}).",
        next_step="Publish under another name, or remove the segment when nobody uses it.",
    )
