"""Black, Scholes and Merton: the price of a European option and its five greeks, vectorised.

Black and Scholes 1973, Merton 1973; the formulas as in Hull, Options, Futures, and Other
Derivatives, chapters 15, 17 and 19. All arguments broadcast against one another; rates are
continuous, times are in years, volatilities annualised (0.2 for 20 %).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alchemiser_cli.market.pricing.normal import normal_cdf, normal_pdf

__all__ = ["Valuation", "greeks", "price", "valuation"]

Floats = NDArray[np.float64]

TINY = 1e-300  # stands for a deviation of zero, so that its quotient is an infinity or zero


class Valuation(NamedTuple):
    """Prices, and greeks with a last axis of 5 in the order of ``market.chains.GREEKS``."""

    price: Floats
    greeks: Floats


class _Terms(NamedTuple):
    """What price and greeks have in common.

    ``side`` is 1 where the call is out of the money and -1 where the put is: the side whose
    price is a product of small numbers, not a difference of large ones.
    """

    is_call: NDArray[np.bool_]
    spot: Floats
    strike: Floats
    years: Floats
    volatility: Floats
    discount: Floats  # e^(-rT)
    carry: Floats  # e^(-qT)
    forward: Floats
    deviation: Floats  # sigma sqrt(T)
    d1: Floats
    side: Floats
    chance_1: Floats  # N(side d1)
    chance_2: Floats  # N(side d2)


def price(
    spot: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    volatility: ArrayLike,
    rate: ArrayLike,
    dividend: ArrayLike,
    is_call: ArrayLike,
) -> Floats:
    """Return the price of European options.

    The side out of the money is computed, the other one follows by put-call parity, which so
    holds to rounding. At expiry, and without volatility, the price is the discounted intrinsic
    value of the forward.

    Args:
        spot: Price of the underlying, zero or above.
        strike: Strike, zero or above.
        years: Time to expiry in years; what is negative counts as expiry.
        volatility: Annualised, zero or above.
        rate: Continuous risk-free rate a year.
        dividend: Continuous dividend yield a year.
        is_call: True for a call, False for a put.

    Returns:
        float64 of the broadcast shape; NaN where spot, strike or volatility is negative or any
        number is NaN.
    """
    with np.errstate(all="ignore"):
        return _price(_terms(spot, strike, years, volatility, rate, dividend, is_call))


def greeks(
    spot: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    volatility: ArrayLike,
    rate: ArrayLike,
    dividend: ArrayLike,
    is_call: ArrayLike,
) -> Floats:
    """Return delta, gamma, vega, theta and rho of European options.

    Delta is for a unit of spot, gamma for its square, vega for a volatility of 1.0 (a hundred
    percentage points), theta for a year that passes, rho for a rate of 1.0. At expiry delta is
    that of the intrinsic value, 0.5 or -0.5 where spot and strike are equal, and all others
    are 0. Without volatility gamma is 0, though at the forward it has no limit.

    Args:
        spot: As for ``price``, as all others.
        strike: Strike.
        years: Time to expiry in years.
        volatility: Annualised.
        rate: Continuous risk-free rate a year.
        dividend: Continuous dividend yield a year.
        is_call: True for a call, False for a put.

    Returns:
        float64 of the broadcast shape with a last axis of 5.
    """
    return valuation(spot, strike, years, volatility, rate, dividend, is_call).greeks


def valuation(
    spot: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    volatility: ArrayLike,
    rate: ArrayLike,
    dividend: ArrayLike,
    is_call: ArrayLike,
) -> Valuation:
    """Return price and greeks together, in little more than the time of either."""
    with np.errstate(all="ignore"):
        terms = _terms(spot, strike, years, volatility, rate, dividend, is_call)
        return Valuation(_price(terms), _greeks(terms, rate, dividend))


def _terms(
    spot: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    volatility: ArrayLike,
    rate: ArrayLike,
    dividend: ArrayLike,
    is_call: ArrayLike,
) -> _Terms:
    s, k, sigma = (_not_negative(value) for value in (spot, strike, volatility))
    t = np.maximum(np.asarray(years, np.float64), 0.0)
    discount = np.exp(-np.asarray(rate, np.float64) * t)
    carry = np.exp(-np.asarray(dividend, np.float64) * t)
    forward = s * carry / discount
    deviation = sigma * np.sqrt(t)
    log_ratio = np.where(forward == k, 0.0, np.log(forward) - np.log(k))
    d1 = log_ratio / np.maximum(deviation, TINY) + 0.5 * deviation
    side = np.where(k >= forward, 1.0, -1.0)
    return _Terms(
        is_call=np.asarray(is_call, np.bool_),
        spot=s,
        strike=k,
        years=t,
        volatility=sigma,
        discount=discount,
        carry=carry,
        forward=forward,
        deviation=deviation,
        d1=d1,
        side=side,
        chance_1=normal_cdf(side * d1),
        chance_2=normal_cdf(side * (d1 - deviation)),
    )


def _price(terms: _Terms) -> Floats:
    """Return time value plus intrinsic value of the forward, discounted."""
    out = terms.side * (terms.forward * terms.chance_1 - terms.strike * terms.chance_2)
    ahead = terms.forward - terms.strike
    intrinsic = np.maximum(np.where(terms.is_call, ahead, -ahead), 0.0)
    value: Floats = terms.discount * (np.maximum(out, 0.0) + intrinsic)
    return value


def _greeks(terms: _Terms, rate: ArrayLike, dividend: ArrayLike) -> Floats:
    r, q = np.asarray(rate, np.float64), np.asarray(dividend, np.float64)
    sign = np.where(terms.is_call, 1.0, -1.0)
    out = sign == terms.side
    density = normal_pdf(terms.d1)
    delta = sign * terms.carry * np.where(out, terms.chance_1, 1 - terms.chance_1)
    owed = sign * terms.strike * terms.discount * np.where(out, terms.chance_2, 1 - terms.chance_2)
    smooth = (terms.deviation > 0) & (terms.spot > 0)
    running = terms.years > 0
    gamma_unit = np.where(smooth, terms.spot * terms.deviation, 1.0)
    gamma = np.where(smooth, terms.carry * density / gamma_unit, 0.0)
    vega = terms.spot * terms.carry * density * np.sqrt(terms.years)
    decay = vega * terms.volatility / np.where(running, 2 * terms.years, 1.0)
    theta = np.where(running, q * terms.spot * delta - r * owed - decay, 0.0)
    columns = np.broadcast_arrays(delta, gamma, vega, theta, terms.years * owed)
    return np.stack(columns, axis=-1) + 0.0  # no minus zero


def _not_negative(value: ArrayLike) -> Floats:
    values = np.asarray(value, np.float64)
    return np.where(values >= 0, values, np.nan)
