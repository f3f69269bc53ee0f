"""What a segment holds: tensors or a record, described so that both sides can compare it."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt
import xxhash

from alchemiser_cli.errors import SegmentSchemaError

__all__ = ["DTYPES", "Manifest", "Role", "TensorSpec", "digest_of"]
__all__ += ["record_manifest", "tensor_manifest"]

Array = npt.NDArray[Any]
Role = Literal["weight", "canary-observations", "canary-actions"]

ALIGNMENT = 64
# The names of safetensors; bfloat16, which NumPy does not have, is not among them.
DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype(np.float64),
    "F32": np.dtype(np.float32),
    "F16": np.dtype(np.float16),
    "I64": np.dtype(np.int64),
    "I32": np.dtype(np.int32),
    "I16": np.dtype(np.int16),
    "I8": np.dtype(np.int8),
    "U64": np.dtype(np.uint64),
    "U32": np.dtype(np.uint32),
    "U16": np.dtype(np.uint16),
    "U8": np.dtype(np.uint8),
    "BOOL": np.dtype(np.bool_),
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}


class TensorSpec(msgspec.Struct, frozen=True):
    """One tensor: its dtype by the name of safetensors, and its offset in the payload in bytes."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int
    role: Role = "weight"

    @property
    def nbytes(self) -> int:
        """The tensor's size in bytes."""
        return math.prod(self.shape) * DTYPES[self.dtype].itemsize

    def view(self, payload: Array) -> Array:
        """Return the tensor as a view of ``payload``, which is of dtype uint8."""
        part = payload[self.offset : self.offset + self.nbytes]
        return part.view(DTYPES[self.dtype]).reshape(self.shape)


class Manifest(msgspec.Struct, frozen=True):
    """What each slot holds: tensors, or else a record of at most ``capacity`` bytes.

    ``schema`` is the JSON Schema of the record. ``capacity`` is in bytes for tensors, too.
    """

    kind: Literal["weights", "record"]
    capacity: int
    tensors: tuple[TensorSpec, ...] = ()
    record: str = ""
    schema: dict[str, Any] = {}

    @property
    def digest(self) -> int:
        """A hash of what is held, for comparison: 64 bits, xxh3."""
        return digest_of(self)


def tensor_manifest(
    weights: Mapping[str, Array],
    observations: Array | None = None,
    actions: Array | None = None,
) -> Manifest:
    """Describe named arrays, each aligned to a cache line, and the canary's two arrays after them.

    Raises:
        SegmentSchemaError: ``segment-schema-mismatch`` if a dtype has no name in safetensors, or
            if there is no tensor.
    """
    named: list[tuple[str, Array, Role]] = [(name, weights[name], "weight") for name in weights]
    if observations is not None and actions is not None:
        named.append(("observations", observations, "canary-observations"))
        named.append(("actions", actions, "canary-actions"))
    specs, end = [], 0
    for name, array, role in named:
        dtype = NAMES.get(array.dtype)
        if dtype is None:
            raise _unfit(f"tensor {name!r} has the dtype {array.dtype}", sorted(DTYPES))
        specs.append(TensorSpec(name, dtype, array.shape, end, role))
        end += -(-specs[-1].nbytes // ALIGNMENT) * ALIGNMENT
    if not weights:
        raise _unfit("there is no tensor to share", sorted(DTYPES))
    return Manifest("weights", end, tuple(specs))


def record_manifest(kind: type[msgspec.Struct], capacity: int) -> Manifest:
    """Describe a record of type ``kind`` by its JSON Schema.

    Raises:
        TypeError: if msgspec cannot describe the type.
    """
    return Manifest("record", capacity, (), kind.__name__, msgspec.json.schema(kind))


def digest_of(value: Any) -> int:
    """Return xxh3-64 of ``value`` as JSON with sorted keys; ``value`` is what msgspec encodes."""
    return xxhash.xxh3_64_intdigest(msgspec.json.encode(value, order="deterministic"))


def _unfit(what: str, known: Iterable[str]) -> SegmentSchemaError:
    return SegmentSchemaError(
        what,
        why=f"A segment holds arrays of these dtypes: {', '.join(known)}.",
        next_step="Convert the arrays before they are published.",
    )
