"""The tables of the state database, and the version of their schema."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, String, Table, Text

__all__ = ["SCHEMA_VERSION", "error_journal", "metadata", "schema_version"]

SCHEMA_VERSION = 1

metadata = MetaData()

schema_version = Table(
    "schema_version",
    metadata,
    Column("version", Integer, nullable=False),
    Column("applied_at_ns", BigInteger, nullable=False),
)

error_journal = Table(
    "error_journal",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("at_ns", BigInteger, nullable=False),
    Column("code", String(64), nullable=False),
    Column("severity", String(8), nullable=False),
    Column("component", String(64), nullable=False),
    Column("operation", String(128), nullable=False),
    Column("run_id", String(64), nullable=False),
    Column("what", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("next_step", Text, nullable=False),
    Column("context", Text, nullable=False),  # JSON object
    Column("traceback", Text, nullable=False),
    Column("recovered", Boolean, nullable=False),
    Column("injected", Boolean, nullable=False),
    Index("error_journal_by_code", "code", "at_ns"),
)
