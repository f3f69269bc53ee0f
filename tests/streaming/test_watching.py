"""What is watched of the ticks that come in: kinds apart, assignments apart."""

import pytest

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.market.columns import TickColumns
from alchemiser_cli.settings import QualitySettings
from alchemiser_cli.streaming.watching import QualityWatch

NOW_NS = 1_700_000_000_000_000_000


@pytest.fixture
def clock():
    return ManualClock(NOW_NS)


@pytest.fixture
def watch(clock):
    return QualityWatch(QualitySettings(), clock)


def counts(watch):
    watch.forget()
    return watch.stock.gaps, watch.stock.duplicates, watch.stock.reordered


def feed(watch, ticks, *, by_column):
    if by_column:
        watch.see_columns(TickColumns.of(ticks), NOW_NS)
    else:
        for tick in ticks:
            watch.see(tick, NOW_NS)


@pytest.mark.parametrize("by_column", [False, True], ids=["ticks", "columns"])
def test_trades_quotes_and_bars_of_a_symbol_are_numbered_apart(watch, make_tick, by_column):
    ticks = [
        make_tick(number, kind=kind) for number in (1, 2, 3) for kind in ("trade", "bar", "quote")
    ]
    feed(watch, ticks, by_column=by_column)
    assert counts(watch) == (0, 0, 0)


@pytest.mark.parametrize("by_column", [False, True], ids=["ticks", "columns"])
def test_quotes_may_leave_numbers_out(watch, make_tick, by_column):
    ticks = [make_tick(number, kind="quote") for number in (10, 90, 95, 95, 93, 200)]
    feed(watch, ticks, by_column=by_column)
    assert counts(watch) == (0, 1, 1)


@pytest.mark.parametrize("by_column", [False, True], ids=["ticks", "columns"])
def test_missing_trades_are_gaps(watch, make_tick, by_column):
    ticks = [make_tick(number, kind="trade") for number in (1, 2, 5)]
    feed(watch, ticks, by_column=by_column)
    assert counts(watch) == (2, 0, 0)


def test_what_another_consumer_read_in_between_is_no_gap(watch, make_tick):
    watch.see(make_tick(1), NOW_NS)
    watch.forget()
    watch.see(make_tick(500), NOW_NS)
    assert counts(watch) == (0, 0, 0)


def test_without_a_quarantine_nothing_is_judged(clock, make_tick):
    crossed = make_tick(1, bid=2.0, ask=1.0)
    assert QualityWatch(QualitySettings(), clock).see(crossed, NOW_NS).rule == "crossed-book"
    lenient = QualityWatch(QualitySettings(quarantine=False), clock)
    assert lenient.see(crossed, NOW_NS) is None
    assert lenient.see_columns(TickColumns.of([crossed]), NOW_NS) == []


def test_a_symbol_that_falls_silent_is_logged_once_and_again_when_it_is_back(
    watch, clock, make_tick, logs
):
    for second in range(60):
        for symbol in ("SPY", "QQQ"):
            if symbol == "SPY" or not 20 <= second < 50:
                watch.see(make_tick(second + 1, symbol), clock.now_ns())
        clock.advance(1)
        watch.take_stock()
    events = [log for log in logs if log["event"].startswith("market_data_")]
    assert [(log["event"], log["symbol"]) for log in events] == [
        ("market_data_stale", "QQQ"),
        ("market_data_flows_again", "QQQ"),
    ]
    assert events[0]["code"] == "market-data-stale"
    assert watch.stock.stale == ()
