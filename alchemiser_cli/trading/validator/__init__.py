"""The validator: watches each stage of trading and says which one is at fault, or why it is quiet.

It reads what the stages note of themselves (``trading.activity``), from the state database and
from other processes' metrics, so that it tells a stage that hangs from one with nothing to do.
"""

from alchemiser_cli.trading.validator.examining import examine
from alchemiser_cli.trading.validator.judging import Rule
from alchemiser_cli.trading.validator.report import (
    EVERY_STAGE,
    Finding,
    Issue,
    Report,
    Silence,
    StageLook,
    StageState,
)
from alchemiser_cli.trading.validator.sources import ActivitySource, MetricsSource, StateSource
from alchemiser_cli.trading.validator.validator import Validator, WatchedBroker

__all__ = [
    "EVERY_STAGE",
    "ActivitySource",
    "Finding",
    "Issue",
    "MetricsSource",
    "Report",
    "Rule",
    "Silence",
    "StageLook",
    "StageState",
    "StateSource",
    "Validator",
    "WatchedBroker",
    "examine",
]
