"""Forecasting the past as if it were the future, and whether that beats the base rate."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from alchemiser_cli.errors.forecast.excitation import History
from alchemiser_cli.errors.forecast.intensity import FEWEST_FITTED, fit_intensity
from alchemiser_cli.errors.forecast.scoring import (
    CalibrationBin,
    Interval,
    brier,
    calibration,
    calibration_error,
    log_loss,
    mean_interval,
)

__all__ = ["FEWEST_ORIGINS", "Replay", "Scores", "Windows", "base_rate", "rolling_origin", "score"]

FEWEST_ORIGINS = 20
MOST_ORIGINS = 5_000
FEWEST_OF_EACH = 5  # windows with an event, and without
FITS = 12
DAY = 1_440  # minutes


@dataclass(frozen=True)
class Windows:
    """Windows of ``minutes`` side by side from ``start``, as many as end by ``end`` (minutes)."""

    start: int
    end: int
    minutes: int

    @property
    def count(self) -> int:
        """How many windows fit."""
        return max(0, self.end - self.start) // self.minutes

    @property
    def scored(self) -> NDArray[np.int64]:
        """The numbers of the windows that are forecast: all after the first quarter, or 5,000."""
        return np.arange(max(self.count // 4, self.count - MOST_ORIGINS), self.count)

    def occupied(self, minutes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the numbers of the windows with at least one of ``minutes``, rising."""
        within = (minutes >= self.start) & (minutes < self.start + self.count * self.minutes)
        return np.unique((minutes[within] - self.start) // self.minutes)

    @property
    def a_day(self) -> int:
        """How many windows a day has, at least one."""
        return max(1, DAY // self.minutes)


@dataclass(frozen=True)
class Replay:
    """Forecasts of past windows, each made from what lay before it; every array is (n,)."""

    forecast: NDArray[np.float64]
    base: NDArray[np.float64]
    happened: NDArray[np.bool_]


class Scores(msgspec.Struct, frozen=True, kw_only=True):
    """How forecasts of past windows did beside the base rate.

    ``skill`` is the share of the base rate's log-loss that was saved, ``brier_skill`` that of its
    Brier score. ``happened`` counts the windows with an event, of all codes that are scored as one.
    """

    origins: int
    happened: int
    brier: float
    base_brier: float
    brier_skill: Interval
    log_loss: float
    base_log_loss: float
    skill: Interval
    calibration_error: float
    calibration: list[CalibrationBin]

    @property
    def significant(self) -> bool:
        """Whether both scores are better than the base rate's, beyond their doubt.

        Where nearly every window was alike, a gain shows only how Laplace's rule is smoothed.
        """
        total = sum(one.count for one in self.calibration)
        enough = FEWEST_OF_EACH <= self.happened <= total - FEWEST_OF_EACH
        return enough and self.skill.low > 0 and self.brier_skill.low > 0


def base_rate(occupied: NDArray[np.int64], before: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return how often windows before each number had an event, smoothed as Laplace did."""
    return np.asarray((np.searchsorted(occupied, before) + 1.0) / (before + 2.0))


def rolling_origin(history: History, windows: Windows) -> Replay:
    """Forecast each scored window from what lies before it.

    The memories and the base rate are new at each origin; the fit is renewed twelve times, on a
    span that grows. Source: Tashman, "Out-of-sample tests of forecasting accuracy", 2000.
    """
    scored = windows.scored
    occupied = windows.occupied(history.minutes)
    base = base_rate(occupied, scored)
    forecast = base.copy()
    for fold in np.array_split(np.arange(len(scored)), FITS):
        if not len(fold):
            continue
        at = windows.start + scored[fold] * windows.minutes
        if history.count(int(at[0])) >= FEWEST_FITTED:
            fitted = fit_intensity(history, int(at[0]))
            forecast[fold] = fitted.probability(history, at, windows.minutes)
    return Replay(forecast, base, np.isin(scored, occupied))


def score(replays: Sequence[Replay], *, block: int) -> Scores:
    """Score one replay, or several of the same windows together.

    Windows of the same time are resampled together, in blocks of ``block`` at least.
    """
    happened = np.concatenate([one.happened for one in replays])
    bins = calibration(np.concatenate([one.forecast for one in replays]), happened)
    brier_score, base_brier, brier_skill = _compared(brier, replays, block)
    loss, base_loss, skill = _compared(log_loss, replays, block)
    return Scores(
        origins=len(replays[0].forecast),
        happened=int(happened.sum()),
        brier=brier_score,
        base_brier=base_brier,
        brier_skill=brier_skill,
        log_loss=loss,
        base_log_loss=base_loss,
        skill=skill,
        calibration_error=calibration_error(bins),
        calibration=bins,
    )


def _compared(
    losses: Callable[[NDArray[np.float64], NDArray[np.bool_]], NDArray[np.float64]],
    replays: Sequence[Replay],
    block: int,
) -> tuple[float, float, Interval]:
    """Return the mean loss, that of the base rate, and the share that is saved."""
    model = np.mean([losses(one.forecast, one.happened) for one in replays], axis=0)
    base = np.mean([losses(one.base, one.happened) for one in replays], axis=0)
    mean = float(base.mean())
    return float(model.mean()), mean, mean_interval((base - model) / mean, block=block)
