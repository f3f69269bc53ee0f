"""Silence, against a symbol's own usual pace and against its peers."""

import pytest

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.market.quality import StalenessMonitor
from alchemiser_cli.settings.sections import QualitySettings


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def monitor(clock):
    return StalenessMonitor(QualitySettings(stale_factor=10, stale_floor_s=5), clock)


@pytest.fixture
def flow(clock, monitor):
    """Let symbols of a venue tick once a second each, for a while."""

    def run(seconds, symbols, venue="XNYS"):
        for _ in range(seconds):
            for symbol in symbols:
                monitor.seen(symbol, venue)
            clock.advance(1)

    return run


def test_a_symbol_is_stale_when_it_is_silent_and_its_peers_are_not(flow, monitor):
    flow(60, ["SPY", "QQQ", "IWM"])
    flow(9, ["SPY", "QQQ"])
    assert monitor.stale() == []
    flow(1, ["SPY", "QQQ"])
    [stale] = monitor.stale()
    assert (stale.symbol, stale.venue, stale.scope) == ("IWM", "XNYS", "symbol")
    assert stale.silent_s == pytest.approx(11)
    assert stale.usual_s == pytest.approx(1)


def test_a_whole_venue_in_silence_is_one_finding(flow, monitor, clock):
    flow(60, [f"S{number}" for number in range(300)])
    flow(10, ["BTC"], venue="XCRY")
    [stale] = monitor.stale()
    assert (stale.symbol, stale.venue, stale.scope) == ("", "XNYS", "venue")
    assert stale.silent_s == pytest.approx(11)
    assert stale.usual_s == pytest.approx(1 / 300, rel=0.1)


def test_a_venue_of_fast_symbols_is_stale_though_a_slow_one_is_in_time(monitor, clock):
    for second in range(600):
        for symbol in ["SLOW"] * (second % 100 == 0) + ["A", "B"]:
            monitor.seen(symbol, "XNYS")
        clock.advance(1)
    clock.advance(20)
    assert [(stale.symbol, stale.scope) for stale in monitor.stale()] == [("", "venue")]


def test_a_slow_symbol_is_not_stale_at_a_pace_that_is_its_own(monitor, flow, clock):
    for _ in range(10):
        monitor.seen("BOND", "XNYS")
        flow(60, ["SPY"])
    flow(300, ["SPY"])
    assert monitor.stale() == []
    flow(400, ["SPY"])
    assert [stale.symbol for stale in monitor.stale()] == ["BOND"]


def test_a_burst_does_not_make_a_pause_unusual(monitor, flow, clock):
    """A hundred ticks at one instant are one: it is silence that is measured."""
    for _ in range(60):
        for _ in range(100):
            monitor.seen("SPY", "XNYS")
        clock.advance(3)
    flow(25, ["QQQ"])
    assert monitor.stale() == []


def test_one_long_silence_does_not_become_usual(monitor, flow, clock):
    flow(60, ["SPY", "QQQ"])
    flow(3_600, ["SPY"])
    flow(1, ["SPY", "QQQ"])
    flow(30, ["SPY"])
    assert [stale.symbol for stale in monitor.stale()] == ["QQQ"]


def test_nothing_is_stale_while_the_market_is_closed_or_just_opened(flow, monitor, clock):
    flow(60, ["SPY", "QQQ"])
    clock.advance(17 * 3_600)
    assert monitor.stale(is_open=False) == []
    clock.advance(1)
    assert monitor.stale() == []
    clock.advance(10)
    [stale] = monitor.stale()
    assert (stale.scope, stale.silent_s) == ("venue", pytest.approx(11))


def test_a_symbol_with_no_pace_yet_is_not_judged(monitor, flow, clock):
    monitor.seen("NEW", "XNYS")
    flow(3, ["SPY"])
    clock.advance(3_600)
    assert monitor.stale() == []


def test_a_clock_that_is_set_back_neither_alarms_nor_blinds(monitor, flow, clock):
    flow(60, ["SPY", "QQQ"])
    monitor.stale(is_open=False)
    clock.jump(-3_600)
    flow(10, ["SPY", "QQQ"])
    assert monitor.stale() == []
    flow(20, ["SPY"])
    assert [stale.symbol for stale in monitor.stale()] == ["QQQ"]


def test_silence_that_ended_is_no_longer_stale(monitor, flow):
    flow(60, ["SPY", "QQQ"])
    flow(20, ["SPY"])
    assert len(monitor.stale()) == 1
    flow(1, ["SPY", "QQQ"])
    assert monitor.stale() == []
