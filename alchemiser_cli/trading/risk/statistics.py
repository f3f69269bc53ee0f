"""How trades end: hit ratio, slippage, and whether the stated confidence was right."""

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from alchemiser_cli.trading.instruments import instrument_of
from alchemiser_cli.trading.orders import Execution
from alchemiser_cli.trading.risk.working import WorkingOrder

__all__ = ["TradeStatistics", "calibration_error"]

HITS = 100
FILLS = 100
CALIBRATION = 500
BINS = 10
EXECUTIONS = 65_536


@dataclass(slots=True)
class _RoundTrip:
    quantity: int = 0
    cost: float = 0.0
    profit: float = 0.0
    confidence: float | None = None


class TradeStatistics:
    """Figures over the last trades. A trade lasts from flat to flat or through zero.

    ``hit_ratio`` is the share of the last 100 that made money after commission, ``slippage`` how
    much worse the last 100 fills were than the price that their signals rested on, as a share,
    and ``calibration`` the error over the last 500 that had a confidence. Each is None before the
    first one.
    """

    def __init__(self, multiplier: int) -> None:
        """Start with nothing; ``multiplier`` is that of option contracts."""
        self._multiplier = multiplier
        self._open: dict[tuple[str, str], _RoundTrip] = {}
        self._hits: deque[bool] = deque(maxlen=HITS)
        self._slippage: deque[float] = deque(maxlen=FILLS)
        self._calibration: deque[tuple[float, bool]] = deque(maxlen=CALIBRATION)
        self._seen: dict[str, None] = {}

    @property
    def hit_ratio(self) -> float | None:
        """Share of the last trades that made money."""
        return sum(self._hits) / len(self._hits) if self._hits else None

    @property
    def slippage(self) -> float | None:
        """Mean share by which the last fills were worse than their reference price."""
        return math.fsum(self._slippage) / len(self._slippage) if self._slippage else None

    @property
    def calibration(self) -> float | None:
        """Expected calibration error of the last trades."""
        return calibration_error(self._calibration) if self._calibration else None

    def knows(self, execution_id: str) -> bool:
        """Tell whether this execution was counted; the last 65,536 are remembered."""
        return execution_id in self._seen

    def count(self, execution: Execution, order: WorkingOrder | None) -> None:
        """Count an execution; ``order`` is the one that it belongs to, if it is known."""
        self._seen[execution.execution_id] = None
        if len(self._seen) > EXECUTIONS:
            del self._seen[next(iter(self._seen))]
        if order is not None and order.reference_price > 0.0:
            worse = execution.price / order.reference_price - 1.0
            self._slippage.append(worse if execution.change > 0 else -worse)
        pair = (execution.strategy_id, execution.symbol)
        trip = self._open.setdefault(pair, _RoundTrip())
        closing = _closing(trip.quantity, execution.change)
        opening = execution.change - closing
        share = abs(closing / execution.change) if execution.change else 0.0
        if closing:
            average = trip.cost / trip.quantity
            worth = instrument_of(execution.symbol, self._multiplier).multiplier
            trip.profit += -closing * (execution.price - average) * worth
            trip.profit -= execution.commission * share
            trip.cost += closing * average
            trip.quantity += closing
            if not trip.quantity:
                self._ended(trip)
                del self._open[pair]
        if opening:
            trip = self._open.setdefault(pair, _RoundTrip())
            if not trip.quantity:
                trip.confidence = None if order is None else order.confidence
            trip.quantity += opening
            trip.cost += opening * execution.price
            trip.profit -= execution.commission * (1.0 - share)

    def _ended(self, trip: _RoundTrip) -> None:
        won = trip.profit > 0.0
        self._hits.append(won)
        if trip.confidence is not None and 0.0 <= trip.confidence <= 1.0:
            self._calibration.append((trip.confidence, won))


def calibration_error(trades: Iterable[tuple[float, bool]]) -> float:
    """Return the expected calibration error over ten bins of equal width, 0 to 1.

    The mean over trades of how far, in their bin, the mean confidence is from the share that won
    (Guo et al., On Calibration of Modern Neural Networks, 2017).

    Args:
        trades: Confidence from 0 to 1, and whether the trade won; one at least.
    """
    gaps = [0.0] * BINS
    count = 0
    for confidence, won in trades:
        gaps[min(int(confidence * BINS), BINS - 1)] += confidence - won
        count += 1
    return math.fsum(abs(gap) for gap in gaps) / count


def _closing(position: int, change: int) -> int:
    """Return the part of ``change`` that takes ``position`` towards zero, signed."""
    if position * change >= 0:
        return 0
    return max(-abs(position), -abs(change)) * (1 if position > 0 else -1)
