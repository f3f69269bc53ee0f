"""The datasets by name: light enough for help texts and shell completion."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from alchemiser_cli.errors import DatasetNotFoundError, UsageError

if TYPE_CHECKING:
    from alchemiser_cli.market.datasets.dataset import Dataset

__all__ = ["DatasetEntry", "list_datasets", "open_dataset"]

FILE_PREFIX = "file:"


class DatasetEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One dataset that can be opened; ``extra`` names the extra that it needs, if any."""

    name: str
    description: str
    extra: str | None = None


_ENTRIES = (
    DatasetEntry(
        name="sp500",
        description="Daily bars of the S&P 500 index, 1999 to 2018, with volatility from the VIX.",
        extra="data",
    ),
    DatasetEntry(
        name="file:PATH",
        description="Bars, trades or quotes from a CSV (also gzipped) or Parquet file of yours.",
    ),
)


def list_datasets() -> list[DatasetEntry]:
    """Return every dataset that ``open_dataset`` knows; PATH stands for a path of yours."""
    return list(_ENTRIES)


def open_dataset(
    name: str,
    *,
    columns: Mapping[str, str] | None = None,
    symbol: str | None = None,
    start_ns: int | None = None,
    end_ns: int | None = None,
    limit: int | None = None,
) -> "Dataset":
    """Open a dataset and check all of it, so that no tick is given out of one that is bad.

    Args:
        name: ``sp500``, or ``file:PATH``.
        columns: For files, what a field's column is called where recognition by name does not
            do: field (time, price, open, high, low, size, bid, ask, symbol, venue,
            implied_volatility; close and volume for a bar's) to column. An empty column leaves
            the field out.
        symbol: The one instrument to keep; for a file that names none, its name.
        start_ns: First event time to keep, in UTC nanoseconds.
        end_ns: Event time to stop before, in UTC nanoseconds.
        limit: Most ticks to keep, of all instruments together.

    Returns:
        The dataset in event-time order. Sequences count from 1 in what was kept.

    Raises:
        DatasetNotFoundError: ``dataset-not-found``: the name, file or symbol is unknown, or
            nothing lies between the times.
        DatasetUnreadableError: ``dataset-unreadable``: the file cannot be opened or parsed, or
            holds no rows.
        DatasetColumnsError: ``dataset-columns``: a column is missing or ambiguous.
        DatasetValueError: ``dataset-value``: a value is missing or impossible.
        DatasetTimeError: ``dataset-time``: times are unreadable or go back.
        ExtraMissingError: ``extra-missing``: the dataset's package is not installed.
        UsageError: ``usage``: ``limit`` is below 1, or ``columns`` were given for a dataset
            whose columns are known.
    """
    if limit is not None and limit < 1:
        raise UsageError(
            f"a dataset cannot be limited to {limit} ticks",
            why="The limit is the number of ticks to keep, and none would be left.",
            next_step="Give a limit of 1 or more, or leave it out.",
            context={"limit": limit},
        )
    dataset = _open(name, columns or {}, symbol)
    return dataset.narrowed(symbol=symbol, start_ns=start_ns, end_ns=end_ns, limit=limit)


def _open(name: str, columns: Mapping[str, str], symbol: str | None) -> "Dataset":
    if name.startswith(FILE_PREFIX):
        from alchemiser_cli.market.datasets.files import open_file

        return open_file(name.removeprefix(FILE_PREFIX), columns=columns, symbol=symbol)
    if name != "sp500":
        raise _unknown(name)
    if columns:
        raise UsageError(
            f"columns cannot be chosen for the dataset {name}",
            why="Only a file's columns need names; those of this dataset are known.",
            next_step="Leave the columns out, or open a file with file:PATH.",
            context={"dataset": name, "columns": dict(columns)},
        )
    from alchemiser_cli.market.datasets.sp500 import open_sp500

    return open_sp500()


def _unknown(name: str) -> DatasetNotFoundError:
    known = [entry.name for entry in _ENTRIES]
    near = difflib.get_close_matches(name.lower(), known, n=2, cutoff=0.5)
    if Path(name).exists():
        near = [f"{FILE_PREFIX}{name}"]
    hint = f"Did you mean {' or '.join(near)}? " if near else ""
    return DatasetNotFoundError(
        f"no dataset is named {name!r}",
        why=f"The datasets are {', '.join(known)}.",
        next_step=f"{hint}Name one of these, or a file of your own as {FILE_PREFIX}PATH.",
        context={"dataset": name, "known": known, "near": near},
    )
