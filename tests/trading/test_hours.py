"""Trading hours of real exchanges: the opening and the close are inside, a lunch break is not."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from alchemiser_cli.clock import NS_PER_SECOND, ns_from_datetime
from alchemiser_cli.errors import SettingInvalidError
from alchemiser_cli.market import session_at
from alchemiser_cli.trading import hours as module
from alchemiser_cli.trading.hours import TradingHours

SECOND = NS_PER_SECOND
XNYS, XHKG, CMES, ALWAYS = (TradingHours(name) for name in ("XNYS", "XHKG", "CMES", "24/7"))


def at(*moment, zone="America/New_York"):
    return ns_from_datetime(dt.datetime(*moment, tzinfo=ZoneInfo(zone)))


OPENING, CLOSE = at(2018, 1, 19, 9, 30), at(2018, 1, 19, 16)


@pytest.mark.parametrize("moment", [OPENING, OPENING + 1, CLOSE - 1, CLOSE])
def test_the_opening_and_the_close_are_inside(moment):
    assert XNYS.is_open(moment)


@pytest.mark.parametrize("moment", [OPENING - 1, CLOSE + 1, CLOSE + 86_400 * SECOND])
def test_before_and_after_it_is_closed(moment):
    assert not XNYS.is_open(moment)


def test_a_short_day_closes_early():
    assert XNYS.is_open(at(2018, 11, 23, 13))
    assert not XNYS.is_open(at(2018, 11, 23, 13) + 1)


def test_a_holiday_has_no_session():
    assert not XNYS.is_open(at(2018, 7, 4, 12))
    assert XNYS.day_of(at(2018, 7, 4, 12)) == dt.date(2018, 7, 4)


def test_a_lunch_break_is_closed_but_belongs_to_the_session():
    def moment(hour, minute, day=19):
        return at(2018, 1, day, hour, minute, zone="Asia/Hong_Kong")

    assert XHKG.is_open(moment(12, 0))
    assert not XHKG.is_open(moment(12, 30))
    assert XHKG.is_open(moment(13, 0))
    assert XHKG.day_of(moment(12, 30)) == dt.date(2018, 1, 19)


def test_an_evening_session_has_the_date_of_the_next_day():
    sunday_evening = at(2018, 1, 21, 18, 30, zone="America/Chicago")
    assert CMES.is_open(sunday_evening)
    assert CMES.day_of(sunday_evening) == dt.date(2018, 1, 22)


@pytest.mark.parametrize("hour", [0, 3, 12, 23])
def test_a_calendar_without_hours_is_always_open(hour):
    moment = at(2017, 12, 31, hour, zone="UTC")
    assert ALWAYS.is_open(moment)
    assert ALWAYS.day_of(moment) == dt.date(2017, 12, 31)


def test_days_change_at_local_midnight_where_no_session_is_under_way():
    assert XNYS.day_of(at(2018, 1, 19, 23, 59)) == dt.date(2018, 1, 19)
    assert XNYS.day_of(at(2018, 1, 20, 0, 0)) == dt.date(2018, 1, 20)
    assert XNYS.day_of(OPENING - 1) == XNYS.day_of(CLOSE) == dt.date(2018, 1, 19)


@pytest.mark.parametrize(
    ("trading", "name"), [(XNYS, "XNYS"), (XHKG, "XHKG"), (CMES, "CMES"), (ALWAYS, "24/7")]
)
def test_it_says_what_the_calendar_says(trading, name):
    """Forwards, where the last answer is remembered, and backwards, where it does not help.

    At the very close the two differ: there ``session_at`` has the session over.
    """
    hours = range(0, 8 * 24, 7)
    moments = [at(2018, 3, 7, zone="UTC") + (hour * 3_600 + 61) * SECOND for hour in hours]
    states = [session_at(name, moment) for moment in moments]
    expected = [(state.is_open, state.session) for state in states]
    for order in (1, -1):
        told = [(trading.is_open(each), trading.day_of(each)) for each in moments[::order]]
        for (is_open, day), (known_open, session) in zip(told[::order], expected, strict=True):
            assert is_open == known_open
            assert session in {day, None}


def test_a_decade_is_built_once(monkeypatch):
    built = []
    build = module.calendar_between

    def counting(*arguments, **keywords):
        built.append(arguments)
        return build(*arguments, **keywords)

    monkeypatch.setattr(module, "calendar_between", counting)
    trading = TradingHours("24/7")
    for day in (at(2010, 1, 1), at(2019, 12, 31), at(2020, 6, 1), at(2015, 5, 5)):
        assert trading.is_open(day)
    assert len(built) == 2


def test_it_is_open_across_the_end_of_a_decade():
    last = at(2019, 12, 31, 16)
    assert XNYS.is_open(last)
    assert not XNYS.is_open(last + 1)
    assert not XNYS.is_open(at(2020, 1, 2, 9, 29))
    assert XNYS.is_open(at(2020, 1, 2, 9, 30))


@pytest.mark.provokes("setting-invalid")
def test_an_unknown_calendar_is_refused_with_the_first_question():
    trading = TradingHours("XNYSE")
    with pytest.raises(SettingInvalidError, match="no exchange calendar is named 'XNYSE'"):
        trading.is_open(OPENING)


@pytest.mark.provokes("setting-invalid")
def test_a_calendar_with_bounds_is_taken_as_far_as_it_is_known():
    trading = TradingHours("XBOM")
    assert trading.is_open(at(2024, 1, 10, 12, zone="Asia/Kolkata"))
    with pytest.raises(SettingInvalidError, match="knows no session"):
        trading.is_open(at(2095, 1, 10))
