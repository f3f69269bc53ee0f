"""The outbox: an alert is stored before anybody knows whom it is for."""

import atexit
import os
import threading
from collections import deque
from types import TracebackType
from typing import Self

import msgspec

from alchemiser_cli.errors import AlchemiserError
from alchemiser_cli.logs import get_logger
from alchemiser_cli.notifications.alert import Alert
from alchemiser_cli.notifications.incidents import IncidentStore

__all__ = ["Outbox"]

QUEUE_LENGTH = 200_000
BATCH = 20_000
RETRY_S = (0.2, 0.5, 1.0, 2.0, 5.0)
DEADLINE_S = 2.0

_log = get_logger("monitoring", "notifications.outbox")


class Outbox:
    """Takes alerts from any thread; needs no channel, policy or courier to be there.

    After a fork the child has an outbox of its own, empty at first.
    """

    def __init__(self, store: IncidentStore, *, queue_length: int = QUEUE_LENGTH) -> None:
        """Keep the store; a thread is started by the first ``enqueue``."""
        self._store = store
        self._length = queue_length
        self._begin()

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    @property
    def waiting(self) -> int:
        """How many alerts are not stored yet."""
        return len(self._queue) + self._in_hand

    @property
    def lost(self) -> int:
        """How many alerts were not stored: the queue was full, or the database away at the end."""
        over = self._closed.is_set() and (self._thread is None or not self._thread.is_alive())
        return self._lost + (self.waiting if over else 0)

    def raise_alert(self, alert: Alert) -> str:
        """Store an alert and return its incident's id; it is in the database then.

        Raises:
            DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
            DiskFullError: ``disk-full``.
        """
        return self._store.take(alert)

    def enqueue(self, alert: Alert) -> None:
        """Leave an alert to the thread that stores it; returns at once and never raises.

        It is kept while the database is away, and gone with the process if that is killed: what
        must not be lost is raised, or journalled.
        """
        if self._process != os.getpid():
            self._begin()
        if len(self._queue) >= self._length or self._closed.is_set():
            self._lose(1)
            return
        self._queue.append(alert)
        if self._thread is None:
            self._start()
        if not self._bell.is_set():
            self._bell.set()

    def close(self, deadline_s: float = DEADLINE_S) -> None:
        """Store what waits, for at most ``deadline_s`` seconds, and end the thread."""
        if self._process != os.getpid() or self._closed.is_set():
            return
        self._closed.set()
        self._bell.set()
        atexit.unregister(self.close)
        if self._thread is not None:
            self._thread.join(deadline_s)
        if lost := self.lost:
            _log.error("alerts_lost", count=lost, next_step="Mend the state database.")

    def _begin(self) -> None:
        self._process = os.getpid()
        self._queue: deque[Alert] = deque()
        self._in_hand = 0
        self._lost = 0
        self._bell = threading.Event()
        self._closed = threading.Event()
        self._starting = threading.Lock()
        self._counting = threading.Lock()
        self._thread: threading.Thread | None = None

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="outbox", daemon=True)
                thread.start()
                atexit.register(self.close)
                self._thread = thread

    def _run(self) -> None:
        while True:
            self._bell.wait()
            self._bell.clear()
            while self._queue:
                batch = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
                self._in_hand = len(batch)
                if not self._stored(_folded(batch)):
                    return
                self._in_hand = 0
            if self._closed.is_set():
                return

    def _stored(self, batch: list[Alert]) -> bool:
        """Store a batch, however long the database is away; False where the outbox was closed."""
        failures = 0
        while True:
            try:
                self._store.take_all(batch)
            except AlchemiserError as error:
                if not failures:
                    _log.error("outbox_waits", code=error.code, what=error.what, why=error.why)
            except Exception as error:  # noqa: BLE001  no alert may end the thread
                self._one_by_one(batch, error)
                return True
            else:
                return True
            if self._closed.wait(RETRY_S[min(failures, len(RETRY_S) - 1)]) and failures:
                return False
            failures += 1

    def _one_by_one(self, batch: list[Alert], error: Exception) -> None:
        """Store what can be of a batch that holds something that cannot."""
        if len(batch) > 1:
            for alert in batch:
                self._stored([alert])
            return
        _log.error("alert_not_stored", why=repr(error), code=str(batch[0].code))
        self._lose(batch[0].count)

    def _lose(self, count: int) -> None:
        with self._counting:
            self._lost += count


def _folded(batch: list[Alert]) -> list[Alert]:
    """Put alerts of one fingerprint that differ only in time into the newest, which counts them."""
    folded: list[Alert] = []
    places: dict[str, int] = {}
    for alert in batch:
        place = places.get(alert.fingerprint)
        if place is not None and _alike(last := folded[place], alert):
            folded[place] = msgspec.structs.replace(alert, count=last.count + alert.count)
        else:
            places[alert.fingerprint] = len(folded)
            folded.append(alert)
    return folded


def _alike(one: Alert, other: Alert) -> bool:
    return (
        one.severity == other.severity
        and one.firing
        and other.firing
        and one.injected == other.injected
    )
