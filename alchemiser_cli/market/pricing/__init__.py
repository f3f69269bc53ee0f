"""Prices of options: Black and Scholes with its greeks, implied volatility, surface and spread."""

from alchemiser_cli.market.pricing.black_scholes import Valuation, greeks, price, valuation
from alchemiser_cli.market.pricing.implied import implied_volatility

__all__ = ["Valuation", "greeks", "implied_volatility", "price", "valuation"]
