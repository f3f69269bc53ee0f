"""Latest-only: under load, a waiting quote or bar gives way to the next one of its symbol."""

from collections import deque

from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.streaming.lanes import WorkItem

__all__ = ["thin"]

_FARTHEST = 64  # how far back a lane of many symbols is searched


def thin(lane: deque[WorkItem]) -> list[WorkItem]:
    """Take out of ``lane`` the waiting tick that its newest one replaces, and return it.

    Only quotes and bars are replaced, by one of their own kind: each holds all that the earlier
    one said. A trade happened, and the next one does not take that back.
    """
    newest = _replaceable(lane[-1])
    if newest is None:
        return []
    for back in range(2, min(len(lane), _FARTHEST) + 1):
        tick = _replaceable(lane[-back])
        if tick is not None and _same_kind(tick, newest):
            replaced = lane[-back]
            del lane[-back]
            return [replaced]
    return []


def _replaceable(item: WorkItem) -> Tick | None:
    received = item.received
    if received.tick is None or received.violation is not None or received.tick.kind == "trade":
        return None
    return received.tick


def _same_kind(one: Tick, other: Tick) -> bool:
    return (one.symbol, one.venue, one.kind) == (other.symbol, other.venue, other.kind)
