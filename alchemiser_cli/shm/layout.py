"""Where everything lies in a segment's file, and how its header is written and read.

::

    0        preamble: magic, version, byte order, sizes, hashes, checksum        256 bytes
    256      control: published generation                                        one cache line
    320      control: times (UTC ns): published, heartbeat; step                  one cache line
    384      control: who wrote last (pid, start time, boot, pid namespace)       one cache line
    448      control: counters (publishes, leases taken over, repairs)            one cache line
    512      manifest, JSON
    readers  one cache line a reader; the only pages that a reader can write
    slots    three of them: see ``slots``
    tail     manifest and preamble once more, for the repair of a broken header

The preamble's checksum is xxh3-64 of itself, less magic and checksum, and of the manifest. The
magic is written last: a file without it was never finished.
"""

import mmap
import os
import struct
from dataclasses import dataclass
from typing import Literal

import msgspec
import xxhash

from alchemiser_cli.shm.schema import Manifest

__all__ = [
    "CACHE_LINE",
    "CONTROL",
    "COUNTERS",
    "LAYOUT_VERSION",
    "MAGIC",
    "PREAMBLE",
    "PUBLISHED_WORD",
    "READER_LINES",
    "SLOTS",
    "SLOT_HEAD",
    "TIMES",
    "WRITER",
    "Header",
    "HeaderReading",
    "Problem",
    "plan_header",
    "read_header",
    "read_tail",
]

MAGIC = b"ALCHSHM\x01"
LAYOUT_VERSION = 1
BYTE_ORDER_MARK = 0x01020304
CACHE_LINE = 64
PREAMBLE = 256
SLOTS = 3
READER_LINES = 32
SLOT_HEAD = 512
MANIFEST_AT = 512
LARGEST_MANIFEST = 16 << 20

CONTROL = 256
# Indexes of 8-byte words from the start of the file.
PUBLISHED_WORD = 256 // 8
TIMES = 320 // 8
WRITER = 384 // 8
COUNTERS = 448 // 8

_FIXED = struct.Struct("=8sIIQIIQQQQQQQQ32s")
_CHECKSUM_AT = PREAMBLE - 8

Problem = Literal["unfinished", "foreign", "layout", "truncated", "corrupt", "unreadable"]


class Header(msgspec.Struct, frozen=True):
    """A segment's header; sizes and offsets are in bytes, ``created_ns`` in UTC nanoseconds.

    ``schema_hash`` is that of the manifest; ``observation_hash`` that of the observations that the
    weights were trained on, 0 where they are not described. ``incarnation`` tells one file of this
    name from the next.
    """

    size: int
    slot_count: int
    slot_stride: int
    readers_at: int
    slots_at: int
    created_ns: int
    schema_hash: int
    observation_hash: int
    incarnation: int
    manifest: Manifest
    layout_version: int = LAYOUT_VERSION

    def slot_at(self, index: int) -> int:
        """Return the offset of slot ``index``."""
        return self.slots_at + index * self.slot_stride

    def encoded(self) -> tuple[bytes, bytes]:
        """Return the preamble, whose magic stands at its start, and the manifest."""
        manifest = msgspec.json.encode(self.manifest)
        preamble = bytearray(PREAMBLE)
        _FIXED.pack_into(
            preamble,
            0,
            MAGIC,
            self.layout_version,
            BYTE_ORDER_MARK,
            self.size,
            self.slot_count,
            READER_LINES,
            self.slot_stride,
            self.readers_at,
            self.slots_at,
            len(manifest),
            self.created_ns,
            self.schema_hash,
            self.observation_hash,
            self.incarnation,
            b"",
        )
        checksum = xxhash.xxh3_64_intdigest(bytes(preamble[8:_CHECKSUM_AT]) + manifest)
        struct.pack_into("=Q", preamble, _CHECKSUM_AT, checksum)
        return bytes(preamble), manifest


@dataclass(frozen=True)
class HeaderReading:
    """What a look at a file found: its header, or else the problem, in one word and in words."""

    header: Header | None
    problem: Problem | None = None
    finding: str = ""


