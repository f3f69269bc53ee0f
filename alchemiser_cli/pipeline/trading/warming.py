"""What a desk or a service saw before its first tick: history for its strategies, and the time."""

import asyncio
from collections.abc import Callable

from alchemiser_cli.clock import Clock
from alchemiser_cli.market import Tick
from alchemiser_cli.settings import Settings
from alchemiser_cli.streaming import Cluster, SchemaRegistry, read_back
from alchemiser_cli.trading.desk import MarketClock

__all__ = ["advance", "warm_up"]


async def warm_up(
    settings: Settings,
    cluster: Cluster,
    topic: str,
    registry: SchemaRegistry,
    clock: Clock,
    show: Callable[[Tick], None],
    now: Clock,
) -> None:
    """Show the last ticks that the consumer group finished, and bring a market's clock to them.

    Raises:
        StreamingError: as ``read_back``.
    """
    for tick, _received in await asyncio.to_thread(
        read_back,
        settings.kafka,
        cluster.bootstrap,
        topic,
        settings.consumer.group,
        registry,
        clock,
        settings.trading.warm_up,
    ):
        advance(now, tick.event_time_ns)
        show(tick)


def advance(clock: Clock, at_ns: int) -> None:
    """Bring a market's clock to ``at_ns``; the system's goes by itself."""
    if isinstance(clock, MarketClock):
        clock.advance_to(at_ns)
