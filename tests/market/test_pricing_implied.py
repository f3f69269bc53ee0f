"""Implied volatility: what it finds, and where it says that there is none."""

import warnings

import numpy as np
import pytest

from alchemiser_cli.market.pricing import implied_volatility, price


@pytest.fixture(autouse=True)
def no_warning():
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        yield


def test_hulls_implied_volatility():
    """Hull, section 15.11: a call at 1.875 on a stock at 21, strike 20, three months: 23.5 %."""
    assert implied_volatility(1.875, 21, 20, 0.25, 0.1, 0, True) == pytest.approx(0.235, abs=5e-4)


def test_it_is_found_from_a_thousandth_to_ten_for_calls_and_puts():
    volatility = np.geomspace(1e-3, 10, 200)[:, None, None]
    strike = np.array([90.0, 98.0, 100.0, 102.0, 120.0])[:, None]
    terms = (100.0, strike, 0.25, 0.02, 0.015, [True, False])
    premium = price(100.0, strike, 0.25, volatility, *terms[3:])
    found = implied_volatility(premium, *terms)
    out = np.broadcast_to((strike > 100.2) == np.array([True, False]), found.shape)
    known = out & (premium > 1e-290) & (premium < 99)  # where the price still tells
    expected = np.broadcast_to(volatility, found.shape)
    np.testing.assert_allclose(found[known], expected[known], rtol=1e-8)


def test_a_price_at_the_intrinsic_value_implies_none_of_it():
    assert implied_volatility(10, 110, 100, 1, 0, 0, True) == 0
    assert implied_volatility(0, 90, 100, 1, 0, 0, True) == 0


@pytest.mark.parametrize(
    ("premium", "reason"),
    [
        (9.9, "below the intrinsic value"),
        (-0.1, "negative"),
        (110, "the upper bound"),
        (200, "above it"),
        (np.nan, "no number"),
        (np.inf, "no number"),
    ],
)
def test_outside_of_the_bounds_there_is_no_volatility(premium, reason):
    assert np.isnan(implied_volatility(premium, 110, 100, 1, 0, 0, True)), reason


def test_at_expiry_there_is_no_volatility():
    assert np.isnan(implied_volatility([10, 11], 110, 100, 0, 0, 0, True)).all()


def test_a_price_near_the_smallest_number_still_has_one():
    volatility = implied_volatility(1e-250, 100, 200, 1, 0, 0, True)
    assert price(100, 200, 1, volatility, 0, 0, True) == pytest.approx(1e-250, rel=1e-9)
