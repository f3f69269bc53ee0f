"""How strongly past failures press on the present: exponential memories of several lengths."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["DECAYS", "HALF_LIVES", "RECENCY", "History"]

HALF_LIVES = (5.0, 30.0, 180.0, 1_440.0, 10_080.0)  # minutes
LONGEST_STRETCH = 300.0  # of exponents
RECENCY = np.array([False, False, False, False, True])
"""Which memories are the recent base rate; the others are excitation by single failures."""

DECAYS = np.log(2.0) / np.array(HALF_LIVES)  # a minute


class History:
    """The minutes in which something happened, and what is remembered of them at any minute.

    A memory of decay ``b`` holds ``sum(exp(-b (t - 1 - m)))`` over the event minutes ``m``
    before ``t``; Hawkes (1971) with exponential kernels, on a grid of minutes.
    """

    def __init__(self, minutes: NDArray[np.int64], start: int) -> None:
        """Take event minutes, rising and each once; nothing before ``start`` was observed."""
        self.minutes = minutes
        self.start = start
        # The memories right after each event, (n, kernels).
        self._after = np.column_stack([_after(minutes, decay) for decay in DECAYS.tolist()])

    def count(self, until: int | NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many events lie before each of ``until``."""
        return np.asarray(np.searchsorted(self.minutes, until))

    def memories(self, at: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the memories at each minute of ``at``, (m, kernels), of what lies before it."""
        last = self.count(at) - 1
        known = last >= 0
        held = np.zeros((len(at), len(DECAYS)))
        ages = (at[known] - 1 - self.minutes[last[known]])[:, None]
        held[known] = self._after[last[known]] * np.exp(-DECAYS * ages)
        return held


def _after(minutes: NDArray[np.int64], decay: float) -> NDArray[np.float64]:
    """Return ``sum(exp(-decay (m - n)))`` over the events ``n`` up to each event ``m``, (n,)."""
    held = np.empty(len(minutes))
    if not len(minutes):
        return held
    # By stretches: over a longer one the growing exponential would leave the range of a double.
    stretch = (decay * (minutes - minutes[0]) / LONGEST_STRETCH).astype(np.int64)
    begins = np.flatnonzero(np.diff(stretch, prepend=-1)).tolist()
    carried = 0.0
    for begin, end in zip(begins, [*begins[1:], len(minutes)], strict=True):
        age = decay * (minutes[begin:end] - minutes[begin])
        if begin:
            carried *= np.exp(-decay * (minutes[begin] - minutes[begin - 1]))
        held[begin:end] = (np.cumsum(np.exp(age)) + carried) * np.exp(-age)
        carried = held[end - 1]
    return held
