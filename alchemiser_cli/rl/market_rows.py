"""The market as environments read it: for each row its features, its prices and its faults.

All rows of a table are prepared once, so that a step copies one row of features, reads one row of
prices, and looks at one flag for faults of the data. A live market is prepared row by row.
"""

import dataclasses
from collections.abc import Sequence
from copy import copy
from typing import Self

import numpy as np
from numpy.typing import NDArray

from alchemiser_cli.errors import ChainDataError
from alchemiser_cli.market.chains import CONTRACTS, ChainProvider, ChainSnapshot, ChainTable
from alchemiser_cli.market.indicators import LOOKBACK
from alchemiser_cli.rl.dynamics import FIRST_ROW
from alchemiser_cli.rl.features import TINY, bounded, positive, raw_market_features

__all__ = ["HALF_SPREAD", "MID", "NOTIONAL", "OBSERVED", "PRICES", "TRADED", "LiveRows"]
__all__ += ["MarketRows", "market_rows"]

# Faults of a row; their sum is its flag.
PRICES = 1  # spot or a strike is not a positive number
TRADED = 2  # a mid is not a positive number, or a half spread or settlement is none at all
OBSERVED = 4  # a feature is not finite

# Blocks of ten columns of the quotes.
MID = slice(0, CONTRACTS)
HALF_SPREAD = slice(CONTRACTS, 2 * CONTRACTS)
NOTIONAL = slice(2 * CONTRACTS, 3 * CONTRACTS)  # spot times the size of delta: a unit's exposure

Floats = NDArray[np.float64]


