"""The one state database: SQLite by default, PostgreSQL by URL, through SQLAlchemy Core."""

from alchemiser_cli.state.database import StateDatabase, StateHealth
from alchemiser_cli.state.schema import SCHEMA_VERSION, error_journal

__all__ = ["SCHEMA_VERSION", "StateDatabase", "StateHealth", "error_journal"]
