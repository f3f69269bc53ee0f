"""The volatility surface: a smile in standardised moneyness and a term structure that reverts."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alchemiser_cli.settings import OptionsSettings

__all__ = ["at_the_money", "volatility"]

Floats = NDArray[np.float64]

QUOTED_YEARS = 30 / 365  # the tenor of the VIX, and so of a dataset's volatility
REVERSION = 4.0  # a year: half of a shock is gone after two months
WING = 3.0  # standard deviations at which the smile flattens out
LEAST = 1e-6


def volatility(
    at_the_money_30d: ArrayLike,
    log_moneyness: ArrayLike,
    years: ArrayLike,
    options: OptionsSettings,
) -> Floats:
    """Return the implied volatility of options from the one at the money and at 30 days.

    With s the volatility at the money of this tenor (``at_the_money``) and the standardised
    moneyness x = log(K/F) / (s sqrt(T)), bounded smoothly as y = 3 tanh(x/3)::

        sigma = s (1 + skew y + curvature y^2)

    A smile whose shape is fixed in standardised moneyness is the "sticky" form of Foresi and
    Wu, Journal of Derivatives 13, 2005, and the usual second-order fit of Zhang and Xiang,
    Quantitative Finance 8, 2008. The defaults (-0.18, 0.04) put the 95 % strike at 30 days
    and 15 % at the money near 18.5 %, as S&P 500 options show it. There is no butterfly
    arbitrage: Gatheral's g (The Volatility Surface, 2006) is here
    (1 - x f'/f)^2 + f f'' - s^2 T f^2 f'^2 / 4 with f = sigma / s, above zero for the defaults
    while s sqrt(T) is below 0.5.

    Args:
        at_the_money_30d: Annualised, as the VIX quotes it.
        log_moneyness: log(strike / forward).
        years: Time to expiry in years.
        options: ``skew``, ``curvature``, ``term_slope`` and ``mean_volatility``.

    Returns:
        float64 of the broadcast shape, never below a twentieth of the one at the money.
    """
    centre = at_the_money(at_the_money_30d, years, options)
    deviation = np.maximum(centre * np.sqrt(np.maximum(years, 0.0)), LEAST)
    bounded = WING * np.tanh(np.asarray(log_moneyness, np.float64) / (WING * deviation))
    shape = 1 + (options.skew + options.curvature * bounded) * bounded
    return centre * np.maximum(shape, 0.05)


def at_the_money(at_the_money_30d: ArrayLike, years: ArrayLike, options: OptionsSettings) -> Floats:
    """Return the volatility at the money of a tenor.

    The logarithm of volatility reverts to that of ``mean_volatility`` at 4 a year (Scott,
    Journal of Financial and Quantitative Analysis 22, 1987), so that its average over T moves
    by h(T) = (1 - e^(-4T)) / 4T of today's distance. Seen from the quote at 30 days::

        s(T) = s30 (s30 / mean)^(term_slope (h(T) / h(30 days) - 1))

    Args:
        at_the_money_30d: Annualised; what is not positive counts as 1e-6.
        years: Time to expiry in years.
        options: ``term_slope`` and ``mean_volatility``.

    Returns:
        float64 of the broadcast shape.
    """
    quoted = np.fmax(np.asarray(at_the_money_30d, np.float64), LEAST)
    exponent = options.term_slope * (_averaged(years) / _averaged(QUOTED_YEARS) - 1)
    adjusted: Floats = quoted * (quoted / options.mean_volatility) ** exponent
    return adjusted


def _averaged(years: ArrayLike) -> Floats:
    passed = REVERSION * np.maximum(np.asarray(years, np.float64), 1e-9)
    share: Floats = -np.expm1(-passed) / passed
    return share
