"""Weights that are used where they lie: no copy, and a last look that tells whether that was safe.

A writer marks a slot as being written before it touches the slot's payload. So what was read from
a slot is what was proven if, after the last use and a fence, the mark is still the one from before.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from alchemiser_cli.errors import WeightsOverwrittenError
from alchemiser_cli.shm.canary import Array
from alchemiser_cli.shm.schema import Manifest
from alchemiser_cli.shm.slots import SlotHead
from alchemiser_cli.shm.transfer import BLOCK, Check, checks_of

__all__ = ["WeightsInPlace", "mapped_parts"]


@dataclass(frozen=True, eq=False)
class WeightsInPlace:
    """One generation where it lies in shared memory: ``tensors`` by name, read-only.

    Two further publications leave it alone; the third writes over it. Arrays that are kept after
    the block of ``WeightReader.in_place`` change under whoever keeps them.
    """

    tensors: Mapping[str, Array]
    head: SlotHead
    _words: memoryview = field(repr=False)
    _mark: int = field(repr=False)
    _expected: int = field(repr=False)
    _fence: Callable[[], None] = field(repr=False)

    @property
    def generation(self) -> int:
        """The generation, which only grows."""
        return self.head.generation

    @property
    def intact(self) -> bool:
        """Whether nothing that was read up to now had been written over."""
        self._fence()
        return self._words[self._mark] == self._expected

    def require_intact(self) -> None:
        """Raise if it was written over.

        Raises:
            WeightsOverwrittenError: ``weights-overwritten``.
        """
        if not self.intact:
            raise WeightsOverwrittenError(
                f"generation {self.generation} was written over while it was in use",
                why="Its writer published at least two more generations meanwhile.",
                next_step="Discard what was computed and do it again, or read a copy with poll.",
                context={"generation": self.generation},
            )


def mapped_parts(manifest: Manifest, payload: Array) -> Iterator[tuple[Array, tuple[Check, ...]]]:
    """Yield the parts of a ``payload`` of dtype uint8 for ``hashed_parts``."""
    for start in range(0, manifest.capacity, BLOCK):
        stop = min(start + BLOCK, manifest.capacity)
        yield payload[start:stop], checks_of(manifest, payload, start, stop)
