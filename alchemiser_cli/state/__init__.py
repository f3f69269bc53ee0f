"""The one state database: SQLite by default, PostgreSQL by URL, through SQLAlchemy Core."""

from alchemiser_cli.state.database import StateDatabase, StateHealth
from alchemiser_cli.state.schema import (
    SCHEMA_VERSION,
    audit_anchor,
    circuit_breaker,
    error_group,
    error_minute,
    error_occurrence,
    error_resolution,
    progress,
    redriven,
    strategy_status,
    threshold_sample,
)

__all__ = [
    "SCHEMA_VERSION",
    "StateDatabase",
    "StateHealth",
    "audit_anchor",
    "circuit_breaker",
    "error_group",
    "error_minute",
    "error_occurrence",
    "error_resolution",
    "progress",
    "redriven",
    "strategy_status",
    "threshold_sample",
]
