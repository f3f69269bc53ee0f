"""Volatility of past returns whatever the time between them, for data without an implied one."""

import math

import numpy as np
from numpy.typing import NDArray

from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.market.datasets.volatility import DECAY, SESSIONS_A_YEAR

__all__ = ["RealisedVolatility", "realised_over_time"]

PRIOR = 0.2  # before there are returns
LEAST, MOST = 0.01, 5.0
NS_PER_YEAR = 365 * 86_400 * NS_PER_SECOND

Floats = NDArray[np.float64]


class RealisedVolatility:
    """An exponentially weighted volatility by time that passed, one price after the other.

    RiskMetrics' weights (decay 0.94 a return; J.P. Morgan, Technical Document, 4th ed. 1996,
    5.2) on squared log returns and on the time they took: the root of one sum over the other is
    annual for ticks, minutes and days alike. It starts from 20 % over one session and stays
    within 1 % and 500 %.
    """

    def __init__(self) -> None:
        self._years = 1 / SESSIONS_A_YEAR
        self._squares = PRIOR**2 * self._years
        self._last: tuple[int, float] | None = None

    def add(self, event_time_ns: int, price: float) -> float:
        """Return the volatility after this price, annualised; a price that is none is passed over.

        Args:
            event_time_ns: UTC nanoseconds, not before the price added last.
            price: Price of the underlying.
        """
        if math.isfinite(price) and price > 0:
            if self._last is not None:
                passed = (event_time_ns - self._last[0]) / NS_PER_YEAR
                squared = math.log(price / self._last[1]) ** 2
                self._squares = DECAY * self._squares + (1 - DECAY) * squared
                self._years = DECAY * self._years + (1 - DECAY) * passed
            self._last = (event_time_ns, price)
        return min(max(math.sqrt(self._squares / self._years), LEAST), MOST)


def realised_over_time(event_time_ns: NDArray[np.int64], price: Floats) -> Floats:
    """Return ``RealisedVolatility`` after each price, float64 of shape (T,).

    Args:
        event_time_ns: int64 UTC nanoseconds of shape (T,), never decreasing.
        price: Prices of the underlying, float64 of shape (T,).
    """
    volatility = RealisedVolatility()
    rows = zip(event_time_ns.tolist(), price.tolist(), strict=True)
    return np.array([volatility.add(at, value) for at, value in rows])
