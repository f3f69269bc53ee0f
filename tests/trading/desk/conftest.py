"""A desk with real parts, whose one strategy does as a test says, at the market's time."""

from collections.abc import Callable
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import pytest

from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.market import Tick
from alchemiser_cli.settings import Settings
from alchemiser_cli.trading.audit import read_trail
from alchemiser_cli.trading.broker import BrokerAccountState
from alchemiser_cli.trading.desk import Desk, DeskRequest, MarketClock, fold_trail, open_parts
from alchemiser_cli.trading.kill_switch import KillSwitch
from alchemiser_cli.trading.orders import OrderUpdate
from alchemiser_cli.trading.signals import Hold, Intent, Origin

START_NS = 1_515_423_600 * NS_PER_SECOND  # Monday 2018-01-08, 10:00 in New York
DEFINITION = 'kind = "scripted"\nversion = 1\nsymbols = {symbols}\n'


class Scripted:
    """A strategy that wants what a function of the tick and the account returns."""

    model, policy_expired = None, False
    param_hash = "0123456789abcdef"

    def __init__(self, script, symbols):
        self.strategy_id = "scripted"
        self._script = script
        self._symbols = symbols

    def wants(self, symbol):
        return any(symbol == one or symbol.startswith(one.rstrip("*")) for one in self._symbols)

    def load(self):
        pass

    def features(self, tick):
        return {"price": tick.price}

    def signal(self, tick, features, account):
        wanted = self._script(tick, account)
        if isinstance(wanted, int):
            return (Intent(symbol=tick.symbol, target=wanted, reason="as the test says"),)
        return wanted


def tick_at(second, price=100.0, symbol="SPX", **more):
    """Return a tick so many seconds after ten o'clock; its sequence is the second."""
    return Tick(
        symbol=symbol,
        venue="test",
        kind="trade",
        sequence=second,
        event_time_ns=START_NS + second * NS_PER_SECOND,
        price=price,
        **more,
    )


def at(**targets):
    """Return a script: ``at(s3=10)`` wants 10 from the third second on, and before it nothing."""
    wanted = {int(name[1:]): target for name, target in targets.items()}

    def script(tick, account):
        passed = [second for second in wanted if second <= tick.sequence]
        return wanted[max(passed)] if passed else Hold("the test says nothing yet")

    return script


class Elsewhere:
    """A broker of its own that takes orders and fills none, unless a test books it in ``news``.

    ``on_submit`` comes before it takes an order, and may lose it, or the answer to it.
    """

    name = "paper"

    def __init__(self, cash=1_000_000.0):
        self.cash = cash
        self.positions = {}
        self.taken = {}  # what it knows of, by order id
        self.submitted = []
        self.asked = []
        self.cancels = True
        self.on_submit = lambda _order: None
        self.news = []

    async def connect(self):
        pass

    def restore(self, orders, updates, executions):
        pass

    async def account(self):
        waiting = tuple(name for name, update in self.taken.items() if not update.closed)
        return BrokerAccountState(cash=self.cash, positions=self.positions, open_orders=waiting)

    async def submit(self, order):
        self.submitted.append(order.order_id)
        self.on_submit(order)
        return self.take(order)

    def take(self, order):
        update = OrderUpdate(
            order_id=order.order_id, state="accepted", filled=0, at_ns=order.created_at_ns
        )
        return self.taken.setdefault(order.order_id, update)

    async def status(self, order_id):
        self.asked.append(order_id)
        return self.taken.get(order_id)

    async def cancel(self, order_id):
        known = self.taken.get(order_id)
        if known is not None and self.cancels:
            known = self.taken[order_id] = msgspec.structs.replace(known, state="cancelled")
        return known

    async def updates(self):
        news, self.news = self.news, []
        return news

    async def close(self):
        pass


@dataclass
class Floor:
    """Where desks are opened one after the other; all that lasts lies in the home."""

    home: Path
    switch: KillSwitch
    clock: MarketClock
    failures: list = field(default_factory=list)

    @property
    def trail(self):
        return self.home / "audit" / "paper"

    def records(self, *events):
        """Return the lines of these events, or of all."""
        return [one for one in read_trail(self.trail) if not events or one.event in events]

    def told(self):
        """Return event and reason of what is on record of trades, in the trail's order."""
        kinds = ("SIGNAL", "TRADE_", "ORDER_", "EXECUTED")
        return [one.event for one in self.records() if one.event.startswith(kinds)]

    @contextmanager
    def parts(self, script, *, symbols=("SPX",), broker=None, anchor=None, **sections):
        """Yield a desk that has not been opened, and what it knows of the past."""
        folder = Path("configs/strategies")
        folder.mkdir(parents=True, exist_ok=True)
        text = DEFINITION.format(symbols=msgspec.json.encode(symbols).decode())
        (folder / "scripted.toml").write_text(text)
        request = DeskRequest(
            broker="paper",
            run_id="r",
            trail="paper",
            names=["scripted"],
            kinds={"scripted": lambda *_given: Scripted(script, symbols)},
            on_failure=self.failures.append,
            anchor=anchor,
        )
        folded = fold_trail(self.trail)
        settings = Settings(home=self.home, **({"audit": {"min_free_megabytes": 0}} | sections))
        with open_parts(settings, request, self.switch, self.clock) as (parts, _loaded):
            if broker is not None:
                parts = replace(parts, broker=broker, paper=None)  # noqa: PLW2901  as a live one
            yield Desk(parts), folded

    @asynccontextmanager
    async def desk(self, script, **more):
        """Yield an open desk, which goes on where the trail ended."""
        with self.parts(script, **more) as (desk, folded):
            await desk.open(folded)
            yield desk

    async def feed(self, desk, *ticks: Tick):
        """Show ticks to the desk; each is the message after the one before."""
        for tick in ticks:
            self.clock.advance_to(tick.event_time_ns)
            await desk.on_tick(tick, Origin("ticks", 0, tick.sequence))


@pytest.fixture
def floor(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    clock = MarketClock()
    clock.advance_to(START_NS)
    with closing(KillSwitch(tmp_path, home / "run" / "kill_switch.json", clock)) as switch:
        yield Floor(home, switch, clock)


@pytest.fixture
def elsewhere():
    return Elsewhere()


@pytest.fixture
def tick() -> Callable[..., Tick]:
    return tick_at


@pytest.fixture
def script():
    return at
