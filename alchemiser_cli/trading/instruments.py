"""What can be traded: an underlying, or an option contract that its symbol describes.

A contract's symbol is ``UNDERLYING-YYYYMMDD-C|P-STRIKE``, as in ``SPX-20180119-C-2750``.
"""

import datetime as dt
import re
from functools import lru_cache

import msgspec

__all__ = ["Instrument", "contract_symbol", "instrument_of"]

_CONTRACT = re.compile(
    r"(?P<underlying>.+)-(?P<expiry>\d{8})-(?P<right>[CP])-(?P<strike>\d+(?:\.\d+)?)"
)


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument. ``multiplier`` is how many units of its price one of it is worth.

    ``underlying`` is the symbol itself where it is no contract; ``expiry_ns`` is the close of the
    expiry's day in UTC nanoseconds, ``strike`` in the currency, both None where it is none.
    """

    symbol: str
    underlying: str
    multiplier: float = 1.0
    expiry_ns: int | None = None
    strike: float | None = None
    is_call: bool = False

    @property
    def is_option(self) -> bool:
        """Whether it is an option contract."""
        return self.expiry_ns is not None

    def settlement(self, spot: float) -> float:
        """Return what one unit of a contract pays at expiry in cash: its intrinsic value.

        Raises:
            ValueError: It is no contract.
        """
        if self.strike is None:
            raise ValueError(f"{self.symbol} does not expire")
        ahead = spot - self.strike
        return max(ahead if self.is_call else -ahead, 0.0)


def contract_symbol(underlying: str, expiry: dt.date, *, is_call: bool, strike: float) -> str:
    """Return the symbol of a contract, whose strike is written without needless zeros."""
    return f"{underlying}-{expiry:%Y%m%d}-{'C' if is_call else 'P'}-{strike:.10g}"


@lru_cache(maxsize=65_536)
def instrument_of(symbol: str, multiplier: int) -> Instrument:
    """Return the instrument of ``symbol``; ``multiplier`` is that of option contracts.

    A symbol that does not read as a contract is an underlying of multiplier 1.
    """
    found = _CONTRACT.fullmatch(symbol)
    if found is None:
        return Instrument(symbol=symbol, underlying=symbol)
    try:
        expiry = dt.datetime.strptime(found["expiry"], "%Y%m%d").replace(tzinfo=dt.UTC).date()
    except ValueError:  # eight digits that are no date
        return Instrument(symbol=symbol, underlying=symbol)
    from alchemiser_cli.market.chains.listing import close_of  # it loads NumPy

    return Instrument(
        symbol=symbol,
        underlying=found["underlying"],
        multiplier=float(multiplier),
        expiry_ns=close_of(expiry),
        strike=float(found["strike"]),
        is_call=found["right"] == "C",
    )
