"""Implied volatility: the one at which Black and Scholes' price is the market's."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alchemiser_cli.market.pricing.normal import normal_cdf, normal_pdf

__all__ = ["implied_volatility"]

Floats = NDArray[np.float64]

ITERATIONS = 100
ROUNDING = 1e-14  # of forward and strike: a time value below it is rounding
WIDEST = 100.0  # sigma sqrt(T) at which every option is worth its upper bound in float64
PRECISION = 1e-14  # relative


def implied_volatility(
    price: ArrayLike,
    spot: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    rate: ArrayLike,
    dividend: ArrayLike,
    is_call: ArrayLike,
) -> Floats:
    """Return the annualised volatility that ``black_scholes.price`` turns into ``price``.

    Newton's method on the logarithm of the time value, as Jaeckel (Let's Be Rational, Wilmott
    2015) advises for small prices, from the inflection of Manaster and Koehler (Journal of
    Finance 37, 1982); a bisection steps in wherever Newton would leave its bracket.

    Args:
        price: Price of the option.
        spot: Price of the underlying, above zero, as ``strike``.
        strike: Strike.
        years: Time to expiry in years.
        rate: Continuous risk-free rate a year.
        dividend: Continuous dividend yield a year.
        is_call: True for a call, False for a put.

    Returns:
        float64 of the broadcast shape. 0 where the price is the intrinsic value to rounding.
        NaN where no volatility gives the price: below the intrinsic value of the forward, at or
        above the upper bound (the carried spot for a call, the discounted strike for a put), at
        expiry, and for arguments that are not numbers above zero.
    """
    with np.errstate(all="ignore"):
        market, s, k, t = (np.asarray(value, np.float64) for value in (price, spot, strike, years))
        discount = np.exp(-np.asarray(rate, np.float64) * t)
        forward = s * np.exp(-np.asarray(dividend, np.float64) * t) / discount
        sign = np.where(is_call, 1.0, -1.0)
        time_value = market / discount - np.maximum(sign * (forward - k), 0.0)
        rounding = ROUNDING * (forward + k)
        share = time_value / np.minimum(forward, k)  # from 0 to 1, alike for calls and puts
        nothing = np.abs(time_value) <= np.where(sign * (forward - k) > 0, rounding, 0.0)
        solvable = (share > 0) & (share < 1) & ~nothing
        distance = np.abs(np.log(forward / k))
        distance, share = np.broadcast_arrays(distance, np.where(solvable, share, 0.5))
        deviation = np.where(solvable, _solve(distance, share), np.nan)
        deviation = np.where(nothing, 0.0, deviation)
        possible = (t > 0) & (s > 0) & (k > 0)
        volatility: Floats = np.where(possible, deviation / np.sqrt(t), np.nan)
        return volatility


def _solve(distance: Floats, share: Floats) -> Floats:
    """Return sigma sqrt(T) at which the option out of the money is worth ``share``."""
    solution = np.clip(np.maximum(np.sqrt(2 * distance), 2.5 * share), 1e-12, WIDEST / 2).ravel()
    at = np.arange(solution.size)  # what is not solved yet
    x, wanted, v = distance.ravel(), share.ravel(), solution.copy()
    low, high = np.zeros(at.shape), np.full(at.shape, WIDEST)
    for _ in range(ITERATIONS):
        value, slope = _normalised(x, v)
        above = value > wanted
        high, low = np.where(above, v, high), np.where(above, low, v)
        newton = v + np.log(wanted / value) * value / slope
        inside = (newton > low) & (newton < high)  # false for NaN too
        following = np.where(inside, newton, (low + high) / 2)
        moved = np.abs(following - v) > PRECISION * v
        near = np.abs(value - wanted) <= PRECISION * wanted
        solution[at] = np.where(near, v, following)
        still = moved & ~near
        if not still.any():
            break
        at, x, wanted, low, high = at[still], x[still], wanted[still], low[still], high[still]
        v = following[still]
    return solution.reshape(distance.shape)


def _normalised(distance: Floats, v: Floats) -> tuple[Floats, Floats]:
    """Return the undiscounted value out of the money over min(F, K), and its slope in v."""
    d1 = -distance / v + v / 2
    value = normal_cdf(d1) - np.exp(distance) * normal_cdf(d1 - v)
    return np.maximum(value, 0.0), normal_pdf(d1)
