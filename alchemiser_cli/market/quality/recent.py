"""What is known of the (venue, symbol) pairs that came lately, in bounded memory."""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

__all__ = ["MAX_SYMBOLS", "RecentSymbols"]

MAX_SYMBOLS = 100_000

V = TypeVar("V")


class RecentSymbols(Generic[V]):
    """A mapping of (venue, symbol) that drops those not used for longest.

    Two generations stand for an exact order of use, which would cost every tick: a full
    generation becomes the old one, and what is found there moves to the young one again. A pair
    is dropped only after ``max_symbols // 2`` others were added or found old since its last use;
    no more than ``max_symbols`` are held.

    ``young`` maps a venue to its young symbols, for who cannot afford a call: it is only to be
    read, and a miss in it must ask ``find``.
    """

    def __init__(
        self, max_symbols: int = MAX_SYMBOLS, dropping: Callable[[V], None] | None = None
    ) -> None:
        """Begin empty; ``dropping`` is called with each value that has to go.

        Raises:
            ValueError: ``max_symbols`` is less than two: there are two generations.
        """
        if max_symbols < 2:
            raise ValueError("two generations need room for two symbols")
        self._half = max_symbols // 2
        self._dropping = dropping
        self.young: dict[str, dict[str, V]] = {}
        self._old: dict[str, dict[str, V]] = {}
        self._young_count = 0

    def find(self, venue: str, symbol: str) -> V | None:
        """Return what is known, and count this as a use."""
        table = self.young.get(venue)
        value = None if table is None else table.get(symbol)
        if value is None and (table := self._old.get(venue)) is not None:
            value = table.pop(symbol, None)
            if value is not None:
                self.add(venue, symbol, value)
        return value

    def find_all(self, venues: list[str], symbols: list[str]) -> Iterator[V | None]:
        """Yield what is known of each pair, lazily, so that what a loop adds is found by it.

        None says only that ``find`` must be asked.
        """
        if venues and venues.count(venues[0]) == len(venues):
            return map(self.young.setdefault(venues[0], {}).get, symbols)
        return map(self.find, venues, symbols)

    def add(self, venue: str, symbol: str, value: V) -> None:
        """Take a pair that is not held."""
        if self._young_count >= self._half:
            self._age()
        table = self.young.get(venue)
        if table is None:
            table = self.young[venue] = {}
        table[symbol] = value
        self._young_count += 1

    def __len__(self) -> int:
        """Return the number of pairs held."""
        return self._young_count + sum(map(len, self._old.values()))

    def items(self) -> Iterator[tuple[str, str, V]]:
        """Return each venue, symbol and value; this counts as no use."""
        for generation in (self._old, self.young):
            for venue, table in generation.items():
                for symbol, value in table.items():
                    yield venue, symbol, value

    def values(self) -> Iterator[V]:
        """Return each value."""
        for generation in (self._old, self.young):
            for table in generation.values():
                yield from table.values()

    def _age(self) -> None:
        if self._dropping is not None:
            for table in self._old.values():
                for value in table.values():
                    self._dropping(value)
        self._old = {venue: table.copy() for venue, table in self.young.items() if table}
        # Emptied in place, for a loop may hold one; a venue that was empty all the time goes.
        self.young = {venue: self.young[venue] for venue in self._old}
        for table in self.young.values():
            table.clear()
        self._young_count = 0
