"""The quality of market data: plausible, complete, in order, in time."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alchemiser_cli.market.quality.conflation import (
        CONFLATED_KINDS,
        Conflated,
        latest_only,
        latest_only_columns,
    )
    from alchemiser_cli.market.quality.histogram import LatencyHistogram
    from alchemiser_cli.market.quality.plausibility import PlausibilityGate
    from alchemiser_cli.market.quality.rulebook import Rule, rules
    from alchemiser_cli.market.quality.sequences import (
        SequenceCounts,
        SequenceSnapshot,
        SequenceTracker,
    )
    from alchemiser_cli.market.quality.staleness import StalenessMonitor, StaleSymbol
    from alchemiser_cli.market.quality.violation import Violation

__all__ = [
    "CONFLATED_KINDS",
    "Conflated",
    "LatencyHistogram",
    "PlausibilityGate",
    "Rule",
    "SequenceCounts",
    "SequenceSnapshot",
    "SequenceTracker",
    "StaleSymbol",
    "StalenessMonitor",
    "Violation",
    "latest_only",
    "latest_only_columns",
    "rules",
]

_HOMES = {
    "CONFLATED_KINDS": "conflation",
    "Conflated": "conflation",
    "LatencyHistogram": "histogram",
    "PlausibilityGate": "plausibility",
    "Rule": "rulebook",
    "SequenceCounts": "sequences",
    "SequenceSnapshot": "sequences",
    "SequenceTracker": "sequences",
    "StaleSymbol": "staleness",
    "StalenessMonitor": "staleness",
    "Violation": "violation",
    "latest_only": "conflation",
    "latest_only_columns": "conflation",
    "rules": "rulebook",
}


if not TYPE_CHECKING:  # a checker would take any name for one of ours

    def __getattr__(name: str) -> Any:
        """Import the module that holds ``name`` when it is first asked for."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
