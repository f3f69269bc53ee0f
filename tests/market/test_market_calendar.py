"""Sessions of exchanges at known moments."""

import datetime as dt

import pytest

from alchemiser_cli.clock import ns_from_datetime
from alchemiser_cli.errors import SettingInvalidError
from alchemiser_cli.market import session_at


def at(*moment):
    return ns_from_datetime(dt.datetime(*moment, tzinfo=dt.UTC))


def test_new_york_is_open_on_a_wednesday_at_noon():
    state = session_at("XNYS", at(2025, 11, 19, 17))
    assert state.is_open
    assert state.session == dt.date(2025, 11, 19)
    assert state.opens_at_ns == at(2025, 11, 19, 14, 30)
    assert state.closes_at_ns == at(2025, 11, 19, 21)
    assert state.next_open_ns == at(2025, 11, 20, 14, 30)
    assert not state.is_early_close


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ((2025, 11, 19, 14, 29, 59), False),
        ((2025, 11, 19, 14, 30), True),
        ((2025, 11, 19, 20, 59, 59), True),
        ((2025, 11, 19, 21), False),
    ],
)
def test_a_session_is_open_from_its_opening_up_to_its_close(moment, is_open):
    state = session_at("XNYS", at(*moment))
    assert state.is_open is is_open
    assert state.session == dt.date(2025, 11, 19)


def test_the_day_after_thanksgiving_closes_early():
    state = session_at("XNYS", at(2025, 11, 28, 17))
    assert state.is_early_close
    assert state.closes_at_ns == at(2025, 11, 28, 18)


def test_a_holiday_has_no_session_and_the_next_opening_is_known():
    state = session_at("NYSE", at(2025, 11, 27, 17))
    assert not state.is_open
    assert state.session is state.opens_at_ns is state.closes_at_ns is None
    assert state.next_open_ns == at(2025, 11, 28, 14, 30)


def test_the_session_is_that_of_the_exchange_s_date_not_of_utc():
    state = session_at("XNYS", at(2025, 11, 20, 2))  # still the evening of the 19th there
    assert state.session == dt.date(2025, 11, 19)


def test_a_lunch_break_is_closed_and_opens_again_after_it():
    state = session_at("XHKG", at(2025, 11, 19, 4, 30))
    assert not state.is_open
    assert state.session == dt.date(2025, 11, 19)
    assert state.next_open_ns == at(2025, 11, 19, 5)


def test_a_session_that_opened_yesterday_evening_is_the_one_under_way():
    state = session_at("CMES", at(2025, 11, 17, 0, 30))  # Sunday 18:30 in Chicago
    assert state.is_open
    assert state.session == dt.date(2025, 11, 17)


def test_around_the_clock_is_always_open():
    state = session_at("24/7", at(2025, 11, 23, 3))
    assert state.is_open
    assert state.session == dt.date(2025, 11, 23)
    assert state.closes_at_ns == state.next_open_ns == at(2025, 11, 24)


@pytest.mark.provokes("setting-invalid")
@pytest.mark.parametrize(("name", "near"), [("XNY", "XNYS"), ("nyse", "NYSE"), ("??", None)])
def test_an_unknown_calendar_is_refused_and_the_nearest_named(name, near):
    with pytest.raises(SettingInvalidError, match="no exchange calendar") as caught:
        session_at(name, at(2025, 11, 19))
    assert near is None or near in caught.value.next_step


def test_a_moment_beyond_the_calendar_s_knowledge_is_refused():
    with pytest.raises(SettingInvalidError, match="knows no session around"):
        session_at("XBOM", at(2120, 1, 1))
