"""The tick: the one record of market data that every part of the system shares."""

from importlib import resources
from typing import Literal

import msgspec

__all__ = ["Tick", "TickKind", "tick_schema"]

TickKind = Literal["bar", "trade", "quote"]


class Tick(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One observation of one instrument; the fields are those of ``schemas/tick.avsc``.

    Times are UTC nanoseconds, volatilities annualised fractions, prices in the
    instrument's own currency. ``sequence`` rises by one for each (venue, symbol, kind); for
    quotes it may also leave numbers out, as a venue's book updates do.
    """

    symbol: str
    venue: str
    kind: TickKind
    sequence: int
    event_time_ns: int
    price: float
    size: float = 0.0
    bid: float | None = None
    ask: float | None = None
    open: float | None = None
    high: float | None = None
    low: float | None = None
    implied_volatility: float | None = None


def tick_schema() -> str:
    """Return the Avro schema of a tick as JSON text."""
    return (resources.files(__package__) / "schemas" / "tick.avsc").read_text(encoding="utf-8")
