"""Alpaca as a trading broker of alchemiser."""

from collections.abc import Sequence

from alchemiser_alpaca_broker.adapter import AlpacaAdapter
from alchemiser_alpaca_broker.broker import AlpacaBroker
from alchemiser_cli.hooks import hookimpl
from alchemiser_cli.settings import Settings

__all__ = ["AlpacaAdapter", "AlpacaBroker", "alchemiser_brokers"]


@hookimpl
def alchemiser_brokers(settings: Settings) -> Sequence[AlpacaAdapter]:  # noqa: ARG001  the hook's
    """Return Alpaca."""
    return [AlpacaAdapter()]
