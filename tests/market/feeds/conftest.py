"""A feed client against a real exchange on loopback, spoken to by the real Binance plugin."""

import asyncio
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from alchemiser_cli.clock import SystemClock
from alchemiser_cli.market.feeds import FeedClient
from alchemiser_cli.settings import FeedSettings
from alchemiser_cli.telemetry import SILENT
from alchemiser_cli.testing.exchange import running_exchange

DEADLINE_S = 10


@pytest.fixture
def binance(monkeypatch):
    """The plugin's venue, imported from where it lies in the repository."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3] / "plugins" / "binance_feed"))
    import alchemiser_binance_feed

    yield alchemiser_binance_feed.BinanceVenue()
    for name in [name for name in sys.modules if name.startswith("alchemiser_binance_feed")]:
        del sys.modules[name]


@pytest.fixture
def exchange():
    with running_exchange() as running:
        yield running


class Desk:
    """Takes what a feed delivers, and knows what it had to mend."""

    def __init__(self, client):
        self.client = client
        self.items = []
        self.errors = []

    @property
    def trades(self):
        return [item.tick.sequence for item in self.items if item.tick.kind == "trade"]

    def origins(self, kind="trade"):
        return [item.origin for item in self.items if item.tick.kind == kind]

    def codes(self):
        return [error.code for error in self.errors]

    async def until(self, condition):
        """Take ticks until ``condition`` holds, with a deadline."""
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                self.items += await self.client.take(10_000, 0.02)

    async def untouched(self, condition):
        """Wait until ``condition`` holds and take nothing."""
        async with asyncio.timeout(DEADLINE_S):
            while not condition():  # noqa: ASYNC110  the feed works in tasks of its own
                await asyncio.sleep(0.01)  # allow no-bare-sleep: polls with the deadline above


@pytest.fixture
def settings_of(exchange):
    def make(**changes):
        fields = {
            "url": exchange.url,
            "rest_url": exchange.rest_url,
            "symbols": ("BTCUSDT",),
            "silence_s": 5.0,
            "connect_timeout_s": 2.0,
            "max_backoff_s": 0.05,
            "poll_interval_s": 0.05,
        }
        return FeedSettings(**(fields | changes))

    return make


@pytest.fixture
def desk(binance, exchange, settings_of):
    """Open a feed and wait until the exchange has its subscription."""

    @asynccontextmanager
    async def open_desk(venue=binance, telemetry=SILENT, subscribed=True, **changes):
        errors = []
        client = FeedClient(
            "spot",
            venue,
            settings_of(**changes),
            SystemClock(),
            telemetry=telemetry,
            on_error=errors.append,
            random=Random(7),  # noqa: S311  reproducible
        )
        one = Desk(client)
        one.errors = errors
        async with client:
            if subscribed:
                await one.until(lambda: exchange.connected and client.counts.connections)
            yield one

    return open_desk
