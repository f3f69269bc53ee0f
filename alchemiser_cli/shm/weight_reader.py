"""Reading named weights: copied out, checked, proven by the canary, and then swapped."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import xxhash

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors import SegmentSchemaError, TrainingDivergedError
from alchemiser_cli.settings import ShmSettings
from alchemiser_cli.shm.canary import Array, Canary, Prove, prove_canary
from alchemiser_cli.shm.control import RETIRED_WORD
from alchemiser_cli.shm.freshness import freshness_of
from alchemiser_cli.shm.in_place import WeightsInPlace, mapped_parts
from alchemiser_cli.shm.mapping import Mapping as Mapped
from alchemiser_cli.shm.private import PrivateCopies
from alchemiser_cli.shm.reader import Copy, SegmentReader
from alchemiser_cli.shm.slots import (
    BODY,
    HEAD_BYTES,
    SlotHead,
    decode_head,
    payload_length,
    slot_of,
)
from alchemiser_cli.shm.struck import READ, spoiled_blocks, spoiled_parts
from alchemiser_cli.shm.transfer import copied_blocks, hashed_parts
from alchemiser_cli.shm.words import TO_COMPLETE
from alchemiser_cli.telemetry import SILENT, Telemetry

__all__ = ["WeightReader", "Weights"]


@dataclass(frozen=True, eq=False)
class Weights:
    """One generation of a policy: ``tensors`` by name, read-only and private to the reader."""

    tensors: Mapping[str, Array]
    head: SlotHead
    canary: Canary | None

    @property
    def generation(self) -> int:
        """The generation, which only grows."""
        return self.head.generation


_Payload = tuple[Array, bool]  # of dtype uint8, and whether all of its floats are finite


class WeightReader(SegmentReader[_Payload, Weights]):
    """A reader of weights."""

    def __init__(
        self,
        file: Path,
        clock: Clock,
        settings: ShmSettings,
        *,
        prove: Prove | None = None,
        tolerance: float = 0.0,
        observation_hash: int = 0,
        telemetry: Telemetry = SILENT,
    ) -> None:
        """Attach; with ``prove``, no generation is taken whose canary does not hold.

        An ``observation_hash`` that is not 0 must be the segment's.
        """
        self._prove = prove
        self._tolerance = tolerance
        self._observation_hash = observation_hash
        super().__init__(file, clock, settings, 0, telemetry)

    @contextmanager
    def in_place(self) -> Iterator[WeightsInPlace]:
        """Use the published weights where they lie, proven like a copy; yields them.

        Saves the copy. A reader that is so slow that its slot is written again gets an error at
        the end of the block, and what it computed must be discarded. ``value`` does not change.

        Raises:
            WeightsOverwrittenError: ``weights-overwritten``.
            StaleWeightsError: ``weights-stale`` if nothing was published, or it is expired.
            SegmentCorruptError: ``segment-corrupt``; here no earlier value stands in.
            TrainingDivergedError: ``training-diverged``.
            CanaryMismatchError: ``canary-mismatch``.
        """
        sight = self._sight(self._mapped)
        if sight.word == RETIRED_WORD:
            self._follow()
            sight = self._sight(self._mapped)
        if sight.fault:
            raise self._corrupt(sight.fault)
        if sight.copy is None:
            raise self._stale(freshness_of(None, None, self._settings, self._clock))
        head = decode_head(sight.copy.head)
        found = freshness_of(head, None, self._settings, self._clock)
        if found.action != "act":
            raise self._stale(found)
        weights = self._accepted(head, sight.copy.content)
        mark = self._mapping.marks[slot_of(sight.generation)]
        expected = sight.word ^ TO_COMPLETE
        view = WeightsInPlace(weights.tensors, head, self._words, mark, expected, self._fence)
        self._line.saw(sight.generation, self._clock.now_ns())
        yield view
        view.require_intact()

    def _prepare(self, mapping: Mapped) -> None:
        manifest = mapping.header.manifest
        if manifest.kind != "weights":
            raise self._unfit(f"it holds records of {manifest.record}")
        if self._observation_hash not in {0, mapping.header.observation_hash}:
            raise self._unfit(
                f"its weights take observations {mapping.header.observation_hash:016x}, "
                f"not {self._observation_hash:016x}"
            )
        if self._prove is not None and all(one.role == "weight" for one in manifest.tensors):
            raise self._unfit("it carries no canary, and the reader is to prove one")
        self._copies = PrivateCopies(mapping)
        slots = range(len(mapping.marks))
        self._payloads = [mapping.payload(index) for index in slots]
        self._parts = [list(mapped_parts(manifest, payload)) for payload in self._payloads]
        self._heads = [mapping.slot(index)[BODY : BODY + HEAD_BYTES] for index in slots]

    def _copied(self, index: int, generation: int) -> Copy[_Payload] | None:
        head = bytes(self._heads[index])
        copy = self._copies.free()
        if payload_length(head) != len(copy.payload):
            return None
        hasher = xxhash.xxh3_64(head, generation)
        blocks = copy.blocks[index]
        finite = copied_blocks(blocks if READ.armed is None else spoiled_blocks(blocks), hasher)
        return Copy(hasher.intdigest(), head, (copy.payload, finite))

    def _mapped(self, index: int, generation: int) -> Copy[_Payload] | None:
        """Hash slot ``index`` where it lies."""
        head, payload = bytes(self._heads[index]), self._payloads[index]
        if payload_length(head) != len(payload):
            return None
        hasher = xxhash.xxh3_64(head, generation)
        parts = self._parts[index]
        finite = hashed_parts(parts if READ.armed is None else spoiled_parts(parts), hasher)
        return Copy(hasher.intdigest(), head, (payload, finite))

    def _accepted(self, head: SlotHead, content: _Payload) -> Weights:
        payload, finite = content
        if not finite:
            raise TrainingDivergedError(
                f"weights in {self._file.name} are not finite",
                why=f"Generation {head.generation} holds NaN or infinite numbers.",
                next_step="Stop the training run; the reader keeps what it has.",
            )
        tensors: dict[str, Array] = {}
        proof: dict[str, Array] = {}
        for spec in self.header.manifest.tensors:
            view = spec.view(payload)
            view.flags.writeable = False
            (tensors if spec.role == "weight" else proof)[spec.name] = view
        canary = Canary(proof["observations"], proof["actions"]) if proof else None
        if self._prove is not None and canary is not None:
            prove_canary(self._prove, tensors, canary, self._tolerance)
        return Weights(tensors, head, canary)

    def _unfit(self, why: str) -> SegmentSchemaError:
        return SegmentSchemaError(
            f"{self._file} does not hold what is asked for",
            why=f"It cannot be used: {why}.",
            next_step="Read another segment, or publish again with this version.",
        )
