"""What the weight bus is measured against: the bare machine, and the classic design."""

import mmap
import tempfile
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import xxhash

__all__ = ["Bare", "Classic"]

Array = npt.NDArray[Any]

FREE, TAKEN = 0, 1
HEADER = 16  # spin byte, length


class Bare:
    """A memcpy of all weights in one piece, and xxh3-64 of the copy."""

    def __init__(self, folder: str, weights: Array) -> None:
        """Keep ``weights``, of one dimension, and shared memory of their size in ``folder``."""
        self._source = weights.view(np.uint8)
        self._copy = self._source.copy()
        self._slots = [np.frombuffer(_shared(folder, weights.nbytes), np.uint8) for _ in range(3)]
        self._turn = 0

    def write(self) -> int:
        """Copy into the segment, and hash there."""
        self._turn = (self._turn + 1) % len(self._slots)
        slot = self._slots[self._turn]
        np.copyto(slot, self._source)
        return xxhash.xxh3_64_intdigest(slot.data, 7)

    def read(self) -> int:
        """Copy out of the segment, and hash the copy."""
        np.copyto(self._copy, self._slots[self._turn])
        return xxhash.xxh3_64_intdigest(self._copy.data, 7)


class Classic:
    """One buffer: a byte to spin on, a length, and what MessagePack made of the weights."""

    def __init__(self, folder: str, size: int) -> None:
        """Make shared memory of ``size`` bytes in ``folder``."""
        self._bytes = memoryview(_shared(folder, size + HEADER))
        self._words = self._bytes[:HEADER].cast("Q")

    def write(self, weights: Mapping[str, Array]) -> None:
        """Encode, take the byte, write length and content, and let go of the byte."""
        encoded = msgspec.msgpack.encode(
            {
                name: (array.dtype.str, array.shape, array.tobytes())
                for name, array in weights.items()
            }
        )
        self._take()
        self._words[1] = len(encoded)
        self._bytes[HEADER : HEADER + len(encoded)] = encoded
        self._words[0] = FREE

    def read(self) -> dict[str, Array]:
        """Take the byte, copy the content out, let go of the byte, and decode."""
        self._take()
        encoded = bytes(self._bytes[HEADER : HEADER + self._words[1]])
        self._words[0] = FREE
        return {
            name: np.frombuffer(content, dtype).reshape(shape)
            for name, (dtype, shape, content) in msgspec.msgpack.decode(encoded).items()
        }

    def _take(self) -> None:
        while self._words[0] != FREE:
            pass
        self._words[0] = TAKEN


def _shared(folder: str, size: int) -> mmap.mmap:
    """Return memory of a file of ``folder`` that has no name any more."""
    with tempfile.TemporaryFile(dir=folder) as file:
        file.truncate(size)
        memory = mmap.mmap(file.fileno(), size)
    memory[:] = bytes(size)  # the pages are there before anything is timed
    return memory
