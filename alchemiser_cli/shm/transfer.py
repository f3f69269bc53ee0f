"""Copying a payload in blocks that stay in the cache while they are hashed and looked through.

Whole passes over 12 MB, a copy and then a hash, read memory twice; by blocks the hash and the look
for numbers that are not finite come from the cache, which pays for the look.

**All finite**, exactly and without floating-point arithmetic: a float is NaN or infinite if, and
only if, its exponent bits are all set. Read as a signed integer, the positive ones of these are the
largest positive integers; read as an unsigned integer, the negative ones are the largest of all. So
no number is NaN or infinite if, and only if, the signed maximum lies below +inf's bits and the
unsigned maximum below -inf's.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from alchemiser_cli.shm.schema import Manifest

__all__ = ["BLOCK", "Block", "Check", "checks_of", "copied_blocks", "hashed_parts"]

Array = npt.NDArray[Any]

BLOCK = 1 << 19  # half of a usual second-level cache, and few enough calls

_maximum = np.maximum.reduce


class _Bits(NamedTuple):
    signed: npt.DTypeLike
    unsigned: npt.DTypeLike
    positive_infinity: int
    negative_infinity: int


_FLOATS = {
    "F16": _Bits(np.int16, np.uint16, 0x7C00, 0xFC00),
    "F32": _Bits(np.int32, np.uint32, 0x7F800000, 0xFF800000),
    "F64": _Bits(np.int64, np.uint64, 0x7FF0000000000000, 0xFFF0000000000000),
}


class Check(NamedTuple):
    """Floats of one dtype, seen as integers."""

    signed: Array
    unsigned: Array
    positive_infinity: int
    negative_infinity: int


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a payload to copy, of dtype uint8, what of the copy is hashed, and its checks.

    ``hashed`` is the target, with the padding that follows it.
    """

    target: Array
    source: Array
    hashed: Array
    checks: tuple[Check, ...]


class Hasher(Protocol):
    """An xxh3-64 that is fed piece by piece."""

    def update(self, data: Any, /) -> None:
        """Take in ``data``."""
        ...


def checks_of(manifest: Manifest, payload: Array, start: int, stop: int) -> tuple[Check, ...]:
    """Return the checks of the floats between two offsets of ``payload``, a run a dtype.

    Padding between two tensors of a run is zero, and so is no obstacle.
    """
    runs: list[tuple[str, int, int]] = []
    for spec in manifest.tensors:
        first, last = max(start, spec.offset), min(stop, spec.offset + spec.nbytes)
        if spec.dtype not in _FLOATS or first >= last:
            continue
        if runs and runs[-1][0] == spec.dtype and _touches(manifest, runs[-1][2], first):
            runs[-1] = (spec.dtype, runs[-1][1], last)
        else:
            runs.append((spec.dtype, first, last))
    checks = []
    for dtype, first, last in runs:
        bits = _FLOATS[dtype]
        part = payload[first:last]
        checks.append(Check(part.view(bits.signed), part.view(bits.unsigned), *bits[2:]))
    return tuple(checks)


def copied_blocks(blocks: Iterable[Block], hasher: Hasher) -> bool:
    """Copy and hash the blocks in order; return whether all of their floats are finite."""
    copy, update = np.copyto, hasher.update
    finite = True
    for block in blocks:
        copy(block.target, block.source)
        update(block.hashed)
        finite &= _all_finite(block.checks)
    return finite


def hashed_parts(parts: Iterable[tuple[Array, tuple[Check, ...]]], hasher: Hasher) -> bool:
    """Hash the parts in order, and copy nothing; return whether all of their floats are finite."""
    finite = True
    for part, checks in parts:
        hasher.update(part)
        finite &= _all_finite(checks)
    return finite


def _all_finite(checks: tuple[Check, ...]) -> bool:
    for signed, unsigned, positive, negative in checks:
        if not (_maximum(signed) < positive and _maximum(unsigned) < negative):
            return False
    return True


def _touches(manifest: Manifest, end: int, start: int) -> bool:
    """Whether nothing but padding, less than one alignment, lies between two offsets."""
    return not any(end <= spec.offset < start for spec in manifest.tensors if spec.nbytes)
