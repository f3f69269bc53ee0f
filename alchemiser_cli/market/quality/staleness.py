"""Symbols that went silent, against their own usual pace and against their peers."""

from typing import TYPE_CHECKING, Literal

import msgspec

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.market.quality.recent import MAX_SYMBOLS, RecentSymbols
from alchemiser_cli.settings.sections import QualitySettings

if TYPE_CHECKING:
    from alchemiser_cli.market.columns import TickColumns

__all__ = ["StaleSymbol", "StalenessMonitor"]

# The weight of the newest gap in the usual one, which begins as the mean of the first ten.
ALPHA = 0.1
# A gap counts as at most this many usual ones, so that one silence does not become usual.
MOST_USUAL_GAPS = 4.0
# Fewer gaps do not tell what is usual.
GAPS_TO_KNOW = 3


class StaleSymbol(msgspec.Struct, frozen=True, kw_only=True):
    """What is silent for longer than usual; ``symbol`` is empty where a whole venue is.

    ``usual_s`` is the usual time between two ticks, of the symbol or of the venue.
    """

    symbol: str
    venue: str
    silent_s: float
    usual_s: float
    scope: Literal["symbol", "venue"]


class _Pace:
    """One symbol's pace; ``ticks`` came since ``since_ns`` and are not learnt yet."""

    __slots__ = ("gaps", "last_ns", "since_ns", "ticks", "usual_ns")

    def __init__(self, at_ns: int) -> None:
        self.usual_ns = 0.0
        self.gaps = 0
        self.begin(at_ns)

    def begin(self, at_ns: int) -> None:
        self.last_ns = self.since_ns = at_ns
        self.ticks = 0


class StalenessMonitor:
    """Learns how often each symbol ticks, and tells who is silent for too long.

    The usual gap is an exponentially weighted mean of gaps, each capped at four usual ones or
    the floor. Gaps so short that they change no verdict are averaged before they are learnt;
    ticks that come at one instant are one, for it is silence that is measured. A
    symbol is stale when it was silent for ``stale_factor`` usual gaps and ``stale_floor_s``,
    unless its whole venue is silent for the same multiple of the venue's own usual gap (the
    rates of its symbols add up): that is one finding and not a thousand.
    A symbol with fewer than three gaps is not judged. At most 100,000 symbols are kept.
    """

    def __init__(
        self, settings: QualitySettings, clock: Clock, max_symbols: int = MAX_SYMBOLS
    ) -> None:
        """Begin with no pace known."""
        self._factor = settings.stale_factor
        self._floor_ns = settings.stale_floor_s * NS_PER_SECOND
        self._stretch_ns = self._floor_ns / self._factor
        self._clock = clock
        self._closed_ns: int | None = None
        self._paces: RecentSymbols[_Pace] = RecentSymbols(max_symbols)

    def seen(self, symbol: str, venue: str, at_ns: int | None = None) -> None:
        """Take note of a tick that came at ``at_ns``, UTC nanoseconds; unset: now."""
        if at_ns is None:
            at_ns = self._clock.now_ns()
        table = self._paces.young.get(venue)
        pace = None if table is None else table.get(symbol)
        if pace is None and (pace := self._paces.find(venue, symbol)) is None:
            self._paces.add(venue, symbol, _Pace(at_ns))
        elif at_ns > pace.last_ns:
            pace.last_ns = at_ns
            pace.ticks += 1
            if at_ns - pace.since_ns >= self._stretch_ns:
                self._learn(pace, at_ns)
        elif at_ns < pace.last_ns - self._floor_ns:  # not merely late: the clock was set back
            pace.begin(at_ns)

    def seen_columns(self, columns: "TickColumns", at_ns: int | None = None) -> None:
        """Take note of ticks that all came at ``at_ns``, as ``seen`` would."""
        if at_ns is None:
            at_ns = self._clock.now_ns()
        venues, symbols = columns.venue.tolist(), columns.symbol.tolist()
        paces = self._paces.find_all(venues, symbols)
        for pace, venue, symbol in zip(paces, venues, symbols, strict=True):
            if pace is None or at_ns < pace.last_ns:
                self.seen(symbol, venue, at_ns)
            elif at_ns > pace.last_ns:
                pace.last_ns = at_ns
                pace.ticks += 1
                if at_ns - pace.since_ns >= self._stretch_ns:
                    self._learn(pace, at_ns)

    def stale(self, at_ns: int | None = None, *, is_open: bool = True) -> list[StaleSymbol]:
        """Return what is stale at ``at_ns``, UTC nanoseconds; unset: now.

        Args:
            at_ns: the moment of the judgement.
            is_open: whether the market is open. While it is not, nothing is stale, and silence
                begins to count when it was last said to be closed.

        Returns:
            Whole venues and single symbols, the longest silence first.
        """
        if at_ns is None:
            at_ns = self._clock.now_ns()
        if not is_open or (self._closed_ns is not None and at_ns < self._closed_ns):
            self._closed_ns = at_ns  # or the clock was set back
        if not is_open:
            return []
        venues: dict[str, list[tuple[str, _Pace]]] = {}
        for venue, symbol, pace in self._paces.items():
            venues.setdefault(venue, []).append((symbol, pace))
        found: list[StaleSymbol] = []
        for venue, paces in venues.items():
            found += self._of_venue(venue, paces, at_ns)
        return sorted(found, key=lambda stale: (-stale.silent_s, stale.venue, stale.symbol))

    def _learn(self, pace: _Pace, at_ns: int) -> None:
        gap = (at_ns - pace.since_ns) / pace.ticks
        pace.since_ns = at_ns
        pace.ticks = 0
        pace.gaps += 1
        if pace.gaps > 1:
            gap = min(gap, max(MOST_USUAL_GAPS * pace.usual_ns, self._floor_ns))
        pace.usual_ns += max(ALPHA, 1.0 / pace.gaps) * (gap - pace.usual_ns)

    def _of_venue(
        self, venue: str, paces: list[tuple[str, _Pace]], at_ns: int
    ) -> list[StaleSymbol]:
        known = [(symbol, pace) for symbol, pace in paces if pace.gaps >= GAPS_TO_KNOW]
        if not known:
            return []
        newest_ns = max(pace.last_ns for _, pace in paces)
        usual_ns = 1.0 / sum(1.0 / pace.usual_ns for _, pace in known)
        if self._too_long(newest_ns, usual_ns, at_ns):
            return [self._stale("venue", "", venue, newest_ns, usual_ns, at_ns)]
        return [
            self._stale("symbol", symbol, venue, pace.last_ns, pace.usual_ns, at_ns)
            for symbol, pace in known
            if self._too_long(pace.last_ns, pace.usual_ns, at_ns)
        ]

    def _too_long(self, last_ns: int, usual_ns: float, at_ns: int) -> bool:
        return self._silent_ns(last_ns, at_ns) > max(self._factor * usual_ns, self._floor_ns)

    def _silent_ns(self, last_ns: int, at_ns: int) -> int:
        return at_ns - (last_ns if self._closed_ns is None else max(last_ns, self._closed_ns))

    def _stale(
        self,
        scope: Literal["symbol", "venue"],
        symbol: str,
        venue: str,
        last_ns: int,
        usual_ns: float,
        at_ns: int,
    ) -> StaleSymbol:
        return StaleSymbol(
            symbol=symbol,
            venue=venue,
            silent_s=self._silent_ns(last_ns, at_ns) / NS_PER_SECOND,
            usual_s=usual_ns / NS_PER_SECOND,
            scope=scope,
        )
