"""Realised volatility: RiskMetrics over past returns only."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.market.datasets.volatility import realised_volatility

returns = st.lists(st.floats(-0.2, 0.2), min_size=2, max_size=60)


def bars(log_returns):
    close = 100 * np.exp(np.cumsum(log_returns))
    return close * 1.01, close * 0.99, close


@given(before=returns, after=returns, altered=returns)
def test_the_volatility_at_t_is_unaffected_by_anything_after_t(before, after, altered):
    one = realised_volatility(*bars(before + after))
    other = realised_volatility(*bars(before + altered))
    np.testing.assert_array_equal(one[: len(before)], other[: len(before)])


@given(returns)
def test_the_recursion_is_the_weighted_sum_of_squared_returns(log_returns):
    high, low, close = bars(log_returns)
    squared = np.diff(np.log(close)) ** 2
    seed = np.log(high[0] / low[0]) ** 2 / (4 * np.log(2))
    ages = np.arange(len(squared))[::-1]
    variance = 0.94 ** len(squared) * seed + np.sum(0.06 * 0.94**ages * squared)
    assert realised_volatility(high, low, close)[-1] == pytest.approx(np.sqrt(252 * variance))


def test_a_steady_one_percent_a_day_is_sixteen_percent_a_year():
    up_and_down = np.where(np.arange(500) % 2, 0.01, -0.01)
    close = 100 * np.exp(np.cumsum(up_and_down))
    volatility = realised_volatility(close * 1.001, close * 0.999, close)
    assert volatility[-1] == pytest.approx(0.01 * np.sqrt(252), rel=1e-6)
