"""The Sharpe ratio, and how likely it is that it is more than luck."""

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "deflated_sharpe_ratio",
    "expected_maximum_sharpe",
    "probabilistic_sharpe_ratio",
    "sharpe_ratio",
    "sharpe_ratios",
    "skewness_and_kurtosis",
]

Floats = NDArray[np.float64]

_NORMAL = NormalDist()
_EULER_GAMMA = 0.5772156649015329
_ROUNDING = 1e-12  # a deviation below this share of the largest return is rounding


def sharpe_ratio(returns: Floats, steps_per_year: float = 1.0) -> float:
    """Return mean over deviation (n - 1) of ``returns`` (T,), times the root of the steps a year.

    Returns are in excess of cash already: the environment pays no interest on it. 0 for fewer
    than two returns and for returns that do not vary.

    Source: Sharpe (1994), The Sharpe Ratio.
    """
    return float(sharpe_ratios(returns[np.newaxis], steps_per_year)[0])


def sharpe_ratios(returns: Floats, steps_per_year: float = 1.0) -> Floats:
    """Return the Sharpe ratio of each row of ``returns`` (n, T), as ``sharpe_ratio`` does."""
    count, steps = returns.shape
    if steps < 2:
        return np.zeros(count)
    deviation = returns.std(axis=1, ddof=1)
    varies = deviation > _ROUNDING * np.abs(returns).max(axis=1)
    safe = np.where(varies, deviation, 1.0)
    return np.where(varies, returns.mean(axis=1) / safe, 0.0) * math.sqrt(steps_per_year)


def skewness_and_kurtosis(returns: Floats) -> tuple[float, float]:
    """Return the third and fourth standardised moments (kurtosis of a normal law: 3)."""
    centred = returns - returns.mean() if len(returns) else returns
    scale = float(np.abs(centred).max(initial=0.0))
    if scale <= _ROUNDING * float(np.abs(returns).max(initial=0.0)):
        return 0.0, 3.0
    centred = centred / scale  # cubes of tiny returns would underflow
    deviation = math.sqrt(float(np.mean(centred**2)))
    return (
        float(np.mean(centred**3)) / deviation**3,
        float(np.mean(centred**4)) / deviation**4,
    )


def probabilistic_sharpe_ratio(
    sharpe: float, benchmark: float, steps: int, skewness: float, kurtosis: float
) -> float:
    """Return the probability that the true Sharpe ratio is above ``benchmark``.

    Both ratios are of one step, not annualised; ``steps`` is how many returns there were.

    Source: Bailey & López de Prado (2012), The Sharpe Ratio Efficient Frontier, equation 11.
    """
    if steps < 2:
        return 0.0
    # Not negative for any law, for kurtosis >= 1 + skewness squared; rounding may make it so.
    variance = max(1e-12, 1 - skewness * sharpe + (kurtosis - 1) / 4 * sharpe**2)
    return _NORMAL.cdf((sharpe - benchmark) * math.sqrt((steps - 1) / variance))


def expected_maximum_sharpe(trials: int, variance: float) -> float:
    """Return the best Sharpe ratio to expect from ``trials`` that have no skill at all.

    ``variance`` is that of the trials' Sharpe ratios, and the result is in the same unit.

    Source: Bailey & López de Prado (2014), The Deflated Sharpe Ratio, equation 1 with mean 0.
    """
    if trials <= 1:
        return 0.0
    upper = _NORMAL.inv_cdf(1 - 1 / trials)
    lower = _NORMAL.inv_cdf(1 - 1 / (trials * math.e))
    return math.sqrt(variance) * ((1 - _EULER_GAMMA) * upper + _EULER_GAMMA * lower)


def deflated_sharpe_ratio(returns: Floats, trials: int, variance: float | None = None) -> float:
    """Return the probability of skill in ``returns`` (T,), when they are the best of ``trials``.

    ``variance`` is that of the trials' Sharpe ratios of one step. Where it is not known, it is
    1 / (T - 1): what trials without skill have, as if none resembled another. 0 for returns that
    do not vary, for they show nothing.

    Source: Bailey & López de Prado (2014), The Deflated Sharpe Ratio, equation 2.
    """
    steps = len(returns)
    sharpe = sharpe_ratio(returns)
    if steps < 2 or sharpe == 0.0:
        return 0.0
    null = expected_maximum_sharpe(trials, 1 / (steps - 1) if variance is None else variance)
    return probabilistic_sharpe_ratio(sharpe, null, steps, *skewness_and_kurtosis(returns))
