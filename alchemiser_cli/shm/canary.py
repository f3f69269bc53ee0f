"""The canary: fixed observations, and the actions that weights must give for them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from alchemiser_cli.errors import CanaryMismatchError

__all__ = ["Canary", "Prove", "prove_canary"]

Array = npt.NDArray[Any]
# Takes named weights and observations of shape (n, ...), returns actions of shape (n, ...).
Prove = Callable[[Mapping[str, Array], Array], Array]


@dataclass(frozen=True, eq=False)
class Canary:
    """Observations of shape ``(n, ...)`` and the writer's actions for them, ``(n, ...)``."""

    observations: Array
    actions: Array


def prove_canary(
    prove: Prove, tensors: Mapping[str, Array], canary: Canary, tolerance: float
) -> None:
    """Let ``prove`` act on the observations, and compare: equal, or within ``tolerance``.

    Raises:
        CanaryMismatchError: ``canary-mismatch``; also if ``prove`` itself fails.
    """
    try:
        given = np.asarray(prove(tensors, canary.observations))
    except Exception as error:  # what a policy raises is its own
        raise _mismatch(f"the policy raised {type(error).__name__}: {error}") from error
    wanted = canary.actions
    if given.shape != wanted.shape:
        raise _mismatch(f"actions of shape {given.shape} came, not {wanted.shape}")
    if np.array_equal(given, wanted):
        return
    difference = float(np.max(np.abs(given.astype(np.float64) - wanted.astype(np.float64))))
    if not difference <= tolerance:  # NaN is a difference, too
        raise _mismatch(f"the actions differ by up to {difference:g}; {tolerance:g} is allowed")


def _mismatch(why: str) -> CanaryMismatchError:
    return CanaryMismatchError(
        "the weights do not give the actions that their writer observed",
        why=f"For the canary's observations {why}.",
        next_step="Compare the policy's code and libraries of writer and reader.",
    )
