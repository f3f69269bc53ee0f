"""The books: positions, cash, profit and fees, from executions and from the market's prices."""

from alchemiser_cli.trading.book.book import Book
from alchemiser_cli.trading.book.snapshot import AccountSnapshot, PositionRow

__all__ = ["AccountSnapshot", "Book", "PositionRow"]
