"""The slots of a segment's file, as they are found."""

import os
import struct
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt
import xxhash

from alchemiser_cli.shm.layout import SLOT_HEAD, Header
from alchemiser_cli.shm.slots import BODY, HEAD_BYTES, SlotHead, decode_head, payload_length
from alchemiser_cli.shm.words import COMPLETE, WRITING, unseal

__all__ = ["SlotReport", "TensorReport", "slot_report", "tensor_reports"]

LOOKS = 3


class SlotReport(msgspec.Struct, frozen=True):
    """One slot: ``changing`` means that a writer was at work while it was looked at.

    ``generation`` is that of the mark; ``checksum_ok`` is None where there is nothing to check.
    """

    index: int
    state: Literal["empty", "writing", "complete", "damaged", "changing"]
    generation: int | None = None
    checksum_ok: bool | None = None
    head: SlotHead | None = None


class TensorReport(msgspec.Struct, frozen=True):
    """One tensor of the published generation: Euclidean norm of its finite numbers, and NaNs."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    norm: float
    nan_count: int


def slot_report(descriptor: int, header: Header, index: int) -> SlotReport:
    """Look at slot ``index``, again if it changes meanwhile; never raises on what it holds."""
    start = header.slot_at(index)
    for _ in range(LOOKS):
        line = os.pread(descriptor, 16, start)
        body = os.pread(descriptor, HEAD_BYTES + header.manifest.capacity, start + BODY)
        if os.pread(descriptor, 16, start) == line and len(line) == 16:
            mark, checksum = struct.unpack("=QQ", line)
            return _found(index, mark, checksum, body, header)
    return SlotReport(index, "changing")


def tensor_reports(descriptor: int, header: Header, index: int) -> list[TensorReport]:
    """Describe the tensors in slot ``index``, whose checksum was found right."""
    capacity = header.manifest.capacity
    payload = np.frombuffer(
        os.pread(descriptor, capacity, header.slot_at(index) + SLOT_HEAD), np.uint8
    )
    if len(payload) != capacity:
        return []
    found = []
    for spec in header.manifest.tensors:
        numbers: npt.NDArray[Any] = spec.view(payload).astype(np.float64)
        finite = numbers[np.isfinite(numbers)]
        nans = int(np.isnan(numbers).sum())
        norm = float(np.sqrt((finite * finite).sum()))
        found.append(TensorReport(spec.name, spec.dtype, spec.shape, norm, nans))
    return found


def _found(  # noqa: PLR0911  one state each
    index: int, mark: int, checksum: int, body: bytes, header: Header
) -> SlotReport:
    if mark == 0:
        return SlotReport(index, "empty")
    writing = unseal(WRITING, mark)
    if writing is not None:
        return SlotReport(index, "writing", writing)
    generation = unseal(COMPLETE, mark)
    if generation is None or len(body) < HEAD_BYTES:
        return SlotReport(index, "damaged")
    length = payload_length(body)
    if length > header.manifest.capacity:
        return SlotReport(index, "complete", generation, checksum_ok=False)
    right = xxhash.xxh3_64_intdigest(body[: HEAD_BYTES + length], generation) == checksum
    if not right:
        return SlotReport(index, "complete", generation, checksum_ok=False)
    try:
        head = decode_head(body[:HEAD_BYTES])
    except (ValueError, msgspec.MsgspecError):
        return SlotReport(index, "complete", generation, checksum_ok=False)
    return SlotReport(index, "complete", generation, head.generation == generation, head)
