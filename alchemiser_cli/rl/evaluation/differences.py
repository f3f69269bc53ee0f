"""What a policy adds to a baseline: the difference of paired returns, with intervals."""

from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from alchemiser_cli.rl.evaluation.resampling import (
    RESAMPLES,
    Interval,
    block_length,
    interval_of,
    stationary_indices,
)
from alchemiser_cli.rl.evaluation.sharpe import sharpe_ratios

__all__ = ["Difference", "paired_differences"]

Floats = NDArray[np.float64]

LEAST_RESAMPLES = 200
MOST_DRAWN = 40_000_000  # steps drawn in all; bounds the time
DRAWN_AT_ONCE = 500_000  # bounds memory to some 20 MB


class Difference(msgspec.Struct, frozen=True):
    """Policy less baseline; both are annual."""

    baseline: str
    annual_return: Interval  # of the mean returns, not compounded
    sharpe: Interval
    better_share: float  # of the resamples in which the policy's Sharpe ratio was the higher one


def paired_differences(
    returns: Floats,
    baselines: Mapping[str, Floats],
    steps_per_year: float,
    *,
    confidence: float,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> tuple[Difference, ...]:
    """Compare ``returns`` (T,) with each baseline's returns of the same steps.

    Each resample takes the same blocks of steps from all series, so that what the market did to
    both cancels. The Sharpe ratios compare at equal risk: whoever only takes more or less of the
    baseline's risk differs in returns and not in these. Very long series are resampled less often,
    down to 200 times.

    Source: Politis & Romano (1994), The Stationary Bootstrap; paired as in Ledoit & Wolf (2008).
    """
    series = np.stack([returns, *baselines.values()])
    resamples = min(resamples, max(LEAST_RESAMPLES, MOST_DRAWN // len(returns)))
    means, sharpes = _resampled(series, steps_per_year, resamples, np.random.default_rng(seed))
    mean = series.mean(axis=1) * steps_per_year
    sharpe = sharpe_ratios(series, steps_per_year)
    return tuple(
        Difference(
            baseline=name,
            annual_return=interval_of(float(mean[0] - mean[at]), means[0] - means[at], confidence),
            sharpe=interval_of(float(sharpe[0] - sharpe[at]), sharpes[0] - sharpes[at], confidence),
            better_share=float((sharpes[0] > sharpes[at]).mean()),
        )
        for at, name in enumerate(baselines, start=1)
    )


def _resampled(
    series: Floats, steps_per_year: float, resamples: int, generator: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return annual means and Sharpe ratios (series, resamples) of each resample."""
    steps = series.shape[1]
    means, sharpes = np.empty((2, len(series), resamples))
    at_once = max(1, DRAWN_AT_ONCE // steps)
    for first in range(0, resamples, at_once):
        part = slice(first, min(first + at_once, resamples))
        count = part.stop - part.start
        drawn = stationary_indices(steps, block_length(steps), resamples=count, generator=generator)
        for at, one in enumerate(series):
            taken = one[drawn]
            means[at, part] = taken.mean(axis=1) * steps_per_year
            sharpes[at, part] = sharpe_ratios(taken, steps_per_year)
    return means, sharpes
