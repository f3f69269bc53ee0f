"""A dataset: checked columns of market data that read as ticks in event-time order."""

import dataclasses
import difflib
from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from alchemiser_cli.clock import iso_from_ns
from alchemiser_cli.errors import DatasetNotFoundError
from alchemiser_cli.market.ticks import Tick, TickKind

__all__ = ["Columns", "Dataset", "Instrument", "Provenance", "SourceFile"]

TICKS_A_CHUNK = 4096  # Python values alive at once while iterating


class Instrument(NamedTuple):
    """What a sequence belongs to."""

    venue: str
    symbol: str


class SourceFile(msgspec.Struct, frozen=True):
    """A file that was read, with the SHA-256 of its bytes in hexadecimal."""

    path: str
    sha256: str
    size_bytes: int


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """Where a dataset came from; ``package`` and ``version`` where a distribution ships it."""

    files: tuple[SourceFile, ...]
    package: str | None = None
    version: str | None = None


@dataclasses.dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Columns:
    """The fields of the ticks as read-only arrays of one length, a row a tick.

    ``event_time_ns`` is int64 UTC nanoseconds and never decreases; ``instrument`` (int32)
    indexes ``Dataset.instruments``; all others are finite float64, or None where the dataset
    does not have the field. ``implied_volatility`` is annualised, 0.2 for 20 percent.
    """

    event_time_ns: NDArray[np.int64]
    instrument: NDArray[np.int32]
    price: NDArray[np.float64]
    size: NDArray[np.float64]
    bid: NDArray[np.float64] | None = None
    ask: NDArray[np.float64] | None = None
    open: NDArray[np.float64] | None = None
    high: NDArray[np.float64] | None = None
    low: NDArray[np.float64] | None = None
    implied_volatility: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        """Make the arrays read-only: a dataset is shared, and was checked as it is."""
        for array in self._arrays().values():
            array.flags.writeable = False

    def take(self, rows: NDArray[np.intp] | slice) -> "Columns":
        """Return the columns of these rows only; a slice copies nothing."""
        return Columns(**{name: array[rows] for name, array in self._arrays().items()})

    def _arrays(self) -> dict[str, NDArray[Any]]:
        names = (field.name for field in dataclasses.fields(self))
        return {name: array for name in names if (array := getattr(self, name)) is not None}


