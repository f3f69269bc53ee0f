"""When in the week failures come: hour of day by weekday or weekend, shrunk to the whole.

Times are whole minutes since 1970 in UTC, which began on a Thursday.
"""

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["CELLS", "cells", "exposure", "pooled_profile", "profile_sum"]

WEEK = 10_080  # minutes
CELLS = 48
POOLING = (100.0, 30.0, 10.0, 3.0, 1.0)

_MINUTE = np.arange(WEEK)
_HOUR_OF_WEEK_MINUTE = _MINUTE // 60 % 24
_WEEKEND_OF_WEEK_MINUTE = (_MINUTE // 1_440 + 3) % 7 >= 5
_CELL_OF_WEEK_MINUTE = _HOUR_OF_WEEK_MINUTE + 24 * _WEEKEND_OF_WEEK_MINUTE
_WEEK_EXPOSURE = np.bincount(_CELL_OF_WEEK_MINUTE, minlength=CELLS).astype(np.float64)
_CELL = np.arange(CELLS)
_LEVELS = (_CELL // 24, _CELL % 24, _CELL)  # weekend, hour, both: each is shrunk to those before


def cells(minutes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the cell of each minute: the hour of day, and 24 more at a weekend."""
    return _CELL_OF_WEEK_MINUTE[minutes % WEEK]


def exposure(start: int, end: int) -> NDArray[np.float64]:
    """Return how many of the minutes from ``start`` to before ``end`` lie in each cell, (48,)."""
    weeks, rest = divmod(end - start, WEEK)
    partial = np.bincount(cells(start + _MINUTE[:rest]), minlength=CELLS)
    return weeks * _WEEK_EXPOSURE + partial


def pooled_profile(
    counts: NDArray[np.float64], minutes: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return each cell's factor on the mean rate, (48,); over ``minutes`` they average to one.

    ``counts`` (48,) may be fractions of events. A factor is the posterior mean under a gamma
    prior around the coarser level, ``(n + k) / (due + k)``; ``k`` is the one under which the
    counts are likeliest, and with none at all where no spread is needed to explain them.
    Source: empirical Bayes for Poisson rates, Robbins (1956), Clayton and Kaldor (1987).
    """
    factors = np.ones(CELLS)
    due = counts.sum() / minutes.sum() * minutes
    for level in _LEVELS:
        seen = _sums(level, counts)
        expected = _sums(level, due * factors)
        strength = _pooling(seen, expected)
        if strength is not None:
            factors = factors * ((seen + strength) / (expected + strength))[level]
    return np.asarray(factors * (minutes.sum() / (factors @ minutes)))


def profile_sum(
    profile: NDArray[np.float64], start: NDArray[np.int64], minutes: int
) -> NDArray[np.float64]:
    """Return the sum of the profile's factors over ``minutes`` from each of ``start``, (m,)."""
    before = np.concatenate(([0.0], np.cumsum(profile[_CELL_OF_WEEK_MINUTE])))
    week, within = np.divmod(start, WEEK)
    end_week, end_within = np.divmod(start + minutes, WEEK)
    return np.asarray((end_week - week) * before[-1] + before[end_within] - before[within])


def _sums(level: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.bincount(level, values).astype(np.float64, copy=False)


def _pooling(seen: NDArray[np.float64], due: NDArray[np.float64]) -> float | None:
    """Return the prior strength of the greatest marginal likelihood; None: no spread at all."""
    seen, due = seen[due > 0], due[due > 0]
    best = float((seen * np.log(due) - due).sum())
    chosen = None
    for strength in POOLING:
        # The negative binomial, without the factor that all strengths share.
        gammas = sum(map(math.lgamma, (seen + strength).tolist()))
        rest = seen * np.log(due / (strength + due)) - strength * np.log1p(due / strength)
        likelihood = gammas - len(seen) * math.lgamma(strength) + float(rest.sum())
        if likelihood > best:
            best, chosen = likelihood, strength
    return chosen
