"""Tail probabilities of the tests, and the control of false discoveries over all of them.

SciPy is no dependency of the base install, so the few functions that are needed stand here.
"""

import math

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "benjamini_hochberg",
    "binomial_tail",
    "fisher_tail",
    "normal_tail",
    "rayleigh_p",
]

_TINY = 1e-300
_STEPS = 10_000


def binomial_tail(successes: float, failures: float, chance: float) -> float:
    """Return P(X >= successes) of a binomial with ``successes + failures`` trials.

    The counts may be fractions, as they are after a division by an overdispersion: the tail is
    the regularised incomplete beta function ``I_chance(successes, failures + 1)`` (DLMF 8.17.5).
    """
    if successes <= 0 or chance >= 1:
        return 1.0
    if chance <= 0:
        return 0.0
    return _incomplete_beta(float(successes), float(failures) + 1, float(chance))


def fisher_tail(in_a: int, out_a: int, in_b: int, out_b: int) -> float:
    """Return the one-sided p-value of Fisher's exact test that ``a`` is in more often than ``b``.

    It is the hypergeometric probability of at least ``in_a``, all margins held.
    """
    own, inside, whole = in_a + out_a, in_a + in_b, in_a + out_a + in_b + out_b
    most = min(own, inside)
    total = _log_choose(whole, own)
    terms = [
        math.exp(_log_choose(inside, k) + _log_choose(whole - inside, own - k) - total)
        for k in range(max(in_a, own + inside - whole), most + 1)
    ]
    return min(1.0, math.fsum(terms))


def rayleigh_p(count: float, mean_length: float) -> float:
    """Return the p-value of Rayleigh's test: are angles spread evenly around the circle?

    Args:
        count: Number of angles; a fraction where it is an effective number of clusters.
        mean_length: Their mean resultant length, from 0 to 1.

    Source: Greenwood and Durand (1955) in the form of Zar, "Biostatistical Analysis" (27.4).
    """
    resultant = count * mean_length
    root = math.sqrt(max(0.0, 1 + 4 * count + 4 * (count**2 - resultant**2)))
    return min(1.0, math.exp(root - (1 + 2 * count)))


def normal_tail(deviations: float) -> float:
    """Return P(|Z| >= deviations) of a standard normal Z."""
    return math.erfc(abs(deviations) / math.sqrt(2))


def benjamini_hochberg(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the q-value of each p-value: the false-discovery rate at which it would pass.

    Source: Benjamini and Hochberg, J. R. Stat. Soc. B 57 (1995).
    """
    count = len(p_values)
    order = np.argsort(p_values, kind="stable")
    scaled = p_values[order] * count / np.arange(1, count + 1)
    found = np.empty(count)
    found[order] = np.minimum.accumulate(scaled[::-1])[::-1].clip(max=1.0)
    return np.maximum(found, p_values)  # not smaller by rounding either


def _log_choose(whole: int, part: int) -> float:
    return math.lgamma(whole + 1) - math.lgamma(part + 1) - math.lgamma(whole - part + 1)


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """Evaluate ``I_x(a, b)`` by its continued fraction (DLMF 8.17.22), by Lentz's method."""
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(b, a, 1 - x)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    c, d = 1.0, 1 / _away_from_zero(1 - (a + b) * x / (a + 1))
    fraction = d
    for m in range(1, _STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / _away_from_zero(1 + term * d)
            c = _away_from_zero(1 + term / c)
            fraction *= c * d
        if abs(c * d - 1) < 1e-12:
            break
    return min(1.0, max(0.0, front * fraction / a))


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
