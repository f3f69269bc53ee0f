"""Latest only, by example."""

from alchemiser_cli.market.columns import TickColumns
from alchemiser_cli.market.quality import latest_only, latest_only_columns
from alchemiser_cli.market.ticks import Tick


def tick(kind, at, symbol="SPY"):
    return Tick(symbol=symbol, venue="XNYS", kind=kind, sequence=1, event_time_ns=at, price=100.0)


def test_only_the_newest_quote_of_a_symbol_is_kept():
    waiting = [tick("quote", 1), tick("quote", 2, "QQQ"), tick("quote", 3), tick("quote", 4)]
    assert latest_only(waiting).kept == [1, 3]
    assert latest_only(waiting).skipped == [0, 2]


def test_a_quote_that_comes_late_does_not_replace_a_newer_one():
    assert latest_only([tick("quote", 5), tick("quote", 3)]).kept == [0]


def test_of_equally_old_ones_the_last_is_kept():
    assert latest_only([tick("quote", 5), tick("quote", 5)]).kept == [1]


def test_trades_are_kept_unless_it_is_said_that_they_may_go():
    waiting = [tick("trade", 1), tick("trade", 2), tick("quote", 3)]
    assert latest_only(waiting).skipped == []
    assert latest_only(waiting, {"trade", "quote"}).skipped == [0]


def test_a_bar_is_not_replaced_by_a_quote():
    assert latest_only([tick("bar", 1), tick("quote", 2)]).skipped == []


def test_a_message_that_is_no_tick_is_kept():
    assert latest_only([None, tick("quote", 1), None, tick("quote", 2)]).kept == [0, 2, 3]


def test_nothing_waits():
    assert latest_only([]).kept == latest_only_columns(TickColumns.of([])).kept == []
