"""What is forecast of each code, and where nothing is: too little known, or no skill."""

from typing import Literal

import msgspec
import numpy as np

from alchemiser_cli.errors.forecast.excitation import History
from alchemiser_cli.errors.forecast.intensity import fit_intensity
from alchemiser_cli.errors.forecast.rolling import (
    FEWEST_ORIGINS,
    Replay,
    Scores,
    Windows,
    base_rate,
    rolling_origin,
    score,
)

__all__ = ["FEWEST_EVENTS", "Abstained", "CodeScore", "Outlook", "judged", "pooled", "probability"]

FEWEST_EVENTS = 20

Abstained = Literal["too few events", "too little history", "no skill"]


class CodeScore(msgspec.Struct, frozen=True, kw_only=True):
    """How well one code can be forecast.

    ``events`` counts the minutes in which it happened. ``base_rate`` is how often a window has
    it, None where no whole window was observed. ``abstained`` is None where there is skill;
    ``probability`` of the next window is given there alone, and by a forecast alone.
    """

    code: str
    events: int
    base_rate: float | None
    scores: Scores | None
    abstained: Abstained | None
    probability: float | None = None


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """The forecasts for ``window_minutes`` from ``at_minute``, from what came since ``since``.

    Minutes are counted since 1970, UTC; ``since_minute`` is None where nothing was observed.
    """

    window_minutes: int
    at_minute: int
    since_minute: int | None
    windows: int
    codes: list[CodeScore]


def judged(code: str, history: History, windows: Windows) -> tuple[CodeScore, Replay | None]:
    """Score one code, and return its replay where there was enough to replay."""
    events = len(history.minutes)
    replay: Replay | None = None
    scores: Scores | None = None
    abstained = _too_little(events, windows)
    if abstained is None:
        replay = rolling_origin(history, windows)
        scores = score([replay], block=windows.a_day)
        abstained = None if scores.significant else "no skill"
    rate = None
    if windows.count:
        occupied = windows.occupied(history.minutes)
        rate = float(base_rate(occupied, np.array([windows.count]))[0])
    return CodeScore(
        code=code, events=events, base_rate=rate, scores=scores, abstained=abstained
    ), replay


def pooled(codes: list[CodeScore], replays: list[Replay], windows: Windows) -> CodeScore | None:
    """Score all that was replayed as one; None where nothing was."""
    if not replays:
        return None
    scores = score(replays, block=windows.a_day)
    replayed = [one for one in codes if one.scores is not None]
    return CodeScore(
        code="pooled",
        events=sum(one.events for one in replayed),
        base_rate=sum(one.base_rate or 0.0 for one in replayed) / len(replayed),
        scores=scores,
        abstained=None if scores.significant else "no skill",
    )


def probability(history: History, *, at: int, minutes: int) -> float:
    """Return the probability of an event in the ``minutes`` from ``at``.

    Raises:
        ValueError: where there are too few events for a fit.
    """
    fitted = fit_intensity(history, at)
    return float(fitted.probability(history, np.array([at]), minutes)[0])


def _too_little(events: int, windows: Windows) -> Abstained | None:
    if events < FEWEST_EVENTS:
        return "too few events"
    if len(windows.scored) < FEWEST_ORIGINS:
        return "too little history"
    return None
