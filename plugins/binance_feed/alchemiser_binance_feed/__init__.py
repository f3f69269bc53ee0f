"""Binance's spot market as a live feed of alchemiser."""

from collections.abc import Sequence

from alchemiser_binance_feed.venue import BinanceVenue
from alchemiser_cli.hooks import hookimpl
from alchemiser_cli.settings import Settings

__all__ = ["BinanceVenue", "alchemiser_feeds"]


@hookimpl
def alchemiser_feeds(settings: Settings) -> Sequence[BinanceVenue]:  # noqa: ARG001  the hook's
    """Return Binance."""
    return [BinanceVenue()]
