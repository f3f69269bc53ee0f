"""Volatility from past returns, for the days on which nobody quoted an implied one."""

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["realised_volatility"]

DECAY = 0.94
SESSIONS_A_YEAR = 252


def realised_volatility(
    high: "NDArray[np.float64]", low: "NDArray[np.float64]", close: "NDArray[np.float64]"
) -> "NDArray[np.float64]":
    """Return the exponentially weighted volatility at each close, annualised (0.2 for 20 %).

    The variance follows RiskMetrics (J.P. Morgan, Technical Document, 4th ed. 1996, 5.2):
    v(t) = 0.94 v(t-1) + 0.06 r(t)^2 with the log return r(t) of the session that just closed,
    so that the value at t rests on nothing after t. The first session has no return; its
    variance is Parkinson's, ln(high/low)^2 / (4 ln 2) (Journal of Business 53, 1980).

    Args:
        high: Daily highs, float64 of shape (n,), positive, as the other two.
        low: Daily lows.
        close: Daily closes.

    Returns:
        float64 of shape (n,), a year being 252 sessions.
    """
    variance = np.empty(len(close))
    variance[0] = math.log(high[0] / low[0]) ** 2 / (4 * math.log(2))
    for t, squared in enumerate(np.diff(np.log(close)) ** 2, start=1):
        variance[t] = DECAY * variance[t - 1] + (1 - DECAY) * squared
    annualised: NDArray[np.float64] = np.sqrt(variance * SESSIONS_A_YEAR)
    return annualised
