"""The S&P 500 with the VIX, as the ``arch`` distribution ships them."""

import dataclasses
import importlib.util
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from alchemiser_cli.errors import DatasetColumnsError, ExtraMissingError
from alchemiser_cli.market.datasets.dataset import Dataset, Provenance
from alchemiser_cli.market.datasets.files import read_rows
from alchemiser_cli.market.datasets.reading import read_frame, read_header, source_file
from alchemiser_cli.market.datasets.times import utc_ns
from alchemiser_cli.market.datasets.validation import Origin
from alchemiser_cli.market.datasets.volatility import realised_volatility

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["open_sp500"]

PACKAGE = "arch"
SYMBOL = "SPX"
VENUE = "arch.sp500"
INDEX_FILE = Path("data", "sp500", "sp500.csv.gz")
VIX_FILE = Path("data", "vix", "vix.csv.gz")


def open_sp500() -> Dataset:
    """Open the daily bars of the S&P 500, 1999 to 2018.

    The price is the close; an index pays no dividends and has no splits, so that the adjusted
    close is the same in every row. The event time is the session's close at 16:00 in New York,
    also for the 45 sessions that closed at 13:00. Implied volatility is the day's VIX close
    (published at 16:15) divided by 100, where the package has one; elsewhere it is an
    exponentially weighted volatility of past returns, which runs lower than an implied one. It is
    raised by the median ratio of the two over the sessions that have both: without the premium of
    implied volatility, options would be cheap in the years before 2014 and dear after them. That
    one number looks ahead.

    Raises:
        ExtraMissingError: ``extra-missing``, where ``arch`` is not installed.
    """
    folder = _package_folder()
    rows = read_rows(folder / INDEX_FILE, columns={}, symbol=SYMBOL, venue=VENUE)
    bars = rows.columns
    if bars.high is None or bars.low is None:
        raise DatasetColumnsError(
            "the S&P 500 file of the installed arch has no highs and lows",
            why="This version of arch ships other columns than those this dataset rests on.",
            next_step="Run: pip install 'arch==8.0.0'",
            context={"file": str(folder / INDEX_FILE), "seen": list(rows.names.values())},
        )
    implied = _vix(folder / VIX_FILE, bars.event_time_ns)
    quoted = np.isfinite(implied)
    realised = realised_volatility(bars.high, bars.low, bars.price)
    premium = float(np.median(implied[quoted] / realised[quoted]))
    return Dataset(
        name="sp500",
        description=(
            f"Daily bars of the S&P 500 index, {len(quoted):,} sessions at their 16:00 New York "
            f"close. Implied volatility is the VIX on {quoted.sum():,} sessions (2014 to 2018) "
            f"and, on the {(~quoted).sum():,} without one, a RiskMetrics volatility of past "
            f"returns (decay 0.94, 252 sessions a year) times {premium:.2f}, their median ratio."
        ),
        kind=rows.kind,
        instruments=rows.instruments,
        provenance=Provenance(
            files=tuple(
                source_file(folder / file, str(PACKAGE / file)) for file in (INDEX_FILE, VIX_FILE)
            ),
            package=PACKAGE,
            version=metadata.version(PACKAGE),
        ),
        columns=dataclasses.replace(
            bars,
            event_time_ns=_new_york_close(bars.event_time_ns),
            implied_volatility=np.where(quoted, implied, realised * premium),
        ),
    )


def _package_folder() -> Path:
    """Find the package without importing it: its code brings SciPy and statsmodels along."""
    spec = importlib.util.find_spec(PACKAGE)
    folder = None if spec is None or spec.origin is None else Path(spec.origin).parent
    if folder is None or not (folder / INDEX_FILE).is_file() or not (folder / VIX_FILE).is_file():
        raise ExtraMissingError(
            "the dataset sp500 needs the package arch with its data files",
            why="The data ship inside arch, which comes with the extra 'data'.",
            next_step="Run: pip install 'alchemiser[data]'",
            context={"dataset": "sp500", "package": PACKAGE, "extra": "data"},
        )
    return folder


def _vix(path: Path, dates_ns: "NDArray[np.int64]") -> "NDArray[np.float64]":
    """Return the VIX of each date as a fraction, NaN where the file has no number."""
    header = read_header(path)
    raw = read_frame(path, header, {"time": 0, "vix": 1})
    origin = Origin(str(path), raw, {"time": header.names[0]})
    quotes = pl.DataFrame(
        {"at": utc_ns(raw["time"], origin), "vix": raw["vix"].cast(pl.Float64, strict=False)}
    )
    sessions = pl.DataFrame({"at": dates_ns}).join(
        quotes, on="at", maintain_order="left", how="left"
    )
    return sessions["vix"].fill_null(np.nan).to_numpy() / 100


def _new_york_close(dates_ns: "NDArray[np.int64]") -> "NDArray[np.int64]":
    """Move midnights to 16:00 of that date in New York, with its summer time."""
    dates = pl.Series(dates_ns).cast(pl.Datetime("ns"))
    local = dates.dt.offset_by("16h").dt.replace_time_zone("America/New_York")
    return local.dt.epoch("ns").to_numpy()
