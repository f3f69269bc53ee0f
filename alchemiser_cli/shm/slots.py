"""A slot: one generation of what a segment holds.

::

    0     the mark, sealed: WRITING or COMPLETE with the generation; 0 while invalid
    8     checksum: xxh3-64 of all below, seeded with the generation
    64    head: generation, times (UTC and monotonic ns), step, lengths
    128   provenance, JSON
    512   payload

Generation ``g`` lies in slot ``g`` modulo 3, so that a reader of the published generation has two
whole publications of time before its slot is written again.
"""

import struct

import msgspec

from alchemiser_cli.shm.layout import SLOT_HEAD, SLOTS

__all__ = [
    "BODY",
    "HEAD_BYTES",
    "PROVENANCE_BYTES",
    "Provenance",
    "SlotHead",
    "decode_head",
    "encode_provenance",
    "pack_head",
    "payload_length",
    "slot_of",
    "staged_head",
]

BODY = 64  # where the checksum begins to count
HEAD_BYTES = SLOT_HEAD - BODY
_HEAD = struct.Struct("=QQQQQI")
_LENGTH = struct.Struct("=Q")
_LENGTH_AT = 4 * 8
_PROVENANCE_AT = 64
PROVENANCE_BYTES = HEAD_BYTES - _PROVENANCE_AT


class Provenance(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where weights come from: run of the training, hash of its data, revision of the code."""

    training_run: str = ""
    data_hash: str = ""
    git_revision: str = ""


class SlotHead(msgspec.Struct, frozen=True):
    """What a slot says of itself; ``step`` is that of the training, the length is in bytes."""

    generation: int
    published_ns: int
    published_monotonic_ns: int
    step: int
    payload_length: int
    provenance: Provenance


def slot_of(generation: int) -> int:
    """Return the index of the slot that ``generation`` is written to."""
    return generation % SLOTS


def encode_provenance(provenance: Provenance) -> bytes:
    """Return ``provenance`` as it stands in a slot.

    Raises:
        ValueError: if it takes more than ``PROVENANCE_BYTES`` bytes.
    """
    encoded = msgspec.json.encode(provenance)
    if len(encoded) > PROVENANCE_BYTES:
        raise ValueError(f"the provenance takes {len(encoded)} bytes of {PROVENANCE_BYTES}")
    return encoded


def staged_head(provenance: bytes) -> bytearray:
    """Return ``HEAD_BYTES`` with the encoded provenance, for ``pack_head`` to complete."""
    staged = bytearray(HEAD_BYTES)
    staged[_PROVENANCE_AT : _PROVENANCE_AT + len(provenance)] = provenance
    return staged


def pack_head(
    staged: bytearray,
    generation: int,
    times_ns: tuple[int, int],
    step: int,
    length: int,
    described: int,
) -> None:
    """Write the head's numbers; the times are UTC and monotonic, the lengths are in bytes.

    ``length`` is the payload's, ``described`` the provenance's.
    """
    _HEAD.pack_into(staged, 0, generation, *times_ns, step, length, described)


def payload_length(head: bytes | memoryview) -> int:
    """Return the length of the payload that the unchecked ``head`` claims."""
    (length,) = _LENGTH.unpack_from(head, _LENGTH_AT)
    return int(length)


def decode_head(head: bytes) -> SlotHead:
    """Return the head; its checksum has been proven.

    Raises:
        ValueError: if the provenance cannot be read.
    """
    generation, published_ns, monotonic_ns, step, length, described = _HEAD.unpack_from(head)
    encoded = head[_PROVENANCE_AT : _PROVENANCE_AT + described]
    provenance = msgspec.json.decode(encoded, type=Provenance) if described > 2 else _NONE
    return SlotHead(generation, published_ns, monotonic_ns, step, length, provenance)


_NONE = Provenance()
