"""Forecasts: the probability of each error in the next window, where the past can tell it."""

from alchemiser_cli.errors.forecast.event_file import FileScore, score_file
from alchemiser_cli.errors.forecast.journal import ANY_CRITICAL, forecast
from alchemiser_cli.errors.forecast.outlook import Abstained, CodeScore, Outlook
from alchemiser_cli.errors.forecast.rolling import Scores
from alchemiser_cli.errors.forecast.scoring import CalibrationBin, Interval

__all__ = [
    "ANY_CRITICAL",
    "Abstained",
    "CalibrationBin",
    "CodeScore",
    "FileScore",
    "Interval",
    "Outlook",
    "Scores",
    "forecast",
    "score_file",
]
