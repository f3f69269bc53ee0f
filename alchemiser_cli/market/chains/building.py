"""From prices and volatilities to chains: a whole history at once, or a step at a time."""

import numpy as np
from numpy.typing import NDArray

from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.market.chains.listing import STRIKES, Listing, list_at
from alchemiser_cli.market.chains.table import CONTRACTS, ChainSnapshot, ChainTable
from alchemiser_cli.market.pricing.black_scholes import valuation
from alchemiser_cli.market.pricing.spread import half_spread
from alchemiser_cli.market.pricing.surface import volatility as surface_volatility
from alchemiser_cli.settings import OptionsSettings

__all__ = ["LEAST", "ChainBook", "chain_table"]

LEAST = 1e-6  # what a price or volatility counts as that is not a positive number
NS_PER_YEAR = 365 * 86_400 * NS_PER_SECOND
IS_CALL = np.arange(CONTRACTS) < STRIKES

Floats = NDArray[np.float64]
Times = NDArray[np.int64]


def chain_table(
    event_time_ns: Times,
    spot: Floats,
    high: Floats,
    low: Floats,
    volatility: Floats,
    options: OptionsSettings,
) -> ChainTable:
    """Return the chains of a history: slots 0-4 calls, 5-9 puts, on the same five strikes.

    The first chain is listed at row 0. At the first row at or after its expiry it is settled at
    its intrinsic value, and the next one is listed; a gap over several expiries lists once.
    Everything in row t rests on rows up to t.

    Prices and volatilities that are not positive numbers stay in ``spot`` and
    ``at_the_money_volatility`` as they are, count as 1e-6 in prices, and are passed over for
    the newest good price where strikes are chosen.

    Args:
        event_time_ns: int64 UTC nanoseconds of shape (T,), never decreasing.
        spot: Prices of the underlying, float64 of shape (T,), as the next three.
        high: Highest prices of the rows.
        low: Lowest prices of the rows.
        volatility: Implied volatility at the money and 30 days, annualised.
        options: Strikes, rates, surface and spread.

    Returns:
        The table, T rows.
    """
    book = ChainBook(options)
    known = _newest_known(spot)
    rows = len(spot)
    strikes, expiry = np.empty((rows, STRIKES)), np.empty(rows, np.int64)
    rolled, settlement = np.zeros(rows, np.bool_), np.zeros((rows, CONTRACTS))
    row = 0
    while row < rows:
        rolled[row], settlement[row] = book.roll(int(event_time_ns[row]), spot[row], known[row])
        until = max(row + 1, int(np.searchsorted(event_time_ns, book.listing.expiry_ns)))
        strikes[row:until], expiry[row:until] = book.listing.strikes, book.listing.expiry_ns
        row = until
    return _priced(
        event_time_ns, spot, high, low, volatility, strikes, expiry, rolled, settlement, options
    )


class ChainBook:
    """The chain that is listed now; each new price gives the next step.

    The steps equal the rows of ``chain_table`` over the same prices, to rounding.
    """

    def __init__(self, options: OptionsSettings) -> None:
        self._options = options
        self._listing: Listing | None = None
        self._known = LEAST

    @property
    def listing(self) -> Listing:
        """What is listed; there is something from the first price on."""
        if self._listing is None:
            raise LookupError("no price has come yet")
        return self._listing

    def add(
        self, event_time_ns: int, spot: float, high: float, low: float, volatility: float
    ) -> ChainSnapshot:
        """Return the chain at this price, after rolling where its time has come.

        Args:
            event_time_ns: UTC nanoseconds, not before the price added last.
            spot: Price of the underlying.
            high: Highest price since the one added last.
            low: Lowest price since then.
            volatility: Implied volatility at the money and 30 days, annualised.
        """
        if _usable(spot):
            self._known = spot
        rolled, settlement = self.roll(event_time_ns, spot, self._known)
        row = _priced(
            np.array([event_time_ns]),
            np.array([spot], np.float64),
            np.array([high], np.float64),
            np.array([low], np.float64),
            np.array([volatility], np.float64),
            self.listing.strikes[None],
            np.array([self.listing.expiry_ns]),
            np.array([rolled]),
            settlement[None],
            self._options,
        )
        return row.at(0)

    def roll(self, event_time_ns: int, spot: float, known: float) -> tuple[bool, Floats]:
        """List anew where nothing is listed or what is has expired.

        Args:
            event_time_ns: UTC nanoseconds.
            spot: Price at which an expired chain is settled.
            known: The newest good price, around which strikes are listed.

        Returns:
            Whether a chain expired, and what each contract of it pays, float64 of shape (10,).
        """
        before, none = self._listing, np.zeros(CONTRACTS)
        if before is not None and event_time_ns < before.expiry_ns:
            return False, none
        self._listing = list_at(event_time_ns, known, self._options.strike_step)
        if before is None:
            return False, none
        ahead = (spot if _usable(spot) else LEAST) - before.strikes
        return True, np.maximum(np.concatenate([ahead, -ahead]), 0.0)


def _priced(
    event_time_ns: Times,
    spot: Floats,
    high: Floats,
    low: Floats,
    volatility: Floats,
    strikes: Floats,
    expiry_ns: Times,
    rolled: NDArray[np.bool_],
    settlement: Floats,
    options: OptionsSettings,
) -> ChainTable:
    """Price rows that know their strikes and expiry; each row by itself."""
    years = (expiry_ns - event_time_ns) / NS_PER_YEAR
    tenor = years[:, None]
    price = np.where(_usable(spot), spot, LEAST)[:, None]
    quoted = np.where(_usable(volatility), volatility, LEAST)[:, None]
    rate, dividend = options.risk_free_rate, options.dividend_yield
    moneyness = np.log(strikes) - np.log(price) - (rate - dividend) * tenor
    implied = np.tile(surface_volatility(quoted, moneyness, tenor, options), 2)
    strike = np.tile(strikes, 2)
    value = valuation(price, strike, tenor, implied, rate, dividend, IS_CALL)
    return ChainTable(
        event_time_ns=np.array(event_time_ns, np.int64),
        spot=np.array(spot, np.float64),
        high=np.array(high, np.float64),
        low=np.array(low, np.float64),
        at_the_money_volatility=np.array(volatility, np.float64),
        time_to_expiry=years,
        rolled=rolled,
        strike=strike,
        is_call=np.tile(IS_CALL, (len(spot), 1)),
        implied_volatility=implied,
        mid=value.price,
        half_spread=half_spread(value.price, np.hstack([moneyness, -moneyness]), tenor, options),
        greeks=value.greeks,
        settlement=settlement,
    )


def _usable(values: "Floats | float") -> "NDArray[np.bool_]":
    return np.isfinite(values) & (np.asarray(values) > 0)


def _newest_known(spot: Floats) -> Floats:
    """Return the newest good price at or before each row, 1e-6 before the first one."""
    good = _usable(spot)
    newest = np.maximum.accumulate(np.where(good, np.arange(len(spot)), -1))
    return np.where(newest >= 0, spot[np.maximum(newest, 0)], LEAST)
