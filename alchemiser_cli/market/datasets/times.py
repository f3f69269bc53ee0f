"""Times as files write them, to UTC nanoseconds."""

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from alchemiser_cli.errors import DatasetTimeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alchemiser_cli.market.datasets.validation import Origin

__all__ = ["utc_ns"]

INT64_MAX = 2**63 - 1
NS_PER_DAY = 86_400_000_000_000
MOST_DAYS = INT64_MAX // NS_PER_DAY - 1  # int64 nanoseconds reach from 1677 to 2262
SMALLEST_EPOCH = 10**8  # seconds: March 1973; smaller numbers are read as YYYYMMDD

_DATE_TIME = (
    r"(?i)^(?:(?P<year>\d{4})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})"
    r"|(?P<first>\d{1,2})(?P<mark>[-/.])(?P<second>\d{1,2})[-/.](?P<year_last>\d{4})"
    r"|(?P<year_bare>\d{4})(?P<month_bare>\d{2})(?P<day_bare>\d{2}))"
    r"(?:[ T]\s*(?P<hours>[01]?\d|2[0-3]):?(?P<minutes>[0-5]\d)"
    r"(?::?(?P<seconds>[0-5]\d)(?:[.,](?P<fraction>\d{1,9}))?)?)?"
    r"\s*(?P<offset>Z|UTC|GMT|(?:UTC|GMT)?[+-]\d{2}(?::?\d{2})?)?$"
)


def utc_ns(column: pl.Series, origin: "Origin") -> "NDArray[np.int64]":
    """Read a column of times.

    Numbers are Unix time, their unit told by size, value by value: below 1e11 seconds, below
    1e14 milliseconds, below 1e17 microseconds, otherwise nanoseconds (all from March 1973 on).
    Text is such a number, ``YYYYMMDD``, or a date, year first (ISO 8601) or last, with or
    without a time of day and an offset. Dates written with dots and the year last begin with
    the day; with slashes or dashes some row has to show which is the day, by being above 12.
    Times without an offset are UTC; dates without a time are midnight UTC.

    Returns:
        int64 UTC nanoseconds, of the column's length.

    Raises:
        DatasetTimeError: ``dataset-time``, naming the first row that cannot be read.
    """
    nanoseconds = _read(column, origin)
    unreadable = nanoseconds.is_null()
    if unreadable.any():
        first = int(unreadable.arg_true()[0])
        raise DatasetTimeError(
            f"{origin.place(first)}: the time {origin.shown('time', first)} cannot be read"
            f"{origin.more(int(unreadable.sum()))}",
            why="Times are ISO 8601 or other dates of year, month and day, or Unix time in "
            "seconds to nanoseconds, between 1677 and 2262.",
            next_step=f"Correct the column {origin.names['time']!r}, or map another to time.",
            context=origin.facts("time", first, int(unreadable.sum())),
        )
    return nanoseconds.to_numpy()


def _read(column: pl.Series, origin: "Origin") -> pl.Series:
    """Return nanoseconds as Int64 with null where unreadable."""
    dtype = column.dtype
    if dtype == pl.Date or isinstance(dtype, pl.Datetime):
        in_range = column.dt.year().is_between(1678, 2261)
        return column.set(~in_range, None).cast(pl.Datetime("ns")).dt.epoch("ns")
    if dtype.is_integer():
        return _numbers_or_text(column.cast(pl.Int64, strict=False), column, origin)
    if dtype.is_float():
        return _from_fractional(column)
    if dtype == pl.String:
        return _from_any_text(column, origin)
    return pl.Series([None] * len(column), dtype=pl.Int64)


def _from_any_text(column: pl.Series, origin: "Origin") -> pl.Series:
    text = column.str.strip_chars()
    whole = text.cast(pl.Int64, strict=False)
    if whole.null_count() == 0:
        return _numbers_or_text(whole, text, origin)
    fractional = text.cast(pl.Float64, strict=False)
    if fractional.null_count() == column.null_count():
        return _from_fractional(fractional)
    return _from_text(text, origin)


