"""Symbols of option contracts: ours, and those of the Options Clearing Corporation.

Source: OCC's Option Symbology Initiative: root, expiry as YYMMDD, C or P, and the strike in
thousandths with eight digits. Alpaca writes the root without the padding to six characters.
"""

import datetime as dt
import re
from decimal import Decimal

from alchemiser_cli.trading import instruments

__all__ = ["alpaca_symbol", "our_symbol"]

_CONTRACT = re.compile(r"([A-Z0-9.]{1,6})(\d{6})([CP])(\d{8})", re.ASCII)
_OURS = re.compile(r"([A-Z0-9.]{1,6})-(\d{8})-([CP])-(\d{1,5}(?:\.\d{1,3})?)", re.ASCII)
_THOUSANDTHS = 1_000
_CENTURY = 2_000


def alpaca_symbol(symbol: str) -> str:
    """Return our ``symbol`` as Alpaca writes it: SPX-20180119-C-2750 as SPX180119C02750000.

    What is no contract of ours is the symbol of an underlying, and stays.
    """
    found = _OURS.fullmatch(symbol)
    if found is None or not found[2].startswith("20"):
        return symbol
    strike = int(Decimal(found[4]) * _THOUSANDTHS)
    return f"{found[1]}{found[2][2:]}{found[3]}{strike:08d}"


def our_symbol(symbol: str) -> str:
    """Return Alpaca's ``symbol`` as ours: SPX180119C02750000 as SPX-20180119-C-2750."""
    found = _CONTRACT.fullmatch(symbol)
    if found is None:
        return symbol
    day = found[2]
    try:
        expiry = dt.date(_CENTURY + int(day[:2]), int(day[2:4]), int(day[4:]))
    except ValueError:  # six digits that are no date
        return symbol
    strike = int(found[4]) / _THOUSANDTHS
    return instruments.contract_symbol(found[1], expiry, is_call=found[3] == "C", strike=strike)
