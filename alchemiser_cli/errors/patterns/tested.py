"""One test that was made: what was asked, what came out, and how a sentence says it."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["LEAST_LIFT", "LEAST_SUPPORT", "PatternKind", "Tested", "times_text"]

LEAST_SUPPORT = 5
LEAST_LIFT = 2.0

PatternKind = Literal["time", "sequence", "correlation"]


@dataclass(frozen=True)
class Tested:
    """A test's result before it is held against all others.

    ``support`` of ``of`` cases speak for it, and ``enough`` says whether support and effect are
    large enough to be shown at all; ``p_value`` is before the correction for many tests.
    """

    kind: PatternKind
    test: str
    code: str
    component: str
    other: str | None
    other_component: str | None
    support: int
    of: int
    effect: float
    effect_name: str
    p_value: float
    enough: bool
    sentence: str


def times_text(ratio: float) -> str:
    """Write a ratio with a figure after the point where that says something: 2.4, 60, 1,200."""
    return f"{ratio:.1f}" if ratio < 10 else f"{ratio:,.0f}"
