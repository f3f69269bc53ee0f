"""The gate: what the market cannot have produced is told from what it can."""

import math
from typing import TYPE_CHECKING, Any

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.market.quality.levels import PRICE_JUMP, PriceLevels
from alchemiser_cli.market.quality.recent import MAX_SYMBOLS
from alchemiser_cli.market.quality.rulebook import Circumstances, rules
from alchemiser_cli.market.quality.violation import Violation
from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.settings.sections import QualitySettings
from alchemiser_cli.telemetry import SILENT, Counter, Telemetry
from alchemiser_cli.telemetry.names import TICKS_IMPLAUSIBLE

if TYPE_CHECKING:
    from alchemiser_cli.market.columns import TickColumns

__all__ = ["PlausibilityGate"]

_INFINITE = math.inf


class PlausibilityGate:
    """Judges ticks in the order in which they come, by the rules that ``rules`` lists.

    A tick that is sound at one look is only compared with its symbol's last price; the rules
    are asked one by one where something is odd. What is implausible is counted by its rule, and
    nothing is learnt from it.
    """

    def __init__(
        self,
        settings: QualitySettings,
        clock: Clock,
        telemetry: Telemetry = SILENT,
        max_symbols: int = MAX_SYMBOLS,
    ) -> None:
        """Begin with no prices known; at most ``max_symbols`` (venue, symbol) pairs are kept."""
        self._rules = [rule for rule in rules() if rule.name not in settings.rules_off]
        self._jumps = PRICE_JUMP not in settings.rules_off
        self._symbols = frozenset(settings.symbols)
        self._max_ahead_ns = round(settings.max_ahead_s * NS_PER_SECOND)
        self._levels = PriceLevels(settings, max_symbols)
        self._recent = self._levels.recent
        self._least, self._most = self._levels.least, self._levels.most
        self._clock = clock
        self._counters: dict[str, Counter] = {
            rule.name: telemetry.counter(TICKS_IMPLAUSIBLE, rule=rule.name) for rule in self._rules
        }

    def judge(self, tick: Tick, now_ns: int | None = None) -> Violation | None:
        """Return the first rule that ``tick`` breaks, or None where it is plausible.

        ``now_ns`` is our time, UTC nanoseconds; unset: the clock is asked.
        """
        if now_ns is None:
            now_ns = self._clock.now_ns()
        if not (
            tick.event_time_ns <= now_ns + self._max_ahead_ns
            and _sound(tick)
            and (not self._symbols or tick.symbol in self._symbols)
        ):
            return self._ask(tick, now_ns)
        if not self._jumps:
            return None
        table = self._recent.young.get(tick.venue)
        level = None if table is None else table.get(tick.symbol)
        price = tick.price
        if level is not None and self._least <= price / level.near <= self._most:
            level.prices.append(price)
            level.near = price
            level.since += 1
            return None
        return self._counted(self._levels.judge(tick.venue, tick.symbol, price))

    def judge_columns(
        self, columns: "TickColumns", now_ns: int | None = None
    ) -> list[tuple[int, Violation]]:
        """Return the rows that are implausible, and why: exactly what ``judge`` would say.

        ``now_ns`` is our time for all rows, UTC nanoseconds; unset: the clock is asked.
        """
        import numpy as np

        if now_ns is None:
            now_ns = self._clock.now_ns()
        symbols = columns.symbol.tolist()
        odd = _odd(columns, now_ns + self._max_ahead_ns)
        if self._symbols and not self._symbols.issuperset(symbols):
            odd |= np.fromiter((name not in self._symbols for name in symbols), bool, len(symbols))
        asked: dict[int, Tick] = {}
        if odd.any():
            rows = odd.nonzero()[0]
            asked = dict(zip(rows.tolist(), columns.take(rows).ticks(), strict=True))
        if not self._jumps:
            found = [(row, self._ask(tick, now_ns)) for row, tick in asked.items()]
            return [(row, violation) for row, violation in found if violation is not None]
        # NaN is near nothing: an odd row takes the way of a jump, and is asked there
        prices = np.where(odd, np.nan, columns.price).tolist() if asked else columns.price.tolist()
        return self._judge_levels(columns.venue.tolist(), symbols, prices, asked, now_ns)

    def _judge_levels(
        self,
        venues: list[str],
        symbols: list[str],
        prices: list[float],
        asked: dict[int, Tick],
        now_ns: int,
    ) -> list[tuple[int, Violation]]:
        found = []
        least, most = self._least, self._most
        known = self._recent.find_all(venues, symbols)
        for row, (level, price) in enumerate(zip(known, prices, strict=True)):
            if level is not None and least <= price / level.near <= most:
                level.prices.append(price)
                level.near = price
                level.since += 1
                continue
            if row in asked:
                violation = self._ask(asked[row], now_ns)
            else:
                violation = self._counted(self._levels.judge(venues[row], symbols[row], price))
            if violation is not None:
                found.append((row, violation))
        return found

    def _ask(self, tick: Tick, now_ns: int) -> Violation | None:
        circumstances = Circumstances(self._symbols, now_ns, self._max_ahead_ns, self._levels)
        for rule in self._rules:
            violation = rule.judge(tick, circumstances)
            if violation is not None:
                return self._counted(violation)
        return None

    def _counted(self, violation: Violation | None) -> Violation | None:
        if violation is not None:
            self._counters[violation.rule].inc()
        return violation


def _sound(tick: Tick) -> bool:
    """Whether no rule about one tick's own numbers can be broken; NaN compares false."""
    price, bid, ask = tick.price, tick.bid, tick.ask
    opened, high, low = tick.open, tick.high, tick.low
    return (
        0.0 < price < _INFINITE
        and 0.0 <= tick.size < _INFINITE
        and (bid is None or 0.0 < bid < _INFINITE)
        and (ask is None or (0.0 < ask < _INFINITE and (bid is None or bid <= ask)))
        and (low is None or 0.0 < low <= price)
        and (high is None or price <= high < _INFINITE)
        and (
            opened is None
            or (
                0.0 < opened < _INFINITE
                and (low is None or low <= opened)
                and (high is None or opened <= high)
            )
        )
        and (tick.implied_volatility is None or math.isfinite(tick.implied_volatility))
    )


def _odd(columns: "TickColumns", latest_ns: int) -> Any:
    """Return a mask of the rows that may break a rule about their own numbers or their time."""
    import numpy as np

    price, low, high = columns.price, columns.low, columns.high
    odd = ~((price > 0.0) & (price < _INFINITE) & (columns.size >= 0.0))
    odd |= columns.event_time_ns > latest_ns
    # An absent field is NaN: fmin and fmax pass it over, and comparisons with it are false.
    odd |= np.fmin.reduce((columns.bid, columns.ask, columns.open, low, high)) <= 0.0
    finite = (columns.size, columns.bid, columns.ask, columns.open, low, high)
    odd |= np.fmax.reduce(finite) == _INFINITE
    odd |= abs(columns.implied_volatility) == _INFINITE
    odd |= columns.bid > columns.ask
    odd |= (low > high) | (price < low) | (price > high)
    odd |= (columns.open < low) | (columns.open > high)
    return odd
