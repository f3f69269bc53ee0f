"""The account at one moment, for reports, records and comparisons."""

import msgspec

__all__ = ["AccountSnapshot", "PositionRow"]


class PositionRow(msgspec.Struct, frozen=True, kw_only=True):
    """What one strategy holds of one symbol.

    ``quantity`` is signed, in units or contracts. ``average_price`` is what one unit cost, without
    commission, and ``price`` the last one seen, both of one unit. ``market_value`` and
    ``unrealised_pnl`` are of all of it, with the multiplier, in the account's currency.
    """

    strategy_id: str
    symbol: str
    quantity: int
    average_price: float
    price: float
    market_value: float
    unrealised_pnl: float


class AccountSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The account; amounts are in its currency.

    ``at_ns`` is the newest time that the book knows, in UTC nanoseconds: of an execution or of a
    price. ``equity`` is cash and the value of all positions, and always equals
    ``initial_cash + realised_pnl + unrealised_pnl - fees`` but for rounding. Profits are before
    fees. ``positions`` are in the order of strategy and symbol.
    """

    broker: str
    at_ns: int
    cash: float
    equity: float
    initial_cash: float
    realised_pnl: float
    unrealised_pnl: float
    fees: float
    peak_equity: float
    positions: list[PositionRow]
