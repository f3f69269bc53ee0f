"""Mapped memory of a segment: words, bytes and arrays over one file."""

import mmap
from typing import Any

import numpy as np
import numpy.typing as npt

from alchemiser_cli.shm.layout import SLOT_HEAD, Header

__all__ = ["Mapping"]


class Mapping:
    """A whole segment in memory: read-only, or writable for the holder of the lease.

    Python's resource tracker does not know of it and unlinks nothing. The memory stays mapped as
    long as a view of it lives. A file that somebody truncates while it is mapped kills every
    process that touches the lost pages (SIGBUS); no check can prevent that, mode 0600 does.
    """

    def __init__(self, descriptor: int, header: Header, *, writable: bool) -> None:
        access = mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ
        mapped = mmap.mmap(descriptor, header.size, access=access)
        self.header = header
        self.bytes = memoryview(mapped)
        self.words = self.bytes.cast("Q")
        self.marks = [header.slot_at(index) // 8 for index in range(header.slot_count)]

    def slot(self, index: int) -> memoryview:
        """Return the bytes of slot ``index``."""
        start = self.header.slot_at(index)
        return self.bytes[start : start + self.header.slot_stride]

    def payload(self, index: int) -> npt.NDArray[Any]:
        """Return the payload of slot ``index`` as an array of dtype uint8."""
        start = self.header.slot_at(index) + SLOT_HEAD
        return np.frombuffer(self.bytes, np.uint8, self.header.manifest.capacity, start)
