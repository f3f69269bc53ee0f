"""Statements that each database spells in its own way."""

from typing import Any

from sqlalchemy import Connection, Table

__all__ = ["insert_if_absent"]


def insert_if_absent(connection: Connection, table: Table, values: dict[str, Any]) -> bool:
    """Insert a row unless its key is there; tell whether it was inserted."""
    # Only the dialect in use is imported: the one for PostgreSQL takes 50 ms.
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        statement = postgresql.insert(table).values(**values).on_conflict_do_nothing()
        return connection.execute(statement).rowcount > 0
    from sqlalchemy.dialects import sqlite

    done = connection.execute(sqlite.insert(table).values(**values).on_conflict_do_nothing())
    return done.rowcount > 0
