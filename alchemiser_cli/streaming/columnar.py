"""Batches of messages to columns of ticks: the same ticks and refusals as one by one, faster."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors import MessageUndecodableError
from alchemiser_cli.market.columns import TickColumns
from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.streaming.avro_columns import read_columns
from alchemiser_cli.streaming.avro_cursor import BEYOND, AvroCursor, Longs
from alchemiser_cli.streaming.avro_layout import LONGEST_FIXED_PART, FieldLayout, layout_of
from alchemiser_cli.streaming.avro_strings import StringCache
from alchemiser_cli.streaming.codec import TickDecoder
from alchemiser_cli.streaming.registry import SchemaRegistry
from alchemiser_cli.streaming.schemas import SchemaCache

__all__ = ["FEWEST_FOR_COLUMNS", "ColumnDecoder", "DecodedColumns"]

_HEADER = 5  # bytes: the magic one and the schema's id
_PADDING = bytes(LONGEST_FIXED_PART + BEYOND)
_HEADER_BITS = np.uint64(0xFF_FFFF_FFFF)
_LONGEST = 4_096  # a longer message is read on its own, so that joining copies little
FEWEST_FOR_COLUMNS = (
    24  # from this many messages of a schema on, columns are faster than one by one
)

Layouts = tuple[FieldLayout, ...]


@dataclass(frozen=True, slots=True, eq=False)
class DecodedColumns:
    """A decoded batch.

    ``columns`` are its ticks, in the order of the messages; ``rows``, int64 and of the same
    length, are the messages' indexes. ``undecodable`` are the indexes of the others and why, in
    that order too.
    """

    columns: TickColumns
    rows: Longs
    undecodable: list[tuple[int, MessageUndecodableError]]


class ColumnDecoder:
    """Batches of message bytes to ``TickColumns``; for one thread at a time, whichever it is.

    The messages of one schema are read side by side, field after field. What is not read right
    that way (and what is rare: few messages of a schema, very long ones, schemas with arrays) is
    given to a ``TickDecoder``, whose word is final on what is a tick and what is wrong.
    """

    def __init__(self, schemas: SchemaRegistry | SchemaCache, clock: Clock | None = None) -> None:
        """Look schemas up when their first message comes.

        Args:
            schemas: a cache to share, or a registry.
            clock: for the cache that is made of a registry; the system's by default.
        """
        self._schemas = SchemaCache.of(schemas, clock)
        self._single = TickDecoder(self._schemas)
        self._layouts: dict[int, Layouts | None] = {}
        self._strings = StringCache()

    def decode(self, values: Sequence[bytes | None]) -> DecodedColumns:
        """Return the ticks in ``values`` as columns, and what is no tick.

        Raises:
            RegistryUnreachableError: ``registry-unreachable``; ask again with the same values.
        """
        parts: list[tuple[TickColumns, Longs]] = []
        alone: list[Longs] = []
        if len(values) < FEWEST_FOR_COLUMNS:
            alone.append(np.arange(len(values)))
        else:
            self._read_together(values, parts, alone)
        ticks, rows, undecodable = self._read_alone(values, alone)
        if rows or not parts:
            parts.append((TickColumns.of(ticks), np.array(rows, np.int64)))
        return _in_order(parts, undecodable)

    def decode_ticks(self, values: Sequence[bytes | None]) -> list[Tick | MessageUndecodableError]:
        """Return for each of ``values``, in their order, its tick or why it is none.

        Raises:
            RegistryUnreachableError: ``registry-unreachable``; ask again with the same values.
        """
        if len(values) < FEWEST_FOR_COLUMNS:
            return [self._tick_or_error(value) for value in values]
        decoded = self.decode(values)
        ticks: list[Tick | MessageUndecodableError] = [*decoded.columns.ticks()]
        for row, error in decoded.undecodable:  # ascending, so every earlier place is filled
            ticks.insert(row, error)
        return ticks

    def _read_together(
        self,
        values: Sequence[bytes | None],
        parts: list[tuple[TickColumns, Longs]],
        alone: list[Longs],
    ) -> None:
        batch = _joined(values, alone)
        if batch is None:
            return
        for header, members in _by_header(batch, alone):
            layouts = self._layouts_of(header)
            if layouts is None:
                alone.append(batch.rows[members])
                continue
            cursor = AvroCursor(batch.buffer, batch.at[members] + _HEADER, batch.ends[members])
            columns, right = read_columns(cursor, layouts, batch.buffer, self._strings)
            rows = batch.rows[members]
            if not right.all():
                alone.append(rows[~right])
                columns, rows = columns.take(right), rows[right]
            parts.append((columns, rows))

    def _layouts_of(self, header: bytes) -> Layouts | None:
        schema_id = int.from_bytes(header[1:], "big")
        if header[0] or schema_id in self._layouts:
            return None if header[0] else self._layouts[schema_id]
        try:
            parsed = self._schemas.writer(schema_id).parsed
        except MessageUndecodableError:
            return None
        layouts = self._layouts[schema_id] = layout_of(parsed)
        return layouts

    def _read_alone(
        self, values: Sequence[bytes | None], alone: list[Longs]
    ) -> tuple[list[Tick], list[int], list[tuple[int, MessageUndecodableError]]]:
        ticks, rows, undecodable = [], [], []
        for row in np.sort(np.concatenate(alone)).tolist() if alone else ():
            tick = self._tick_or_error(values[row])
            if isinstance(tick, Tick):
                ticks.append(tick)
                rows.append(row)
            else:
                undecodable.append((row, tick))
        return ticks, rows, undecodable

    def _tick_or_error(self, value: bytes | None) -> Tick | MessageUndecodableError:
        try:
            return self._single.decode(value)
        except MessageUndecodableError as error:
            return error.with_traceback(None)  # which would hold on to the whole batch


@dataclass(frozen=True, slots=True, eq=False)
class _Batch:
    """Messages one after the other: row ``rows[i]`` of the values from ``at[i]`` to ``ends[i]``."""

    rows: Longs
    buffer: bytes
    at: Longs
    ends: Longs


def _joined(values: Sequence[bytes | None], alone: list[Longs]) -> _Batch | None:
    filled = (
        [value or b"" for value in values] if None in values else cast("Sequence[bytes]", values)
    )
    lengths = np.fromiter(map(len, filled), np.int64, len(filled))
    rows = np.arange(len(values))
    suitable = (lengths > _HEADER) & (lengths <= _LONGEST)
    if not suitable.all():
        alone.append(rows[~suitable])
        rows, lengths = rows[suitable], lengths[suitable]
        if not len(rows):
            return None
        filled = [filled[row] for row in rows.tolist()]
    ends = lengths.cumsum()
    return _Batch(rows, b"".join([*filled, _PADDING]), ends - lengths, ends)


def _by_header(batch: _Batch, alone: list[Longs]) -> Iterator[tuple[bytes, slice | Longs]]:
    """Yield the headers that enough messages have, with the places of these in the batch."""
    headers = AvroCursor(batch.buffer, batch.at, batch.ends).words() & _HEADER_BITS
    if (headers == headers[0]).all():
        yield _header(headers[0]), slice(None)
        return
    different, which, counts = np.unique(headers, return_inverse=True, return_counts=True)
    rare = counts < FEWEST_FOR_COLUMNS
    if rare.any():
        alone.append(batch.rows[rare[which]])
    for number in np.flatnonzero(~rare):
        yield _header(different[number]), np.flatnonzero(which == number)


def _header(word: np.uint64) -> bytes:
    return int(word).to_bytes(8, "little")[:_HEADER]


def _in_order(
    parts: list[tuple[TickColumns, Longs]],
    undecodable: list[tuple[int, MessageUndecodableError]],
) -> DecodedColumns:
    if len(parts) == 1:
        return DecodedColumns(*parts[0], undecodable)
    rows = np.concatenate([rows for _, rows in parts])
    columns = TickColumns.joined([columns for columns, _ in parts])
    order = rows.argsort()
    return DecodedColumns(columns.take(order), rows[order], undecodable)
