"""What the search for patterns looks at: when each error began an episode, and when it was there.

A storm of errors is one event. So the errors of one code in one component are thinned to
episodes: a gap of more than ten minutes begins a new one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "DAY_S",
    "EPISODE_GAP_MIN",
    "HOUR_S",
    "MINUTE_S",
    "History",
    "MetricSeries",
    "Sessions",
    "Subject",
    "history_of",
]

MINUTE_S = 60
HOUR_S = 3_600
DAY_S = 86_400
EPISODE_GAP_MIN = 10

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Subject:
    """One code in one component.

    ``starts_s`` holds the starts of its episodes (seconds since 1970, rising) and ``hours`` the
    hours since 1970 in which it occurred (rising, each once); ``errors`` is their number.
    """

    code: str
    component: str
    errors: int
    starts_s: Floats
    hours: Ints

    @property
    def name(self) -> str:
        """How a sentence calls it."""
        return f"{self.code} in {self.component}"


@dataclass(frozen=True)
class MetricSeries:
    """Samples of one metric: ``at_s`` in seconds since 1970, rising, and their values."""

    at_s: Floats
    values: Floats


@dataclass(frozen=True)
class Sessions:
    """When an exchange opened and closed, in seconds since 1970; both empty where not known."""

    opens_s: Floats = field(default_factory=lambda: np.empty(0))
    closes_s: Floats = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True)
class History:
    """All that is known of the days from ``first_day`` on (days since 1970, UTC)."""

    first_day: int
    days: int
    subjects: tuple[Subject, ...]
    metrics: Mapping[str, MetricSeries] = field(default_factory=dict)

    @property
    def origin_s(self) -> int:
        """Where the first day begins, in seconds since 1970."""
        return self.first_day * DAY_S

    @property
    def span_s(self) -> int:
        """How long the days are, in seconds."""
        return self.days * DAY_S


def history_of(
    minutes: Mapping[tuple[str, str], Ints],
    *,
    first_day: int,
    days: int,
    errors: Mapping[tuple[str, str], int] | None = None,
    metrics: Mapping[str, MetricSeries] | None = None,
) -> History:
    """Thin the minutes in which errors came to episodes.

    Args:
        minutes: By code and component, the minutes since 1970 that had errors, each once and
            rising.
        first_day: First of the days that are looked at, counted since 1970.
        days: How many days are looked at.
        errors: How many errors these minutes had; None for one each.
        metrics: Samples by the metric's name.
    """
    subjects = []
    for (code, component), at_minute in minutes.items():
        begins = np.diff(at_minute, prepend=at_minute[:1] - EPISODE_GAP_MIN - 1) > EPISODE_GAP_MIN
        subjects.append(
            Subject(
                code=code,
                component=component,
                errors=len(at_minute) if errors is None else errors[code, component],
                starts_s=at_minute[begins].astype(np.float64) * MINUTE_S,
                hours=np.unique(at_minute * MINUTE_S // HOUR_S),
            )
        )
    return History(first_day, days, tuple(subjects), metrics or {})
