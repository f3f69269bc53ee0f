"""Small records of one msgspec type, the newest of them visible to every reader."""

from pathlib import Path
from types import TracebackType
from typing import Generic, Self, TypeVar

import msgspec
import xxhash

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors import (
    RecordNotFiniteError,
    SegmentRecordTooLargeError,
    SegmentSchemaError,
)
from alchemiser_cli.logs import get_logger
from alchemiser_cli.settings import ShmSettings
from alchemiser_cli.shm.files import segment_file
from alchemiser_cli.shm.finite import bad_field_of
from alchemiser_cli.shm.mapping import Mapping
from alchemiser_cli.shm.reader import Copy, SegmentReader
from alchemiser_cli.shm.schema import record_manifest
from alchemiser_cli.shm.slots import BODY, HEAD_BYTES, Provenance, SlotHead, pack_head, staged_head
from alchemiser_cli.shm.slots import payload_length as claimed_length
from alchemiser_cli.shm.struck import MID_COPY, READ, copy_struck_in_the_middle
from alchemiser_cli.shm.writer import SegmentWriter
from alchemiser_cli.telemetry import SILENT, Telemetry

__all__ = ["RecordReader", "RecordWriter", "Segment"]

T = TypeVar("T", bound=msgspec.Struct)

_LOG = get_logger("application", "shm")
_XXH3 = xxhash.xxh3_64_intdigest


class Segment(Generic[T]):
    """A segment of records of type ``kind``; making one touches no file.

    A record takes at most ``capacity`` bytes as MessagePack.
    """

    def __init__(
        self,
        settings: ShmSettings,
        name: str,
        kind: type[T],
        clock: Clock,
        *,
        capacity: int = 4_096,
        telemetry: Telemetry = SILENT,
    ) -> None:
        """Describe the segment; what its writer and readers do is counted in ``telemetry``.

        Raises:
            SegmentSchemaError: ``segment-schema-mismatch`` if ``kind`` is no msgspec struct, or has
                a field that cannot be described.
            SegmentNotFoundError: ``segment-not-found`` for an impossible name.
        """
        self.file = segment_file(settings.directory, name)
        self.kind = kind
        self._settings = settings
        self._clock = clock
        self._telemetry = telemetry
        try:
            if not issubclass(kind, msgspec.Struct):
                raise TypeError(f"{kind.__name__} is no msgspec.Struct")  # noqa: TRY301
            self.manifest = record_manifest(kind, capacity)
            msgspec.msgpack.Decoder(kind)
        except (TypeError, msgspec.MsgspecError) as error:
            _LOG.error("shm_msgspec_init_failed", segment=self.file.name, why=str(error))
            raise SegmentSchemaError(
                f"{kind!r} cannot be shared",
                why=f"{error}.",
                next_step="Share a msgspec.Struct of plain types.",
            ) from error

    def writer(self, provenance: Provenance | None = None) -> "RecordWriter[T]":
        """Take the lease, and open the segment or make it; raises as ``SegmentWriter``."""
        return RecordWriter(
            SegmentWriter(
                self.file,
                self.manifest,
                self._clock,
                provenance=provenance,
                telemetry=self._telemetry,
            ),
            self.kind,
        )

    def reader(self) -> "RecordReader[T]":
        """Attach to the segment; raises as ``SegmentReader``."""
        return RecordReader(
            self.file,
            self.kind,
            self._clock,
            self._settings,
            self.manifest.digest,
            self._telemetry,
        )


class RecordWriter(Generic[T]):
    """The one writer of a segment of records."""

    def __init__(self, writer: SegmentWriter, kind: type[T]) -> None:
        """Write records of ``kind`` with ``writer``."""
        self.segment = writer
        self._kind = kind
        self._bad_field = bad_field_of(kind)
        self._encode_into = msgspec.msgpack.Encoder().encode_into
        self._staged = staged_head(writer.provenance)
        self._described = len(writer.provenance)
        mapping = writer.mapping
        self._bodies = [mapping.slot(index)[BODY:] for index in range(len(mapping.marks))]
        self._capacity = mapping.header.manifest.capacity

    def publish(self, record: T, *, step: int = 0) -> int:
        """Make ``record`` the newest, and return its generation.

        Raises:
            SegmentRecordTooLargeError: ``segment-record-too-large``, which is a ValueError, too.
            RecordNotFiniteError: ``record-not-finite``, a ValueError, for NaN or infinity.
            SegmentWriterAliveError: ``segment-writer-alive`` after ``close`` or a fork.
            SharedMemoryFullError: ``shared-memory-full`` where the memory gives no room.
        """
        if type(record) is not self._kind:
            raise TypeError(f"{type(record).__name__} is not {self._kind.__name__}")
        bad = self._bad_field(record)
        if bad is not None:
            raise _not_finite(self.segment.file, bad)
        writer, staged = self.segment, self._staged
        with writer.lock:
            self._encode_into(record, staged, HEAD_BYTES)
            length = len(staged) - HEAD_BYTES
            if length > self._capacity:
                raise self._too_large(length)
            generation, index = writer.begin()
            times_ns = writer.times_ns()
            pack_head(staged, generation, times_ns, step, length, self._described)
            body = self._bodies[index][: len(staged)]
            if MID_COPY.armed is None:
                body[:] = staged
            else:
                copy_struck_in_the_middle(body, staged)
            writer.commit(generation, _XXH3(staged, generation), times_ns[0])
        return generation

    def close(self) -> None:
        """Give the lease back; the last record stays for its readers. Twice is harmless."""
        self.segment.close()

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

    def _too_large(self, length: int) -> SegmentRecordTooLargeError:
        return SegmentRecordTooLargeError(
            f"a record of {length} bytes does not fit into {self.segment.file.name}",
            why=f"A slot takes {self._capacity} bytes.",
            next_step="Share less, or make a segment of a larger capacity under another name.",
            context={"bytes": length, "capacity": self._capacity},
        )


class RecordReader(SegmentReader[bytes, T], Generic[T]):
    """A reader of records."""

    def __init__(
        self,
        file: Path,
        kind: type[T],
        clock: Clock,
        settings: ShmSettings,
        schema_hash: int,
        telemetry: Telemetry = SILENT,
    ) -> None:
        """Attach; see ``SegmentReader``."""
        self._bad_field = bad_field_of(kind)
        self._decode = msgspec.msgpack.Decoder(kind).decode
        super().__init__(file, clock, settings, schema_hash, telemetry)

    def _prepare(self, mapping: Mapping) -> None:
        self._bodies = [mapping.slot(index)[BODY:] for index in range(len(mapping.marks))]
        self._capacity = mapping.header.manifest.capacity

    def _copied(self, index: int, generation: int) -> Copy[bytes] | None:
        body = self._bodies[index]
        length = claimed_length(body)
        if length > self._capacity:
            return None
        data = bytes(body[: HEAD_BYTES + length])
        if READ.armed is not None:
            data = READ.alter(data) or data
        return Copy(_XXH3(data, generation), data, data)

    def _accepted(self, head: SlotHead, content: bytes) -> T:
        record = self._decode(memoryview(content)[HEAD_BYTES : HEAD_BYTES + head.payload_length])
        bad = self._bad_field(record)
        if bad is not None:
            raise _not_finite(self._file, bad)
        return record


def _not_finite(file: Path, field: str) -> RecordNotFiniteError:
    return RecordNotFiniteError(
        f"a record of {file.name} is not finite",
        why=f"Its field {field!r} is, or holds, NaN or an infinite number.",
        next_step="Find out where its writer got that number; readers keep the record before.",
        context={"field": field},
    )
