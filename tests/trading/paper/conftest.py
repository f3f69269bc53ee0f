"""An account at the paper broker, and a market that says what it should."""

import pytest

from alchemiser_cli.clock import NS_PER_SECOND, ManualClock
from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.settings.sections import OptionsSettings
from alchemiser_cli.settings.trading import PaperSettings
from alchemiser_cli.trading.hours import TradingHours
from alchemiser_cli.trading.orders import Order
from alchemiser_cli.trading.paper import PaperBroker
from alchemiser_cli.trading.signals import Origin

FRIDAY_10_O_CLOCK = 1_516_374_000 * NS_PER_SECOND  # 19 January 2018 in New York
HOURS = TradingHours("XNYS")
FREE = {"latency_s": 0.0, "slippage": 0.0, "spread": 0.0, "commission": 0.0}


class Market:
    """A paper broker without costs but for those that are asked for; times are seconds."""

    def __init__(self, *, start_ns=FRIDAY_10_O_CLOCK, commission=0.0, **settings):
        self.start_ns = start_ns
        self.clock = ManualClock(start_ns)
        self.settings = PaperSettings.model_validate({**FREE, **settings})
        self.options = OptionsSettings(commission=commission)
        self.broker = self.new_broker()
        self.orders, self.updates, self.executions = [], [], []
        self.ticks = 0

    def new_broker(self):
        return PaperBroker("paper", self.settings, self.options, HOURS, self.clock)

    def at(self, seconds):
        return self.start_ns + round(seconds * NS_PER_SECOND)

    def tick(self, at, price=100.0, bid=None, ask=None, *, symbol="SPX", kind="quote", size=0.0):
        """Show a tick; return the updates that it causes."""
        self.ticks += 1
        tick = Tick(
            symbol=symbol,
            venue="XCBO",
            kind=kind,
            sequence=self.ticks,
            event_time_ns=self.at(at),
            price=price,
            bid=bid,
            ask=ask,
            size=size,
        )
        self.broker.on_tick(tick, Origin("ticks", 0, self.ticks))
        updates = self.broker.updates_now()
        self.updates += updates
        self.executions += [each for update in updates for each in update.executions]
        return updates

    def order(self, side="buy", quantity=10, *, at=0.0, symbol="SPX", price=100.0, name=None):
        """Make an order of the strategy `momentum` that follows from a tick at ``at``."""
        name = name or f"o-{len(self.orders) + 1}"
        order = Order(
            order_id=name,
            decision_id=f"d-{name}",
            signal_id=name,
            strategy_id="momentum",
            broker="paper",
            symbol=symbol,
            side=side,
            quantity=quantity,
            reference_price=price,
            not_before_ns=self.at(at),
            created_at_ns=self.at(at),
            origin=Origin("ticks", 0, 0),
        )
        self.orders.append(order)
        return order

    def submit(self, side="buy", quantity=10, **order):
        update = self.broker.submit_now(self.order(side, quantity, **order))
        self.updates.append(update)
        return update

    def filled(self, side="buy", quantity=10, *, at=0.0, symbol="SPX", price=100.0):
        """Get an order filled at ``price``, one second after ``at``."""
        self.submit(side, quantity, at=at, symbol=symbol, price=price)
        return self.tick(at + 1, price, price, price, symbol=symbol)


@pytest.fixture(scope="session")
def market():
    """The class: each test opens the market that it needs."""
    return Market
