"""The one state database: SQLite by default, PostgreSQL by URL, through SQLAlchemy Core."""

from alchemiser_cli.state.database import StateDatabase, StateHealth
from alchemiser_cli.state.schema import (
    SCHEMA_VERSION,
    alert_cursor,
    audit_anchor,
    circuit_breaker,
    delivery,
    error_group,
    error_minute,
    error_occurrence,
    error_resolution,
    incident,
    progress,
    redriven,
    silence,
    strategy_status,
    threshold_sample,
)

__all__ = [
    "SCHEMA_VERSION",
    "StateDatabase",
    "StateHealth",
    "alert_cursor",
    "audit_anchor",
    "circuit_breaker",
    "delivery",
    "error_group",
    "error_minute",
    "error_occurrence",
    "error_resolution",
    "incident",
    "progress",
    "redriven",
    "silence",
    "strategy_status",
    "threshold_sample",
]
