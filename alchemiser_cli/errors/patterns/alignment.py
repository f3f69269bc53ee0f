"""Do two series meet more often than they would if one were moved? The null of all pairs.

The observed number of meetings is compared with that of moved copies. Under the null the true
alignment is one of ``moves + 1`` that are alike; given the sum of all meetings, its own number is
binomial with the chance ``1 / (moves + 1)``. Meetings that come in clumps are divided by their
overdispersion (variance over mean of the moved copies) first, as in a quasi-Poisson model.
Two sets of moves are tried and the larger p-value holds:

- by whole days, around the circle of all days: a rhythm of the day that both have stays, so that
  it is no pattern by itself;
- by a few windows to either side: what is slower than these, such as a bad week or weekends
  without trade, stays as well (the interval jitter of Amarasingham et al., J. Neurophysiol. 107,
  2012).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from alchemiser_cli.errors.patterns.tails import binomial_tail

__all__ = ["meeting_p", "moves"]

LOCAL_WINDOWS = (-6, -5, -4, -3, -2, 2, 3, 4, 5, 6)
MOST_DAYS = 60
LEAST_DAYS = 7

Ints = NDArray[np.int64]


def moves(days: int, day: int, window: int, seed: int) -> tuple[Ints, Ints]:
    """Return the moves by whole days and by windows, in the unit of ``day`` and ``window``.

    With fewer than seven days there are no moves by days; of more than sixty, sixty are drawn.
    """
    whole = np.arange(1, days) if days >= LEAST_DAYS else np.empty(0, np.int64)
    if len(whole) > MOST_DAYS:
        whole = np.sort(np.random.default_rng(seed).choice(whole, MOST_DAYS, replace=False))
    return whole.astype(np.int64) * day, np.array(LOCAL_WINDOWS, np.int64) * window


def meeting_p(
    support: int, by: tuple[Ints, Ints], meetings: Callable[[Ints], Ints]
) -> tuple[float, float]:
    """Return the p-value of ``support`` meetings, and how many the moves let one expect.

    Args:
        support: Meetings as the series really lie.
        by: The two sets of moves.
        meetings: Counts the meetings after each move of an array.
    """
    p_value, expected = 0.0, 0.0
    for shifts in by:
        if not len(shifts):
            continue
        counts = meetings(shifts)
        mean = float(counts.mean())
        clumped = max(1.0, float(counts.var(ddof=1)) / mean) if mean else 1.0
        p_value = max(
            p_value,
            binomial_tail(support / clumped, counts.sum() / clumped, 1 / (len(shifts) + 1)),
        )
        expected = max(expected, (float(counts.sum()) + 0.5) / len(shifts))
    return p_value, expected
