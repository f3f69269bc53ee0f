"""Reconciliation: our books against the broker's, before anything is traded."""

from collections.abc import Iterable

import msgspec

from alchemiser_cli.errors import PositionValidationError
from alchemiser_cli.trading.account import AccountView
from alchemiser_cli.trading.broker import BrokerAccountState

__all__ = ["Difference", "Reconciliation", "reconcile"]

NAMED = 3


class Difference(msgspec.Struct, frozen=True):
    """A symbol whose net position is ``ours`` here and ``theirs`` at the broker, both signed."""

    symbol: str
    ours: int
    theirs: int


class Reconciliation(msgspec.Struct, frozen=True, kw_only=True):
    """What our books and the broker's say of one account.

    ``unknown_orders`` wait at the broker and are none of ours. ``missing_orders`` are open for us
    and not there: ask for their status. ``cash_difference`` is the broker's cash less ours, in the
    currency: interest and fees may explain it, so it is told and not judged.
    """

    differences: tuple[Difference, ...]
    unknown_orders: tuple[str, ...]
    missing_orders: tuple[str, ...]
    cash_difference: float

    @property
    def agrees(self) -> bool:
        """Whether positions are the same, and no order is there that we do not know."""
        return not self.differences and not self.unknown_orders

    def require(self, broker: str) -> None:
        """Refuse to trade where the books differ.

        Raises:
            PositionValidationError: ``position-mismatch``, with every difference in its context.
        """
        if self.agrees:
            return
        told = [
            f"{each.symbol}: ours {each.ours}, theirs {each.theirs}" for each in self.differences
        ]
        told += [f"order {order}: not ours" for order in self.unknown_orders]
        more = f", and {len(told) - NAMED} more" if len(told) > NAMED else ""
        raise PositionValidationError(
            f"our books differ from those of the broker {broker}: {'; '.join(told[:NAMED])}{more}",
            why="An execution is missing or counted twice, or somebody else trades the account.",
            next_step="Find the execution or order that only one side has, then start again.",
            context={
                "broker": broker,
                "differences": [msgspec.to_builtins(each) for each in self.differences],
                "unknown_orders": list(self.unknown_orders),
                "missing_orders": list(self.missing_orders),
                "cash_difference": self.cash_difference,
            },
        )


def reconcile(
    theirs: BrokerAccountState, book: AccountView, open_orders: Iterable[str]
) -> Reconciliation:
    """Compare net positions, open orders and cash of our books with the broker's.

    Args:
        theirs: The account as the broker knows it.
        book: The account as we know it.
        open_orders: Ids of our orders that are not closed for us.
    """
    ours = book.positions()
    symbols = sorted({*ours, *theirs.positions})
    pairs = ((symbol, ours.get(symbol, 0), theirs.positions.get(symbol, 0)) for symbol in symbols)
    known, there = set(open_orders), set(theirs.open_orders)
    return Reconciliation(
        differences=tuple(Difference(*pair) for pair in pairs if pair[1] != pair[2]),
        unknown_orders=tuple(sorted(there - known)),
        missing_orders=tuple(sorted(known - there)),
        cash_difference=theirs.cash - book.cash,
    )
