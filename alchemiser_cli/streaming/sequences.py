"""Gaps and duplicates, seen from the sequence that every (venue, symbol) counts."""

from alchemiser_cli.market.ticks import Tick

__all__ = ["SequenceCounter"]


class SequenceCounter:
    """Counts what is missing and what came again or late.

    The first tick of a (venue, symbol) may have any number: a consumer can start in the middle.
    """

    def __init__(self) -> None:
        """Begin with nothing seen."""
        self.gaps = 0
        self.duplicates = 0
        self._last: dict[tuple[str, str], int] = {}

    def see(self, tick: Tick) -> None:
        """Take the next tick in its partition's order."""
        key = tick.venue, tick.symbol
        last = self._last.get(key, tick.sequence - 1)
        if tick.sequence <= last:
            self.duplicates += 1
            return
        self.gaps += tick.sequence - last - 1
        self._last[key] = tick.sequence
