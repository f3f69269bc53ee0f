"""What a built-in rule is: features from ticks, a side from features, and a size and stop."""

from collections.abc import Mapping
from typing import Protocol

from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.trading.strategies.definition import digest_of

__all__ = ["Rule", "RuleMemory", "Side", "feature_schema_hash"]

Side = int
"""1 for long, -1 for short, 0 for flat."""


class RuleMemory(Protocol):
    """What a rule remembers of one symbol; bounded."""

    def update(self, tick: Tick) -> dict[str, float] | None:
        """Take in a tick and return the features; None while there is too little history."""
        ...


class Rule(Protocol):
    """A rule without a memory of its own: what it decides follows from its arguments."""

    @property
    def features(self) -> Mapping[str, bool]:
        """The features' names, in order, and whether each has the sign of a direction."""
        ...

    def memory(self) -> RuleMemory:
        """Return an empty memory for one symbol."""
        ...

    def side(self, features: Mapping[str, float], held: Side) -> Side:
        """Return the side to be on, given the side that is ``held``; shorting is allowed here."""
        ...

    def scale(self, features: Mapping[str, float]) -> float:
        """Return the share of a full position that is wanted, above 0 and at most 1."""
        ...

    def stop(self, features: Mapping[str, float], price: float, side: Side) -> float | None:
        """Return the price at which a position on ``side`` would be given up."""
        ...

    @property
    def rebalance(self) -> float | None:
        """How far off a position's size may be before it is resized, as a share; None: never."""
        ...


def feature_schema_hash(kind: str, rule: Rule) -> str:
    """Return 16 hexadecimal digits over what a model of this rule looks at, in its order."""
    return digest_of({"kind": kind, "features": list(rule.features.items())})
