"""Breakout: follow a price that leaves the channel of its last highs and lows.

Source: Richard Donchian's channels (1960); the two lengths for entry and exit are those of the
rules taught to the Turtles (Faith, Way of the Turtle, 2007).
"""

from collections.abc import Mapping
from types import MappingProxyType

from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.trading.strategies.parameters import BreakoutParameters
from alchemiser_cli.trading.strategies.rule import RuleMemory, Side
from alchemiser_cli.trading.strategies.windows import MovingExtreme

__all__ = ["Breakout"]

_FEATURES = MappingProxyType(
    {"place": True, "width": False, "exit_above": False, "exit_below": False}
)


class Breakout:
    """The rule. The channels are those of the rows before this one.

    ``place`` is where the price lies in the entry channel, from -1 at its low to 1 at its high;
    ``width`` is the channel's, as a share of the price. ``exit_above`` and ``exit_below`` are how
    far the exit channel's high and low are above and below the price, as its share.
    """

    features = _FEATURES

    def __init__(self, parameters: BreakoutParameters) -> None:
        """Keep the parameters."""
        self._parameters = parameters

    @property
    def rebalance(self) -> float | None:
        """A position keeps its size until it is closed."""
        return None

    def memory(self) -> RuleMemory:
        """Return an empty memory: the extremes of the last rows."""
        return _Memory(self._parameters)

    def side(self, features: Mapping[str, float], held: Side) -> Side:
        """Return the side of a breakout; a held one lasts until the exit channel is left."""
        place = features["place"]
        if place > 1.0:
            return 1
        if place < -1.0:
            return -1
        left = features["exit_below"] if held > 0 else features["exit_above"]
        return held if left > 0.0 else 0

    def scale(self, features: Mapping[str, float]) -> float:  # noqa: ARG002  a whole position
        """Return 1: every position is a whole one."""
        return 1.0

    def stop(self, features: Mapping[str, float], price: float, side: Side) -> float | None:
        """Return the far side of the exit channel."""
        if side > 0:
            below = features["exit_below"]
            return price * (1.0 - below) if 0.0 < below < 1.0 else None
        above = features["exit_above"]
        return price * (1.0 + above) if above > 0.0 else None


class _Memory:
    __slots__ = ("_entry_high", "_entry_low", "_exit_high", "_exit_low")

    def __init__(self, parameters: BreakoutParameters) -> None:
        self._entry_high = MovingExtreme(parameters.entry_rows)
        self._entry_low = MovingExtreme(parameters.entry_rows)  # of the negatives
        self._exit_high = MovingExtreme(parameters.exit_rows)
        self._exit_low = MovingExtreme(parameters.exit_rows)

    def update(self, tick: Tick) -> dict[str, float] | None:
        features = self._features(tick.price) if self._entry_high.full else None
        price, high, low = tick.price, tick.high, tick.low
        high = price if high is None or not high >= price else high
        low = price if low is None or not 0.0 < low <= price else low
        self._entry_high.push(high)
        self._entry_low.push(-low)
        self._exit_high.push(high)
        self._exit_low.push(-low)
        return features

    def _features(self, price: float) -> dict[str, float]:
        top, bottom = self._entry_high.value, -self._entry_low.value
        width = top - bottom
        if width > 0.0:
            place = (2.0 * price - top - bottom) / width
        else:  # a channel without width: any movement leaves it
            place = 2.0 if price > top else -2.0 if price < bottom else 0.0
        return {
            "place": place,
            "width": width / price,
            "exit_above": self._exit_high.value / price - 1.0,
            "exit_below": 1.0 + self._exit_low.value / price,
        }
