"""Many messages of one schema to columns of ticks, one field after the other."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from alchemiser_cli.market.columns import OPTIONAL, TickColumns
from alchemiser_cli.streaming.avro_cursor import AvroCursor, Mask
from alchemiser_cli.streaming.avro_layout import FieldLayout
from alchemiser_cli.streaming.avro_strings import SHORT, StringCache

__all__ = ["read_columns"]

_NO_KIND = 255


def read_columns(
    cursor: AvroCursor, layouts: Sequence[FieldLayout], buffer: bytes, strings: StringCache
) -> tuple[TickColumns, Mask]:
    """Return the ticks of all rows, and a mask of shape ``(n,)`` of those that are right.

    A row that is not right holds arbitrary values; it may still be readable on its own. The
    rows that are right are exactly what a record-by-record decoder returns for them.
    """
    columns: dict[str, Any] = {}
    known_null = 0
    for layout in layouts:
        if known_null == 0 and layout.nulls > 1 and cursor.all_null(layout.nulls):
            known_null = layout.nulls
        if known_null:
            known_null -= 1
        elif layout.target is None:
            _pass_over(cursor, layout)
        elif layout.wire == "string":
            columns[layout.target] = _strings(cursor, buffer, strings)
        elif layout.kinds:
            columns[layout.target] = _kinds(cursor, layout.kinds)
        elif layout.wire == "varint":
            columns[layout.target] = cursor.varints()
        else:
            columns[layout.target] = _doubles(cursor, layout.branch)
    absent = [name for name in OPTIONAL if name not in columns]
    columns |= zip(absent, np.full((len(absent), len(cursor.at)), np.nan), strict=True)
    right = cursor.sound
    right &= cursor.at == cursor.ends
    right &= columns["sequence"] >= 1
    right &= columns["price"] > 0
    return TickColumns(**columns), right


def _doubles(cursor: AvroCursor, branch: int | None) -> npt.NDArray[np.float64]:
    if branch is None:
        values = cursor.doubles()
        cursor.sound &= np.isfinite(values)
        return values
    present = cursor.branches(branch)
    count = np.count_nonzero(present)
    if count == 0:
        return np.full(len(present), np.nan)
    if count == len(present):
        return _doubles(cursor, None)
    at = cursor.at.copy()
    values = cursor.doubles()
    cursor.at = np.where(present, cursor.at, at)
    cursor.sound &= np.isfinite(values) | ~present
    values[~present] = np.nan
    return values


def _kinds(cursor: AvroCursor, kinds: Sequence[int]) -> npt.NDArray[np.uint8]:
    codes = np.full(128, _NO_KIND, np.uint8)  # `small` returns up to 127 for a wrong row
    known = [code if code >= 0 else _NO_KIND for code in kinds[:64]]
    codes[: len(known)] = known
    found = codes[cursor.small()]
    cursor.sound &= found != _NO_KIND
    return found


def _strings(cursor: AvroCursor, buffer: bytes, known: StringCache) -> npt.NDArray[np.object_]:
    if (short := cursor.short_strings(SHORT)) is not None:
        words, lengths = short
        texts, wrong = known.short(words, lengths)
    else:
        begins, lengths = cursor.strings()
        ends = cursor.at.tolist()
        texts, wrong = known.long([buffer[a:b] for a, b in zip(begins.tolist(), ends, strict=True)])
    cursor.sound &= lengths != 0  # a tick has no empty string
    if wrong:
        cursor.sound[wrong] = False
    return texts


def _pass_over(cursor: AvroCursor, layout: FieldLayout) -> None:
    if layout.branch is not None:
        rows = cursor.branches(layout.branch)
        some = cursor.among(rows)
        _pass_over(some, FieldLayout(layout.wire, width=layout.width))
        cursor.at[rows] = some.at
        cursor.sound[rows] &= some.sound
    elif layout.wire == "string":
        cursor.strings()
    elif layout.wire == "varint":
        cursor.varints()
    else:
        cursor.at += layout.width
