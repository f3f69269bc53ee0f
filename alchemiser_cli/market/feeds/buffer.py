"""The bounded queue between the receive path, which never waits, and whoever takes the ticks.

A full buffer loses nothing silently. A quote replaces the waiting one of its symbol and is
counted as ``conflated``: only the newest book matters. Anything else pushes the oldest out and
is counted as ``dropped``: fresh data is worth more than old, and since trades and bars carry
sequences without gaps, everyone behind sees what is missing too.
"""

import asyncio
from collections import deque
from contextlib import suppress

from alchemiser_cli.market.feeds.venue import FeedTick

__all__ = ["TickBuffer"]


class TickBuffer:
    """Ticks in the order in which they came, at most ``most`` of them; for one event loop."""

    def __init__(self, most: int) -> None:
        """Begin empty."""
        self._most = most
        # A place is a list of one, so that a newer quote can take it.
        self._places: deque[list[FeedTick]] = deque()
        self._quotes: dict[str, list[FeedTick]] = {}
        self._filled = asyncio.Event()
        self._closed = False
        self.conflated = 0
        self.dropped = 0

    def __len__(self) -> int:
        """Return how many ticks wait."""
        return len(self._places)

    def put(self, item: FeedTick) -> None:
        """Take ``item`` in without waiting."""
        tick = item.tick
        is_quote = tick.kind == "quote"
        if len(self._places) >= self._most:
            waiting = self._quotes.get(tick.symbol) if is_quote else None
            if waiting is not None:
                waiting[0] = item
                self.conflated += 1
                return
            self._pop()
            self.dropped += 1
        place = [item]
        self._places.append(place)
        if is_quote:
            self._quotes[tick.symbol] = place
        self._filled.set()

    async def take(self, most: int, timeout_s: float) -> list[FeedTick]:
        """Return up to ``most`` ticks at once; none after ``timeout_s`` or when closed."""
        if not self._places and not self._closed:
            self._filled.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._filled.wait()
        return [self._pop() for _ in range(min(most, len(self._places)))]

    def close(self) -> None:
        """Let nobody wait any more; what is there can still be taken."""
        self._closed = True
        self._filled.set()

    def _pop(self) -> FeedTick:
        place = self._places.popleft()
        item = place[0]
        if self._quotes.get(item.tick.symbol) is place:
            del self._quotes[item.tick.symbol]
        return item
