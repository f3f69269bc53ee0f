"""How good probabilities were: proper scores, their difference with its doubt, calibration."""

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CalibrationBin",
    "Interval",
    "brier",
    "calibration",
    "calibration_error",
    "log_loss",
    "mean_interval",
]

BINS = 10
RESAMPLES = 2_000
CLIP = 1e-6
FEWEST_BLOCKS = 8
_NORMAL = 2.575829  # the 99.5 % quantile

Values = NDArray[np.float64]


class CalibrationBin(msgspec.Struct, frozen=True):
    """Forecasts between ``low`` and ``high``: how many, their mean, and how often it happened."""

    low: float
    high: float
    count: int
    mean_forecast: float
    frequency: float


class Interval(msgspec.Struct, frozen=True):
    """A mean with its 99 % interval: dozens of codes are looked at together."""

    mean: float
    low: float
    high: float


def brier(forecast: Values, happened: NDArray[np.bool_]) -> Values:
    """Return each squared error (Brier, 1950); shapes (n,), smaller is better."""
    return np.asarray((forecast - happened) ** 2)


def log_loss(forecast: Values, happened: NDArray[np.bool_]) -> Values:
    """Return each negative log-likelihood in nats (Good, 1952); shapes (n,), smaller is better."""
    given = np.where(happened, forecast, 1.0 - forecast)
    return np.asarray(-np.log(np.maximum(given, CLIP)))


def calibration(forecast: Values, happened: NDArray[np.bool_]) -> list[CalibrationBin]:
    """Return the bins of equal width that hold forecasts."""
    place = np.minimum((forecast * BINS).astype(np.int64), BINS - 1)
    bins = []
    for number in np.unique(place).tolist():
        inside = place == number
        bins.append(
            CalibrationBin(
                number / BINS,
                (number + 1) / BINS,
                int(inside.sum()),
                float(forecast[inside].mean()),
                float(happened[inside].mean()),
            )
        )
    return bins


def calibration_error(bins: list[CalibrationBin]) -> float:
    """Return the expected calibration error (Naeini et al., 2015) over the bins."""
    total = sum(one.count for one in bins)
    return sum(one.count * abs(one.mean_forecast - one.frequency) for one in bins) / total


def mean_interval(values: Values, *, block: int, seed: int = 0) -> Interval:
    """Return the mean of a series with its interval by the circular block bootstrap.

    Neighbours stay together in blocks of ``block``, or fewer where that left under eight
    blocks. The interval is wider by what Student's t is wider than the normal at as many
    blocks: resampling a few of them tells too little doubt. The same series and ``seed`` give
    the same interval. Source: Politis and Romano, "A circular block-resampling procedure for
    stationary data", 1992.
    """
    size = len(values)
    block = max(1, min(max(block, math.ceil(size ** (1 / 3))), size // FEWEST_BLOCKS))
    around = np.concatenate((values, values[: block - 1]))
    sums = np.convolve(around, np.ones(block), mode="valid")  # of the block from each place
    draws = np.random.default_rng(seed).integers(size, size=(RESAMPLES, math.ceil(size / block)))
    low, high = np.quantile(sums[draws].mean(axis=1) / block, (0.005, 0.995))
    mean, wider = float(values.mean()), _wider(size / block)
    return Interval(mean, mean - (mean - float(low)) * wider, mean + (float(high) - mean) * wider)


def _wider(blocks: float) -> float:
    """Return Student's 99.5 % quantile over the normal one, for a mean of ``blocks`` values.

    Source: the expansion of Cornish and Fisher, Abramowitz and Stegun 26.7.5, and the factor of
    Bessel for the spread.
    """
    free, z = max(1.0, blocks - 1.0), _NORMAL
    student = z + (z**3 + z) / (4 * free) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * free**2)
    return student / z * math.sqrt(1.0 + 1.0 / free)
