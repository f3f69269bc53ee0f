"""What a row must satisfy before it may become a tick."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from alchemiser_cli.errors import DatasetTimeError, DatasetValueError
from alchemiser_cli.market.ticks import TickKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Origin", "check_times", "check_values", "numbers", "texts"]

# Sources round each price of an adjusted bar for itself; further apart is an error.
ROUNDING = 1e-5
PRICES = ("price", "bid", "ask", "open", "high", "low", "implied_volatility")


class Origin(NamedTuple):
    """Where values came from, for messages: the file, its raw columns by field, and their names.

    ``raw`` has the column ``row`` with each row's number in the file, from 1 for the first row
    of data.
    """

    file: str
    raw: pl.DataFrame
    names: Mapping[str, str]

    def place(self, at: int) -> str:
        """Name the row at position ``at``."""
        return f"{self.file}, row {self.row(at)}"

    def row(self, at: int) -> int:
        """Return the number in the file of the row at position ``at``."""
        return int(self.raw["row"][at])

    def shown(self, field: str, at: int) -> str:
        """Show a value as the file has it."""
        value = self.raw[field][at]
        if value is None:
            return "(empty)"
        return repr(value) if isinstance(value, str) else " ".join(str(value).split())

    def more(self, rows: int) -> str:
        """Say how many rows have the same fault."""
        return f" ({rows:,} such rows)" if rows > 1 else ""

    def facts(self, field: str, at: int, rows: int) -> dict[str, object]:
        """Return the context of an error."""
        return {
            "file": self.file,
            "row": self.row(at),
            "column": self.names[field],
            "value": self.shown(field, at),
            "rows": rows,
        }


def numbers(origin: Origin, field: str) -> "NDArray[np.float64]":
    """Return a column as float64: NaN where it is no number, and 0 for an unknown size."""
    column = origin.raw[field]
    if column.dtype == pl.String:
        column = column.str.strip_chars()
    elif not column.dtype.is_numeric():  # a date or a truth value is no price, though it casts
        return np.full(len(column), np.nan)
    values = column.cast(pl.Float64, strict=False)
    if field == "size":
        values = values.fill_nan(0.0).set(column.is_null(), 0.0)
    return values.fill_null(np.nan).to_numpy(writable=True)


def texts(origin: Origin, field: str) -> pl.Series:
    """Return a column of names.

    Raises:
        DatasetValueError: ``dataset-value``, where one is empty.
    """
    raw = origin.raw[field]
    if raw.dtype.is_nested() or raw.dtype == pl.Binary:
        every = np.ones(len(raw), dtype=bool)
        _refuse(origin, field, every, "not text", f"A {field} is text or a number.")
    column = raw.cast(pl.String, strict=False).str.strip_chars()
    empty = (column.is_null() | (column == "")).fill_null(value=True).to_numpy()
    _refuse(origin, field, empty, f"no {field}", f"Every row needs its {field}.")
    return column


def check_values(
    origin: Origin, values: Mapping[str, "NDArray[np.float64]"], kind: TickKind
) -> None:
    """Check every number: prices finite and positive, sizes not negative, bars and quotes whole.

    A bar's open and close may lie outside its low and high by rounding, 1e-5 of the price.

    Raises:
        DatasetValueError: ``dataset-value``, naming the first row of the first fault.
    """
    for field in PRICES:
        if field in values:
            bad = ~(np.isfinite(values[field]) & (values[field] > 0))
            _refuse(origin, field, bad, "not a positive number", _PRICES_WHY)
    if "size" in values:
        bad = ~(np.isfinite(values["size"]) & (values["size"] >= 0))
        _refuse(origin, "size", bad, "not zero or a positive number", _SIZES_WHY)
    if {"bid", "ask"} <= values.keys():
        crossed = values["bid"] > values["ask"]
        _refuse(origin, "bid", crossed, "above the ask", _CROSSED_WHY, other="ask")
    if kind == "bar":
        _check_bars(origin, values)


def check_times(
    origin: Origin,
    times: "NDArray[np.int64]",
    instrument: "NDArray[np.int32]",
    kind: TickKind,
) -> None:
    """Check that each instrument's times go forward, a bar's strictly.

    Raises:
        DatasetTimeError: ``dataset-time``, naming the first row that goes back.
    """
    order = np.argsort(instrument, kind="stable")
    step = np.diff(times[order])
    same = np.diff(instrument[order]) == 0
    wrong = order[1:][same & ((step <= 0) if kind == "bar" else (step < 0))]
    if not len(wrong):
        return
    at = int(wrong.min())
    before = int(order[np.flatnonzero(order == at)[0] - 1])
    repeats = times[at] == times[before]
    newest_first = bool(np.all(step[same] < 0))
    raise DatasetTimeError(
        f"{origin.place(at)}: the time {origin.shown('time', at)} "
        f"{'repeats' if repeats else 'is before'} that of row {origin.row(before)}"
        f"{origin.more(len(wrong))}",
        why="The rows are newest first."
        if newest_first
        else "Each bar of an instrument is later than the one before; where clocks are set back, "
        "local times repeat."
        if kind == "bar"
        else "The rows of an instrument go forward in time.",
        next_step="Sort the rows by time, oldest first."
        if newest_first
        else "Sort the rows by time and remove repeated ones; write local times with an offset.",
        context=origin.facts("time", at, len(wrong)),
    )


_PRICES_WHY = "Prices and volatilities are finite numbers above zero, in every row."
_SIZES_WHY = "Sizes and volumes are finite and not negative; an empty one counts as unknown, 0."
_CROSSED_WHY = "A market whose bid is above its ask would trade until it is not."
_BARS_WHY = "A bar's low is its smallest price and its high its largest."


def _check_bars(origin: Origin, values: Mapping[str, "NDArray[np.float64]"]) -> None:
    high, low = values.get("high"), values.get("low")
    if high is not None and low is not None:
        _refuse(origin, "high", high < low, "below the low", _BARS_WHY, other="low")
    for field in ("price", "open"):
        value = values.get(field)
        if value is not None and high is not None:
            above = value > high * (1 + ROUNDING)
            _refuse(origin, field, above, "above the high", _BARS_WHY, other="high")
        if value is not None and low is not None:
            below = value < low * (1 - ROUNDING)
            _refuse(origin, field, below, "below the low", _BARS_WHY, other="low")


def _refuse(
    origin: Origin,
    field: str,
    bad: "NDArray[Any]",
    fault: str,
    why: str,
    *,
    other: str | None = None,
) -> None:
    """Raise for the first row that is ``bad``, if any; ``other`` is what it is compared with."""
    rows = int(np.count_nonzero(bad))
    if not rows:
        return
    at = int(np.argmax(bad))
    compared = "" if other is None else f" of {origin.shown(other, at)}"
    raise DatasetValueError(
        f"{origin.place(at)}: the column {origin.names[field]!r} holds "
        f"{origin.shown(field, at)}, {fault}{compared}{origin.more(rows)}",
        why=why,
        next_step="Correct or remove these rows; no tick was given out.",
        context=origin.facts(field, at, rows),
    )
