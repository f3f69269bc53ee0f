"""The market's columns of the observation, for all rows of a table at once.

The source of every column is the table of ``alchemiser_cli.rl.observation``. Row t rests on rows
t-63 to t of the market and on nothing later. Greeks are made free of the price's unit before their
tanh, so that one network serves an index at 1,000 and at 3,000:

- delta: as it is
- gamma: change of delta when spot moves by 5 %
- vega: change of the price over 5 units of volatility, as a share of spot
- theta: change of the price over two years at today's rate, as a share of spot
- rho: change of the price over ten units of rate, as a share of spot
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from alchemiser_cli.market.chains import CONTRACTS, GREEKS, ChainTable
from alchemiser_cli.market.indicators import INDICATORS, indicators
from alchemiser_cli.rl.observation import FEATURES, LIMIT
from alchemiser_cli.settings import OptionsSettings

__all__ = ["TINY", "bounded", "market_features", "positive", "raw_market_features"]

TINY = 1e-6  # stands for a price or strike that is not a positive number
RETURNS = 20  # log returns of the realised volatility
YEAR_NS = 365 * 86_400 * 1_000_000_000
COLUMN = {feature.name: feature.index for feature in FEATURES}

Floats = NDArray[np.float64]


def market_features(
    table: ChainTable,
    options: OptionsSettings,  # noqa: ARG001  as everything that is made of a table; none is needed
) -> NDArray[np.float32]:
    """Return float32 (T, 100): the market's columns of ``FEATURES``, the account's being zero.

    Prices and strikes that are not positive numbers count as 1e-6, other values that are not
    finite as 0; all values are clipped to -10 .. 10.
    """
    return bounded(raw_market_features(table))


def bounded(values: Floats) -> NDArray[np.float32]:
    """Return ``values`` as an observation holds them: 0 where not finite, else -10 .. 10."""
    finite = np.where(np.isfinite(values), values, 0.0)
    return np.clip(finite, -LIMIT, LIMIT).astype(np.float32)


def positive(prices: Floats) -> Floats:
    """Return ``prices`` with 1e-6 in place of those that are not positive numbers."""
    return np.where(np.isfinite(prices) & (prices > 0), prices, TINY)


def raw_market_features(table: ChainTable) -> Floats:
    """Return float64 (T, 100), not clipped, NaN and infinity left where the market has them."""
    features = np.zeros((len(table), len(FEATURES)))
    spot, strike = positive(table.spot), positive(table.strike)
    log_spot = np.log(spot)
    moneyness = log_spot[:, None] - np.log(strike)
    with np.errstate(all="ignore"):  # what comes of values that are not finite is looked for later
        greeks = np.tanh(table.greeks * _greek_scales(spot)).reshape(len(table), -1)
        realised = _realised_volatility(log_spot, table.event_time_ns)
    volatility = table.at_the_money_volatility
    twenty = indicators(table.spot, table.high, table.low, volatility)
    features[:, _columns("log_moneyness_0", CONTRACTS)] = moneyness
    features[:, _columns("delta_0", CONTRACTS * len(GREEKS))] = greeks
    features[:, _columns(next(iter(INDICATORS)), len(INDICATORS))] = twenty
    features[:, COLUMN["realised_volatility"]] = realised
    features[:, COLUMN["implied_volatility"]] = volatility
    features[1:, COLUMN["spot_return"]] = np.diff(log_spot)
    features[:, COLUMN["log_spot_over_first_strike"]] = moneyness[:, 0]
    features[:, COLUMN["time_to_expiry"]] = table.time_to_expiry
    return features


def _columns(first: str, count: int) -> slice:
    return slice(COLUMN[first], COLUMN[first] + count)


def _greek_scales(spot: Floats) -> Floats:
    one = np.ones_like(spot)
    return np.stack([one, 0.05 * spot, 5 / spot, 2 / spot, 10 / spot], axis=-1)[:, None, :]


def _realised_volatility(log_spot: Floats, event_time_ns: NDArray[np.int64]) -> Floats:
    """Return the deviation of the last 20 log returns by the square root of a year's such steps.

    The year is the calendar's: 20 trading days take 28 days of it. Rows before have 0.
    """
    volatility = np.zeros(len(log_spot))
    if len(log_spot) > RETURNS:
        deviation = sliding_window_view(np.diff(log_spot), RETURNS).std(axis=1)
        years = (event_time_ns[RETURNS:] - event_time_ns[:-RETURNS]) / YEAR_NS
        volatility[RETURNS:] = np.where(years > 0, deviation * np.sqrt(RETURNS / years), 0.0)
    return volatility
