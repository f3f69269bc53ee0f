"""Bringing a database to the schema of this version: made, migrated, or refused."""

import threading
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, func, insert, inspect, select

from alchemiser_cli.errors import StateSchemaError
from alchemiser_cli.state.schema import SCHEMA_VERSION, metadata, schema_version

__all__ = ["prepare", "version_of"]

MIGRATIONS = Path(__file__).with_name("migrations")

# Alembic keeps what it works on in the module ``alembic.context``: one migration a process.
_migrating = threading.Lock()


def version_of(connection: Connection) -> int:
    """Return the version of the database's schema; zero for an empty database."""
    if not inspect(connection).has_table(schema_version.name):
        return 0
    found = connection.execute(select(func.max(schema_version.c.version))).scalar_one()
    return int(found or 0)


def prepare(connection: Connection, now_ns: int, save: Callable[[int], Path | None]) -> None:
    """Make the tables, or migrate those that are there, inside the caller's transaction.

    The caller holds the database exclusively. ``save`` is called with the version that is there
    before anything is changed, and returns the backup that it made, if any.

    Raises:
        DatabaseError: ``state-schema`` where a newer alchemiser wrote the database.
    """
    found = version_of(connection)
    if found > SCHEMA_VERSION:
        raise StateSchemaError(
            f"the state database has schema version {found}, newer than {SCHEMA_VERSION}",
            why="A newer alchemiser wrote it; this one might damage what it does not know.",
            next_step="Upgrade alchemiser on this machine, or choose another state.url.",
            context={"found": found, "known": SCHEMA_VERSION},
        )
    if found == SCHEMA_VERSION:
        return
    if found:
        backup = save(found)
        _migrate(connection, found)
        _tell(found, backup)
    else:
        metadata.create_all(connection)
    row = {"version": SCHEMA_VERSION, "applied_at_ns": now_ns}
    connection.execute(insert(schema_version).values(**row))


def _migrate(connection: Connection, found: int) -> None:
    """Run the revisions after ``found``; alembic is imported only here, for it takes its time."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    with _migrating:
        # Alembic's own record follows ours, so that there is one truth.
        command.stamp(config, str(found), purge=True)
        command.upgrade(config, str(SCHEMA_VERSION))


def _tell(found: int, backup: Path | None) -> None:
    from alchemiser_cli.logs import get_logger  # not loaded to open what is up to date

    get_logger("application", "state").info(
        "state_migrated",
        version_before=found,
        version_after=SCHEMA_VERSION,
        backup=None if backup is None else str(backup),
    )
