"""Alpaca's answers, as far as they matter here; anything else in them is passed over.

Source: Alpaca's public documentation of the Trading API, "Orders", "Positions", "Account" and
"Clock". Quantities and prices are decimal text.
"""

import datetime as dt
from decimal import Decimal

import msgspec

from alchemiser_cli.clock import ns_from_datetime

__all__ = [
    "AccountAnswer",
    "ClockAnswer",
    "ListedOrder",
    "OrderAnswer",
    "PositionAnswer",
    "Refusal",
    "whole",
]

_MOST_DIGITS = 15


class OrderAnswer(msgspec.Struct, frozen=True):
    """One order. ``filled_qty`` is what was executed so far, at ``filled_avg_price`` on average."""

    id: str
    client_order_id: str
    symbol: str
    status: str
    filled_qty: Decimal
    filled_avg_price: Decimal | None = None
    created_at: dt.datetime | None = None
    updated_at: dt.datetime | None = None
    filled_at: dt.datetime | None = None

    def __post_init__(self) -> None:
        """Refuse an execution without a price, and parts of a unit."""
        filled, price = whole(self.filled_qty), self.filled_avg_price
        if filled < 0:
            raise ValueError("less than nothing was executed")
        if filled and (price is None or _bounded(price) <= 0):
            raise ValueError("an execution has no price")

    @property
    def filled(self) -> int:
        """What was executed so far, in shares or contracts."""
        return whole(self.filled_qty)

    def changed_at_ns(self) -> int | None:
        """When it last changed, in UTC nanoseconds; None where that is not told."""
        at = self.filled_at if self.filled and self.filled_at else self.updated_at
        return None if at is None else ns_from_datetime(at)


class ListedOrder(msgspec.Struct, frozen=True):
    """What every order in a list has, also those that other programs or people sent."""

    client_order_id: str = ""
    submitted_at: str | None = None


class PositionAnswer(msgspec.Struct, frozen=True):
    """One position; ``qty`` is negative for a short one."""

    symbol: str
    qty: Decimal


class AccountAnswer(msgspec.Struct, frozen=True):
    """The account: its cash, and whether it may trade."""

    cash: Decimal
    status: str = "ACTIVE"
    trading_blocked: bool = False
    account_blocked: bool = False

    def __post_init__(self) -> None:
        """Refuse cash that is no number."""
        _bounded(self.cash)


class ClockAnswer(msgspec.Struct, frozen=True):
    """The exchange's session, by Alpaca's own clock."""

    timestamp: dt.datetime
    is_open: bool
    next_open: dt.datetime
    next_close: dt.datetime


class Refusal(msgspec.Struct, frozen=True):
    """Why Alpaca refused a request."""

    message: str = ""
    code: int | None = None


def whole(quantity: Decimal) -> int:
    """Return a quantity of shares or contracts.

    Raises:
        ValueError: It is not whole.
    """
    if _bounded(quantity) != quantity.to_integral_value():
        raise ValueError(f"{quantity} is not a whole number of shares")
    return int(quantity)


def _bounded(number: Decimal) -> Decimal:
    if not number.is_finite() or number.adjusted() > _MOST_DIGITS:
        raise ValueError("a number is not finite, or beyond all reason")
    return number
