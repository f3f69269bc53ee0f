"""Publishing named weights."""

from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
import xxhash

from alchemiser_cli.errors import SegmentSchemaError, TrainingDivergedError
from alchemiser_cli.logs import get_logger
from alchemiser_cli.shm.canary import Array, Canary
from alchemiser_cli.shm.schema import DTYPES, Manifest, TensorSpec
from alchemiser_cli.shm.slots import BODY, HEAD_BYTES, pack_head, staged_head
from alchemiser_cli.shm.struck import MID_COPY, blocks_struck_in_the_middle
from alchemiser_cli.shm.transfer import BLOCK, Block, Check, checks_of, copied_blocks
from alchemiser_cli.shm.writer import SegmentWriter

__all__ = ["WeightWriter"]

_LOG = get_logger("application", "shm")


class _Target(NamedTuple):
    """A part of a tensor in a slot; ``start`` and ``stop`` are bytes of the tensor."""

    target: Array
    hashed: Array
    checks: tuple[Check, ...]
    start: int
    stop: int


class WeightWriter:
    """The one writer of a segment of weights."""

    def __init__(self, writer: SegmentWriter) -> None:
        """Write with ``writer``, whose manifest describes tensors."""
        self.segment = writer
        mapping = writer.mapping
        self._manifest = mapping.header.manifest
        slots = range(len(mapping.marks))
        self._heads = [mapping.slot(index)[BODY : BODY + HEAD_BYTES] for index in slots]
        self._targets = [_targets(self._manifest, mapping.payload(index)) for index in slots]
        self._staged = staged_head(writer.provenance)

    def publish(
        self, weights: Mapping[str, Array], *, canary: Canary | None = None, step: int = 0
    ) -> int:
        """Make ``weights`` the newest, and return their generation; ``step`` is the training's.

        The arrays have the names, dtypes and shapes that the segment was made with; contiguous
        ones are copied once. The canary is given if, and only if, the segment was made with one.

        Raises:
            SegmentSchemaError: ``segment-schema-mismatch`` for other arrays.
            TrainingDivergedError: ``training-diverged`` if a number is NaN or infinite.
            SegmentWriterAliveError: ``segment-writer-alive`` after ``close`` or a fork.
            SharedMemoryFullError: ``shared-memory-full`` where the memory gives no room.
        """
        sources = _sources(self._manifest, weights, canary)
        writer = self.segment
        with writer.lock:
            generation, index = writer.begin()
            times_ns = writer.times_ns()
            length = self._manifest.capacity
            described = len(writer.provenance)
            pack_head(self._staged, generation, times_ns, step, length, described)
            self._heads[index][:] = self._staged
            hasher = xxhash.xxh3_64(self._staged, generation)
            blocks = _blocks(self._targets[index], sources)
            if MID_COPY.armed is not None:
                blocks = blocks_struck_in_the_middle(blocks)
            try:
                finite = copied_blocks(blocks, hasher)
            except BaseException:
                writer.abandon(generation)
                raise
            if not finite:
                writer.abandon(generation)
                raise self._diverged(sources, step)
            writer.commit(generation, hasher.intdigest(), times_ns[0])
        _LOG.debug(
            "shm_write_atomic", segment=writer.file.name, generation=generation, bytes=length
        )
        return generation

    def close(self) -> None:
        """Give the lease back; the last weights stay for their readers. Twice is harmless."""
        self.segment.close()

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the writer."""
        self.close()

    def _diverged(self, sources: list[Array], step: int) -> TrainingDivergedError:
        bad = [
            spec.name
            for spec, source in zip(self._manifest.tensors, sources, strict=True)
            if spec.dtype[0] == "F" and not np.isfinite(source.view(DTYPES[spec.dtype])).all()
        ]
        return TrainingDivergedError(
            f"weights for {self.segment.file.name} are not finite",
            why=f"NaN or infinite numbers are in {', '.join(bad[:5])} at step {step}.",
            next_step="Stop the run; readers keep the generation that they have.",
            context={"tensors": bad[:20], "step": step},
        )


def _sources(
    manifest: Manifest, weights: Mapping[str, Array], canary: Canary | None
) -> list[Array]:
    """Return the arrays in the manifest's order, flat and of dtype uint8.

    Raises:
        SegmentSchemaError: ``segment-schema-mismatch``.
    """
    given: dict[tuple[str, str], Array] = {
        ("weight", name): array for name, array in weights.items()
    }
    if canary is not None:
        given["canary-observations", "observations"] = canary.observations
        given["canary-actions", "actions"] = canary.actions
    flat = []
    for spec in manifest.tensors:
        array = given.pop((spec.role, spec.name), None)
        if array is None:
            raise _unlike(f"{spec.role} {spec.name!r} is missing")
        if array.dtype != DTYPES[spec.dtype] or array.shape != spec.shape:
            raise _unlike(
                f"{spec.role} {spec.name!r} is {array.dtype} of shape {array.shape}, "
                f"not {DTYPES[spec.dtype]} of shape {spec.shape}"
            )
        flat.append(np.ascontiguousarray(array).reshape(-1).view(np.uint8))
    if given:
        raise _unlike(f"{', '.join(name for _, name in given)} has no place in it")
    return flat


def _unlike(why: str) -> SegmentSchemaError:
    return SegmentSchemaError(
        "the arrays are not those that the segment was made for",
        why=f"{why}.",
        next_step="Publish another model under another name.",
    )


def _targets(manifest: Manifest, payload: Array) -> list[list[_Target]]:
    """Return the parts of each tensor in a slot, and what is hashed with them."""
    ends = [spec.offset for spec in manifest.tensors[1:]] + [manifest.capacity]
    return [
        [_target(manifest, payload, spec, start, end) for start in range(0, spec.nbytes, BLOCK)]
        for spec, end in zip(manifest.tensors, ends, strict=True)
    ]


def _target(manifest: Manifest, payload: Array, spec: TensorSpec, start: int, end: int) -> _Target:
    stop = min(start + BLOCK, spec.nbytes)
    first, last = spec.offset + start, spec.offset + stop
    return _Target(
        target=payload[first:last],
        hashed=payload[first : end if stop == spec.nbytes else last],
        checks=checks_of(manifest, payload, first, last),
        start=start,
        stop=stop,
    )


def _blocks(targets: list[list[_Target]], sources: list[Array]) -> Iterator[Block]:
    for parts, source in zip(targets, sources, strict=True):
        for target, hashed, checks, start, stop in parts:
            yield Block(target, source[start:stop], hashed, checks)