@dataclasses.dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Dataset:
    """Market data of one kind that passed every check; iterating gives its ticks in order.

    Ticks come in event-time order, ticks of one time in the order of the source. Each
    instrument's ``sequence`` counts from 1 without gaps over what this dataset holds: one
    narrowed to a span starts again at 1.
    """

    name: str
    description: str
    kind: TickKind
    instruments: tuple[Instrument, ...]
    provenance: Provenance
    columns: Columns

    @property
    def symbols(self) -> tuple[str, ...]:
        """The instruments' symbols, sorted, each once."""
        return tuple(sorted({instrument.symbol for instrument in self.instruments}))

    @property
    def rows(self) -> int:
        """How many ticks there are."""
        return len(self.columns.event_time_ns)

    @property
    def first_event_time_ns(self) -> int:
        """Time of the first tick in UTC nanoseconds."""
        return int(self.columns.event_time_ns[0])

    @property
    def last_event_time_ns(self) -> int:
        """Time of the last tick in UTC nanoseconds."""
        return int(self.columns.event_time_ns[-1])

    def __len__(self) -> int:
        """Return ``rows``."""
        return self.rows

    def __iter__(self) -> Iterator[Tick]:
        """Give the ticks out; every call starts at the first one."""
        counts = [0] * len(self.instruments)
        for start in range(0, self.rows, TICKS_A_CHUNK):
            yield from self._ticks(self.columns.take(slice(start, start + TICKS_A_CHUNK)), counts)

    def narrowed(
        self,
        *,
        symbol: str | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
        limit: int | None = None,
    ) -> "Dataset":
        """Return the first ``limit`` ticks of ``symbol`` from ``start_ns`` to before ``end_ns``.

        Raises:
            DatasetNotFoundError: ``dataset-not-found``, where no tick is left.
        """
        kept = self if symbol is None else self._of_symbol(symbol)
        times = kept.columns.event_time_ns
        first = 0 if start_ns is None else int(np.searchsorted(times, start_ns))
        stop = kept.rows if end_ns is None else int(np.searchsorted(times, end_ns))
        if limit is not None:
            stop = min(stop, first + limit)
        if first >= stop:
            raise _nothing_between(kept, start_ns, end_ns)
        if (first, stop) == (0, kept.rows):
            return kept
        return _holding(kept, kept.columns.take(slice(first, stop)))

    def _of_symbol(self, symbol: str) -> "Dataset":
        wanted = [i for i, instrument in enumerate(self.instruments) if instrument.symbol == symbol]
        if not wanted:
            near = difflib.get_close_matches(symbol, self.symbols, n=3, cutoff=0.5)
            hint = f"Did you mean {', '.join(near)}? " if near else ""
            raise DatasetNotFoundError(
                f"the dataset {self.name} has no symbol {symbol!r}",
                why=f"Its symbols are {_listing(self.symbols)}.",
                next_step=f"{hint}Name one of its symbols as the data spells it.",
                context={"dataset": self.name, "symbol": symbol, "near": near},
            )
        if len(wanted) == len(self.instruments):
            return self
        rows = np.flatnonzero(np.isin(self.columns.instrument, wanted))
        return _holding(self, self.columns.take(rows))

    def _ticks(self, part: Columns, counts: list[int]) -> Iterator[Tick]:
        """Give out one chunk; ``counts`` holds each instrument's last sequence and moves on."""
        kind = self.kind
        for at, time_ns, price, size, bid, ask, open_, high, low, volatility in zip(
            part.instrument.tolist(),
            part.event_time_ns.tolist(),
            part.price.tolist(),
            part.size.tolist(),
            _values(part.bid),
            _values(part.ask),
            _values(part.open),
            _values(part.high),
            _values(part.low),
            _values(part.implied_volatility),
            strict=False,  # an absent column repeats None for ever
        ):
            counts[at] += 1
            venue, symbol = self.instruments[at]
            yield Tick(
                symbol=symbol,
                venue=venue,
                kind=kind,
                sequence=counts[at],
                event_time_ns=time_ns,
                price=price,
                size=size,
                bid=bid,
                ask=ask,
                open=open_,
                high=high,
                low=low,
                implied_volatility=volatility,
            )


def _holding(dataset: Dataset, columns: Columns) -> Dataset:
    """Return the dataset with these columns, and the instruments that have a row in them."""
    present, instrument = np.unique(columns.instrument, return_inverse=True)
    return dataclasses.replace(
        dataset,
        instruments=tuple(dataset.instruments[i] for i in present.tolist()),
        columns=dataclasses.replace(columns, instrument=instrument.astype(np.int32)),
    )


def _nothing_between(
    dataset: Dataset, start_ns: int | None, end_ns: int | None
) -> DatasetNotFoundError:
    first, last = iso_from_ns(dataset.first_event_time_ns), iso_from_ns(dataset.last_event_time_ns)
    start = "its start" if start_ns is None else iso_from_ns(start_ns)
    end = "its end" if end_ns is None else iso_from_ns(end_ns)
    return DatasetNotFoundError(
        f"the dataset {dataset.name} has no tick from {start} to before {end}",
        why=f"Its ticks lie between {first} and {last}.",
        next_step="Choose a start and an end, the start first, that hold some of these.",
        context={"dataset": dataset.name, "start_ns": start_ns, "end_ns": end_ns},
    )


def _values(column: NDArray[np.float64] | None) -> Iterable[float | None]:
    return repeat(None) if column is None else column.tolist()


def _listing(names: tuple[str, ...], most: int = 10) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")
