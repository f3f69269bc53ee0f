"""What one unit or contract puts at stake: its notional, and the loss that a trade may bring."""

import math

from alchemiser_cli.trading.account import AccountView
from alchemiser_cli.trading.instruments import Instrument

__all__ = ["UnitNotional", "notional_at", "possible_loss", "unit_notional"]

UnitNotional = tuple[float, float]
"""Notional of one unit that is held long, and of one that is held short, in the currency."""


def unit_notional(account: AccountView, instrument: Instrument) -> UnitNotional | None:
    """Return the notional of one unit of ``instrument`` at its last price, as ``notional_at``."""
    return notional_at(account.price(instrument.symbol), account, instrument)


def notional_at(
    price: float | None, account: AccountView, instrument: Instrument
) -> UnitNotional | None:
    """Return the notional of one unit of ``instrument`` at ``price``; None where it is not known.

    An underlying counts with its price. An option that is held cannot lose more than its premium,
    and counts with it; one that is sold counts with its whole underlying, at the underlying's
    price or, where that is not known, at the strike.
    """
    if price is None or not 0.0 <= price < math.inf:
        return None
    if instrument.strike is None:
        worth = price * instrument.multiplier
        return (worth, worth) if price > 0.0 else None
    spot = account.price(instrument.underlying)
    if spot is None or not 0.0 < spot < math.inf:
        spot = instrument.strike
    return price * instrument.multiplier, max(spot, price) * instrument.multiplier


def possible_loss(
    instrument: Instrument,
    unit: UnitNotional,
    change: int,
    stop_price: float | None,
    adverse_move: float,
) -> float:
    """Return what one unit of a trade is taken to risk, in the currency; ``change`` is signed.

    With a stop it is the way there. Without one it is an option's premium where it is bought,
    and otherwise ``adverse_move``, as a share, of the notional.
    """
    long_unit, short_unit = unit
    if stop_price is not None and math.isfinite(stop_price):
        return abs(long_unit - stop_price * instrument.multiplier)
    if change < 0:
        return adverse_move * short_unit
    return long_unit if instrument.is_option else adverse_move * long_unit
