"""Datasets from the operator's own files."""

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from alchemiser_cli.errors import DatasetNotFoundError
from alchemiser_cli.market.datasets.columns import recognise
from alchemiser_cli.market.datasets.dataset import Columns, Dataset, Instrument, Provenance
from alchemiser_cli.market.datasets.reading import (
    ENDINGS,
    read_frame,
    read_header,
    source_file,
)
from alchemiser_cli.market.datasets.times import utc_ns
from alchemiser_cli.market.datasets.validation import (
    Origin,
    check_times,
    check_values,
    numbers,
    texts,
)
from alchemiser_cli.market.ticks import TickKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Rows", "open_file", "read_rows"]

VENUE = "file"  # of files that name none
_NUMBERS = ("price", "size", "bid", "ask", "open", "high", "low", "implied_volatility")
# BTCUSDT-1h-2024-01.csv of Binance and BTC_USDT-5m.csv of freqtrade
_PERIOD = re.compile(r"-(?:\d+(?:s|m|h|d|w|mo|M)|aggTrades|trades)(?:-[\d-]+)?$")


class Rows(NamedTuple):
    """The checked rows of one file, in event-time order."""

    kind: TickKind
    instruments: tuple[Instrument, ...]
    columns: Columns
    names: Mapping[str, str]


def open_file(path: str, *, columns: Mapping[str, str], symbol: str | None) -> Dataset:
    """Open the bars, trades or quotes of one file.

    A bar's price is its close, not the adjusted close, which its open, high and low would not
    match; its time is the closing time where the file has one, otherwise the file's time as it
    is. A trade's price is its own and a quote's the middle of bid and ask. The symbol is the
    row's own where a column names it; otherwise ``symbol``, or the file's name without its
    ending and period. A symbol column together with ``symbol`` is left to the caller to select.

    Raises:
        DatasetNotFoundError: ``dataset-not-found``.
        DatasetUnreadableError: ``dataset-unreadable``.
        DatasetColumnsError: ``dataset-columns``.
        DatasetValueError: ``dataset-value``.
        DatasetTimeError: ``dataset-time``.
    """
    located = _located(path)
    rows = read_rows(located, columns=columns, symbol=symbol)
    used = ", ".join(f"{field} from {name!r}" for field, name in rows.names.items())
    return Dataset(
        name=f"file:{path}",
        description=f"{rows.kind.capitalize()}s of {located.name}: {used}.",
        kind=rows.kind,
        instruments=rows.instruments,
        provenance=Provenance(files=(source_file(located, str(located)),)),
        columns=rows.columns,
    )


def read_rows(
    path: Path,
    *,
    columns: Mapping[str, str],
    symbol: str | None = None,
    venue: str = VENUE,
) -> Rows:
    """Read and check all rows of ``path``; ``symbol`` and ``venue`` serve where it names none."""
    header = read_header(path)
    layout = recognise(str(path), header.names, columns)
    raw = read_frame(path, header, layout.positions)
    names = {field: header.names[at] for field, at in layout.positions.items()}
    origin = Origin(str(path), raw, names)

    times = utc_ns(raw["time"], origin)
    values = {field: numbers(origin, field) for field in _NUMBERS if field in names}
    check_values(origin, values, layout.kind)
    symbol_otherwise = symbol or header.symbol or _symbol_of(path)
    instruments, instrument = _instruments(origin, symbol_otherwise, venue)
    check_times(origin, times, instrument, layout.kind)

    if layout.kind == "quote":
        values["price"] = values["bid"] + (values["ask"] - values["bid"]) / 2
    values.setdefault("size", np.zeros(len(times)))
    checked = Columns(event_time_ns=times, instrument=instrument, **values)
    if np.any(np.diff(times) < 0):
        checked = checked.take(np.argsort(times, kind="stable"))
    return Rows(layout.kind, instruments, checked, names)


def _instruments(
    origin: Origin, symbol: str, venue: str
) -> tuple[tuple[Instrument, ...], "NDArray[np.int32]"]:
    """Return the instruments, sorted, and each row's index among them."""
    if not {"symbol", "venue"} & origin.names.keys():
        return (Instrument(venue, symbol),), np.zeros(origin.raw.height, dtype=np.int32)
    given = {"venue": venue, "symbol": symbol}
    pairs = origin.raw.select(
        (pl.lit(texts(origin, field)) if field in origin.names else pl.repeat(name, pl.len()))
        .cast(pl.String)
        .alias(field)
        for field, name in given.items()
    )
    distinct = pairs.unique().sort("venue", "symbol")
    places = distinct.with_row_index("at")
    at = pairs.join(places, on=["venue", "symbol"], how="left", maintain_order="left")["at"]
    return tuple(Instrument(*row) for row in distinct.iter_rows()), at.cast(pl.Int32).to_numpy()


def _located(path: str) -> Path:
    located = Path(os.path.expanduser(path))  # noqa: PTH111  Path.expanduser raises without a home
    if path and located.exists():
        return located
    folder = located.parent
    names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    readable = [name for name in names if name.lower().endswith(ENDINGS)]
    near = difflib.get_close_matches(located.name, readable, n=3, cutoff=0.5)
    hint = f"Did you mean {', '.join(str(folder / name) for name in near)}? " if near else ""
    raise DatasetNotFoundError(
        f"the dataset file {path!r} does not exist",
        why=f"The folder {folder} has no such file."
        if folder.is_dir()
        else f"There is no folder {folder}.",
        next_step=f"{hint}Name a file that exists as file:PATH.",
        context={"file": path, "near": near},
    )


def _symbol_of(path: Path) -> str:
    stem = path.name
    for ending in sorted(ENDINGS, key=len, reverse=True):
        if stem.lower().endswith(ending):
            stem = stem[: -len(ending)]
            break
    return _PERIOD.sub("", stem) or path.name
