"""Quotes of listed contracts beside the ticks of their underlying, in every service the same."""

import datetime as dt
from collections.abc import Iterable
from zoneinfo import ZoneInfo

from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.market.chains import CONTRACTS, ChainSnapshot
from alchemiser_cli.market.chains.building import ChainBook
from alchemiser_cli.market.chains.listing import NEW_YORK
from alchemiser_cli.market.chains.realised import RealisedVolatility
from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.settings import OptionsSettings
from alchemiser_cli.trading.instruments import contract_symbol

__all__ = ["ChainQuotes", "MarketView", "chain_symbols"]

_ZONE = ZoneInfo(NEW_YORK)


class ChainQuotes:
    """The chain listed on one underlying: each of its ticks gives ten quotes.

    It is a function of the ticks alone, so that every service that sees them quotes alike.
    """

    def __init__(self, options: OptionsSettings) -> None:
        """List nothing before the first tick."""
        self._book = ChainBook(options)
        self._realised = RealisedVolatility()
        self._expiry_ns = 0
        self._names: tuple[str, ...] = ()
        self._newest_ns = -1
        self.snapshot: ChainSnapshot | None = None

    @property
    def symbols(self) -> tuple[str, ...]:
        """The ten contracts listed now: five calls and five puts, by rising strikes."""
        return self._names

    def quotes(self, tick: Tick) -> list[Tick]:
        """Return a quote of each contract after ``tick``; none where it came too late to count."""
        if tick.event_time_ns <= self._newest_ns:
            return []
        self._newest_ns = tick.event_time_ns
        realised = self._realised.add(tick.event_time_ns, tick.price)
        volatility = tick.implied_volatility
        chain = self._book.add(
            tick.event_time_ns,
            tick.price,
            tick.price if tick.high is None else tick.high,
            tick.price if tick.low is None else tick.low,
            realised if volatility is None else volatility,
        )
        self.snapshot = chain
        if self._book.listing.expiry_ns != self._expiry_ns:
            self._expiry_ns = self._book.listing.expiry_ns
            self._names = chain_symbols(tick.symbol, self._expiry_ns, chain)
        return [
            Tick(
                symbol=name,
                venue=tick.venue,
                kind="quote",
                sequence=tick.sequence,
                event_time_ns=tick.event_time_ns,
                price=mid,
                bid=mid - half,
                ask=mid + half,
                implied_volatility=implied,
            )
            for name, mid, half, implied in zip(
                self._names,
                chain.mid.tolist(),
                chain.half_spread.tolist(),
                chain.implied_volatility.tolist(),
                strict=True,
            )
        ]


class MarketView:
    """What one tick means to those who trade: itself, and the quotes of contracts listed on it."""

    def __init__(self, underlyings: Iterable[str], options: OptionsSettings) -> None:
        """Quote chains on ``underlyings``; other symbols pass as they are."""
        self.chains = {symbol: ChainQuotes(options) for symbol in underlyings}

    def ticks(self, tick: Tick) -> list[Tick]:
        """Return ``tick``, followed by its contracts' quotes."""
        chain = self.chains.get(tick.symbol)
        return [tick] if chain is None else [tick, *chain.quotes(tick)]


def chain_symbols(underlying: str, expiry_ns: int, chain: ChainSnapshot) -> tuple[str, ...]:
    """Return the symbols of the contracts of ``chain``, in its order."""
    expiry = dt.datetime.fromtimestamp(expiry_ns // NS_PER_SECOND, _ZONE).date()
    return tuple(
        contract_symbol(
            underlying, expiry, is_call=bool(chain.is_call[i]), strike=float(chain.strike[i])
        )
        for i in range(CONTRACTS)
    )
