"""The surface looks like that of S&P 500 options and offers no free lunch; spreads follow it."""

import numpy as np
import pytest

from alchemiser_cli.market.pricing import price
from alchemiser_cli.market.pricing.spread import half_spread
from alchemiser_cli.market.pricing.surface import QUOTED_YEARS, at_the_money, volatility
from alchemiser_cli.settings import OptionsSettings

OPTIONS = OptionsSettings()


def test_at_the_money_and_thirty_days_it_is_the_quote():
    assert volatility(0.15, 0.0, QUOTED_YEARS, OPTIONS) == pytest.approx(0.15)


def test_puts_are_dearer_than_calls_and_the_wings_bounded():
    """Near 18.5 % for the 95 % strike at 15 % at the money, as the docstring says."""
    low, high = volatility(0.15, np.log([0.95, 1.05]), QUOTED_YEARS, OPTIONS)
    assert low == pytest.approx(0.185, abs=5e-3)
    assert high < 0.15
    wings = volatility(0.15, np.array([-50.0, 50.0]), QUOTED_YEARS, OPTIONS)
    np.testing.assert_allclose(wings, 0.15 * np.array([1.9, 0.82]))


def test_longer_tenors_revert_to_the_mean_and_shorter_ones_exaggerate():
    years = np.array([1, 30, 180, 3650]) / 365
    stress, calm = (at_the_money(quote, years, OPTIONS) for quote in (0.5, 0.1))
    assert (np.diff(stress) < 0).all()
    assert (np.diff(calm) > 0).all()
    assert stress[-1] == pytest.approx(0.19, rel=0.05)
    flat = at_the_money(0.5, years, OptionsSettings(term_slope=0))
    np.testing.assert_array_equal(flat, 0.5)


@pytest.mark.parametrize("quote", [0.06, 0.1, 0.15, 0.25, 0.4, 0.8])
def test_no_butterfly_on_the_strikes_costs_less_than_nothing(quote):
    """Call prices fall and are convex in the strike, from a day to seven weeks to expiry."""
    years = np.array([1, 3, 7, 14, 30, 49])[:, None] / 365
    rate, dividend = OPTIONS.risk_free_rate, OPTIONS.dividend_yield
    forward = np.exp((rate - dividend) * years)
    for moved in (0.85, 0.95, 1.0, 1.05, 1.15):  # spot since the listing
        strikes = np.linspace(0.95, 1.05, 41) / moved
        implied = volatility(quote, np.log(strikes / forward), years, OPTIONS)
        calls = price(1.0, strikes, years, implied, rate, dividend, True)
        assert (np.diff(calls) < 1e-15).all()
        assert (np.diff(calls, 2) > -1e-14).all()


def test_gatherals_density_is_positive_while_the_deviation_is_ordinary():
    x = np.linspace(-12, 12, 4801)
    smile = volatility(0.2, x * 0.2 * np.sqrt(QUOTED_YEARS), QUOTED_YEARS, OPTIONS) / 0.2
    slope = np.gradient(smile, x)
    bend = np.gradient(slope, x)
    for deviation in (0.01, 0.1, 0.5):
        wings = deviation**2 * smile**2 * slope**2 / 4
        density = (1 - x * slope / smile) ** 2 + smile * bend - wings
        assert (density[2:-2] > 0).all()


@pytest.mark.parametrize("quote", [-1.0, 0.0, 1e-8, 10.0, 100.0])
@pytest.mark.parametrize("skew", [-1.0, 1.0])
def test_odd_quotes_and_settings_give_positive_volatilities(quote, skew):
    odd = OptionsSettings(skew=skew, curvature=0, term_slope=2)
    years = np.array([[0.0], [1e-9], [0.1], [5]])
    assert (volatility(quote, np.array([-1e3, -0.1, 0, 0.1, 1e3]), years, odd) > 0).all()


def test_the_spread_is_a_share_that_grows_out_of_the_money_and_at_expiry():
    month = 30 / 365
    inside, at, out = half_spread(20.0, np.array([-0.05, 0, 0.05]), month, OPTIONS)
    assert inside < at < out
    assert at == pytest.approx(0.2, rel=0.01)
    assert half_spread(20.0, 0, 0, OPTIONS) == pytest.approx(0.3)


def test_the_spread_has_a_least_width_but_no_bid_is_below_zero():
    half = half_spread(np.array([0.0, 0.01, 1.0]), 0.2, 0.1, OPTIONS)
    np.testing.assert_allclose(half, [0, 0.01, 0.05])
