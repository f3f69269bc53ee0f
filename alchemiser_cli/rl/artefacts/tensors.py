"""Named arrays as safetensors bytes, and the hash by which equal weights are known."""

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Array", "Canary", "canary_of", "encoded", "tensors_of", "weights_hash"]

Array = npt.NDArray[Any]


class Canary(NamedTuple):
    """Observations of shape ``(n, ...)`` and the model's actions for them, ``(n, ...)``, float32.

    For the options environment these are ``(8, 16, 100)`` and ``(8, 10)``.
    """

    observations: Array
    actions: Array


def encoded(tensors: Mapping[str, Array]) -> bytes:
    """Return named arrays as safetensors."""
    from safetensors.numpy import save

    return bytes(save({name: np.asarray(one, order="C") for name, one in tensors.items()}))


def tensors_of(content: bytes) -> dict[str, Array]:
    """Return the arrays in safetensors bytes; nothing in there can be run.

    Raises:
        ValueError: what is wrong with the bytes.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return dict(load(content))
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"these are no tensors: {error}") from error


def canary_of(tensors: Mapping[str, Array]) -> Canary:
    """Return the canary among ``tensors``.

    Raises:
        ValueError: if there is none, or its observations and actions are not as many.
    """
    if set(tensors) != {"observations", "actions"}:
        raise ValueError("it holds no observations and actions")
    canary = Canary(tensors["observations"], tensors["actions"])
    shapes = canary.observations.shape, canary.actions.shape
    if not all(shapes) or shapes[0][0] != shapes[1][0]:
        raise ValueError(f"observations of shape {shapes[0]} do not go with actions {shapes[1]}")
    return canary


def weights_hash(weights: Mapping[str, Array]) -> str:
    """Return SHA-256 over the tensors in the order of their names, in hexadecimal.

    Name, dtype, shape and little-endian bytes of each count, so that equal hashes mean equal
    weights on any machine.
    """
    digest = hashlib.sha256()
    for name in sorted(weights):
        array = np.asarray(weights[name], order="C")
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        digest.update(f"{len(name)}:{name} {array.dtype.name} {array.shape}\n".encode())
        digest.update(little.tobytes())
    return digest.hexdigest()
