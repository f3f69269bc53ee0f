"""The paper broker: an account that exists only here, filled from the market's own quotes."""

from alchemiser_cli.trading.paper.broker import PaperBroker

__all__ = ["PaperBroker"]
