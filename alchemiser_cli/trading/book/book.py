"""The account's book: what is held and what it is worth, exact to the cent and fast at each tick.

Positions are kept at average cost by strategy and symbol. The identity that always holds is
``cash + market value == initial cash + realised + unrealised - fees``.
"""

import math
from collections.abc import Mapping
from typing import NoReturn

from alchemiser_cli.errors import PositionValidationError
from alchemiser_cli.trading.book.holding import Holding
from alchemiser_cli.trading.book.snapshot import AccountSnapshot, PositionRow
from alchemiser_cli.trading.instruments import instrument_of
from alchemiser_cli.trading.orders import Execution

__all__ = ["Book"]

RESUM_AFTER = 4_096
"""Changes after which the market value is summed anew: rounding is then below 1e-12 of it."""
MOST_UNITS = 2**53  # above it a float skips whole numbers


class Book:
    """The account of one broker; it is the ``AccountView`` of strategies and of the risk gate.

    Executions come in the broker's order. Each one counts once: the book remembers every
    execution's id, about a hundred bytes each. It belongs to one thread.
    """

    def __init__(self, broker: str, initial_cash: float, multiplier: int) -> None:
        """Open the account.

        Args:
            broker: Name of the broker; an execution of another one is refused.
            initial_cash: Cash at the opening, in the currency.
            multiplier: Units of its underlying that one option contract is worth.
        """
        self.broker = broker
        self.multiplier = multiplier
        self._initial_cash = initial_cash
        self._cash = initial_cash
        self._realised = 0.0
        self._fees = 0.0
        self._turnover = 0.0
        self._market_value = 0.0
        self._peak = initial_cash
        self._changes = 0
        self._at_ns = 0
        self._seen: set[str] = set()
        self._realised_of: dict[str, float] = {}
        self._symbols: dict[str, Holding] = {}
        self._held: dict[str, Holding] = {}  # those with a lot
        self._net: dict[str, int] = {}  # without zeros

    @property
    def initial_cash(self) -> float:
        """Cash at the account's opening."""
        return self._initial_cash

    @property
    def cash(self) -> float:
        """Cash now."""
        return self._cash

    @property
    def market_value(self) -> float:
        """Value of all positions at the last prices seen; shorts count negative."""
        return self._market_value

    @property
    def equity(self) -> float:
        """Cash and the value of all positions."""
        return self._cash + self._market_value

    @property
    def peak_equity(self) -> float:
        """The largest equity since the account's opening, looked at after each price and trade."""
        return self._peak

    @property
    def realised_pnl(self) -> float:
        """Profit of what was closed, before fees."""
        return self._realised

    @property
    def unrealised_pnl(self) -> float:
        """Profit of what is held, at the last prices seen, before fees."""
        return self._market_value - math.fsum(held.cost for held in self._held.values())

    @property
    def fees(self) -> float:
        """All commissions."""
        return self._fees

    @property
    def turnover(self) -> float:
        """What was traded in all, bought or sold, in the currency."""
        return self._turnover

    def realised_of(self, strategy: str) -> float:
        """Return what ``strategy`` realised, before fees."""
        return self._realised_of.get(strategy, 0.0)

    def position(self, strategy: str, symbol: str) -> int:
        """Return a strategy's position, signed."""
        held = self._held.get(symbol)
        lot = None if held is None else held.lots.get(strategy)
        return 0 if lot is None else lot.quantity

    def positions(self, strategy: str | None = None) -> Mapping[str, int]:
        """Return positions by symbol without zeros: one strategy's, or the account's net ones.

        The account's are a view, which changes with the next execution.
        """
        if strategy is None:
            return self._net
        return {
            symbol: held.lots[strategy].quantity
            for symbol, held in self._held.items()
            if strategy in held.lots
        }

    def net(self, symbol: str) -> int:
        """Return the account's net position of a symbol, signed."""
        held = self._held.get(symbol)
        return 0 if held is None else held.quantity

    def holders(self, symbol: str) -> dict[str, int]:
        """Return the positions of a symbol by strategy, signed, without zeros."""
        held = self._held.get(symbol)
        return {} if held is None else {name: lot.quantity for name, lot in held.lots.items()}

    def begin(self, initial_cash: float) -> None:
        """Open the account with other cash than was said, before anything was booked.

        Raises:
            ValueError: Something was booked already.
        """
        if self._seen:
            raise ValueError("the account has executions already")
        self._initial_cash = self._cash = self._peak = initial_cash

    def held(self) -> list[tuple[str, str]]:
        """Return strategy and symbol of every position, sorted."""
        return sorted((name, symbol) for symbol, held in self._held.items() for name in held.lots)

    def knows(self, execution_id: str) -> bool:
        """Tell whether an execution of this id was booked."""
        return execution_id in self._seen

    def exposure(self, *, long: bool) -> float:
        """Return what all net long positions are worth together, or all net short ones; >= 0."""
        sign, total = 1.0 if long else -1.0, 0.0
        for held in self._held.values():
            total += max(0.0, sign * held.value)
        return total

    def cost(self, strategy: str, symbol: str) -> float:
        """Return average cost of one unit times the position, signed, without the multiplier."""
        held = self._held.get(symbol)
        lot = None if held is None else held.lots.get(strategy)
        return 0.0 if lot is None else lot.cost

    def price(self, symbol: str) -> float | None:
        """Return the last price that the market gave, None where there was none."""
        known = self._symbols.get(symbol)
        return known.price if known is not None and known.seen else None

    def price_time_ns(self, symbol: str) -> int | None:
        """Return that price's event time in UTC nanoseconds."""
        known = self._symbols.get(symbol)
        return known.time_ns if known is not None and known.seen else None

    def mark(self, symbol: str, price: float, event_time_ns: int) -> None:
        """Value ``symbol`` at ``price`` (the mid) as of ``event_time_ns`` (UTC nanoseconds).

        A price that is older than the last one, negative or not finite changes nothing. The cost
        does not grow with the number of positions.
        """
        known = self._symbols.get(symbol)
        if known is None:
            known = self._know(symbol)
        if not 0.0 <= price < math.inf or event_time_ns < known.time_ns:
            return
        known.price = price
        known.time_ns = event_time_ns
        known.seen = True
        if known.units:
            value = known.units * price
            change = value - known.value
            known.value = value
            self._revalue(change)

    def apply(self, execution: Execution) -> bool:
        """Book an execution: a fill, or the settlement of an expired contract.

        Returns:
            Whether it was new; one whose id was seen before changes nothing.

        Raises:
            PositionValidationError: ``position-mismatch``: it is of another broker, changes
                nothing, or has a price or commission that cannot be. Nothing was booked.
        """
        if execution.execution_id in self._seen:
            return False
        self._check(execution)
        symbol, strategy = execution.symbol, execution.strategy_id
        change, price, commission = execution.change, execution.price, execution.commission
        known = self._symbols.get(symbol) or self._know(symbol)
        amount = change * price * known.multiplier
        if not math.isfinite(amount):
            _refuse(execution, "its amount is beyond all numbers")
        before = known.value
        profit = known.trade(strategy, change, price)
        if known.lots:
            self._held[symbol] = known
        else:
            self._held.pop(symbol, None)
        if known.quantity:
            self._net[symbol] = known.quantity
        else:
            self._net.pop(symbol, None)
        self._seen.add(execution.execution_id)
        self._cash -= amount + commission
        self._fees += commission
        self._turnover += abs(amount)
        self._realised += profit
        self._realised_of[strategy] = self._realised_of.get(strategy, 0.0) + profit
        self._at_ns = max(self._at_ns, execution.at_ns)
        self._revalue(known.value - before)
        return True

    def snapshot(self) -> AccountSnapshot:
        """Return the account as it is now."""
        self._sum_up()
        times = [known.time_ns for known in self._symbols.values() if known.seen]
        return AccountSnapshot(
            broker=self.broker,
            at_ns=max([self._at_ns, *times]),
            cash=self._cash,
            equity=self.equity,
            initial_cash=self._initial_cash,
            realised_pnl=self._realised,
            unrealised_pnl=self.unrealised_pnl,
            fees=self._fees,
            peak_equity=self._peak,
            positions=[self._row(strategy, symbol) for strategy, symbol in self.held()],
        )

    def _row(self, strategy: str, symbol: str) -> PositionRow:
        held = self._held[symbol]
        lot = held.lots[strategy]
        value = lot.quantity * held.price * held.multiplier
        return PositionRow(
            strategy_id=strategy,
            symbol=symbol,
            quantity=lot.quantity,
            average_price=lot.cost / lot.quantity,
            price=held.price,
            market_value=value,
            unrealised_pnl=value - lot.cost * held.multiplier,
        )

    def _know(self, symbol: str) -> Holding:
        known = self._symbols[symbol] = Holding(instrument_of(symbol, self.multiplier))
        return known

    def _revalue(self, change: float) -> None:
        """Add a change of value to the whole; now and then add all up, so that rounding stays."""
        self._market_value += change
        self._changes += 1
        if self._changes >= RESUM_AFTER or not self._held:
            self._sum_up()
        equity = self._cash + self._market_value
        if equity > self._peak:  # noqa: PLR1730  max() costs a call, at every tick
            self._peak = equity

    def _sum_up(self) -> None:
        self._market_value = math.fsum([held.value for held in self._held.values()])
        self._changes = 0

    def _check(self, execution: Execution) -> None:
        if execution.broker != self.broker:
            _refuse(execution, f"it is of the broker {execution.broker}, not of {self.broker}")
        if not 0 < abs(execution.change) <= MOST_UNITS:
            _refuse(execution, f"it changes the position by {execution.change}")
        if not 0.0 <= execution.price < math.inf:
            _refuse(execution, f"its price is {execution.price}")
        if not math.isfinite(execution.commission):
            _refuse(execution, f"its commission is {execution.commission}")


def _refuse(execution: Execution, why: str) -> NoReturn:
    raise PositionValidationError(
        f"the execution {execution.execution_id!r} of {execution.symbol!r} cannot be booked: {why}",
        why="An execution is a change of a position, at a price and a commission that are numbers.",
        next_step="Stop trading, and compare our positions and executions with the broker's.",
        context={
            "execution_id": execution.execution_id,
            "order_id": execution.order_id,
            "symbol": execution.symbol,
            "change": execution.change,
            "price": str(execution.price),
            "commission": str(execution.commission),
        },
    )
