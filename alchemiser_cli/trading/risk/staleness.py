"""Telling that signals are refused because the age of their price is wrong: once a symbol."""

from collections.abc import Callable

from alchemiser_cli.errors import AlchemiserError, MarketDataStaleError
from alchemiser_cli.faults import fault_point
from alchemiser_cli.trading.decisions import Decision

__all__ = ["StalenessReport"]

_SKEW = fault_point("clock.skew")


class StalenessReport:
    """Hears of decisions; ``on_failure`` gets one error when a symbol's prices become too old.

    It is told again only after a signal of that symbol was approved in between.
    """

    def __init__(self, on_failure: Callable[[AlchemiserError], None]) -> None:
        """Begin with fresh prices everywhere."""
        self._on_failure = on_failure
        self._symbols: set[str] = set()

    def approved(self, symbol: str) -> None:
        """Take note that the prices of ``symbol`` are fresh."""
        if self._symbols:
            self._symbols.discard(symbol)

    def refused(self, decision: Decision) -> None:
        """Take note of a decision that was refused as ``stale_market_data``."""
        symbol, reading = decision.signal.symbol, decision.limits[-1]
        if symbol in self._symbols:
            return
        self._symbols.add(symbol)
        value, most = reading.value or 0.0, reading.threshold or 0.0
        how = "ahead of our clock" if value < 0 else "old"
        error = MarketDataStaleError(
            f"nothing is traded in {symbol}: its price is {abs(value):.0f} s {how}",
            why=f"At most {most:g} s are allowed. The data come late, or a clock is wrong.",
            next_step="Compare this machine's clock with its time server, and look at the feed: "
            "alchemiser health.",
            context={"symbol": symbol, "limit": reading.name, "value": value, "threshold": most},
        )
        error.injected = _SKEW.armed is not None
        self._on_failure(error)
