"""The rate at which failures come: base, season and self-excitation as one intensity.

Per minute ``t``, with ``s`` the seasonal factor, ``g`` the kernels and ``N`` the events before:

    rate(t) = s(t) (base + sum over recent (g * N)(t)) + sum over exciting (g * N)(t)

Nothing happens in the next ``w`` minutes with probability ``exp(-integral of rate)``: as long as
nothing happens, the memories only fade. Source: Hawkes, "Spectra of some self-exciting and
mutually exciting point processes", 1971; fitted by expectation maximisation as in Veen and
Schoenberg, 2008.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alchemiser_cli.errors.forecast.excitation import DECAYS, RECENCY, History
from alchemiser_cli.errors.forecast.season import (
    CELLS,
    cells,
    exposure,
    pooled_profile,
    profile_sum,
)

__all__ = ["FEWEST_FITTED", "Intensity", "fit_intensity"]

FEWEST_FITTED = 10
MOST_FITTED = 2_000
BRANCHING_BOUND = 0.95
ROUNDS = 3  # of the season
STEPS = 20  # of expectation maximisation in a round
PRIOR_EVENTS = 1.0  # that every branching ratio is held against

_WEIGHTS = -np.expm1(-DECAYS)  # a kernel sums to one over the minutes after its event
_SEASONAL = np.concatenate(([True], RECENCY))


@dataclass(frozen=True)
class Intensity:
    """A fitted rate: ``base`` a minute, ``branching`` (kernels,), ``profile`` (48,).

    A branching ratio is how many further events one event is expected to bring on; their sum is
    below one, so that no event leads to endless others.
    """

    base: float
    branching: NDArray[np.float64]
    profile: NDArray[np.float64]

    def expected(
        self, history: History, at: NDArray[np.int64], minutes: int
    ) -> NDArray[np.float64]:
        """Return the integral of the rate over ``minutes`` from each of ``at``, (m,).

        The recent base rate is held as it is at the window's start.
        """
        memories = history.memories(at)
        recent = memories[:, RECENCY] @ (self.branching * _WEIGHTS)[RECENCY]
        season = profile_sum(self.profile, at, minutes)
        return np.asarray(season * (self.base + recent) + self.excited(memories, minutes))

    def excited(self, memories: NDArray[np.float64], minutes: int) -> NDArray[np.float64]:
        """Return the self-exciting part of the integral, from ``memories`` (m, kernels)."""
        mass = -np.expm1(-DECAYS * minutes) * self.branching
        return np.asarray(memories[:, ~RECENCY] @ mass[~RECENCY])

    def probability(
        self, history: History, at: NDArray[np.int64], minutes: int
    ) -> NDArray[np.float64]:
        """Return the probability of an event in the ``minutes`` from each of ``at``, (m,)."""
        return np.asarray(-np.expm1(-self.expected(history, at, minutes)))


def fit_intensity(history: History, until: int) -> Intensity:
    """Fit to what lies before ``until``, of the latest 2,000 events at most, by likelihood.

    Raises:
        ValueError: where fewer than ``FEWEST_FITTED`` events lie before ``until``.
    """
    known = int(history.count(until))
    if known < FEWEST_FITTED:
        raise ValueError(f"{known} events are too few for a fit")
    first = max(0, known - MOST_FITTED)
    start = history.start if first == 0 else int(history.minutes[first])
    events = history.minutes[first:known]
    cell, minutes = cells(events), exposure(start, until)
    kernels = history.memories(events) * _WEIGHTS
    edges = history.memories(np.array([start, until]))
    mass = np.concatenate(([minutes.sum()], len(events) + edges[0] - edges[1] + PRIOR_EVENTS))
    weights = np.full(len(DECAYS) + 1, 0.2 / len(DECAYS))
    weights[0] = 0.8 * len(events) / minutes.sum()
    profile = np.ones(CELLS)
    for _ in range(ROUNDS):
        parts = np.column_stack((np.ones(len(events)), kernels))
        parts[:, _SEASONAL] *= profile[cell][:, None]
        for _ in range(STEPS):
            weights = _bounded(weights * ((1.0 / (parts @ weights)) @ parts) / mass)
        background = (parts[:, _SEASONAL] @ weights[_SEASONAL]) / (parts @ weights)
        counts = np.bincount(cell, background, CELLS).astype(np.float64, copy=False)
        profile = pooled_profile(counts, minutes)
    return Intensity(float(weights[0]), weights[1:], profile)


def _bounded(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    total = weights[1:].sum()
    if total > BRANCHING_BOUND:
        weights[1:] *= BRANCHING_BOUND / total
    return weights
