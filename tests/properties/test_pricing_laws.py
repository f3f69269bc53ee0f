"""What holds for every option price: parity, bounds, monotony, and that volatility comes back."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.market.pricing import greeks, implied_volatility, price, valuation

money = st.floats(1e-3, 1e5)
years = st.floats(0, 5)
volatilities = st.floats(0, 10)
rates = st.floats(-0.1, 0.5)
markets = st.tuples(money, money, years, volatilities, rates, rates)


@given(markets)
def test_put_call_parity(market):
    spot, strike, time, _, rate, dividend = market
    call, put = price(*market, [True, False])
    forward_value = spot * np.exp(-dividend * time) - strike * np.exp(-rate * time)
    assert abs(call - put - forward_value) <= 1e-12 * (spot + strike) * np.exp(0.1 * time)


@given(markets, st.booleans())
def test_a_price_lies_between_intrinsic_value_and_upper_bound(market, is_call):
    spot, strike, time, _, rate, dividend = market
    held, owed = spot * np.exp(-dividend * time), strike * np.exp(-rate * time)
    intrinsic, bound = (held - owed, held) if is_call else (owed - held, owed)
    rounding = 1e-12 * (held + owed)
    assert max(intrinsic, 0) - rounding <= price(*market, is_call) <= bound + rounding


@given(markets, volatilities, st.booleans())
def test_more_volatility_never_costs_less(market, other, is_call):
    spot, strike, time, volatility, rate, dividend = market
    low, high = sorted([volatility, other])
    less, more = price(spot, strike, time, [low, high], rate, dividend, is_call)
    assert less <= more + 1e-12 * (spot + strike)


@given(markets, money)
def test_calls_rise_with_spot_and_puts_fall(market, other):
    low, high = sorted([market[0], other])
    calls, puts = price([low, high], *market[1:], [[True], [False]])
    rounding = 1e-12 * (high + market[1])
    assert calls[0] <= calls[1] + rounding
    assert puts[0] >= puts[1] - rounding


@given(markets)
def test_greeks_are_finite_and_of_the_right_sign(market):
    call, put = greeks(*market, [True, False])
    assert np.isfinite([call, put]).all()
    assert call[0] >= 0 >= put[0]
    assert (call[1:3] >= 0).all()
    np.testing.assert_array_equal(call[1:3], put[1:3])  # gamma and vega


@given(markets, st.booleans())
def test_price_and_greeks_together_are_those_apart(market, is_call):
    together = valuation(*market, is_call)
    np.testing.assert_array_equal(together.price, price(*market, is_call))
    np.testing.assert_array_equal(together.greeks, greeks(*market, is_call))


@given(markets, st.booleans())
def test_the_implied_volatility_of_a_price_gives_the_price_back(market, is_call):
    spot, strike, time, _, rate, dividend = market
    premium = price(*market, is_call)
    found = implied_volatility(premium, spot, strike, time, rate, dividend, is_call)
    if np.isnan(found):  # at expiry, or so volatile that the price is its upper bound
        held, owed = spot * np.exp(-dividend * time), strike * np.exp(-rate * time)
        assert time == 0 or premium >= (held if is_call else owed) * (1 - 1e-12)
        return
    back = price(spot, strike, time, found, rate, dividend, is_call)
    assert abs(back - premium) <= 1e-11 * (spot + strike) * np.exp(0.1 * time)
