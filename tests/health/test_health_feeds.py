"""Feeds are judged by the progress of event time, and only while there is something to deliver."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.clock import NS_PER_SECOND, ns_from_datetime
from alchemiser_cli.health.feeds import feed_of
from alchemiser_cli.state.stream_progress import Progress

NEW_YORK = dt.timezone(dt.timedelta(hours=-5))
MAX_SILENCE_S = 60.0


def at(day, hour, minute=0, second=0):
    """A moment of the first week of March 2026 (Monday the 2nd) in New York."""
    return ns_from_datetime(dt.datetime(2026, 3, day, hour, minute, second, tzinfo=NEW_YORK))


def state(now_ns, changed_ns, *, connected=True, reported_ns=None, calendar="XNYS", events=True):
    row = Progress(
        name="feed:prices",
        connected=connected,
        last_event_ns=changed_ns if events else None,
        last_change_ns=changed_ns,
        count=1,
        at_ns=now_ns - NS_PER_SECOND if reported_ns is None else reported_ns,
    )
    return feed_of(row, now_ns, calendar=calendar, max_silence_s=MAX_SILENCE_S).state


@pytest.mark.parametrize(
    ("now", "changed", "expected"),
    [
        pytest.param(at(4, 11), at(4, 10, 59, 30), "flowing", id="half a minute ago"),
        pytest.param(at(4, 11), at(4, 10, 58), "mute", id="two minutes of an open market"),
        pytest.param(at(4, 20), at(4, 15, 59, 50), "quiet", id="kept up until the close"),
        pytest.param(at(4, 20), at(4, 18), "quiet", id="late trades, then nothing"),
        pytest.param(at(4, 20), at(4, 13), "mute", id="silent since noon, now closed"),
        pytest.param(at(5, 8), at(4, 16), "quiet", id="the next morning, before the open"),
        pytest.param(at(5, 9), at(5, 8, 30), "quiet", id="a few trades before the open"),
        pytest.param(at(5, 9, 30, 30), at(4, 16), "quiet", id="half a minute after the open"),
        pytest.param(at(5, 9, 32), at(4, 16), "mute", id="two minutes after the open"),
        pytest.param(at(5, 17), at(4, 16), "mute", id="a whole session has passed"),
        pytest.param(at(7, 12), at(6, 16), "quiet", id="Saturday"),
        pytest.param(at(7, 12), at(7, 11), "mute", id="delivered on Saturday: keeps no hours"),
    ],
)
def test_silence_counts_while_there_is_something_to_deliver(now, changed, expected):
    assert state(now, changed) == expected


@pytest.mark.parametrize(
    ("now", "started", "expected"),
    [
        pytest.param(at(4, 8, 30), at(4, 8), "quiet", id="started before the open"),
        pytest.param(at(4, 9, 40), at(4, 8), "mute", id="the market opened and nothing came"),
        pytest.param(at(4, 18), at(4, 12), "mute", id="nothing came while it was open"),
    ],
)
def test_a_feed_that_has_not_delivered_yet_waits_for_the_open(now, started, expected):
    assert state(now, started, events=False) == expected


def test_a_market_that_never_closes_excuses_no_silence():
    assert state(at(7, 12), at(7, 11, 58), calendar="24/7") == "mute"


def test_without_a_calendar_nothing_excuses_the_silence():
    assert state(at(7, 12), at(6, 16), calendar="NOWHERE") == "mute"


def test_a_lunch_break_is_no_silence():
    tokyo = dt.timezone(dt.timedelta(hours=9))
    noon = ns_from_datetime(dt.datetime(2026, 3, 4, 12, 0, tzinfo=tokyo))
    before = ns_from_datetime(dt.datetime(2026, 3, 4, 11, 30, tzinfo=tokyo))
    assert state(noon, before, calendar="XTKS") == "quiet"


def test_a_dead_process_is_gone_for_a_day_and_then_forgotten():
    died = at(2, 11)
    assert state(at(2, 11, 10), died, reported_ns=died) == "gone"
    assert state(at(3, 11, 10), died, reported_ns=died) == "ended"


def test_a_process_that_runs_without_a_connection_is_disconnected():
    now = at(4, 11)
    assert state(now, at(4, 10, 50), connected=False) == "disconnected"


def test_the_last_report_of_a_clean_end_is_no_lost_connection():
    now = at(4, 11)
    assert state(now, now - 2 * NS_PER_SECOND, connected=False) == "ended"


@given(
    silent_s=st.floats(0, 1e6),
    reported_s=st.floats(0, 1e6),
    connected=st.booleans(),
)
def test_only_a_connected_feed_of_a_running_process_is_mute(silent_s, reported_s, connected):
    now = at(4, 11)
    found = state(
        now,
        now - round(silent_s * NS_PER_SECOND),
        connected=connected,
        reported_ns=now - round(reported_s * NS_PER_SECOND),
        calendar="24/7",
    )
    running = connected and reported_s <= 120
    if found in ("mute", "flowing", "quiet"):
        assert running
    if running:
        assert (found == "mute") == (silent_s > MAX_SILENCE_S)
