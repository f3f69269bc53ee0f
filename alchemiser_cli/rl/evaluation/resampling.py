"""Intervals by resampling: of aggregates over runs, and of differences between paired returns."""

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

__all__ = [
    "RESAMPLES",
    "Interval",
    "block_length",
    "interquartile_mean",
    "interval_of",
    "stationary_indices",
    "stratified_interval",
]

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

RESAMPLES = 2_000  # the ends of a 90 % interval then move by about 1 % of its width


class Interval(msgspec.Struct, frozen=True):
    """An estimate, and the ends of its interval."""

    value: float
    low: float
    high: float


def interval_of(value: float, resampled: Floats, confidence: float) -> Interval:
    """Return ``value`` between the percentiles that hold ``confidence`` of the resamples."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail])
    return Interval(value, float(low), float(high))


def interquartile_mean(values: Floats, axis: int | None = None) -> Floats:
    """Return the mean without the lowest and the highest quarter of the values.

    A quarter is rounded down, so that of fewer than four values none is left out.

    Source: Agarwal et al. (2021), Deep RL at the Edge of the Statistical Precipice, section 4.3.
    """
    ordered = np.sort(values, axis=axis)
    count = ordered.shape[-1 if axis is None else axis]
    cut = count // 4
    kept = np.take(ordered, np.arange(cut, count - cut), axis=-1 if axis is None else axis)
    return np.asarray(kept.mean(axis=-1 if axis is None else axis))


def stratified_interval(
    scores: Floats, *, confidence: float, seed: int, resamples: int = RESAMPLES
) -> Interval:
    """Return the interquartile mean of ``scores`` (runs, tasks), with its bootstrap interval.

    Runs are drawn with replacement within each task, so that every task keeps its weight.

    Source: Agarwal et al. (2021), section 4.1.
    """
    runs, tasks = scores.shape
    drawn = np.random.default_rng(seed).integers(runs, size=(resamples, runs, tasks))
    resampled = scores[drawn, np.arange(tasks)].reshape(resamples, -1)
    value = float(interquartile_mean(scores))
    return interval_of(value, interquartile_mean(resampled, axis=1), confidence)


def block_length(steps: int) -> float:
    """Return the mean length of the blocks: the cube root of ``steps``.

    The rate at which the best length grows (Politis & White 2004), without its constant: daily
    returns of a strategy are close to uncorrelated, and their volatility clusters over weeks.
    """
    return max(1.0, math.cbrt(steps))


def stationary_indices(
    steps: int, mean_length: float, *, resamples: int, generator: np.random.Generator
) -> Rows:
    """Return which of ``steps`` each resample takes, int64 (resamples, steps).

    Blocks of consecutive steps, of geometric length, that go on at the first step after the last.

    Source: Politis & Romano (1994), The Stationary Bootstrap.
    """
    begins = generator.random((resamples, steps), dtype=np.float32) < 1 / mean_length
    begins[:, 0] = True
    first = generator.integers(steps, size=(resamples, steps))
    at = np.arange(steps)
    begun = np.maximum.accumulate(np.where(begins, at, 0), axis=1)
    return (np.take_along_axis(first, begun, axis=1) + at - begun) % steps
