"""The plugin of Alpaca against a brokerage on loopback."""

import sys
from pathlib import Path

import pytest

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.settings import BrokerAccount
from alchemiser_cli.testing.brokerage import running_brokerage
from alchemiser_cli.trading.orders import Order
from alchemiser_cli.trading.signals import Origin

ALPACA = Path(__file__).parents[2] / "plugins" / "alpaca_broker"


@pytest.fixture
def alpaca_plugin(monkeypatch):
    monkeypatch.syspath_prepend(str(ALPACA))
    import alchemiser_alpaca_broker

    yield alchemiser_alpaca_broker
    for name in [name for name in sys.modules if name.startswith("alchemiser_alpaca_broker")]:
        del sys.modules[name]


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def brokerage(clock):
    with running_brokerage(clock) as running:
        running.prices = {"SPY": 100.0, "SPX180119C02750000": 12.5}
        yield running


@pytest.fixture
def account(brokerage):
    return BrokerAccount(
        enabled=True,
        plugin="alpaca",
        url=brokerage.url,
        api_key=brokerage.key,
        api_secret=brokerage.secret,
        timeout_s=2.0,
    )


@pytest.fixture
def waits():
    """How long the plugin has waited between attempts, in seconds."""
    return []


@pytest.fixture
async def alpaca(alpaca_plugin, brokerage, account, clock, waits):
    from alchemiser_alpaca_broker.rest import AlpacaRest

    async def sleep(seconds):
        waits.append(seconds)
        clock.advance(seconds)

    rest = AlpacaRest("alpaca", brokerage.url, account, clock, sleep=sleep)
    broker = alpaca_plugin.AlpacaBroker("alpaca", rest, clock, poll_interval_s=1.0)
    yield broker
    await broker.close()


@pytest.fixture
def make_order(clock):
    def make(name="o-1", side="buy", quantity=10, symbol="SPY"):
        return Order(
            order_id=name,
            decision_id=f"d-{name}",
            signal_id=name,
            strategy_id="momentum",
            broker="alpaca",
            symbol=symbol,
            side=side,
            quantity=quantity,
            reference_price=100.0,
            not_before_ns=clock.now_ns(),
            created_at_ns=clock.now_ns(),
            origin=Origin("ticks", 0, 1),
        )

    return make


@pytest.fixture
def polled(alpaca, clock):
    """Ask for what is new, once the next poll is due."""

    async def updates():
        clock.advance(1.0)
        return await alpaca.updates()

    return updates
