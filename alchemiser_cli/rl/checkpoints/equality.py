"""Whether two sets of arrays are the same, to the last bit."""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from alchemiser_cli.errors import ResumeMismatchError

__all__ = ["fingerprint", "prove_equal"]

SHOWN = 5


def fingerprint(arrays: Mapping[str, np.ndarray[Any, Any]]) -> str:
    """Return a SHA-256 in hexadecimal over names, dtypes, shapes and bytes, in order of names."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def prove_equal(
    uninterrupted: Mapping[str, np.ndarray[Any, Any]],
    resumed: Mapping[str, np.ndarray[Any, Any]],
    *,
    run: str,
) -> str:
    """Return the fingerprint that both share: the proof that ``run`` was resumed exactly.

    Raises:
        ResumeMismatchError: ``resume-mismatch``, naming the arrays that differ and by how much.
    """
    expected = fingerprint(uninterrupted)
    if fingerprint(resumed) == expected:
        return expected
    names = sorted({*uninterrupted, *resumed})
    found = {
        name: said
        for name in names
        if (said := _difference(uninterrupted.get(name), resumed.get(name)))
    }
    shown = [f"{name}: {said}" for name, said in list(found.items())[:SHOWN]]
    more = f", and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    raise ResumeMismatchError(
        f"run {run} does not become the same when it is resumed: "
        f"{len(found)} of {len(names)} arrays differ",
        why="; ".join(shown) + more + ".",
        next_step="Use one thread and one machine for both; if it stays so, report the difference.",
        context={"run": run, "arrays": list(found), "of": len(names)},
    )


def _difference(
    expected: np.ndarray[Any, Any] | None, found: np.ndarray[Any, Any] | None
) -> str | None:
    if expected is None or found is None:
        return "only the resumed one has it" if expected is None else "the resumed one lacks it"
    if (expected.dtype, expected.shape) != (found.dtype, found.shape):
        return f"{found.dtype}{found.shape} instead of {expected.dtype}{expected.shape}"
    if expected.tobytes() == found.tobytes():
        return None
    first, second = expected.astype(np.float64), found.astype(np.float64)
    with np.errstate(invalid="ignore"):
        apart = np.abs(first - second)[~np.isclose(first, second, 0, 0, equal_nan=True)]
    if apart.size == 0:
        return "equal values of other bits: the sign of a zero, or the kind of a NaN"
    largest = np.max(np.where(np.isnan(apart), np.inf, apart))
    return f"{apart.size} of {first.size} values, by {largest:.3g}"