class MarketRows:
    """Prepared rows of a table that is complete; what environments share they must not write.

    ``features`` float32 (T, 100) with the account's columns zero, ``quotes`` float64 (T, 30) in
    the blocks above, ``settlement`` float64 (T, 10), ``rolled`` bool (T,), ``faults`` uint8 (T,).
    Prices that are not positive numbers became 1e-6, other numbers that are none became 0.
    """

    endless = False

    def __init__(self, table: ChainTable) -> None:
        """Prepare all rows of ``table``.

        Raises:
            ChainDataError: The table is too short for one step (code ``chain-data-insufficient``).
        """
        if len(table) < FIRST_ROW + 1 + (not self.endless):
            raise ChainDataError(
                f"{len(table)} rows of option chains are too few for an episode",
                why=f"Its first observation needs {FIRST_ROW + 1} rows, and a step one more.",
                next_step="Give a longer dataset, or wait until the live market has given more.",
            )
        self.table = table
        self.length = len(table)
        self.features, self.faults = _observed(table)
        self.quotes, self.settlement, traded = _priced(table)
        self.faults |= traded
        self.rolled = table.rolled
        self.faulty = bool(self.faults.any())

    def wait_for(self, row: int) -> None:
        """Return once ``row`` is known: of a complete table at once."""
        if row >= self.length:
            raise IndexError(f"row {row} of {self.length}")

    def unpriced(self, rows: int | NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return bool (..., 10): the contracts whose mid at ``rows`` is not a positive number."""
        mid = self.table.mid[rows]
        return ~(np.isfinite(mid) & (mid > 0))

    def until(self, row: int) -> ChainTable:
        """Return what the market showed up to ``row``, at most as far back as features look."""
        return self.table.take(slice(max(0, row + 1 - LOOKBACK), row + 1))

    def spoiled(self, rows: Sequence[int]) -> Self:
        """Return the market with NaN for spot, volatility and one contract's mid at ``rows``.

        What follows is worked out as where the data itself says so. This market stays as it is.
        """
        struck = copy(self)
        for name in ("features", "quotes", "faults"):
            setattr(struck, name, getattr(self, name).copy())
        struck.faulty = True
        for row in rows:
            seen = self.until(row)
            spot, mid = seen.spot.copy(), seen.mid.copy()
            volatility = seen.at_the_money_volatility.copy()
            spot[-1] = volatility[-1] = mid[-1, row % CONTRACTS] = np.nan
            spoiled = dataclasses.replace(
                seen, spot=spot, at_the_money_volatility=volatility, mid=mid
            )
            features, observed = _observed(spoiled)
            quotes, _, traded = _priced(spoiled.take(slice(-1, None)))
            struck.features[row], struck.quotes[row] = features[-1], quotes
            struck.faults[row] = observed[-1] | traded[0]
        struck.lose_prices(rows)
        return struck

    def lose_prices(self, rows: Sequence[int]) -> None:
        """Let ``unpriced`` know of the mids that ``spoiled`` takes away."""
        mid, lost = self.table.mid.copy(), np.array(rows, np.int64)
        mid[lost, lost % CONTRACTS] = np.nan
        self.table = dataclasses.replace(self.table, mid=mid)


class LiveRows(MarketRows):
    """Rows of an endless provider: what is known, and more as it comes."""

    endless = True

    def __init__(self, provider: ChainProvider) -> None:
        """Prepare what is known by now; Raises as ``MarketRows``."""
        table = provider.table()
        super().__init__(table)
        self._provider = provider
        self._recent = [table.at(row) for row in range(max(0, self.length - LOOKBACK), self.length)]
        self._unpriced: dict[int, NDArray[np.bool_]] = {}

    def wait_for(self, row: int) -> None:
        """Return once ``row`` is known; waits for the market where it has not come yet.

        Raises:
            AlchemiserError: What the provider raises, for example ``market-data-stale``.
        """
        while self.length <= row:
            self._add(self._provider.at(self.length))

    def unpriced(self, rows: int | NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return bool (10,) for the newest row, as that of a complete table for those before."""
        found = self._unpriced.get(int(rows)) if np.ndim(rows) == 0 else None
        return super().unpriced(rows) if found is None else found

    def until(self, row: int) -> ChainTable:
        """As for a complete table; a row that is not the newest counts as it."""
        return super().until(row) if row < len(self.table) else ChainTable.of(self._recent)

    def lose_prices(self, rows: Sequence[int]) -> None:
        """As for a complete table; of rows behind it, the newest is remembered."""
        super().lose_prices([row for row in rows if row < len(self.table)])
        self._unpriced = {
            row: np.arange(CONTRACTS) == row % CONTRACTS for row in rows if row >= len(self.table)
        }

    def _add(self, snapshot: ChainSnapshot) -> None:
        self._recent = [*self._recent[1 - LOOKBACK :], snapshot]
        recent = ChainTable.of(self._recent)
        features, observed = _observed(recent)
        quotes, settlement, traded = _priced(recent.take(slice(-1, None)))
        flag = observed[-1:] | traded
        row = self.length
        self._make_room()
        self.features[row], self.quotes[row], self.settlement[row] = (
            features[-1],
            quotes,
            settlement,
        )
        self.rolled[row], self.faults[row] = snapshot.rolled, flag[0]
        if flag[0]:
            self.faulty = True
            self._unpriced = {row: ~(np.isfinite(snapshot.mid) & (snapshot.mid > 0))}
        self.length = row + 1

    def _make_room(self) -> None:
        if self.length < len(self.features):
            return
        more = max(256, self.length)
        for name in ("features", "quotes", "settlement", "rolled", "faults"):
            known = getattr(self, name)
            grown = np.zeros((self.length + more, *known.shape[1:]), known.dtype)
            grown[: self.length] = known
            setattr(self, name, grown)


def market_rows(provider: ChainProvider) -> MarketRows:
    """Prepare what ``provider`` knows: a live market's rows grow, others are complete.

    Raises:
        ChainDataError: Fewer rows than a step needs (code ``chain-data-insufficient``).
    """
    return LiveRows(provider) if provider.endless else MarketRows(provider.table())


def _observed(table: ChainTable) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Return the features and, a row, the faults PRICES and OBSERVED."""
    raw = raw_market_features(table)
    prices = np.column_stack([table.spot, table.strike])
    bad = ~(np.isfinite(prices) & (prices > 0)).all(axis=1)
    unseen = ~np.isfinite(raw).all(axis=1)
    faults = np.where(bad, PRICES, 0) + np.where(unseen, OBSERVED, 0)
    return bounded(raw), faults.astype(np.uint8)


def _priced(table: ChainTable) -> tuple[Floats, Floats, NDArray[np.uint8]]:
    """Return the quotes, the settlement and, a row, the fault TRADED."""
    mid, half, settlement = table.mid, table.half_spread, table.settlement
    wrong = [~(np.isfinite(mid) & (mid > 0))]
    wrong += [~(np.isfinite(part) & (part >= 0)) for part in (half, settlement)]
    with np.errstate(over="ignore", invalid="ignore"):
        exposure = np.abs(table.greeks[:, :, 0]) * positive(table.spot)[:, None]
    exposure = np.where(np.isfinite(exposure), exposure, 0.0)
    half = np.where(wrong[0], np.minimum(half, TINY), half)  # nobody bids less than nothing
    quotes = np.column_stack([positive(mid), np.where(wrong[1], 0.0, half), exposure])
    bad = np.logical_or.reduce(wrong).any(axis=1)
    return quotes, np.where(wrong[2], 0.0, settlement), (bad * TRADED).astype(np.uint8)
