"""Opening the state database: its pragmas, schema version, integrity and errors."""

import errno
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import msgspec
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import SQLAlchemyError

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors import (
    DatabaseError,
    DiskFullError,
    ExtraMissingError,
    StateCorruptError,
    StateUnreachableError,
)
from alchemiser_cli.faults import fault_point
from alchemiser_cli.settings import Settings
from alchemiser_cli.settings.urls import masked_url
from alchemiser_cli.state.preparation import prepare, version_of
from alchemiser_cli.state.schema import SCHEMA_VERSION
from alchemiser_cli.state.sqlite_file import back_up, make_private_file, pragmas

__all__ = ["StateDatabase", "StateHealth"]

_SQLITE_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
# Without space the write-ahead log's index cannot grow, which SQLite calls an I/O error.
_SQLITE_FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE}
_POSTGRESQL_FULL = "53100"
_SYSTEM_FULL = {errno.ENOSPC, errno.EDQUOT}
_POSTGRESQL_LOCK = int.from_bytes(b"alchstat")  # the advisory lock of exclusive transactions

_WRITE = fault_point("state.write")


class StateHealth(msgspec.Struct, frozen=True):
    """What a look at the database found."""

    backend: str
    schema_version: int
    integrity: str


class StateDatabase:
    """One engine over the state database; tables are made or migrated at the first use.

    Errors of the driver come out as ``state-unreachable``, ``state-corrupt``,
    ``state-schema`` or ``disk-full``.
    """

    def __init__(
        self,
        url: str,
        clock: Clock,
        connect_timeout_s: float = 5.0,
        *,
        pool_size: int = 5,
        suffers: bool = True,
    ) -> None:
        """Keep the URL; nothing is opened before the first connection.

        ``pool_size`` is how many connections this process may hold at once; who needs one more
        waits for at most ``connect_timeout_s``. What looks after faults itself does not
        ``suffer`` those that are injected at ``state.write``: it could not end them otherwise.
        """
        self._url = make_url(url)
        self._clock = clock
        self._timeout_s = connect_timeout_s
        self._pool_size = pool_size
        self._suffers = suffers
        self._engine: Engine | None = None
        self._identity: tuple[int, int] | None = None
        self._opening = threading.Lock()

    @classmethod
    def of(cls, settings: Settings, clock: Clock, *, suffers: bool = True) -> Self:
        """Return the database that the settings mean; nothing is opened yet."""
        state = settings.state
        return cls(
            settings.state_url,
            clock,
            state.connect_timeout_s,
            pool_size=state.pool_size,
            suffers=suffers,
        )

    @property
    def location(self) -> str:
        """Return the URL with its secrets masked, for messages."""
        return masked_url(self._url.render_as_string(hide_password=False))

    @contextmanager
    def begin(self, *, exclusive: bool = False) -> Iterator[Connection]:
        """Yield a connection inside a transaction that commits at the end of the block.

        While an ``exclusive`` block runs, no other exclusive block does, in whatever process: what
        it reads stays true until it writes.

        Raises:
            DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
            DiskFullError: ``disk-full``.
        """
        if _WRITE.armed is not None and self._suffers:
            self._suffer()
        try:
            with self._usable().begin() as connection:
                if exclusive:
                    self._lock(connection)
                yield connection
        except (SQLAlchemyError, sqlite3.Error) as error:
            raise self._translated(error) from error

    def health(self, *, check_integrity: bool = True) -> StateHealth:
        """Read the schema version and let the database check its own integrity.

        The check reads the whole file: at a million failures that takes seconds.

        Raises:
            DatabaseError: as for ``begin``.
        """
        with self.begin() as connection:
            integrity = "not checked" if self._is_sqlite else "not offered by the server"
            if self._is_sqlite and check_integrity:
                integrity = str(connection.execute(text("PRAGMA quick_check(1)")).scalar_one())
                if integrity != "ok":
                    raise self._corrupt(integrity)
            version = version_of(connection)
        return StateHealth(self._url.get_backend_name(), version, integrity)

    def close(self) -> None:
        """Release every connection."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def _suffer(self) -> None:
        try:
            _WRITE.strike()
        except (OSError, sqlite3.Error) as error:
            raise self._translated(error) from error

    @property
    def _is_sqlite(self) -> bool:
        return self._url.get_backend_name() == "sqlite"

    @property
    def _file(self) -> Path:
        return Path(self._url.database or "")

    def _usable(self) -> Engine:
        with self._opening:
            if self._engine is not None and self._identity != self._identity_now():
                # The file was removed or replaced: what is written to the old one is lost.
                self.close()
            if self._engine is None:
                self._engine = self._open()
                self._identity = self._identity_now()
            return self._engine

    def _identity_now(self) -> tuple[int, int] | None:
        """Tell the file that lies in the place of the database; None for a server or no file."""
        if not self._is_sqlite:
            return None
        try:
            status = self._file.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def _open(self) -> Engine:
        engine = self._open_file() if self._is_sqlite else self._open_server()
        try:
            with engine.begin() as connection:
                ready = version_of(connection) == SCHEMA_VERSION
            if not ready:
                with engine.begin() as connection:
                    # Two processes that make or migrate the tables at once wait for each other.
                    self._lock(connection)
                    prepare(connection, self._clock.now_ns(), self._save)
        except BaseException:
            engine.dispose()
            raise
        return engine

    def _open_file(self) -> Engine:
        make_private_file(self._file)
        engine = create_engine(
            self._url,
            pool_size=self._pool_size,
            max_overflow=0,
            pool_timeout=self._timeout_s,
            connect_args={"timeout": self._timeout_s},
        )
        event.listen(engine, "connect", pragmas(self._timeout_s))
        return engine

    def _open_server(self) -> Engine:
        url = self._url
        if url.drivername == "postgresql":
            url = url.set(drivername="postgresql+psycopg")
        try:
            return create_engine(
                url,
                pool_size=self._pool_size,
                max_overflow=0,
                pool_timeout=self._timeout_s,
                pool_pre_ping=True,
                connect_args={"connect_timeout": max(1, round(self._timeout_s))},
            )
        except ModuleNotFoundError as error:
            raise ExtraMissingError(
                f"the package {error.name} is not installed",
                why="A PostgreSQL state database needs its driver.",
                next_step="pip install 'alchemiser[postgres]'",
            ) from None

    def _lock(self, connection: Connection) -> None:
        """Wait, for at most the time limit, until no other exclusive transaction runs."""
        if self._is_sqlite:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            return
        limit = f"{max(1, round(self._timeout_s * 1_000))}ms"
        connection.execute(
            text("SELECT set_config('lock_timeout', :limit, true)"), {"limit": limit}
        )
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _POSTGRESQL_LOCK})

    def _save(self, version: int) -> Path | None:
        """Back the file up before a migration from ``version``; a server has its own backups."""
        return back_up(self._file, version) if self._is_sqlite else None

    def _translated(
        self, error: SQLAlchemyError | sqlite3.Error | OSError
    ) -> DatabaseError | DiskFullError:
        origin = getattr(error, "orig", error)
        failure = self._coded(origin, error)
        failure.injected = getattr(origin, "injected", False)
        return failure

    def _coded(self, origin: object, error: Exception) -> DatabaseError | DiskFullError:
        reason = str(origin or error)
        code = getattr(origin, "sqlite_errorcode", None)
        if code is not None and code & 0xFF in _SQLITE_DAMAGED:
            return self._corrupt(reason)
        full = code in _SQLITE_FULL or getattr(origin, "errno", None) in _SYSTEM_FULL
        if full or getattr(origin, "sqlstate", None) == _POSTGRESQL_FULL:
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
