"""The bid-ask spread of options: a larger share out of the money and just before expiry."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alchemiser_cli.settings import OptionsSettings

__all__ = ["half_spread"]

Floats = NDArray[np.float64]

BY_DISTANCE = 12.0  # at 5 % out of the money the share is 1.8 times that at the money
NARROWEST, WIDEST = 0.25, 4.0
BY_TENOR = 0.5  # in an option's last hours the share is half as large again
FADING_YEARS = 7 / 365  # the time over which that fades, by e


def half_spread(
    mid: ArrayLike, out_of_the_money: ArrayLike, years: ArrayLike, options: OptionsSettings
) -> Floats:
    """Return half of the bid-ask spread, in the unit of ``mid``.

    ``spread * mid * e^(12 m) * (1 + 0.5 e^(-T / 7 days))`` with the moneyness m and its factor
    within 0.25 and 4; at least ``min_spread`` and at most ``mid``, for nobody bids less than
    nothing. That spreads, as a share of price, widen out of the money, narrow in the money and
    widen towards expiry is what George and Longstaff (Journal of Financial and Quantitative
    Analysis 28, 1993) found for S&P 100 options; the factors are round numbers of ours.

    Args:
        mid: Mid prices, zero or above.
        out_of_the_money: m, positive out of the money: log(K/F) of a call, log(F/K) of a put.
        years: Time to expiry in years.
        options: ``spread`` and ``min_spread``.

    Returns:
        float64 of the broadcast shape, zero or above.
    """
    middle = np.asarray(mid, np.float64)
    bounds = np.log([NARROWEST, WIDEST])
    distance = np.exp(np.clip(BY_DISTANCE * np.asarray(out_of_the_money, np.float64), *bounds))
    tenor = 1 + BY_TENOR * np.exp(-np.maximum(years, 0.0) / FADING_YEARS)
    share = options.spread * distance * tenor
    return np.minimum(np.maximum(share * middle, options.min_spread), middle)
