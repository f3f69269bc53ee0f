"""How a policy acts: whether its actions are numbers, and whether they still choose sizes."""

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

__all__ = ["SATURATED", "ActionStatistics", "measure_actions", "non_finite_count"]

SATURATED = 0.99
_CONSTANT = 1e-6  # float32 rounding of a network's last layer stays below it


class ActionStatistics(msgspec.Struct, frozen=True):
    """Figures of all actions of an evaluation; shares are of 1."""

    decisions: int
    non_finite_share: float
    saturated_share: float  # beyond 0.99 of the limit, among the finite ones
    constant: int  # of the ten options, how many always got the same action
    mean_size: float  # mean of |action|


def measure_actions(actions: NDArray[np.float32]) -> ActionStatistics:
    """Measure ``actions`` (n, 10), as the policy gave them, before any is clipped or replaced."""
    finite = np.isfinite(actions)
    sizes = np.abs(actions[finite], dtype=np.float64)  # finite ones may sum up beyond float32
    known = np.where(finite, actions, 0.0).astype(np.float64)
    spread = np.ptp(known, axis=0) if len(known) else np.zeros(actions.shape[1])
    return ActionStatistics(
        decisions=len(actions),
        non_finite_share=float(1 - finite.mean()) if actions.size else 0.0,
        saturated_share=float((sizes > SATURATED).mean()) if sizes.size else 0.0,
        constant=int((spread <= _CONSTANT).sum()),
        mean_size=float(sizes.mean()) if sizes.size else 0.0,
    )


def non_finite_count(weights: Mapping[str, NDArray[Any]]) -> int:
    """Return how many numbers of named weights are NaN or infinite."""
    floats = (array for array in weights.values() if np.issubdtype(array.dtype, np.inexact))
    return sum(int((~np.isfinite(array)).sum()) for array in floats)
