"""The quality of what comes in: sequences, plausibility and pace, looked at tick by tick."""

import msgspec
import numpy as np

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors import MarketDataStaleError
from alchemiser_cli.logs import get_logger
from alchemiser_cli.market.columns import KINDS, TickColumns
from alchemiser_cli.market.quality import (
    PlausibilityGate,
    SequenceTracker,
    StalenessMonitor,
    StaleSymbol,
    Violation,
)
from alchemiser_cli.market.ticks import Tick, TickKind
from alchemiser_cli.settings.sections import QualitySettings
from alchemiser_cli.telemetry import SILENT, Telemetry

__all__ = ["QualityWatch", "Stock"]

_log = get_logger("market_data", "streaming.quality")


class Stock(msgspec.Struct, frozen=True):
    """What was seen so far: sequences lost, come twice and come late, and who is silent."""

    gaps: int = 0
    duplicates: int = 0
    reordered: int = 0
    stale: tuple[StaleSymbol, ...] = ()


class QualityWatch:
    """Looks at all ticks of a consumer, in the thread that fetches them."""

    def __init__(
        self, settings: QualitySettings, clock: Clock, telemetry: Telemetry = SILENT
    ) -> None:
        """Begin with nothing seen; without a quarantine, nothing is judged."""
        self._settings = settings
        self._clock = clock
        self._gate = PlausibilityGate(settings, clock, telemetry) if settings.quarantine else None
        self._sequences = _trackers(settings)
        self._staleness = StalenessMonitor(settings, clock)
        self._before = Stock()  # what earlier assignments added up to
        self.stock = Stock()

    def see(self, tick: Tick, now_ns: int) -> Violation | None:
        """Take the next tick of its partition; return the rule that it breaks.

        ``now_ns`` is UTC.
        """
        self._sequences[tick.kind].see(tick)
        self._staleness.seen(tick.symbol, tick.venue, now_ns)
        return None if self._gate is None else self._gate.judge(tick, now_ns)

    def see_columns(self, columns: TickColumns, now_ns: int) -> list[tuple[int, Violation]]:
        """Take the next ticks; return the rows that break a rule, ascending."""
        codes = np.unique(columns.kind)
        for code in codes.tolist():
            of_kind = columns if len(codes) == 1 else columns.take(columns.kind == code)
            self._sequences[KINDS[code]].see_columns(of_kind)
        self._staleness.seen_columns(columns, now_ns)
        return [] if self._gate is None else self._gate.judge_columns(columns, now_ns)

    def take_stock(self) -> None:
        """Renew ``stock``, which any thread may read."""
        totals = [tracker.snapshot().totals for tracker in self._sequences.values()]
        before = self._before
        stale = tuple(self._staleness.stale(self._clock.now_ns()))
        self._tell(stale)
        self.stock = Stock(
            gaps=before.gaps + sum(one.gaps for one in totals),
            duplicates=before.duplicates + sum(one.duplicates for one in totals),
            reordered=before.reordered + sum(one.reordered for one in totals),
            stale=stale,
        )

    def forget(self) -> None:
        """Count what is missing now as lost, and expect nothing of what comes next.

        Partitions go and come back with a gap that another consumer has filled.
        """
        for tracker in self._sequences.values():
            tracker.settle()
        self.take_stock()
        self._before = self.stock
        self._sequences = _trackers(self._settings)

    def _tell(self, stale: tuple[StaleSymbol, ...]) -> None:
        """Log who fell silent since the last look, and who came back."""
        before = {(one.venue, one.symbol) for one in self.stock.stale}
        now = {(one.venue, one.symbol): one for one in stale}
        for place in now.keys() - before:
            fields = msgspec.structs.asdict(now[place])
            _log.warning("market_data_stale", code=MarketDataStaleError.code, **fields)
        for venue, symbol in before - now.keys():
            _log.info("market_data_flows_again", venue=venue, symbol=symbol)


def _trackers(settings: QualitySettings) -> dict[TickKind, SequenceTracker]:
    """Return a tracker a kind: trades, quotes and bars of a symbol are numbered apart.

    Venues number quotes by their book's updates, of which a quote shows only some.
    """
    return {
        kind: SequenceTracker(settings.reorder_window, gapless=kind != "quote") for kind in KINDS
    }
