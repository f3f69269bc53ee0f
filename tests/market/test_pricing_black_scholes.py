"""Prices and greeks: textbook values, expiry, and the edges of what can be asked."""

import warnings

import numpy as np
import pytest

from alchemiser_cli.market.pricing import greeks, price, valuation

BOTH = [True, False]


@pytest.fixture(autouse=True)
def no_warning_and_no_trapped_error():
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        yield


def test_hulls_stock_option():
    """Hull, Options, Futures, and Other Derivatives, example 15.6: 4.76 and 0.81."""
    assert price(42, 40, 0.5, 0.2, 0.1, 0, BOTH) == pytest.approx([4.7594, 0.8086], abs=5e-5)


def test_hulls_index_option():
    """Hull, example 17.1: an index at 930 with a yield of 3 %, 51.83."""
    assert price(930, 900, 2 / 12, 0.2, 0.08, 0.03, True) == pytest.approx(51.83, abs=5e-3)


def test_hulls_greeks():
    """Hull, chapter 19: stock at 49, strike 50, 5 % rate, 20 % volatility, 20 weeks."""
    delta, gamma, vega, theta, rho = greeks(49, 50, 0.3846, 0.2, 0.05, 0, True)
    assert delta == pytest.approx(0.522, abs=5e-4)
    assert gamma == pytest.approx(0.066, abs=5e-4)
    assert vega == pytest.approx(12.1, abs=5e-2)
    assert theta == pytest.approx(-4.31, abs=5e-3)
    assert rho == pytest.approx(8.91, abs=5e-3)


@pytest.mark.parametrize("is_call", BOTH)
def test_each_greek_is_the_slope_of_the_price(is_call):
    spot, years = np.linspace(70, 140, 29), 0.4
    rest = (100.0, years, 0.25, 0.03, 0.015)

    def at(spot=spot, years=years, volatility=0.25, rate=0.03):
        return price(spot, 100.0, years, volatility, rate, 0.015, is_call)

    step = 1e-4
    slopes = [
        (at(spot=spot + step) - at(spot=spot - step)) / (2 * step),
        (at(spot=spot + 0.01) - 2 * at() + at(spot=spot - 0.01)) / 0.01**2,
        (at(volatility=0.25 + step) - at(volatility=0.25 - step)) / (2 * step),
        -(at(years=years + step) - at(years=years - step)) / (2 * step),
        (at(rate=0.03 + step) - at(rate=0.03 - step)) / (2 * step),
    ]
    analytic = greeks(spot, *rest, is_call)
    np.testing.assert_allclose(analytic, np.stack(slopes, axis=-1), rtol=1e-5, atol=1e-5)


def test_at_expiry_the_price_is_intrinsic_and_delta_a_step():
    spot = np.array([90.0, 100.0, 110.0])
    calls, puts = valuation(spot, 100, 0, 0.2, 0.05, 0.02, [[True], [False]]).price
    np.testing.assert_array_equal(calls, [0, 0, 10])
    np.testing.assert_array_equal(puts, [10, 0, 0])
    calls, puts = greeks(spot, 100, 0, 0.2, 0.05, 0.02, [[True], [False]])
    np.testing.assert_array_equal(calls[:, 0], [0, 0.5, 1])
    np.testing.assert_array_equal(puts[:, 0], [-1, -0.5, 0])
    assert not calls[:, 1:].any()
    assert not puts[:, 1:].any()


def test_time_past_expiry_counts_as_expiry():
    np.testing.assert_array_equal(
        price(110, 100, -0.5, 0.2, 0.05, 0.02, BOTH), price(110, 100, 0, 0.2, 0.05, 0.02, BOTH)
    )


@pytest.mark.parametrize("volatility", [0, 1e-300, 1e-8])
def test_without_volatility_the_price_is_the_discounted_intrinsic_value_of_the_forward(volatility):
    forward_value = 100 * np.exp(-0.015) - np.array([80, 120]) * np.exp(-0.03)
    strikes = np.array([80.0, 120.0])
    calls = price(100, strikes, 1, volatility, 0.03, 0.015, True)
    np.testing.assert_allclose(calls, np.maximum(forward_value, 0), rtol=1e-14)
    assert np.isfinite(greeks(100, strikes, 1, volatility, 0.03, 0.015, BOTH)).all()


@pytest.mark.parametrize("volatility", [10, 1e3, 1e150])
def test_huge_volatility_brings_the_upper_bounds(volatility):
    call, put = price(100, 120, 4, volatility, 0.03, 0.015, BOTH)
    assert call == pytest.approx(100 * np.exp(-0.06))
    assert put == pytest.approx(120 * np.exp(-0.12))
    assert np.isfinite(greeks(100, 120, 4, volatility, 0.03, 0.015, BOTH)).all()


def test_deep_options_keep_their_relative_precision():
    """Out of the money the price is no difference of large numbers; in it, parity is exact."""
    out = price(100, 300, 0.1, 0.2, 0, 0, True)
    assert 0 < out < 1e-60
    assert price(300, 100, 0.1, 0.2, 0, 0, True) == 200


def test_nothing_is_worth_nothing():
    np.testing.assert_array_equal(price([0, 100, 0], [100, 0, 0], 1, 0.2, 0, 0, True), [0, 100, 0])
    assert price(0, 100, 1, 0.2, 0.05, 0, False) == pytest.approx(100 * np.exp(-0.05))
    assert np.isfinite(greeks([0, 100, 0], [100, 0, 0], 1, 0.2, 0.05, 0, True)).all()


@pytest.mark.parametrize("bad", [(-1, 100, 0.2), (100, -1, 0.2), (100, 100, -0.1), (np.nan, 1, 1)])
def test_what_is_negative_or_no_number_has_no_price(bad):
    spot, strike, volatility = bad
    assert np.isnan(price(spot, strike, 1, volatility, 0.02, 0, True))


def test_arguments_broadcast():
    spot, strike = np.ones((4, 1)), np.ones(10)
    assert price(spot, strike, 1, 0.2, 0, 0, True).shape == (4, 10)
    assert greeks(spot, strike, 1, 0.2, 0, 0, True).shape == (4, 10, 5)
    assert greeks(1, 1, 1, 0.2, 0, 0, True).shape == (5,)
