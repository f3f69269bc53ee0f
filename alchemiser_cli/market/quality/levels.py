"""The level of every symbol's price: what is a jump, and when a new level is believed."""

import math
from collections import deque
from collections.abc import Iterable
from statistics import median
from typing import Final

from alchemiser_cli.market.quality.recent import MAX_SYMBOLS, RecentSymbols
from alchemiser_cli.market.quality.violation import Violation
from alchemiser_cli.settings.sections import QualitySettings

__all__ = ["PRICE_JUMP", "PriceLevel", "PriceLevels"]

PRICE_JUMP: Final = "price-jump"

# Fewer prices say too little about how far the next one may be.
WARM_UP = 8
# Makes the median absolute deviation estimate the standard deviation of a normal distribution.
MAD_TO_SIGMA = 1.4826


class PriceLevel:
    """One symbol's recent prices, and the robust band around them.

    ``near`` is the last price, or NaN while jumps are under observation and where it is not
    above zero: the comparison of the usual case is then false. ``middle`` and ``width`` were
    computed ``since`` prices ago.
    """

    __slots__ = ("jumped", "middle", "near", "prices", "since", "width")

    def __init__(self, price: float, window: int) -> None:
        self.prices = deque([price], window)
        self.near = price if price > 0 else math.nan
        self.jumped: list[float] = []
        self.since = 1
        self.middle = price
        self.width = 0.0


class PriceLevels:
    """Judges each price against the median and MAD of its symbol's last prices.

    A price within ``jump_floor`` of the last one is plausible without more, so that the median
    is needed only where something moved. The band is recomputed after a quarter of the window,
    and before any price is called a jump. Jumps are not learnt, but where
    ``jump_believed_after`` of them in a row lie within one band's width, on one side, the market
    did move (an overnight gap, a split): the window is moved to the new level, with the relative
    spread that it had. The first 8 prices of a symbol are believed.

    A price whose ratio to the level's ``near`` is from ``least`` to ``most`` may be learnt
    without a call; any other must go through ``judge``.
    """

    def __init__(self, settings: QualitySettings, max_symbols: int = MAX_SYMBOLS) -> None:
        """Begin with no prices known."""
        self.recent: RecentSymbols[PriceLevel] = RecentSymbols(max_symbols)
        self.least = 1 - settings.jump_floor
        self.most = 1 + settings.jump_floor
        self._floor = settings.jump_floor
        self._window = settings.jump_window
        self._refresh = max(1, settings.jump_window // 4)
        self._sigmas = settings.jump_sigmas
        self._believed_after = settings.jump_believed_after

    def judge(self, venue: str, symbol: str, price: float) -> Violation | None:
        """Judge the next price, and learn it where it is plausible."""
        if not math.isfinite(price):
            return None  # another rule's matter; nothing can be learnt from it
        level = self.recent.find(venue, symbol)
        if level is None:
            self.recent.add(venue, symbol, PriceLevel(price, self._window))
            return None
        last = level.prices[-1]
        if (
            abs(price - last) <= self._floor * abs(last)
            or len(level.prices) < min(WARM_UP, self._window)
            or self._within(level, price)
        ):
            level.jumped.clear()
            level.prices.append(price)
            level.since += 1
            level.near = price if price > 0 else math.nan
            return None
        return self._jump(level, price)

    def _within(self, level: PriceLevel, price: float) -> bool:
        if level.since >= self._refresh:
            self._measure(level)
        if abs(price - level.middle) <= level.width:
            return True
        if level.since:
            self._measure(level)
        return abs(price - level.middle) <= level.width

    def _measure(self, level: PriceLevel) -> None:
        middle = median(level.prices)
        sigma = MAD_TO_SIGMA * median([abs(price - middle) for price in level.prices])
        level.middle = middle
        level.width = max(self._sigmas * sigma, self._floor * abs(middle))
        level.since = 0

    def _jump(self, level: PriceLevel, price: float) -> Violation | None:
        middle, width, jumped = level.middle, level.width, level.jumped
        level.near = math.nan
        if jumped and not (
            (price > middle) == (jumped[-1] > middle)
            and abs(price - jumped[-1]) <= max(width, self._floor * abs(price))
        ):
            jumped.clear()
        jumped.append(price)
        if len(jumped) >= self._believed_after:
            self._move(level)
            return None
        return Violation(
            PRICE_JUMP,
            f"price {price:g} is {abs(price - middle):g} away from the recent median {middle:g}, "
            f"and {width:g} is allowed",
            {"price": price, "median": middle, "allowed": width, "last": level.prices[-1]},
        )

    def _move(self, level: PriceLevel) -> None:
        moved: Iterable[float] = ()
        if level.middle > 0:
            ratio = median(level.jumped) / level.middle
            moved = (price * ratio for price in level.prices)
        level.prices = deque((p for p in moved if 0 < p < math.inf), self._window)
        level.prices.extend(level.jumped)
        level.near = level.jumped[-1] if level.jumped[-1] > 0 else math.nan
        level.jumped.clear()
        self._measure(level)
