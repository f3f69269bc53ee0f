"""Regularities in the journal: when errors come, what follows what, and what moves together."""

from alchemiser_cli.errors.patterns.history import (
    History,
    MetricSeries,
    Sessions,
    Subject,
    history_of,
)
from alchemiser_cli.errors.patterns.reading import read_history
from alchemiser_cli.errors.patterns.search import Pattern, PatternReport, find_patterns
from alchemiser_cli.errors.patterns.tested import PatternKind

__all__ = [
    "History",
    "MetricSeries",
    "Pattern",
    "PatternKind",
    "PatternReport",
    "Sessions",
    "Subject",
    "find_patterns",
    "history_of",
    "read_history",
]
