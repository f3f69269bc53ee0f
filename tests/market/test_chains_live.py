"""Live chains: steps that are waited for, equal to those of a table, and the deadline."""

import dataclasses
import threading

import numpy as np
import pytest

from alchemiser_cli.clock import ManualClock, SystemClock
from alchemiser_cli.errors import MarketDataStaleError
from alchemiser_cli.market import Tick
from alchemiser_cli.market.chains import (
    ChainTable,
    LiveChains,
    chain_table,
    generate_market,
    realised_over_time,
)
from alchemiser_cli.settings import OptionsSettings

OPTIONS = OptionsSettings()
DAY_NS = 86_400 * 10**9
TIMES = np.arange(120) * DAY_NS + 1_500_000_000 * 10**9


def tick(at_ns, price, symbol="SPX"):
    return Tick(
        symbol=symbol,
        venue="test",
        kind="trade",
        sequence=1,
        event_time_ns=at_ns,
        price=price,
        size=1.0,
    )


def test_steps_pushed_from_another_thread_equal_the_table_of_the_same_prices():
    close, high, low, volatility = generate_market(120, 1)
    live = LiveChains(OPTIONS, SystemClock())

    def feed():
        for at, price, top, bottom, implied in zip(
            TIMES.tolist(), close, high, low, volatility, strict=True
        ):
            live.push(at, price, high=top, low=bottom, volatility=implied)

    thread = threading.Thread(target=feed)
    thread.start()
    steps = ChainTable.of([live.at(step) for step in range(120)])
    thread.join()
    table = chain_table(TIMES, close, high, low, volatility, OPTIONS)
    for field in dataclasses.fields(ChainTable):
        np.testing.assert_allclose(
            getattr(steps, field.name), getattr(table, field.name), rtol=1e-12, atol=1e-300
        )
    np.testing.assert_array_equal(live.table().mid, steps.mid)
    assert (len(live), live.endless, live.latest().spot) == (120, True, close[-1])


def test_without_an_implied_volatility_past_returns_give_one():
    close = generate_market(120, 1).close
    live = LiveChains(OPTIONS, ManualClock())
    for at, price in zip(TIMES.tolist(), close.tolist(), strict=True):
        assert live.push(at, price)
    table = live.table()
    np.testing.assert_array_equal(table.at_the_money_volatility, realised_over_time(TIMES, close))
    np.testing.assert_array_equal(table.high, close)


@pytest.mark.provokes("market-data-stale")
def test_a_step_that_does_not_come_by_the_deadline_is_stale_data():
    clock = ManualClock()
    live = LiveChains(OPTIONS, clock, symbol="SPX", deadline_s=5)
    live.push(int(TIMES[0]), 100.0)
    raised = []

    def wait():
        try:
            live.at(1)
        except MarketDataStaleError as error:
            raised.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    while waiting.is_alive():
        clock.advance(1)
        waiting.join(0.02)
    assert raised[0].what == "no price of SPX came within 5 s; 1 came before"
    assert raised[0].context["newest_event_time_ns"] == int(TIMES[0])


@pytest.mark.provokes("market-data-stale")
def test_the_newest_step_of_a_market_without_any_is_waited_for():
    live = LiveChains(OPTIONS, ManualClock(), deadline_s=0)
    with pytest.raises(MarketDataStaleError, match="0 came before"):
        live.latest()
    with pytest.raises(IndexError):
        live.table()


def test_a_price_older_than_the_newest_step_is_none():
    live = LiveChains(OPTIONS, ManualClock())
    assert live.push(int(TIMES[1]), 100.0)
    assert not live.push(int(TIMES[0]), 99.0)
    assert live.push(int(TIMES[1]), 101.0)
    assert len(live) == 2


def test_ticks_of_other_symbols_are_no_steps():
    live = LiveChains(OPTIONS, ManualClock(), symbol="SPX")
    assert live.push_tick(tick(int(TIMES[0]), 100.0))
    assert not live.push_tick(tick(int(TIMES[1]), 50.0, symbol="NDX"))
    assert live.latest().spot == 100.0


@pytest.mark.parametrize("step", [-1, 2])
def test_only_the_next_step_can_be_waited_for(step):
    live = LiveChains(OPTIONS, ManualClock())
    live.push(int(TIMES[0]), 100.0)
    with pytest.raises(IndexError, match="the next one is 1"):
        live.at(step)
