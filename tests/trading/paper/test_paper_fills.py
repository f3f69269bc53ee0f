"""Market orders fill at the next quote, later than what led to them, and with their costs."""

import asyncio
import inspect
import math

import pytest

from alchemiser_cli.trading.broker import Broker
from alchemiser_cli.trading.paper import PaperBroker


def test_a_buy_pays_the_ask_and_a_sell_gets_the_bid(market):
    here = market()
    here.submit("buy", 10)
    here.submit("sell", 4)
    here.tick(1, 100.0, bid=99.0, ask=101.0)
    assert [(each.change, each.price) for each in here.executions] == [(10, 101.0), (-4, 99.0)]


def test_a_fill_says_where_its_price_came_from(market):
    here = market()
    here.submit()
    [update] = here.tick(1, 100.0, bid=99.0, ask=101.0)
    [execution] = update.executions
    assert (update.order_id, update.state, update.filled) == ("o-1", "filled", 10)
    assert (execution.execution_id, execution.order_id) == ("o-1-1", "o-1")
    assert str(execution.origin) == "ticks/0/1"
    assert execution.at_ns == here.at(1)


@pytest.mark.parametrize(("side", "price"), [("buy", 101.0 * 1.01), ("sell", 99.0 * 0.99)])
def test_slippage_makes_a_fill_worse_by_its_share(market, side, price):
    here = market(slippage=0.01)
    here.submit(side)
    here.tick(1, 100.0, bid=99.0, ask=101.0)
    assert here.executions[0].price == pytest.approx(price)


@pytest.mark.parametrize(("side", "price"), [("buy", 102.0), ("sell", 98.0)])
def test_a_tick_without_a_quote_is_the_mid_of_the_spread(market, side, price):
    here = market(spread=0.02)
    here.submit(side)
    here.tick(1, 100.0, kind="bar")
    assert here.executions[0].price == pytest.approx(price)


def test_the_tick_that_led_to_an_order_never_fills_it(market):
    here = market()
    here.submit(at=5.0)
    assert here.tick(5.0) == []
    assert here.tick(4.0) == []
    assert len(here.tick(5.001)) == 1


def test_no_price_fills_an_order_before_its_latency_is_over(market):
    here = market(latency_s=0.5)
    here.tick(2.0, symbol="NDX")
    here.submit(at=1.0)  # it came when the market was at 2.0
    assert here.tick(2.4) == []
    assert len(here.tick(2.5)) == 1


def test_daily_prices_fill_at_the_next_day(market):
    here = market(latency_s=0.05)
    here.submit(at=6 * 3600)  # the close
    assert len(here.tick((3 * 24 + 6) * 3600, kind="bar")) == 1  # Monday's


def test_a_tick_that_is_old_or_seen_twice_fills_nothing(market):
    here = market(max_fill=3)
    here.tick(10.0, symbol="SPX")
    here.submit("buy", 10, at=1.0)
    assert here.tick(10.0) == []
    assert here.tick(9.0) == []
    assert len(here.tick(11.0)) == 1
    assert here.tick(11.0) == []
    assert here.broker.status_now("o-1").filled == 3


@pytest.mark.parametrize("price", [math.nan, math.inf, 0.0, -1.0])
def test_a_price_that_cannot_be_fills_nothing(market, price):
    here = market()
    here.submit()
    assert here.tick(1, price) == []
    assert here.tick(2, 100.0, bid=99.0, ask=price) == []


def test_a_sale_that_nobody_pays_for_waits(market):
    """An option whose bid is zero cannot be sold."""
    here = market()
    here.submit("sell")
    assert here.tick(1, 0.5, bid=0.0, ask=1.0) == []
    assert here.tick(2, 0.5, bid=None, ask=1.0) == []
    here.tick(3, 0.5, bid=0.1, ask=1.0)
    assert here.executions[0].price == pytest.approx(0.1)