def _numbers_or_text(whole: pl.Series, column: pl.Series, origin: "Origin") -> pl.Series:
    if bool((whole < SMALLEST_EPOCH).all()):
        return _from_text(column.cast(pl.String), origin)
    values = whole.fill_null(0).to_numpy()
    factor = np.select(
        [values < 10**11, values < 10**14, values < 10**17],
        [10**9, 10**6, 10**3],
        default=1,
    )
    readable = (values >= SMALLEST_EPOCH) & (values <= INT64_MAX // factor)
    return pl.Series(np.where(readable, values, 0) * factor).set(pl.Series(~readable), None)


def _from_fractional(column: pl.Series) -> pl.Series:
    """Read Unix time with a fraction, to the microsecond: a double holds no more."""
    values = column.cast(pl.Float64).fill_null(0.0).to_numpy()
    scale = np.select([values < 1e11, values < 1e14, values < 1e17], [1e6, 1e3, 1.0], default=1e-3)
    microseconds = values * scale
    readable = (values >= SMALLEST_EPOCH) & (microseconds < INT64_MAX // 1_000)
    rounded = np.rint(np.where(readable, microseconds, 0.0)).astype(np.int64)
    return pl.Series(rounded * 1_000).set(pl.Series(~readable), None)


def _from_text(text: pl.Series, origin: "Origin") -> pl.Series:
    parts = text.str.extract_groups(_DATE_TIME).struct.unnest()
    day_first = _day_first(parts, origin)
    first, second = pl.col("first"), pl.col("second")
    year = pl.coalesce("year", "year_last", "year_bare")
    month = pl.coalesce("month", "month_bare", second if day_first else first).str.zfill(2)
    day = pl.coalesce("day", "day_bare", first if day_first else second).str.zfill(2)
    days = (
        pl.concat_str(year, month, day, separator="-")
        .str.to_date("%Y-%m-%d", strict=False)
        .cast(pl.Int64)
    )
    clock = (_whole("hours") * 60 + _whole("minutes")) * 60 + _whole("seconds")
    fraction = pl.col("fraction").str.pad_end(9, "0").cast(pl.Int64).fill_null(0)
    offset = pl.col("offset").str.extract_groups(r"(?P<sign>[+-])(?P<h>\d{2}):?(?P<m>\d{2})?")
    minutes = offset.struct["h"].cast(pl.Int64) * 60 + offset.struct["m"].cast(pl.Int64).fill_null(
        0
    )
    ahead = pl.when(offset.struct["sign"] == "-").then(-minutes).otherwise(minutes).fill_null(0)
    nanoseconds = days * NS_PER_DAY + (clock - ahead * 60) * 1_000_000_000 + fraction
    return parts.select(pl.when(days.abs() <= MOST_DAYS).then(nanoseconds)).to_series()


def _whole(part: str) -> pl.Expr:
    return pl.col(part).cast(pl.Int64).fill_null(0)


def _day_first(parts: pl.DataFrame, origin: "Origin") -> bool:
    """Tell day/month from month/day by a number above 12; with dots the day comes first."""
    marked = parts.filter(pl.col("mark").is_not_null())
    if marked.is_empty() or (marked["mark"] == ".").all():
        return True
    first, second = marked["first"].cast(pl.Int64), marked["second"].cast(pl.Int64)
    if (first > 12).any():
        return True
    if (second > 12).any():
        return False
    at = int(parts["mark"].is_not_null().arg_true()[0])
    raise DatasetTimeError(
        f"{origin.place(at)}: the date {origin.shown('time', at)} could be day/month or month/day",
        why="No row of the file has a number above 12 in either place to tell them apart.",
        next_step="Write the dates as YYYY-MM-DD.",
        context=origin.facts("time", at, len(marked)),
    )
