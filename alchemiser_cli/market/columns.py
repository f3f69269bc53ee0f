"""Ticks as columns: one NumPy array a field, for work on many ticks at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from alchemiser_cli.market.ticks import Tick, TickKind

__all__ = ["KINDS", "OPTIONAL", "TickColumns"]

KINDS: tuple[TickKind, ...] = ("bar", "trade", "quote")
OPTIONAL = ("bid", "ask", "open", "high", "low", "implied_volatility")

_FLOATS = ("price", "size", *OPTIONAL)
_KIND_CODES = {kind: code for code, kind in enumerate(KINDS)}


@dataclass(frozen=True, slots=True, eq=False)
class TickColumns:
    """``n`` ticks in their order; the fields are those of ``Tick``, each of shape ``(n,)``.

    ``symbol`` and ``venue`` are of dtype object and hold str, ``kind`` is uint8 and an index of
    ``KINDS``, ``sequence`` and ``event_time_ns`` are int64, the others float64. An optional
    field that a tick does not have is NaN; a tick never holds a NaN of its own.
    """

    symbol: npt.NDArray[np.object_]
    venue: npt.NDArray[np.object_]
    kind: npt.NDArray[np.uint8]
    sequence: npt.NDArray[np.int64]
    event_time_ns: npt.NDArray[np.int64]
    price: npt.NDArray[np.float64]
    size: npt.NDArray[np.float64]
    bid: npt.NDArray[np.float64]
    ask: npt.NDArray[np.float64]
    open: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    implied_volatility: npt.NDArray[np.float64]

    @classmethod
    def of(cls, ticks: Sequence[Tick]) -> Self:
        """Return ``ticks`` as columns."""
        count = len(ticks)
        columns: dict[str, Any] = {}
        for name in ("symbol", "venue"):
            columns[name] = np.fromiter((getattr(tick, name) for tick in ticks), object, count)
        columns["kind"] = np.fromiter((_KIND_CODES[tick.kind] for tick in ticks), np.uint8, count)
        for name in ("sequence", "event_time_ns"):
            columns[name] = np.fromiter((getattr(tick, name) for tick in ticks), np.int64, count)
        for name in _FLOATS:
            values = (getattr(tick, name) for tick in ticks)
            floats = (np.nan if value is None else value for value in values)
            columns[name] = np.fromiter(floats, np.float64, count)
        return cls(**columns)

    def __len__(self) -> int:
        """Return the number of ticks."""
        return len(self.sequence)

    def take(self, rows: npt.NDArray[Any]) -> "TickColumns":
        """Return the ticks at ``rows``: indexes, or a mask of shape ``(n,)``."""
        return TickColumns(*(getattr(self, name)[rows] for name in self.__slots__))

    def ticks(self) -> list[Tick]:
        """Return the ticks as records."""
        optional = {name: getattr(self, name).tolist() for name in OPTIONAL}
        for name, values in optional.items():
            absent = np.isnan(getattr(self, name)).nonzero()[0].tolist()
            for row in absent:
                values[row] = None
        fields = (
            self.symbol.tolist(),
            self.venue.tolist(),
            [KINDS[code] for code in self.kind.tolist()],
            self.sequence.tolist(),
            self.event_time_ns.tolist(),
            self.price.tolist(),
            self.size.tolist(),
            *optional.values(),
        )
        return [
            Tick(
                symbol=symbol,
                venue=venue,
                kind=kind,
                sequence=sequence,
                event_time_ns=event_time_ns,
                price=price,
                size=size,
                bid=bid,
                ask=ask,
                open=opened,
                high=high,
                low=low,
                implied_volatility=volatility,
            )
            for (
                symbol,
                venue,
                kind,
                sequence,
                event_time_ns,
                price,
                size,
                bid,
                ask,
                opened,
                high,
                low,
                volatility,
            ) in zip(*fields, strict=True)
        ]
