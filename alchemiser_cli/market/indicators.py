"""Twenty technical indicators on finite windows: the same numbers in training and in a live market.

Every value of row t rests on rows t-63 to t, also where the textbook's average is an endless
exponential one: its weights are cut off and sum to one. Sums run over lags in a fixed order, so
that the last row is the same number whether 64 rows are given or 5,000.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

__all__ = ["INDICATORS", "LOOKBACK", "indicators"]

LOOKBACK = 64
LIMIT = 5.0
TINY = 1e-12  # below it a deviation is rounding, not movement
LEAST = 1e-6  # stands for prices and volatilities that are not positive numbers

Floats = NDArray[np.float64]

INDICATORS: Mapping[str, str] = MappingProxyType(
    {
        "return_1": "log return of the last row, in deviations of the last 63",
        "return_5": "log return of 5 rows, in deviations of 63 rows times the root of 5",
        "return_21": "log return of 21 rows, in deviations of 63 rows times the root of 21",
        "return_63": "log return of 63 rows, in deviations of 63 rows times the root of 63",
        "average_gap_20": "log price above its average of 20, in deviations times the root of 20/3",
        "average_gap_50": "log price above its average of 50, in deviations times the root of 50/3",
        "macd": "exponential averages of log price, 12 less 26, in 63-row deviations",
        "macd_histogram": "macd less its own exponential average of 9, in half 63-row deviations",
        "rsi_14": "relative strength index of 14, less 50, over 20",
        "stochastic_14": "close within the range of 14 rows, from -1.5 at the low to 1.5",
        "stochastic_signal": "average of stochastic_14 over 3 rows",
        "cci_20": "commodity channel index of 20, over 100",
        "bollinger_20": "log price from its average of 20, in its own deviations",
        "directional_14": "directional index of 14: up less down movement over both, times 2",
        "aroon_25": "rows since the low less rows since the high of 25, over 12",
        "range_63": "close within the range of 63 rows, from -1.5 at the low to 1.5",
        "true_range": "log of the average true range of 14 over that of 63, times 2",
        "volatility_ratio": "log of the deviation of 10 returns over that of 63, times 2",
        "implied_premium": "log of implied over realised volatility, less its mean of 44, times 4",
        "implied_level": "log implied volatility from its average of 63, in its own deviations",
    }
)


def indicators(spot: Floats, high: Floats, low: Floats, volatility: Floats) -> NDArray[np.float32]:
    """Return the twenty indicators of ``INDICATORS``, in its order, a row for each row given.

    Sources: Wilder, New Concepts in Technical Trading Systems, 1978 (relative strength,
    directional movement, true range); Appel 1979 (MACD); Lane 1984 (stochastic); Lambert 1980
    (CCI); Bollinger 1992; Chande 1995 (Aroon).

    Args:
        spot: Closing prices, float64 of shape (T,), oldest first, as the other three.
        high: Highest prices of the rows.
        low: Lowest prices of the rows.
        volatility: Implied volatility, annualised.

    Returns:
        float32 of shape (T, 20), finite, roughly -3 to 3 and never beyond -5 to 5. The first 63
        rows have not enough history and are 0. Prices and volatilities that are not positive
        numbers count as 1e-6; a ratio without a denominator is 0.
    """
    table = np.zeros((len(spot), len(INDICATORS)), np.float32)
    if len(spot) < LOOKBACK:
        return table
    close, top, bottom, implied = (_positive(column) for column in (spot, high, low, volatility))
    with np.errstate(all="ignore"):
        columns = [
            *_trend(np.log(close)),
            *_oscillators(close, top, bottom),
            *_volatilities(np.log(close), top, bottom, np.log(implied)),
        ]
        values = np.nan_to_num(np.stack(columns, axis=1), posinf=LIMIT, neginf=-LIMIT)
    table[LOOKBACK - 1 :] = np.clip(values[LOOKBACK - 1 :], -LIMIT, LIMIT)
    return table


def _trend(price: Floats) -> list[Floats]:
    """Return how far log prices went, and how far they are from their averages."""
    unit = _deviation(_change(price, 1), 63)
    slow, fast, smooth = (_exponential(*span) for span in ((26, 56), (12, 56), (9, 9)))
    macd = _weighted(price, fast - slow)
    histogram = _weighted(macd, np.concatenate([[1.0], np.zeros(8)]) - smooth)
    return [
        *(_ratio(_change(price, n), unit * n**0.5) for n in (1, 5, 21, 63)),
        *(_ratio(price - _mean(price, n), unit * (n / 3) ** 0.5) for n in (20, 50)),
        _ratio(macd, unit),
        _ratio(histogram, unit / 2),
    ]


def _oscillators(close: Floats, high: Floats, low: Floats) -> list[Floats]:
    change = _change(close, 1)
    wilder = _exponential(27, 56)  # Wilder's average of 14 decays like an exponential one of 27
    up, down = (_weighted(np.maximum(sign * change, 0), wilder) for sign in (1, -1))
    stochastic = _within(close, high, low, 14)
    typical = (close + high + low) / 3
    log_price = np.log(close)
    rise, fall = _change(high, 1), -_change(low, 1)
    plus = _weighted(np.where((rise > fall) & (rise > 0), rise, 0.0), wilder)
    minus = _weighted(np.where((fall > rise) & (fall > 0), fall, 0.0), wilder)
    since_high, since_low = _since(high, 25), _since(-low, 25)
    return [
        _ratio(up - down, up + down) * 2.5,
        stochastic,
        _mean(stochastic, 3),
        _ratio(typical - _mean(typical, 20), 1.5 * _absolute_deviation(typical, 20)),
        _ratio(log_price - _mean(log_price, 20), _deviation(log_price, 20)),
        _ratio(plus - minus, plus + minus) * 2,
        (since_low - since_high) / 12,
        _within(close, high, low, 63),
    ]


def _volatilities(price: Floats, high: Floats, low: Floats, implied: Floats) -> list[Floats]:
    returns = _change(price, 1)
    before = np.concatenate([price[:1], price[:-1]])
    true_range = np.maximum(np.log(high), before) - np.minimum(np.log(low), before)
    premium = implied - np.log(np.maximum(_deviation(returns, 20), LEAST))
    return [
        2 * np.log(_ratio(_mean(true_range, 14), _mean(true_range, 63), 1.0)),
        2 * np.log(_ratio(_deviation(returns, 10), _deviation(returns, 63), 1.0)),
        4 * (premium - _mean(premium, 44)),
        _ratio(implied - _mean(implied, 63), _deviation(implied, 63)),
    ]


def _positive(column: Floats) -> Floats:
    values = np.asarray(column, np.float64)
    return np.where(np.isfinite(values) & (values > 0), values, LEAST)


def _ratio(above: Floats, below: Floats, otherwise: float = 0.0) -> Floats:
    return np.where(below > TINY, above / np.where(below > TINY, below, 1.0), otherwise)


def _exponential(span: int, rows: int) -> Floats:
    """Return weights 2/(span+1) (1-2/(span+1))^lag of so many rows, made to sum to one."""
    weights: Floats = (1 - 2 / (span + 1)) ** np.arange(rows, dtype=np.float64)
    total: Floats = weights / weights.sum()
    return total


def _weighted(values: Floats, weights: Floats) -> Floats:
    """Return the sum of ``weights[lag] * values[t - lag]``."""
    total = np.zeros(len(values))
    for lag, weight in enumerate(weights.tolist()):
        total[lag:] += weight * values[: len(values) - lag]
    return total


def _change(values: Floats, rows: int) -> Floats:
    change = np.zeros(len(values))
    change[rows:] = values[rows:] - values[:-rows]
    return change


def _mean(values: Floats, rows: int) -> Floats:
    return _weighted(values, np.full(rows, 1 / rows))


def _deviation(values: Floats, rows: int) -> Floats:
    """Return the standard deviation (divisor n) of the last rows, in two passes."""
    return np.sqrt(_spread(values, rows, np.square))


def _absolute_deviation(values: Floats, rows: int) -> Floats:
    return _spread(values, rows, np.abs)


def _spread(values: Floats, rows: int, distance: Callable[[Floats], Floats]) -> Floats:
    mean, total = _mean(values, rows), np.zeros(len(values))
    for lag in range(rows):
        total[lag:] += distance(values[: len(values) - lag] - mean[lag:])
    return total / rows


def _within(close: Floats, high: Floats, low: Floats, rows: int) -> Floats:
    top, bottom = high.copy(), low.copy()
    for lag in range(1, rows):
        np.maximum(top[lag:], high[:-lag], out=top[lag:])
        np.minimum(bottom[lag:], low[:-lag], out=bottom[lag:])
    return 3 * _ratio(close - bottom, top - bottom, 0.5) - 1.5


def _since(values: Floats, rows: int) -> Floats:
    """Return how many rows ago the largest of the last rows was, the newest of equals."""
    best, since = values.copy(), np.zeros(len(values))
    for lag in range(1, rows):
        earlier = values[:-lag]
        higher = earlier > best[lag:]
        since[lag:][higher] = lag
        best[lag:][higher] = earlier[higher]
    return since
