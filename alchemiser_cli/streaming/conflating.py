"""Latest-only: under load, a waiting quote or bar gives way to the next one of its symbol."""

from collections import deque

from alchemiser_cli.market.quality import latest_only
from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.streaming.lanes import WorkItem

__all__ = ["thin"]


def thin(lane: deque[WorkItem]) -> list[WorkItem]:
    """Take out of ``lane`` the waiting ticks that a newer one replaces, and return them.

    Trades are never taken out, nor are messages that will be set aside.
    """
    found = latest_only([_conflatable(item) for item in lane])
    if not found.skipped:
        return []
    waiting = list(lane)
    lane.clear()
    lane.extend(waiting[at] for at in found.kept)
    return [waiting[at] for at in found.skipped]


def _conflatable(item: WorkItem) -> Tick | None:
    return None if item.received.violation is not None else item.received.tick
