"""Time-series momentum: hold what rose, short what fell, the calmer the more.

Source: Moskowitz, Ooi and Pedersen, Time series momentum, Journal of Financial Economics 104,
2012: the sign of the past return, scaled by the volatility that can be known beforehand.
"""

from collections import deque
from collections.abc import Mapping
from math import exp, log, sqrt
from types import MappingProxyType

from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.trading.strategies.parameters import MomentumParameters
from alchemiser_cli.trading.strategies.rule import RuleMemory, Side
from alchemiser_cli.trading.strategies.windows import MovingMoments

__all__ = ["Momentum"]

_FEATURES = MappingProxyType({"past_return": True, "trend": True, "volatility": False})


class Momentum:
    """The rule. ``trend`` is the past return in deviations of as many rows."""

    features = _FEATURES

    def __init__(self, parameters: MomentumParameters) -> None:
        """Keep the parameters."""
        self._parameters = parameters
        self._rows_root = sqrt(parameters.rows_per_year)

    @property
    def rebalance(self) -> float | None:
        """How far off a position's size may be before it is resized."""
        return self._parameters.rebalance

    def memory(self) -> RuleMemory:
        """Return an empty memory: the last logarithmic prices and the moments of their changes."""
        return _Memory(self._parameters)

    def side(self, features: Mapping[str, float], held: Side) -> Side:
        """Return the sign of the past return; where nothing moved, stay."""
        past = features["past_return"]
        return 1 if past > 0 else -1 if past < 0 else held

    def scale(self, features: Mapping[str, float]) -> float:
        """Return target volatility over volatility, at most 1."""
        volatility = features["volatility"]
        wanted = self._parameters.target_volatility
        return wanted / volatility if volatility > wanted else 1.0

    def stop(self, features: Mapping[str, float], price: float, side: Side) -> float | None:
        """Return the price some deviations of one row away."""
        deviation = features["volatility"] / self._rows_root
        if deviation == 0.0:
            return None
        return price * exp(-side * min(self._parameters.stop_deviations * deviation, 50.0))


class _Memory:
    __slots__ = ("_changes", "_lookback", "_prices", "_root", "_rows_root")

    def __init__(self, parameters: MomentumParameters) -> None:
        self._lookback = parameters.lookback
        self._prices: deque[float] = deque(maxlen=parameters.lookback + 1)
        self._changes = MovingMoments(parameters.volatility_rows)
        self._root = sqrt(parameters.lookback)
        self._rows_root = sqrt(parameters.rows_per_year)

    def update(self, tick: Tick) -> dict[str, float] | None:
        price = log(tick.price)
        prices, changes = self._prices, self._changes
        if prices:
            changes.push(price - prices[-1])
        prices.append(price)
        if len(prices) <= self._lookback or not changes.full:
            return None
        past = price - prices[0]
        deviation = changes.deviation
        return {
            "past_return": past,
            "trend": past / (deviation * self._root) if deviation else 0.0,
            "volatility": deviation * self._rows_root,
        }
