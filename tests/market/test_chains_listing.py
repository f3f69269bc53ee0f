"""Listing: third Fridays at New York's close, strikes on a grid."""

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.clock import ns_from_datetime
from alchemiser_cli.market.chains import expiry_after, listed_strikes
from alchemiser_cli.market.chains.listing import listed_step

NEW_YORK = ZoneInfo("America/New_York")


def ns(*moment):
    return ns_from_datetime(dt.datetime(*moment, tzinfo=NEW_YORK))


@pytest.mark.parametrize(
    ("listed", "expires"),
    [
        ((1999, 1, 4, 16), (1999, 2, 19, 16)),
        ((1999, 2, 19, 16), (1999, 3, 19, 16)),
        ((2018, 12, 31, 16), (2019, 1, 18, 16)),
        ((2018, 11, 30, 23, 59), (2018, 12, 21, 16)),  # already December in London
        ((2024, 2, 29, 12), (2024, 3, 15, 16)),  # over the change to summer time
        ((2008, 2, 15, 16), (2008, 3, 21, 16)),  # Good Friday, all the same
    ],
)
def test_options_expire_on_the_third_friday_of_the_month_after_listing(listed, expires):
    assert expiry_after(ns(*listed)) == ns(*expires)


@given(st.integers(-(10**18), 4 * 10**18))
def test_expiry_is_always_a_friday_afternoon_two_to_seven_weeks_away(at_ns):
    expiry = dt.datetime.fromtimestamp(expiry_after(at_ns) // 10**9, NEW_YORK)
    assert (expiry.weekday(), expiry.hour, expiry.minute) == (4, 16, 0)
    assert 15 <= expiry.day <= 21
    assert 14 <= (expiry_after(at_ns) - at_ns) / 86_400e9 <= 52


def test_an_index_has_strikes_every_five_points():
    np.testing.assert_array_equal(listed_strikes(1228.1, 0.025), [1165, 1195, 1230, 1260, 1290])


@pytest.mark.parametrize(
    ("spot", "step"), [(1228.1, 5), (1000, 5), (2500, 10), (100, 0.5), (10, 0.05), (1.1, 0.005)]
)
def test_cheaper_underlyings_have_finer_strikes(spot, step):
    assert listed_step(spot, 0.025) == pytest.approx(step)


@given(st.floats(1e-6, 1e9), st.floats(1e-3, 0.2))
def test_strikes_ascend_and_are_near_what_was_wanted(spot, strike_step):
    strikes = listed_strikes(spot, strike_step)
    assert (np.diff(strikes) > 0).all()
    assert strikes[0] > 0
    wanted = spot * (1 + strike_step * np.arange(-2, 3))
    assert np.abs(strikes - wanted).max() <= listed_step(spot, strike_step) * 0.51