def plan_header(
    manifest: Manifest, *, created_ns: int, incarnation: int, observation_hash: int = 0
) -> Header:
    """Lay out a new segment for ``manifest``."""
    page = mmap.ALLOCATIONGRANULARITY
    described = len(msgspec.json.encode(manifest))
    readers_at = _rounded(MANIFEST_AT + described, page)
    slots_at = _rounded(readers_at + READER_LINES * CACHE_LINE, page)
    stride = _rounded(SLOT_HEAD + manifest.capacity, 4_096)
    return Header(
        size=_rounded(slots_at + SLOTS * stride + described + PREAMBLE, page),
        slot_count=SLOTS,
        slot_stride=stride,
        readers_at=readers_at,
        slots_at=slots_at,
        created_ns=created_ns,
        schema_hash=manifest.digest,
        observation_hash=observation_hash,
        incarnation=incarnation,
        manifest=manifest,
    )


def read_header(descriptor: int) -> HeaderReading:
    """Read the header of an open file; never raises on what the file holds."""
    try:
        size = os.fstat(descriptor).st_size
        preamble = os.pread(descriptor, PREAMBLE, 0)
        publishes = os.pread(descriptor, 8, COUNTERS * 8)
    except OSError as error:
        return HeaderReading(None, "unreadable", str(error))
    if not any(preamble[:8]):
        if any(publishes):
            return HeaderReading(None, "corrupt", "it was written to, and its magic is gone")
        return HeaderReading(None, "unfinished", "it has no magic: its creation was not finished")
    return _parsed(descriptor, preamble, MANIFEST_AT, size)


def read_tail(descriptor: int) -> HeaderReading:
    """Read the second copy of the header, at the end of the file; never raises."""
    try:
        size = os.fstat(descriptor).st_size
        preamble = os.pread(descriptor, PREAMBLE, max(0, size - PREAMBLE))
    except OSError as error:
        return HeaderReading(None, "unreadable", str(error))
    if len(preamble) < PREAMBLE:
        return HeaderReading(None, "truncated", f"it has {size} bytes")
    described = _FIXED.unpack_from(preamble)[9]
    return _parsed(descriptor, preamble, size - PREAMBLE - described, size)


def _parsed(  # noqa: C901, PLR0911  one finding each, in the order of trust
    descriptor: int, preamble: bytes, manifest_at: int, size: int
) -> HeaderReading:
    if len(preamble) < PREAMBLE:
        kind: Problem = "truncated" if MAGIC.startswith(preamble[:8]) else "foreign"
        return HeaderReading(None, kind, f"it has {size} bytes, less than a header")
    if preamble[:7] != MAGIC[:7]:
        return HeaderReading(None, "foreign", f"it begins with {preamble[:8]!r}")
    (magic, version, mark, said, count, lines, stride, readers_at, slots_at, described, *rest) = (
        _FIXED.unpack_from(preamble)
    )
    if mark != BYTE_ORDER_MARK:
        return HeaderReading(None, "layout", f"its byte-order mark is {mark:#010x}")
    if magic != MAGIC or version != LAYOUT_VERSION:
        finding = f"it has layout {version}, and this version reads {LAYOUT_VERSION}"
        return HeaderReading(None, "layout", finding)
    if described > min(LARGEST_MANIFEST, size) or manifest_at < 0:
        return HeaderReading(None, "corrupt", f"its manifest would have {described} bytes")
    try:
        manifest = os.pread(descriptor, described, manifest_at)
    except OSError as error:
        return HeaderReading(None, "unreadable", str(error))
    if len(manifest) < described:
        return HeaderReading(None, "truncated", f"it has {size} bytes, less than its header")
    (checksum,) = struct.unpack_from("=Q", preamble, _CHECKSUM_AT)
    if xxhash.xxh3_64_intdigest(preamble[8:_CHECKSUM_AT] + manifest) != checksum:
        return HeaderReading(None, "corrupt", "its header does not match its checksum")
    if said != size:
        return HeaderReading(None, "truncated", f"it has {size} bytes, and its header says {said}")
    if (count, lines) != (SLOTS, READER_LINES) or slots_at + count * stride > size:
        return HeaderReading(None, "layout", f"it has {count} slots and {lines} reader lines")
    try:
        known = msgspec.json.decode(manifest, type=Manifest)
    except msgspec.MsgspecError as error:
        return HeaderReading(None, "corrupt", f"its manifest cannot be read: {error}")
    created_ns, schema_hash, observation_hash, incarnation, _ = rest
    header = Header(
        size=said,
        slot_count=count,
        slot_stride=stride,
        readers_at=readers_at,
        slots_at=slots_at,
        created_ns=created_ns,
        schema_hash=schema_hash,
        observation_hash=observation_hash,
        incarnation=incarnation,
        manifest=known,
    )
    return HeaderReading(header)


def _rounded(value: int, unit: int) -> int:
    return -(-value // unit) * unit
