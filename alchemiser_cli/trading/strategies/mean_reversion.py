"""Mean reversion: trade against a price that is far from its own mean, until it is back.

Source: Poterba and Summers, Mean reversion in stock prices, Journal of Financial Economics 22,
1988; the z-score with thresholds for entry, exit and stop as in Gatev, Goetzmann and
Rouwenhorst, Pairs trading, Review of Financial Studies 19, 2006.
"""

from collections.abc import Mapping
from types import MappingProxyType

from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.trading.strategies.parameters import MeanReversionParameters
from alchemiser_cli.trading.strategies.rule import RuleMemory, Side
from alchemiser_cli.trading.strategies.windows import MovingMoments

__all__ = ["MeanReversion"]

_FEATURES = MappingProxyType({"z_score": True, "deviation": False, "last_return": True})


class MeanReversion:
    """The rule. ``deviation`` is the prices' standard deviation as a share of the price."""

    features = _FEATURES

    def __init__(self, parameters: MeanReversionParameters) -> None:
        """Keep the parameters."""
        self._parameters = parameters

    @property
    def rebalance(self) -> float | None:
        """A position keeps its size until it is closed."""
        return None

    def memory(self) -> RuleMemory:
        """Return an empty memory: the moments of the last prices."""
        return _Memory(self._parameters.window)

    def side(self, features: Mapping[str, float], held: Side) -> Side:
        """Return the side against the move; a held one lasts until the exit or the stop."""
        parameters, z = self._parameters, features["z_score"]
        if held:
            below = -z * held  # how far the price is on the side that the trade was opened on
            if parameters.exit < below < parameters.stop:
                return held
        away = abs(z)
        if parameters.entry <= away < parameters.stop:
            return -1 if z > 0 else 1
        return 0

    def scale(self, features: Mapping[str, float]) -> float:  # noqa: ARG002  a whole position
        """Return 1: every position is a whole one."""
        return 1.0

    def stop(self, features: Mapping[str, float], price: float, side: Side) -> float | None:
        """Return the price at which the score reaches the stop, with mean and deviation as now."""
        unit = features["deviation"] * price
        at = price - features["z_score"] * unit - side * self._parameters.stop * unit
        return at if at > 0 and (price - at) * side > 0 else None


class _Memory:
    __slots__ = ("_last", "_prices")

    def __init__(self, window: int) -> None:
        self._prices = MovingMoments(window)
        self._last = 0.0

    def update(self, tick: Tick) -> dict[str, float] | None:
        price, last = tick.price, self._last
        self._last = price
        prices = self._prices
        prices.push(price)
        if not prices.full:
            return None
        deviation = prices.deviation
        return {
            "z_score": (price - prices.mean) / deviation if deviation else 0.0,
            "deviation": deviation / price,
            "last_return": price / last - 1.0,
        }
