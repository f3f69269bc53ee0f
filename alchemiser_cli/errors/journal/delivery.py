"""Delivery: into the database where it takes failures, into the spill where it does not."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from sqlalchemy import make_url
from structlog.stdlib import BoundLogger

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.errors.base import AlchemiserError, Severity
from alchemiser_cli.errors.journal.records import Captured
from alchemiser_cli.errors.journal.spill import Spill
from alchemiser_cli.errors.storage import StateUnreachableError
from alchemiser_cli.logs import get_logger
from alchemiser_cli.state import StateDatabase

__all__ = ["Delivery", "Store"]

RETRY_DELAYS_S = (0.05, 0.2, 0.5)
PATIENCE_S = 2.0
PROBE_S = (1.0, 2.0, 5.0, 10.0, 30.0)
LOOK_S = 30.0  # between two looks for what other processes spilled


class Store(Protocol):
    """Where failures are kept; appending the same one twice is the same as once."""

    def append(self, captures: Sequence[Captured]) -> None:
        """Keep the failures, all or none."""


class Delivery:
    """Delivers batches from one thread; a database that comes back takes in what was spilled.

    The operator is told once when failures begin to be spilled (``journal_spilling``, with the
    code of the cause) and once when the database takes them again (``journal_recovered``).
    """

    def __init__(
        self, store: Store, spill: Spill, clock: Clock, database: StateDatabase | None
    ) -> None:
        """``database`` is opened anew when its file was removed."""
        self.written = self.spilled = self.taken_in = self.lost = 0
        self.closing = threading.Event()
        self.takes_in = True
        self._counting = threading.RLock()  # a signal handler may count in between
        self._store = store
        self._spill = spill
        self._clock = clock
        self._file = _WatchedFile(database) if database else None
        self._trouble: AlchemiserError | None = None
        self._failures = 0
        self._next_probe_ns = self._next_look_ns = clock.monotonic_ns()
        self._loss: str | None = None
        self._told_loss = False

    @property
    def trouble(self) -> AlchemiserError | None:
        """Why failures are being spilled; None when they are not."""
        return self._trouble

    def deliver(self, batch: Sequence[Captured], *, now: bool = False) -> None:
        """Write ``batch`` or spill it; never raises. With ``now`` a failing database is tried."""
        if not batch:
            return
        if self._trouble and not now and self._clock.monotonic_ns() < self._next_probe_ns:
            self.spill(batch)
            return
        trouble = self._write(batch, patient=self._trouble is None)
        if trouble is None:
            self.written += _count(batch)
            self._works()
        else:
            self.spill(batch)
            self._fails(trouble)

    def look(self, *, now: bool = False) -> None:
        """Take in what was spilled, when it is time to look; never raises."""
        if self._loss and not self._told_loss:
            self._told_loss = True
            _log().critical("journal_losing", why=self._loss, file=str(self._spill.file))
        due_ns = self._next_look_ns if self._trouble is None else self._next_probe_ns
        if now or self._clock.monotonic_ns() >= due_ns:
            self._take_in(proven=False)

    def spill(self, batch: Sequence[Captured], *, is_last: bool = True) -> bool:
        """Append ``batch`` to the spill from any thread; False when that fails. Never raises.

        It is then lost, and counted so, if this ``is_last`` what is tried with it.
        """
        if not batch:
            return True
        durable = any(one.severity == Severity.CRITICAL for one in batch)
        count = _count(batch)
        try:
            kept, why = self._spill.append(batch, durable=durable), "the spill file is full"
        except Exception as error:  # noqa: BLE001  there is nowhere left to go
            kept, why = False, f"{type(error).__name__}: {error}"
        if kept:
            with self._counting:
                self.spilled += count
        elif is_last:
            self.lose(count, why)
        return kept

    def lose(self, count: int, why: str) -> None:
        """Count failures that are kept nowhere; the writer tells it, for a signal might call."""
        with self._counting:
            self.lost += count
            self._loss = why

    def _works(self) -> None:
        due = self._trouble is not None or self._clock.monotonic_ns() >= self._next_look_ns
        if due and self.takes_in:
            self._take_in(proven=True)

    def _take_in(self, *, proven: bool) -> None:
        """Take in every spill; ``proven`` when the database has just taken something."""
        self._next_look_ns = self._clock.monotonic_ns() + round(LOOK_S * NS_PER_SECOND)
        before = self.taken_in
        try:
            trouble = self._take_in_all()
        except OSError as error:  # a spill that cannot be read stays where it is
            _log().error("journal_spill_unreadable", why=str(error))
            return
        if trouble is not None:
            self._fails(trouble)
        elif self._trouble is not None and (proven or self.taken_in > before):
            _log().warning(
                "journal_recovered", code=self._trouble.code, taken_in=self.taken_in - before
            )
            self._trouble, self._failures = None, 0

    def _take_in_all(self) -> AlchemiserError | None:
        for claimed in self._spill.claimed():
            for batch in claimed.batches():
                trouble = self._write(batch, patient=False)
                if trouble is not None:
                    return trouble
                self.taken_in += _count(batch)
            claimed.remove()
            if claimed.damaged:
                _log().warning("journal_spill_damaged", lines=claimed.damaged)
        return None

    def _write(self, batch: Sequence[Captured], *, patient: bool) -> AlchemiserError | None:
        """Return None, or why the database did not take ``batch``."""
        until_ns = self._clock.monotonic_ns() + round(PATIENCE_S * NS_PER_SECOND)
        delays = iter(RETRY_DELAYS_S if patient else ())
        while True:
            gone = self._file.gone() if self._file else None
            if gone is not None:
                return gone
            try:
                self._store.append(batch)
            except AlchemiserError as error:
                trouble: AlchemiserError = error
            except Exception as error:  # noqa: BLE001  no defect may end the writer
                return _unusable(f"{type(error).__name__}: {error}")
            else:
                return self._file.gone() if self._file else None
            delay = next(delays, None)
            late = self._clock.monotonic_ns() >= until_ns
            if delay is None or late or not isinstance(trouble, StateUnreachableError):
                return trouble.with_traceback(None)
            if self.closing.wait(delay):
                return trouble.with_traceback(None)

    def _fails(self, trouble: AlchemiserError) -> None:
        pause_s = PROBE_S[min(self._failures, len(PROBE_S) - 1)]
        self._failures += 1
        self._next_probe_ns = self._clock.monotonic_ns() + round(pause_s * NS_PER_SECOND)
        if self._trouble is None:
            self._trouble = trouble
            _log().error(
                "journal_spilling",
                code=trouble.code,
                what=trouble.what,
                why=trouble.why,
                next_step=trouble.next_step,
                file=str(self._spill.file),
            )


class _WatchedFile:
    """Notices that SQLite's file is not the one any more that the connections have open."""

    def __init__(self, database: StateDatabase) -> None:
        url = make_url(database.location)
        self._database = database
        self._file = Path(url.database or "") if url.get_backend_name() == "sqlite" else None
        self._inode: int | None = None

    def gone(self) -> StateUnreachableError | None:
        """Return the trouble once, and let the next connection make a new file."""
        if self._file is None:
            return None
        try:
            found = self._file.stat().st_ino
        except OSError:
            found = None
        if found == self._inode or self._inode is None:
            self._inode = found
            return None
        self._inode = None
        self._database.close()
        return StateUnreachableError(
            f"the state database {self._file} was removed while in use",
            why="Its file is gone or was replaced; what was written since went with it.",
            next_step="Restore a backup; without one, a new file is made.",
        )


def _count(batch: Sequence[Captured]) -> int:
    return sum(one.count for one in batch)


def _unusable(why: str) -> StateUnreachableError:
    return StateUnreachableError(
        "the error journal cannot be written",
        why=why,
        next_step="Report this as a defect; failures are kept in the spill file.",
    )


def _log() -> BoundLogger:
    return get_logger("error", "error-journal")
