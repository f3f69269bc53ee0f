"""Market data: the tick, datasets and the exchange's calendar."""

from alchemiser_cli.market.ticks import Tick, TickKind, tick_schema

__all__ = ["Tick", "TickKind", "tick_schema"]
