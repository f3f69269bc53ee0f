"""What is held of one symbol, in all and by each strategy, at average cost."""

from alchemiser_cli.trading.instruments import Instrument

__all__ = ["Holding", "Lot"]

NEVER = -(2**63)  # before every event time


class Lot:
    """One strategy's position of a symbol: ``quantity`` signed, ``cost`` of one unit times it."""

    __slots__ = ("cost", "quantity")

    def __init__(self) -> None:
        self.quantity = 0
        self.cost = 0.0

    def change(self, change: int, price: float) -> float:
        """Trade ``change`` signed units at ``price``; return the profit that this realises.

        What reduces a position realises price less average cost, and leaves the average of the
        rest as it was. What turns it round closes it, then opens the rest at ``price``. The profit
        is without the multiplier.
        """
        before = self.cost
        after = self.quantity + change
        if self.quantity * change >= 0:
            self.cost = before + change * price
        elif self.quantity * after > 0:
            self.cost = before * (after / self.quantity)
        else:
            self.cost = after * price
        self.quantity = after
        return (self.cost - before) - change * price


class Holding:
    """A symbol with its last price, its lots by strategy, and what they are worth together.

    ``quantity`` is net, ``units`` is it times the multiplier. ``seen`` tells whether the market
    gave ``price`` at ``time_ns``; before that it is the price of the last execution.
    """

    __slots__ = ("lots", "multiplier", "price", "quantity", "seen", "time_ns", "units", "value")

    def __init__(self, instrument: Instrument) -> None:
        self.multiplier = instrument.multiplier
        self.lots: dict[str, Lot] = {}
        self.quantity = 0
        self.price = 0.0
        self.seen = False
        self.time_ns = NEVER
        self.units = 0.0
        self.value = 0.0

    @property
    def cost(self) -> float:
        """Cost of all lots with the multiplier, signed."""
        return sum(lot.cost for lot in self.lots.values()) * self.multiplier

    def trade(self, strategy: str, change: int, price: float) -> float:
        """Book a trade of ``strategy``; return the profit that it realises, in the currency."""
        lot = self.lots.get(strategy)
        if lot is None:
            lot = self.lots[strategy] = Lot()
        profit = lot.change(change, price)
        if lot.quantity == 0:
            del self.lots[strategy]
        if not self.seen:
            self.price = price
        self.quantity += change
        self.units = self.quantity * self.multiplier
        self.value = self.units * self.price
        return profit * self.multiplier
