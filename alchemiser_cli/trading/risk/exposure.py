"""What all positions and working orders come to, and how much more fits under the limits."""

import math
from collections.abc import Iterable, Mapping

from alchemiser_cli.trading.account import AccountView
from alchemiser_cli.trading.instruments import instrument_of
from alchemiser_cli.trading.risk.notional import UnitNotional, unit_notional
from alchemiser_cli.trading.risk.working import WorkingOrders

__all__ = ["Exposure", "symbol_exposure", "units_within"]


class Exposure:
    """The account's exposure in the worst case: each symbol at the worse of its two sides.

    Symbols are summed without regard to sign: no netting between them, hedges included. ``held``
    are the account's net positions, which the caller has at hand.
    """

    def __init__(self, account: AccountView, working: WorkingOrders, multiplier: int) -> None:
        """Look at ``account`` and ``working``; ``multiplier`` is that of option contracts."""
        self._account = account
        self._working = working
        self._multiplier = multiplier
        self._is_option: dict[str, bool] = {}

    def count(self, held: Mapping[str, int], besides: str = "") -> int:
        """Return in how many symbols there is a position or an order, ``besides`` left out."""
        count, ordered = len(held) - (besides in held), self._working.by_symbol
        return count + _more(ordered, held, besides) if ordered else count

    def count_of(self, strategy: str, besides: str = "") -> int:
        """Return the same for one strategy's own positions."""
        held = self._account.positions(strategy)
        ordered = self._working.symbols_of(strategy)
        return len(held) - (besides in held) + _more(ordered, held, besides)

    def total(self, held: Mapping[str, int], besides: str = "") -> float | None:
        """Return the sum of notionals in the currency, ``besides`` left out.

        None where something is held or ordered of which no price is known.
        """
        price_of, ordered, known = self._account.price, self._working.by_symbol, self._is_option
        total = 0.0
        for symbol, net in held.items():
            if symbol == besides:
                continue
            is_option = known.get(symbol)
            if is_option is None:
                is_option = known[symbol] = instrument_of(symbol, self._multiplier).is_option
            if not is_option and symbol not in ordered:
                # What symbol_exposure comes to, without its cost: this runs for each position.
                price = price_of(symbol)
                if price is None or not 0.0 < price < math.inf:
                    return None
                total += net * price if net > 0 else -net * price
                continue
            exposure = self._exposure_of(symbol, net)
            if exposure is None:
                return None
            total += exposure
        for symbol in ordered:
            if symbol in held or symbol == besides:
                continue
            exposure = self._exposure_of(symbol, 0)
            if exposure is None:
                return None
            total += exposure
        return total

    def _exposure_of(self, symbol: str, net: int) -> float | None:
        unit = unit_notional(self._account, instrument_of(symbol, self._multiplier))
        if unit is None:
            return None
        buys, sells = self._working.of_symbol(symbol)
        return symbol_exposure(unit, net + buys, net - sells)


def symbol_exposure(unit: UnitNotional, most_long: int, most_short: int) -> float:
    """Return the notional of the worse side of a symbol; positions are signed."""
    long_unit, short_unit = unit
    return max(most_long * long_unit, -most_short * short_unit, 0.0)


def units_within(amount: float, unit: float) -> float:
    """Return how many whole units of ``unit`` fit into ``amount``, at least 0; inf if it is free.

    Their product never exceeds the amount, rounding included.
    """
    if not amount > 0.0:
        return 0.0
    if unit <= 0.0:
        return math.inf
    fit = math.floor(amount / unit)
    while fit > 0 and fit * unit > amount:
        fit -= 1
    return float(fit)


def _more(ordered: Iterable[str], held: Mapping[str, int], besides: str) -> int:
    """Return how many symbols are ordered that are not held."""
    count = 0
    for symbol in ordered:
        count += symbol not in held and symbol != besides
    return count
