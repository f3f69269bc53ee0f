"""What a fault on purpose does to the weights on their way through a segment."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from alchemiser_cli.faults import FaultKind, fault_point
from alchemiser_cli.shm.transfer import Block, Check

__all__ = [
    "MID_COPY",
    "PUBLISH",
    "READ",
    "blocks_struck_in_the_middle",
    "copy_struck_in_the_middle",
]
__all__ += ["held_up_on_purpose", "spoiled_blocks", "spoiled_on_purpose", "spoiled_parts"]

MID_COPY = fault_point("shm.write.mid-copy")
PUBLISH = fault_point("shm.publish")
READ = fault_point("shm.read")

Array = npt.NDArray[Any]
Part = tuple[Array, tuple[Check, ...]]


def blocks_struck_in_the_middle(blocks: Iterable[Block]) -> Iterator[Block]:
    """Yield ``blocks`` to copy; with half of their bytes in the slot, pass ``shm.write.mid-copy``.

    A spoiled record has bits flipped behind the back of its checksum, after it was hashed.
    """
    every = list(blocks)
    if not every:
        MID_COPY.strike()
        return
    middle = len(every) // 2
    yield from every[:middle]
    block = every[middle]
    half = len(block.target) // 2
    block.target[:half] = block.source[:half]
    sound = block.source.tobytes()
    left = MID_COPY.alter(sound) or sound
    yield from every[middle:]
    if left != sound:
        block.target[:] = np.frombuffer(left, np.uint8)


def copy_struck_in_the_middle(slot: memoryview, record: bytearray) -> None:
    """Copy ``record`` to ``slot`` as above; what is then in the slot may be spoiled."""
    half = len(record) // 2
    slot[:half] = record[:half]
    sound = bytes(record)
    slot[:] = MID_COPY.alter(sound) or sound


def spoiled_blocks(blocks: Iterable[Block]) -> Iterator[Block]:
    """Yield ``blocks`` as a reader copies them, the first of them after ``shm.read``."""
    every = iter(blocks)
    for first in every:
        source = _seen(first.source)
        yield from chain([Block(first.target, source, first.hashed, first.checks)], every)


def spoiled_parts(parts: Iterable[Part]) -> Iterator[Part]:
    """Yield ``parts`` as a reader hashes them in place, the first of them after ``shm.read``."""
    every = iter(parts)
    for part, checks in every:
        yield from chain([(_seen(part), checks)], every)


def spoiled_on_purpose() -> bool:
    """Tell whether a fault spoils records, where they are read or where they are written.

    A writer in another process of ours has the same faults in force.
    """
    return any(
        armed is not None and armed.fault.kind is FaultKind.CORRUPT
        for armed in (READ.armed, MID_COPY.armed)
    )


def held_up_on_purpose() -> bool:
    """Tell whether a fault keeps new records from being published."""
    return PUBLISH.armed is not None or MID_COPY.armed is not None


def _seen(source: Array) -> Array:
    sound = source.tobytes()
    return np.frombuffer(READ.alter(sound) or sound, np.uint8)
