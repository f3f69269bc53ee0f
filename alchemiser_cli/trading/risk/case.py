"""One signal before the gate: what it asks for, and all that its limits are compared with."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from alchemiser_cli.trading.account import AccountView
from alchemiser_cli.trading.decisions import LimitReading
from alchemiser_cli.trading.instruments import Instrument
from alchemiser_cli.trading.risk.limits import TradeLimits
from alchemiser_cli.trading.risk.notional import UnitNotional
from alchemiser_cli.trading.risk.working import WorkingOrders
from alchemiser_cli.trading.signals import Signal

__all__ = ["Case", "gather_case"]


@dataclass(slots=True)
class Case:
    """A signal, its account, and the readings so far.

    ``change`` is what the signal asks for, signed; ``quantity`` what is left of it, without sign.
    ``held`` tells whether the strategy has a position or an order in the symbol already;
    ``positions`` are the account's net ones.
    ``most_long`` and ``most_short`` are the account's position in the symbol if everything that
    works on one side is filled and nothing on the other: the worst either way, signed.
    ``reducible`` is how much of the change only makes positions smaller. ``unit`` is None where
    no price is known.
    """

    signal: Signal
    now_ns: int
    equity: float
    breaker_open: bool
    instrument: Instrument
    limits: TradeLimits
    change: int
    quantity: int
    held: bool
    positions: Mapping[str, int]
    most_long: int
    most_short: int
    reducible: int
    unit: UnitNotional | None
    readings: list[LimitReading] = field(default_factory=list)

    @property
    def is_buy(self) -> bool:
        """Whether more is to be held, or less to be owed."""
        return self.change > 0

    @property
    def reduces(self) -> bool:
        """Whether nothing of it opens or enlarges a position."""
        return self.quantity <= self.reducible

    @property
    def room_taken(self) -> int:
        """Units of the symbol that are taken on the side that the change goes to."""
        return self.most_long if self.change > 0 else -self.most_short

    def read(
        self, name: str, value: float | None, threshold: float | None, *, passed: bool
    ) -> bool:
        """Note a limit's reading, and return whether it passed."""
        self.readings.append(LimitReading(name, value, threshold, passed))
        return passed


def gather_case(
    signal: Signal,
    now_ns: int,
    account: AccountView,
    working: WorkingOrders,
    instrument: Instrument,
    limits: TradeLimits,
    unit: UnitNotional | None,
    *,
    breaker_open: bool,
) -> Case:
    """Return the case of ``signal`` at ``now_ns``, with nothing judged yet.

    A reduction takes the strategy's own position towards zero and not through it, and does not
    enlarge the account's net position in the symbol, whichever working orders are filled.
    """
    symbol, strategy = signal.symbol, signal.strategy_id
    own = account.position(strategy, symbol)
    positions = account.positions()
    net = positions.get(symbol, 0)
    buys, sells = working.of_strategy(strategy, symbol)
    all_buys, all_sells = working.of_symbol(symbol)
    change = signal.target - (own + buys - sells)
    most_long, most_short = net + all_buys, net - all_sells
    if change > 0:
        reducible = max(0, min(-(own + buys), -most_long))
    else:
        reducible = max(0, min(own - sells, most_short))
    return Case(
        signal=signal,
        now_ns=now_ns,
        equity=account.equity,
        breaker_open=breaker_open,
        instrument=instrument,
        limits=limits,
        change=change,
        quantity=abs(change),
        held=bool(own or buys or sells),
        positions=positions,
        most_long=most_long,
        most_short=most_short,
        reducible=reducible,
        unit=unit,
    )
