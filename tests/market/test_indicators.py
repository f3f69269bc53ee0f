"""Indicators: finite windows, the same in training and live, and what some of them say."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from alchemiser_cli.market.chains import generate_market
from alchemiser_cli.market.indicators import INDICATORS, LOOKBACK, indicators

NAMES = list(INDICATORS)


def market(rows=400, seed=1):
    generated = generate_market(rows, seed)
    return [generated.close, generated.high, generated.low, generated.volatility]


def last(columns, name):
    return indicators(*columns)[-1, NAMES.index(name)]


def steady(rate, rows=100):
    close = 100 * np.exp(rate * np.arange(rows) + 1e-3 * np.sin(np.arange(rows)))
    return [close, close * 1.001, close * 0.999, np.full(rows, 0.2)]


def test_there_are_twenty_of_sixty_four_rows():
    assert len(NAMES) == len(set(NAMES)) == 20
    assert LOOKBACK == 64
    values = indicators(*market())
    assert values.shape == (400, 20)
    assert values.dtype == np.float32


def test_the_first_rows_have_no_history_and_are_zero():
    values = indicators(*market())
    assert not values[:63].any()
    assert values[63].all()
    assert not indicators(*market(63)).any()
    assert indicators(*(column[:0] for column in market())).shape == (0, 20)


@pytest.mark.parametrize("row", [63, 64, 100, 257, 399])
def test_the_last_row_is_bit_equal_from_sixty_four_rows_alone(row):
    columns = market()
    window = [column[row - 63 : row + 1].copy() for column in columns]
    np.testing.assert_array_equal(indicators(*window)[-1], indicators(*columns)[row])


def test_the_past_stays_as_it_is_when_the_future_is_altered():
    altered = market()
    for column, other in zip(altered, market(seed=2), strict=True):
        column[200:] = other[200:]
    before, after = indicators(*market()), indicators(*altered)
    np.testing.assert_array_equal(before[:200], after[:200])
    assert (before[200:] != after[200:]).any()


def test_all_use_the_room_between_minus_three_and_three():
    values = indicators(*market(4_000))[63:]
    assert np.abs(values.mean(axis=0)).max() < 0.8
    deviation = values.std(axis=0)
    assert deviation.min() > 0.3
    assert deviation.max() < 1.6


column = arrays.arrays(np.float64, 70, elements=st.floats(allow_nan=True, allow_infinity=True))


@settings(max_examples=30)
@given(column, column, column, column)
def test_any_numbers_give_finite_values_without_a_warning(spot, high, low, volatility):
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        values = indicators(spot, high, low, volatility)
    assert np.isfinite(values).all()
    assert np.abs(values).max() <= 5


def test_flat_prices_are_in_the_middle_of_everything():
    flat = [np.full(100, 5.0)] * 3 + [np.full(100, 0.2)]
    np.testing.assert_allclose(indicators(*flat)[-1], 0, atol=1e-5)


@pytest.mark.parametrize(
    "name",
    [
        "return_21",
        "average_gap_20",
        "macd",
        "rsi_14",
        "stochastic_14",
        "cci_20",
        "bollinger_20",
        "directional_14",
        "aroon_25",
        "range_63",
    ],
)
def test_a_rising_market_is_positive_and_a_falling_one_negative(name):
    assert last(steady(0.01), name) > 0.5
    assert last(steady(-0.01), name) < -0.5


def test_returns_are_in_deviations_of_the_last_sixty_three():
    close, *rest = market(64)
    returns = np.diff(np.log(close))
    expected = np.log(close[-1] / close[-6]) / (returns.std() * np.sqrt(5))
    assert last([close, *rest], "return_5") == pytest.approx(expected, rel=1e-5)


def test_the_relative_strength_index_is_wilders_over_a_finite_window():
    columns = market(64)
    change = np.diff(columns[0])[-56:]
    weights = (13 / 14) ** np.arange(55, -1, -1)
    up, down = (weights @ np.maximum(sign * change, 0) for sign in (1, -1))
    assert last(columns, "rsi_14") == pytest.approx((100 * up / (up + down) - 50) / 20, rel=1e-5)


def test_a_jump_of_implied_volatility_shows_in_both_of_its_indicators():
    columns = market(100)
    calm = [last(columns, name) for name in ("implied_premium", "implied_level")]
    columns[3][-1] *= 3
    for name, before in zip(("implied_premium", "implied_level"), calm, strict=True):
        assert last(columns, name) > before + 1
