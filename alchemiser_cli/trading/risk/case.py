"""One signal before the gate: what it asks for, and all that its limits are compared with."""

from collections.abc import Mapping

import msgspec

from alchemiser_cli.trading.account import AccountView
from alchemiser_cli.trading.decisions import LimitReading
from alchemiser_cli.trading.instruments import Instrument
from alchemiser_cli.trading.risk.limits import TradeLimits
from alchemiser_cli.trading.risk.notional import UnitNotional, notional_at
from alchemiser_cli.trading.risk.working import WorkingOrders
from alchemiser_cli.trading.signals import Signal

__all__ = ["Case", "gather_case"]


class Case(msgspec.Struct, gc=False):
    """A signal, its account, and the readings so far.

    ``change`` is what the signal asks for, signed; ``quantity`` what is left of it, without sign.
    ``held`` tells whether the strategy has a position or an order in the symbol already;
    ``positions`` are the account's net ones.
    ``most_long`` and ``most_short`` are the account's position in the symbol if everything that
    works on one side is filled and nothing on the other: the worst either way, signed.
    ``room_taken`` is that position on the side that the change goes to, without sign.
    ``reducible`` is how much of the change only makes positions smaller. ``unit`` is None where
    no ``price`` is known. ``others`` is in how many other symbols there is a position or an order,
    as soon as it was counted. It is made for each signal, so it holds values and computes none.
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
    room_taken: int
    reducible: int
    price: float | None
    unit: UnitNotional | None
    readings: list[LimitReading]
    others: int = 0

    @property
    def reduces(self) -> bool:
        """Whether nothing of it opens or enlarges a position."""
        return self.quantity <= self.reducible


def gather_case(
    signal: Signal,
    now_ns: int,
    account: AccountView,
    working: WorkingOrders,
    known: tuple[Instrument, TradeLimits],
    *,
    breaker_open: bool,
) -> Case:
    """Return the case of ``signal`` at ``now_ns``, with nothing judged yet.

    ``known`` are the symbol's instrument, and the strategy's limits in it.

    A reduction takes the strategy's own position towards zero and not through it, and does not
    enlarge the account's net position in the symbol, whichever working orders are filled.
    """
    instrument, limits = known
    symbol, strategy = signal.symbol, signal.strategy_id
    own = account.position(strategy, symbol)
    positions = account.positions()
    net = positions.get(symbol, 0)
    (buys, sells), (all_buys, all_sells) = working.around(strategy, symbol)
    change = signal.target - (own + buys - sells)
    most_long, most_short = net + all_buys, net - all_sells
    if change > 0:
        quantity, room_taken = change, most_long
        reducible = -max(own + buys, most_long)
    else:
        quantity, room_taken = -change, -most_short
        reducible = min(own - sells, most_short)
    price = account.price(symbol)
    # In the order of the fields: by name it costs twice as much.
    return Case(
        signal,
        now_ns,
        account.equity,
        breaker_open,
        instrument,
        limits,
        change,
        quantity,
        bool(own or buys or sells),
        positions,
        most_long,
        most_short,
        room_taken,
        reducible if reducible > 0 else 0,  # noqa: FURB136  max() costs a call
        price,
        notional_at(price, account, instrument),
        [],
    )
