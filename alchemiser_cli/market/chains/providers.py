"""Chains by name: from a dataset, or from a generated market."""

import datetime as dt
from typing import TYPE_CHECKING

import numpy as np

from alchemiser_cli.errors import ChainDataError
from alchemiser_cli.market.chains.building import chain_table
from alchemiser_cli.market.chains.heston import BatesParameters, generate_market
from alchemiser_cli.market.chains.listing import close_of
from alchemiser_cli.market.chains.realised import realised_over_time
from alchemiser_cli.market.chains.table import ChainSnapshot, ChainTable
from alchemiser_cli.settings import OptionsSettings

if TYPE_CHECKING:
    from alchemiser_cli.market.datasets import Dataset

__all__ = ["GENERATED_STEPS", "LEAST_ROWS", "DatasetChains", "GeneratedChains", "TableChains"]

LEAST_ROWS = 80  # 64 rows of history for indicators, and a window of 16
GENERATED_STEPS = 5_040  # twenty years
FIRST_SESSION = dt.date(2000, 1, 3)


class TableChains:
    """A provider of chains that are all known beforehand."""

    endless = False

    def __init__(self, table: ChainTable) -> None:
        self._table = table

    def __len__(self) -> int:
        """Return the rows of the table."""
        return len(self._table)

    def latest(self) -> ChainSnapshot:
        """Return the last row."""
        return self.at(len(self) - 1)

    def at(self, step: int) -> ChainSnapshot:
        """Return the row ``step``, from 0; an ``IndexError`` where there is none."""
        if not 0 <= step < len(self):
            raise IndexError(f"there is no step {step}: they go from 0 to {len(self) - 1}")
        return self._table.at(step)

    def table(self) -> ChainTable:
        """Return the table itself."""
        return self._table


class DatasetChains(TableChains):
    """Chains on the one instrument of a dataset, a step for each of its rows.

    Where the dataset has no implied volatility, a realised one of its past returns stands in
    (``realised_over_time``); where it has no highs and lows, its prices do.
    """

    def __init__(self, dataset: "Dataset", options: OptionsSettings) -> None:
        """Build the chains of ``dataset``.

        Raises:
            ChainDataError: ``chain-data-insufficient``: several instruments, fewer than 80
                rows, or neither an implied volatility nor prices that move.
        """
        _check_instrument(dataset)
        _check_rows(dataset)
        columns, volatility = dataset.columns, dataset.columns.implied_volatility
        if volatility is None:
            _check_movement(dataset)
            volatility = realised_over_time(columns.event_time_ns, columns.price)
        super().__init__(
            chain_table(
                columns.event_time_ns,
                columns.price,
                columns.price if columns.high is None else columns.high,
                columns.price if columns.low is None else columns.low,
                volatility,
                options,
            )
        )
        self.name = dataset.name


class GeneratedChains(TableChains):
    """Chains on a generated market of daily closes, Mondays to Fridays from 2000 on.

    One seed and one set of parameters are one market; a longer one begins with the shorter one.
    """

    def __init__(
        self,
        options: OptionsSettings,
        *,
        steps: int = GENERATED_STEPS,
        seed: int = 0,
        parameters: BatesParameters | None = None,
    ) -> None:
        """Generate ``steps`` rows: Heston with jumps, see ``generate_market``."""
        market = generate_market(steps, seed, parameters)
        super().__init__(
            chain_table(
                _closes(steps), market.close, market.high, market.low, market.volatility, options
            )
        )
        self.name = f"heston:{seed}"


def _closes(steps: int) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Return 16:00 in New York of so many weekdays."""
    days = np.busday_offset(np.datetime64(FIRST_SESSION), np.arange(steps), roll="forward")
    return np.array([close_of(day) for day in days.astype(object).tolist()], np.int64)


def _check_instrument(dataset: "Dataset") -> None:
    if len(dataset.instruments) == 1:
        return
    symbols = [f"{one.symbol} ({one.venue})" for one in dataset.instruments]
    shown = ", ".join(symbols[:10]) + (f" and {len(symbols) - 10} more" if symbols[10:] else "")
    raise ChainDataError(
        f"the dataset {dataset.name} holds {len(symbols)} instruments: {shown}",
        why="A chain is listed on one underlying.",
        next_step=f"Choose one of them, for example --symbol {dataset.instruments[0].symbol}.",
        context={"dataset": dataset.name, "instruments": symbols[:50]},
    )


def _check_rows(dataset: "Dataset") -> None:
    if len(dataset) >= LEAST_ROWS:
        return
    raise ChainDataError(
        f"the dataset {dataset.name} has {len(dataset)} rows; chains need {LEAST_ROWS} or more",
        why="Indicators look back over 64 rows, and an observation holds 16.",
        next_step="Take a longer span of the data, or data in smaller time steps.",
        context={"dataset": dataset.name, "rows": len(dataset), "least": LEAST_ROWS},
    )


def _check_movement(dataset: "Dataset") -> None:
    times, prices = dataset.columns.event_time_ns, dataset.columns.price
    if times[-1] > times[0] and (prices != prices[0]).any():
        return
    raise ChainDataError(
        f"the dataset {dataset.name} gives no volatility to price options with",
        why="It has no implied volatility, and its prices never move, so that they have none.",
        next_step="Add a column implied_volatility (0.2 for 20 %), or take data that moves.",
        context={"dataset": dataset.name, "rows": len(dataset)},
    )
