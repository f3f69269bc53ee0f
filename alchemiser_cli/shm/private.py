"""A reader's own memory for the payloads that it copies out."""

import sys
from typing import Any

import numpy as np
import numpy.typing as npt

from alchemiser_cli.shm.mapping import Mapping
from alchemiser_cli.shm.schema import Manifest
from alchemiser_cli.shm.transfer import BLOCK, Block, checks_of

__all__ = ["PrivateCopies", "PrivateCopy"]

KEPT = 3


class PrivateCopy:
    """One buffer of dtype uint8, with the blocks that fill it from each slot."""

    def __init__(self, mapping: Mapping) -> None:
        """Allocate the buffer, and touch its pages now and not at the first read."""
        manifest = mapping.header.manifest
        self.payload: npt.NDArray[Any] = np.zeros(manifest.capacity, np.uint8)
        self.payload.fill(0)
        self.blocks = [
            _blocks(manifest, self.payload, mapping.payload(index))
            for index in range(mapping.header.slot_count)
        ]
        self._references = sys.getrefcount(self.payload)

    @property
    def free(self) -> bool:
        """Whether nobody holds an array of this buffer: every view holds a reference to it."""
        return sys.getrefcount(self.payload) <= self._references


class PrivateCopies:
    """Buffers by turns. One that is still in use somewhere is never written again."""

    def __init__(self, mapping: Mapping) -> None:
        """Serve the slots of ``mapping``."""
        self._mapping = mapping
        self._copies: list[PrivateCopy] = []

    def free(self) -> PrivateCopy:
        """Return a buffer that nobody uses; with few in use, this allocates nothing."""
        for copy in self._copies:
            if copy.free:
                return copy
        copy = PrivateCopy(self._mapping)
        self._copies = [*self._copies[-(KEPT - 1) :], copy]
        return copy


def _blocks(
    manifest: Manifest, target: npt.NDArray[Any], source: npt.NDArray[Any]
) -> tuple[Block, ...]:
    blocks = []
    for start in range(0, manifest.capacity, BLOCK):
        stop = min(start + BLOCK, manifest.capacity)
        part = target[start:stop]
        checks = checks_of(manifest, target, start, stop)
        blocks.append(Block(part, source[start:stop], part, checks))
    return tuple(blocks)