def test_what_one_tick_cannot_fill_waits_for_the_next_one(market):
    here = market(max_fill=4)
    here.submit("buy", 10)
    states = [here.tick(second)[0].state for second in (1, 2, 3)]
    assert states == ["partially_filled", "partially_filled", "filled"]
    assert [each.execution_id for each in here.executions] == ["o-1-1", "o-1-2", "o-1-3"]
    assert [each.change for each in here.executions] == [4, 4, 2]
    assert here.tick(4) == []


def test_orders_share_what_a_quote_offers_first_come_first(market):
    here = market()
    here.submit("buy", 5)
    here.submit("buy", 5)
    here.submit("sell", 5)
    here.tick(1, size=7.9)
    assert [each.change for each in here.executions] == [5, 2, -5]


def test_the_volume_of_a_bar_is_no_offer(market):
    here = market()
    here.submit("buy", 5)
    here.tick(1, size=2.0, kind="bar")
    assert [each.change for each in here.executions] == [5]


def test_contracts_and_units_have_their_own_commission_and_multiplier(market):
    here = market(commission=0.65)
    here.settings = here.settings.model_copy(update={"commission": 0.01})
    here.broker = here.new_broker()
    here.filled("buy", 2, symbol="SPX-20180316-C-2750", price=50.0)
    assert here.executions[-1].commission == pytest.approx(1.30)
    assert here.broker.account_now().cash == pytest.approx(1_000_000 - 2 * 50 * 100 - 1.30)
    here.filled("buy", 3, at=2.0)
    assert here.executions[-1].commission == pytest.approx(0.03)
    assert here.broker.account_now().cash == pytest.approx(1_000_000 - 10_000 - 300 - 1.33)


def test_nothing_is_filled_outside_the_sessions(market):
    here = market()
    here.submit(at=6 * 3600 - 1)
    assert here.tick(6 * 3600 + 1) == []
    assert len(here.tick((3 * 24 + 1) * 3600)) == 1


def test_who_asks_for_no_market_hours_trades_always(market):
    here = market(start_ns=1_516_536_000_000_000_000, market_hours=False)  # a Sunday
    assert here.filled() != []


def test_a_cancelled_order_is_over(market):
    here = market(max_fill=4)
    here.submit("buy", 10)
    here.tick(1)
    update = here.broker.cancel_now("o-1")
    assert (update.state, update.filled, update.executions) == ("cancelled", 4, ())
    assert here.broker.cancel_now("o-1") == update
    assert here.broker.cancel_now("o-2") is None
    assert here.tick(2) == []
    assert here.broker.account_now().open_orders == ()


def test_an_order_that_nothing_fills_expires(market):
    here = market(order_lifetime_s=60.0)
    here.submit()
    here.submit(at=30.0)
    assert here.tick(59.0, symbol="NDX") == []
    [update] = here.tick(60.0, symbol="NDX")
    assert (update.order_id, update.state, update.filled) == ("o-1", "expired", 0)
    assert "order_lifetime_s" in update.reason
    assert here.broker.account_now().open_orders == ("o-2",)


async def test_it_is_a_broker_like_any_other(market):
    here = market()
    broker: Broker = here.broker
    assert all(
        inspect.iscoroutinefunction(getattr(PaperBroker, name))
        for name, method in vars(Broker).items()
        if inspect.iscoroutinefunction(method)
    )
    await broker.connect()
    taken = await broker.submit(here.order())
    assert (broker.name, taken.state) == ("paper", "accepted")
    assert (await broker.account()).open_orders == ("o-1",)
    assert await broker.cancel("nobody's") is None
    tick_updates = here.tick(1)
    assert await asyncio.wait_for(broker.updates(), 1.0) == []
    assert await broker.status("o-1") == here.broker.status_now("o-1")
    assert tick_updates[0].state == "filled"
    assert (await broker.account()).positions == {"SPX": 10}
    await broker.close()
