"""What a strategy and the risk gate may know of the account."""

from collections.abc import Mapping
from typing import Protocol

__all__ = ["AccountView"]


class AccountView(Protocol):
    """The account now, in its currency, valued at the last prices seen; the ``Book`` is one.

    ``strategy`` narrows positions to those that one strategy opened: several may trade a symbol.
    """

    @property
    def initial_cash(self) -> float:
        """Cash at the account's opening."""
        ...

    @property
    def cash(self) -> float:
        """Cash now."""
        ...

    @property
    def equity(self) -> float:
        """Cash and the value of all positions."""
        ...

    @property
    def peak_equity(self) -> float:
        """The largest equity since the account's opening."""
        ...

    def position(self, strategy: str, symbol: str) -> int:
        """Return a strategy's position, signed."""
        ...

    def positions(self, strategy: str | None = None) -> Mapping[str, int]:
        """Return positions by symbol without zeros: one strategy's, or the account's net ones."""
        ...

    def cost(self, strategy: str, symbol: str) -> float:
        """Return what one unit of a strategy's position cost on average, times its units, signed.

        Without the multiplier and without commission.
        """
        ...

    def price(self, symbol: str) -> float | None:
        """Return the last price seen (the mid), None where there was none."""
        ...

    def price_time_ns(self, symbol: str) -> int | None:
        """Return that price's event time in UTC nanoseconds."""
        ...
