"""What the protocol of a broker promises, held by every broker that there is."""

import sys
from pathlib import Path

import pytest

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors import OrderExecutionError
from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.settings import BrokerAccount
from alchemiser_cli.settings.sections import OptionsSettings
from alchemiser_cli.settings.trading import PaperSettings
from alchemiser_cli.testing.brokerage import running_brokerage
from alchemiser_cli.trading.orders import Order
from alchemiser_cli.trading.paper import PaperBroker
from alchemiser_cli.trading.signals import Origin

ALPACA = Path(__file__).parents[2] / "plugins" / "alpaca_broker"
CASH = 100_000.0


class AlpacaDesk:
    """The adapter of Alpaca, before a brokerage on loopback."""

    def __init__(self, brokerage, clock):
        from alchemiser_alpaca_broker import AlpacaAdapter

        account = BrokerAccount(
            enabled=True,
            url=brokerage.url,
            api_key=brokerage.key,
            api_secret=brokerage.secret,
        )
        self.clock, self._brokerage = clock, brokerage
        brokerage.prices["SPY"] = 100.0
        self.broker = AlpacaAdapter().open("desk", account, clock)

    def execute(self, order, price):
        self._brokerage.fill(order.order_id, price=price)
        self.clock.advance(1.0)


class PaperDesk:
    """The simulated broker without costs, and a market that quotes one price."""

    def __init__(self, clock):
        self.clock, self._ticks = clock, 0
        settings = PaperSettings(initial_cash=CASH, latency_s=0, slippage=0, spread=0, commission=0)
        self.broker = PaperBroker("desk", settings, OptionsSettings(), None, clock)
        self._quote(100.0)

    def execute(self, _, price):
        self._quote(price)

    def _quote(self, price):
        self.clock.advance(1.0)
        self._ticks += 1
        tick = Tick(
            symbol="SPY",
            venue="XNYS",
            kind="quote",
            sequence=self._ticks,
            event_time_ns=self.clock.now_ns(),
            price=price,
        )
        self.broker.on_tick(tick, Origin("ticks", 0, self._ticks))


@pytest.fixture(params=["alpaca", "paper"])
async def desk(request, monkeypatch):
    clock = ManualClock()
    if request.param == "paper":
        yield PaperDesk(clock)
        return
    monkeypatch.syspath_prepend(str(ALPACA))
    with running_brokerage(clock, CASH) as brokerage:
        desk = AlpacaDesk(brokerage, clock)
        yield desk
        await desk.broker.close()
    for name in [name for name in sys.modules if name.startswith("alchemiser_alpaca_broker")]:
        del sys.modules[name]


@pytest.fixture
async def broker(desk):
    await desk.broker.connect()
    return desk.broker


@pytest.fixture
def make_order(desk):
    def make(number=1, side="buy", quantity=10):
        return Order(
            order_id=f"o-{number}",
            decision_id=f"d-{number}",
            signal_id=f"{number}",
            strategy_id="momentum",
            broker="desk",
            symbol="SPY",
            side=side,
            quantity=quantity,
            reference_price=100.0,
            not_before_ns=desk.clock.now_ns(),
            created_at_ns=desk.clock.now_ns(),
            origin=Origin("ticks", 0, number),
        )

    return make


async def test_it_has_its_name_of_the_settings(broker):
    assert broker.name == "desk"


async def test_an_account_begins_with_its_cash_and_nothing_else(broker):
    state = await broker.account()
    assert (state.cash, dict(state.positions), state.open_orders) == (CASH, {}, ())


async def test_an_order_is_taken_waits_and_is_executed(desk, broker, make_order):
    order = make_order()
    taken = await broker.submit(order)
    assert (taken.order_id, taken.filled, taken.closed) == ("o-1", 0, False)
    assert (await broker.account()).open_orders == ("o-1",)
    desk.execute(order, 101.0)
    [update] = [one for one in await broker.updates() if one.closed]
    [execution] = update.executions
    assert (update.state, update.filled) == ("filled", 10)
    assert (execution.order_id, execution.strategy_id) == ("o-1", "momentum")
    assert (execution.broker, execution.symbol) == ("desk", "SPY")
    assert (execution.change, execution.price) == (10, 101.0)
    state = await broker.account()
    assert (state.cash, dict(state.positions), state.open_orders) == (
        CASH - 1_010.0,
        {"SPY": 10},
        (),
    )


async def test_a_sale_has_a_negative_change(desk, broker, make_order):
    order = make_order(side="sell")
    await broker.submit(order)
    desk.execute(order, 100.0)
    executions = [one for update in await broker.updates() for one in update.executions]
    assert [one.change for one in executions] == [-10]
    assert dict((await broker.account()).positions) == {"SPY": -10}


async def test_a_position_that_is_closed_is_listed_no_more(desk, broker, make_order):
    for order in (make_order(1), make_order(2, "sell")):
        await broker.submit(order)
        desk.execute(order, 100.0)
        await broker.updates()
    assert dict((await broker.account()).positions) == {}


async def test_the_same_id_again_answers_with_its_state_and_trades_once(desk, broker, make_order):
    order = make_order()
    await broker.submit(order)
    assert not (await broker.submit(order)).closed
    desk.execute(order, 100.0)
    await broker.updates()
    again = await broker.submit(order)
    assert (again.state, again.filled) == ("filled", 10)
    assert dict((await broker.account()).positions) == {"SPY": 10}


async def test_what_was_told_is_not_news_any_more(desk, broker, make_order):
    order = make_order()
    await broker.submit(order)
    desk.execute(order, 100.0)
    told = await broker.updates()
    desk.clock.advance(1.0)
    assert told
    assert list(await broker.updates()) == []


async def test_the_status_is_that_of_the_order_or_nothing(desk, broker, make_order):
    assert await broker.status("o-1") is None
    order = make_order()
    await broker.submit(order)
    assert not (await broker.status("o-1")).closed
    desk.execute(order, 100.0)
    await broker.updates()
    status = await broker.status("o-1")
    assert (status.state, status.filled) == ("filled", 10)


async def test_a_cancelled_order_is_never_executed(desk, broker, make_order):
    assert await broker.cancel("o-1") is None
    order = make_order()
    await broker.submit(order)
    cancelled = await broker.cancel("o-1")
    assert (cancelled.state, cancelled.filled, cancelled.closed) == ("cancelled", 0, True)
    assert (await broker.cancel("o-1")).state == "cancelled"
    assert (await broker.account()).open_orders == ()


async def test_an_executed_order_cannot_be_cancelled(desk, broker, make_order):
    order = make_order()
    await broker.submit(order)
    desk.execute(order, 100.0)
    await broker.updates()
    assert (await broker.cancel("o-1")).state == "filled"


@pytest.mark.provokes("insufficient-funds")
async def test_an_order_that_the_account_cannot_pay_leaves_nothing_behind(broker, make_order):
    with pytest.raises(OrderExecutionError) as caught:
        await broker.submit(make_order(quantity=5_000))
    assert caught.value.code == "insufficient-funds"
    state = await broker.account()
    assert (state.cash, dict(state.positions), state.open_orders) == (CASH, {}, ())
