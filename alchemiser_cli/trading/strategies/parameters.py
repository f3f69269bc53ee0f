"""The parameters of the built-in kinds, typed and bounded: what a definition may set."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

__all__ = [
    "SIZING",
    "BreakoutParameters",
    "MeanReversionParameters",
    "MomentumParameters",
    "RuleParameters",
    "convert_parameters",
]

Rows = Annotated[int, Meta(ge=2, le=100_000)]
Positive = Annotated[float, Meta(gt=0, le=1e6)]


class RuleParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every built-in kind can be given. Rows are ticks of one symbol.

    ``allocation`` is the share of equity that a full position is worth (of a contract: its
    premium times the multiplier); ``quantity`` fixes the units or contracts instead. With a model,
    a trade is opened only at ``min_confidence``, the probability that it wins within ``horizon``
    rows. ``max_symbols`` is how many symbols are remembered; the least recent is forgotten.
    """

    allocation: Annotated[float, Meta(gt=0, le=10)] = 0.2
    quantity: Annotated[int, Meta(ge=1, le=10_000_000)] | None = None
    allow_short: bool = True
    min_confidence: Annotated[float, Meta(ge=0, le=1)] = 0.5
    horizon: Annotated[int, Meta(ge=1, le=10_000)] = 5
    max_symbols: Annotated[int, Meta(ge=1, le=100_000)] = 4_096

    def __post_init__(self) -> None:
        """Refuse numbers that are not finite, which no bound catches."""
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"{name} is not a finite number")


SIZING = frozenset({"allocation", "quantity", "min_confidence", "max_symbols"})
"""Parameters that change how much is traded, not what a rule sees: a model outlives them."""


class MomentumParameters(RuleParameters, frozen=True, kw_only=True):
    """Time-series momentum: the sign of the return over ``lookback`` rows.

    The position is scaled to ``target_volatility`` a year, up to the allocation, by the deviation
    of the last ``volatility_rows`` returns; ``rows_per_year`` makes it one of a year. A position is
    resized only when it is off by more than ``rebalance``, as a share of what it should be.
    ``stop_deviations`` is the stop's distance, in deviations of a row.
    """

    lookback: Rows = 126
    volatility_rows: Rows = 60
    rows_per_year: Positive = 252.0
    target_volatility: Positive = 0.15
    rebalance: Annotated[float, Meta(ge=0, le=10)] = 0.25
    stop_deviations: Positive = 4.0


class MeanReversionParameters(RuleParameters, frozen=True, kw_only=True):
    """Mean reversion: how many deviations the price is away from its mean of ``window`` rows.

    A trade against the move is opened from ``entry`` deviations on, closed within ``exit`` of the
    mean, and given up from ``stop`` on, where none is opened either.
    """

    window: Rows = 20
    entry: Positive = 1.5
    exit: Annotated[float, Meta(ge=0, le=1e6)] = 0.25  # allow no-print: the field's own word
    stop: Positive = 4.0

    def __post_init__(self) -> None:
        """Refuse thresholds that leave no room for a trade."""
        super().__post_init__()
        if not self.exit < self.entry < self.stop:
            raise ValueError("exit must be below entry, and entry below stop")


class BreakoutParameters(RuleParameters, frozen=True, kw_only=True):
    """Donchian channels: a price beyond the extremes of the last ``entry_rows`` rows opens a trade.

    The opposite extreme of the last ``exit_rows`` closes it; until then that is the stop.
    """

    entry_rows: Rows = 55
    exit_rows: Rows = 20

    def __post_init__(self) -> None:
        """Refuse an exit that is farther away than the entry."""
        super().__post_init__()
        if self.exit_rows > self.entry_rows:
            raise ValueError("exit_rows must not be more than entry_rows")


P = TypeVar("P", bound=RuleParameters)


def convert_parameters(given: Mapping[str, Any], kind: type[P]) -> P:
    """Return the parameters that a definition gives, with the defaults of the others.

    Raises:
        ValueError: What is wrong, as a sentence's part.
    """
    if "allocation" in given and "quantity" in given:
        raise ValueError("allocation and quantity cannot both be given")
    return msgspec.convert(dict(given), kind)
