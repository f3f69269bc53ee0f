"""Opening the state database: its pragmas, schema version, integrity and errors."""

import errno
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import (
    Connection,
    Engine,
    create_engine,
    event,
    func,
    insert,
    inspect,
    make_url,
    select,
    text,
)
from sqlalchemy.exc import SQLAlchemyError

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors import (
    DatabaseError,
    DiskFullError,
    ExtraMissingError,
    StateCorruptError,
    StateSchemaError,
    StateUnreachableError,
)
from alchemiser_cli.settings.urls import masked_url
from alchemiser_cli.state.schema import SCHEMA_VERSION, metadata, schema_version

__all__ = ["StateDatabase", "StateHealth"]

_SQLITE_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
# Without space the write-ahead log's index cannot grow, which SQLite calls an I/O error.
_SQLITE_FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE}
_POSTGRESQL_FULL = "53100"


class StateHealth(msgspec.Struct, frozen=True):
    """What a look at the database found."""

    backend: str
    schema_version: int
    integrity: str


class StateDatabase:
    """One engine over the state database; tables are made at the first use.

    Errors of the driver come out as ``state-unreachable``, ``state-corrupt``,
    ``state-schema`` or ``disk-full``.
    """

    def __init__(self, url: str, clock: Clock, connect_timeout_s: float = 5.0) -> None:
        """Keep the URL; nothing is opened before the first connection."""
        self._url = make_url(url)
        self._clock = clock
        self._timeout_s = connect_timeout_s
        self._engine: Engine | None = None
        self._opening = threading.Lock()

    @property
    def location(self) -> str:
        """Return the URL with its secrets masked, for messages."""
        return masked_url(self._url.render_as_string(hide_password=False))

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Yield a connection inside a transaction that commits at the end of the block.

        Raises:
            DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
            DiskFullError: ``disk-full``.
        """
        try:
            with self._opening:
                engine = self._engine = self._engine or self._open()
            with engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise self._translated(error) from error

    def health(self) -> StateHealth:
        """Read the schema version and let the database check its own integrity.

        Raises:
            DatabaseError: as for ``begin``.
        """
        with self.begin() as connection:
            integrity = "not offered by the server"
            if self._is_sqlite:
                integrity = str(connection.execute(text("PRAGMA quick_check(1)")).scalar_one())
                if integrity != "ok":
                    raise self._corrupt(integrity)
            version = connection.execute(select(func.max(schema_version.c.version))).scalar_one()
        return StateHealth(self._url.get_backend_name(), int(version), integrity)

    def close(self) -> None:
        """Release every connection."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    @property
    def _is_sqlite(self) -> bool:
        return self._url.get_backend_name() == "sqlite"

    def _open(self) -> Engine:
        if self._is_sqlite:
            file = Path(self._url.database or "")
            _make_private_file(file)
            engine = create_engine(self._url, connect_args={"timeout": self._timeout_s})
            event.listen(engine, "connect", _sqlite_pragmas)
        else:
            engine = self._open_server()
        try:
            self._prepare_schema(engine)
        except BaseException:
            engine.dispose()
            raise
        return engine

    def _open_server(self) -> Engine:
        url = self._url
        if url.drivername == "postgresql":
            url = url.set(drivername="postgresql+psycopg")
        try:
            return create_engine(
                url,
                pool_pre_ping=True,
                connect_args={"connect_timeout": max(1, round(self._timeout_s))},
            )
        except ModuleNotFoundError as error:
            raise ExtraMissingError(
                f"the package {error.name} is not installed",
                why="A PostgreSQL state database needs its driver.",
                next_step="pip install 'alchemiser[postgres]'",
            ) from None

    def _prepare_schema(self, engine: Engine) -> None:
        with engine.begin() as connection:
            if not set(inspect(connection).get_table_names()).issuperset(metadata.tables):
                if self._is_sqlite:
                    # Two processes that make the tables at once wait for each other.
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                metadata.create_all(connection)
            found = connection.execute(select(func.max(schema_version.c.version))).scalar_one()
            if found is None:
                row = {"version": SCHEMA_VERSION, "applied_at_ns": self._clock.now_ns()}
                connection.execute(insert(schema_version).values(**row))
            elif found > SCHEMA_VERSION:
                raise StateSchemaError(
                    f"the state database has schema version {found}, newer than {SCHEMA_VERSION}",
                    why="A newer alchemiser wrote it; this one might damage what it does not know.",
                    next_step="Upgrade alchemiser on this machine, or choose another state.url.",
                    context={"found": found, "known": SCHEMA_VERSION},
                )

    def _translated(self, error: SQLAlchemyError) -> DatabaseError | DiskFullError:
        origin = getattr(error, "orig", None)
        reason = str(origin or error)
        code = getattr(origin, "sqlite_errorcode", None)
        if code is not None and code & 0xFF in _SQLITE_DAMAGED:
            return self._corrupt(reason)
        if code in _SQLITE_FULL or getattr(origin, "sqlstate", None) == _POSTGRESQL_FULL:
            return DiskFullError(
                f"no space is left for the state database {self.location}",
                why=reason,
                next_step="Free space on that disk; nothing that was committed before is lost.",
            )
        return StateUnreachableError(
            f"the state database {self.location} cannot be used",
            why=reason,
            next_step="Check state.url, that the server runs, and that you may read and write it.",
        )

    def _corrupt(self, reason: str) -> StateCorruptError:
        return StateCorruptError(
            f"the state database {self.location} is damaged",
            why=reason,
            next_step="Move the file away and restore a backup; without one, a new file is made.",
        )


def _make_private_file(file: Path) -> None:
    """Create the file with mode 0600, so that SQLite's own files inherit it."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.touch(mode=0o600, exist_ok=True)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFullError(
                f"no space is left for the state database {file}",
                why=str(error),
                next_step="Free space on that disk, or choose another --home.",
            ) from error
        raise StateUnreachableError(
            f"the state database {file} cannot be created",
            why=str(error),
            next_step="Choose a writable --home, or correct the folder's permissions.",
        ) from error


def _sqlite_pragmas(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()
