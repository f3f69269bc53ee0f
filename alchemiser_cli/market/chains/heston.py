"""A generated market: Heston's stochastic volatility with Merton's jumps (Bates 1996)."""

import math
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

__all__ = ["BatesParameters", "GeneratedMarket", "generate_market"]

SESSIONS_A_YEAR = 252
QUOTED_YEARS = 30 / 365

Floats = NDArray[np.float64]


class BatesParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Bates, Jumps and Stochastic Volatility, Review of Financial Studies 9, 1996; a year each.

    The defaults give an index with a volatility near 18 %, of the order of what Eraker (Journal
    of Finance 59, 2004) estimates for the S&P 500. Price and options share them: no premium
    for risk, and so no edge, is built in.
    """

    initial_price: float = 1_000.0
    drift: float = 0.06
    initial_variance: float = 0.03
    mean_variance: float = 0.03
    reversion: float = 4.0
    volatility_of_variance: float = 0.5
    correlation: float = -0.7
    jumps: float = 0.6
    jump_mean: float = -0.05  # of the jump in log price
    jump_deviation: float = 0.06

    def __post_init__(self) -> None:
        """Refuse parameters for which the model is not defined."""
        least = min(
            self.initial_variance,
            self.mean_variance,
            self.reversion,
            self.volatility_of_variance,
            self.jumps,
            self.jump_deviation,
        )
        if self.initial_price <= 0 or least < 0 or abs(self.correlation) > 1:
            raise ValueError(
                "the price is above zero, variances and rates are not negative, and the "
                "correlation is from -1 to 1"
            )


class GeneratedMarket(NamedTuple):
    """Daily bars, float64 of shape (steps,), and the volatility at the money and 30 days."""

    close: Floats
    high: Floats
    low: Floats
    volatility: Floats


def generate_market(
    steps: int, seed: int, parameters: BatesParameters | None = None
) -> GeneratedMarket:
    """Return one path in daily steps, the first row being the first day's close.

    Full-truncation Euler (Lord, Koekkoek and van Dijk, Quantitative Finance 10, 2010): the
    variance may pass below zero, and enters as its positive part. High and low are drawn from
    the maximum and minimum of a Brownian bridge between the closes. A longer path of one seed
    begins with the shorter one.

    Args:
        steps: Rows, at least 1.
        seed: Seed of all that is random, zero or above.
        parameters: The model's; the defaults where left out.
    """
    model = parameters or BatesParameters()
    dt = 1 / SESSIONS_A_YEAR
    shocks, extremes, arrivals, sizes = (
        np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(4)
    )
    normal = shocks.standard_normal((steps, 2))
    in_price = model.correlation * normal[:, 0]
    in_price += math.sqrt(1 - model.correlation**2) * normal[:, 1]
    variance = _variance(normal[:, 0], dt, model)
    diffused = np.sqrt(variance[:-1] * dt) * in_price
    compensator = model.jumps * math.expm1(model.jump_mean + model.jump_deviation**2 / 2)
    steady = (model.drift - compensator) * dt - variance[:-1] * dt / 2
    jumped = arrivals.random(steps) < model.jumps * dt  # two a day are as good as none
    size = model.jump_mean + model.jump_deviation * sizes.standard_normal(steps)
    log_return = steady + diffused + np.where(jumped, size, 0.0)
    log_price = math.log(model.initial_price) + np.cumsum(log_return)
    before = log_price - log_return
    uniform = 1 - extremes.random((steps, 2))  # above 0, so that its logarithm exists
    reach = np.sqrt(log_return[:, None] ** 2 - 2 * variance[:-1, None] * dt * np.log(uniform))
    close = np.exp(log_price)
    opened = np.concatenate([[model.initial_price], close[:-1]])
    high = np.exp((log_price + before + reach[:, 0]) / 2)
    low = np.exp((log_price + before - reach[:, 1]) / 2)
    return GeneratedMarket(
        close=close,
        high=np.maximum(high, np.maximum(close, opened)),
        low=np.minimum(low, np.minimum(close, opened)),
        volatility=_quoted(variance[1:], model),
    )


def _variance(shocks: Floats, dt: float, model: BatesParameters) -> Floats:
    """Return the positive part of the variance at each day's start, and after the last day."""
    state = model.initial_variance
    noise = (model.volatility_of_variance * math.sqrt(dt) * shocks).tolist()
    path = [state]
    for shock in noise:
        positive = max(state, 0.0)
        state += model.reversion * (model.mean_variance - positive) * dt
        state += math.sqrt(positive) * shock
        path.append(max(state, 0.0))
    return np.array(path)


def _quoted(variance: Floats, model: BatesParameters) -> Floats:
    """Return the volatility that the model expects over the next 30 days."""
    passed = model.reversion * QUOTED_YEARS
    share = -math.expm1(-passed) / passed if passed > 0 else 1.0
    jumps = model.jumps * (model.jump_mean**2 + model.jump_deviation**2)
    expected = model.mean_variance + (variance - model.mean_variance) * share + jumps
    volatility: Floats = np.sqrt(expected)
    return volatility
