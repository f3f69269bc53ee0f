"""The writer: one background thread that makes records of snapshots and delivers them in batches.

Nothing on the caller's side takes a lock that another thread could hold: the queues are deques,
and the bell is a ``SimpleQueue``, whose ``put`` may be called from a signal handler. A critical
failure waits, for a bounded time, on a lock of its own.
"""

import os
import threading
from collections import deque
from queue import Empty, SimpleQueue

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors.journal.capture import Snapshot, captured
from alchemiser_cli.errors.journal.delivery import Delivery
from alchemiser_cli.errors.journal.records import Captured
from alchemiser_cli.errors.journal.storm import Storm
from alchemiser_cli.logs import get_logger

__all__ = ["Writer"]

BATCH = 500
TICK_S = 0.2
CRITICAL_WAIT_S = 1.0


class _Urgent:
    """A critical failure on its way; ``done`` is held until it is stored."""

    __slots__ = ("done", "spilled", "taken")

    def __init__(self, taken: Snapshot) -> None:
        self.taken = taken
        self.spilled = False
        self.done = threading.Lock()
        self.done.acquire()


class Writer:
    """Takes snapshots from any thread and hands their records to ``delivery``."""

    def __init__(
        self,
        delivery: Delivery,
        clock: Clock,
        *,
        component: str,
        run_id: str,
        queue_length: int,
    ) -> None:
        """Start the thread; at most ``queue_length`` failures wait for it."""
        self._delivery = delivery
        self._clock = clock
        self._component = component
        self._run_id = run_id
        self._length = queue_length
        self._queue: deque[Snapshot] = deque()
        self._urgent: deque[_Urgent] = deque()
        self._flushes: deque[threading.Lock] = deque()
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._storm = Storm(self._record, component)
        self._in_hand: list[Captured] = []
        self._stalled = False
        self._abandoned = False
        self._process = os.getpid()
        self._thread = threading.Thread(target=self._run, name="error-journal", daemon=True)
        self._thread.start()

    @property
    def backlog(self) -> int:
        """How many failures wait to be written."""
        return len(self._queue) + len(self._urgent)

    def offer(self, taken: Snapshot) -> bool:
        """Queue a failure; False when it was dropped because the queue is full."""
        if self._delivery.closing.is_set() or os.getpid() != self._process:
            return self._spill_directly(taken)
        waiting = len(self._queue)
        if waiting >= self._length:
            self._bell.put(None)
            return False
        self._queue.append(taken)
        if waiting and not waiting % BATCH:
            self._bell.put(None)
        if self._delivery.closing.is_set() and not self._thread.is_alive():
            self._delivery.spill(self._rest())  # the journal was closed in between
        return True

    def write_through(self, taken: Snapshot) -> bool:
        """Return when the failure is in the database or, fsynced, in the spill."""
        ready = not (self._stalled or self._delivery.trouble or self._delivery.closing.is_set())
        if not ready or os.getpid() != self._process:
            return self._spill_directly(taken)
        urgent = _Urgent(taken)
        self._urgent.append(urgent)
        self._bell.put(None)
        if urgent.done.acquire(timeout=CRITICAL_WAIT_S):
            return True
        self._stalled = True
        # The thread may have it in hand already; what it then cannot keep either, it counts.
        urgent.spilled = self._delivery.spill([self._record(taken)], is_last=False)
        return urgent.spilled

    def flush(self, deadline_s: float) -> bool:
        """Deliver all that was captured before; False when that took longer than the deadline."""
        if self._delivery.closing.is_set() or os.getpid() != self._process:
            return True
        written = threading.Lock()
        written.acquire()
        self._flushes.append(written)
        self._bell.put(None)
        return written.acquire(timeout=deadline_s)

    def close(self, deadline_s: float) -> None:
        """Deliver what is left and end the thread; what is late is spilled by this thread."""
        if os.getpid() != self._process:
            return
        self._delivery.closing.set()
        self._bell.put(None)
        self._thread.join(deadline_s)
        if self._thread.is_alive():
            self._abandoned = True
            self._delivery.spill(self._in_hand)
        self._delivery.spill(self._rest())

    def _run(self) -> None:
        while not self._abandoned:
            closing = self._delivery.closing.is_set()
            self._wait(0 if closing or self._flushes else TICK_S)
            flushes = [self._flushes.popleft() for _ in range(len(self._flushes))]
            try:
                self._step(whole=bool(flushes) or closing)
            except Exception as error:  # noqa: BLE001  no defect may end the writer
                get_logger("error", "error-journal").error("journal_writer_failed", why=repr(error))
            for written in flushes:
                written.release()
            if closing:
                return

    def _wait(self, seconds: float) -> None:
        if self._urgent or len(self._queue) >= BATCH:
            seconds = 0
        try:
            self._bell.get(timeout=seconds)
            while True:
                self._bell.get_nowait()
        except Empty:
            return

    def _step(self, *, whole: bool) -> None:
        """Deliver what waits; with ``whole`` also what is still being added up."""
        left = len(self._queue)
        tried = False
        while not self._abandoned:
            self._deliver_urgent()
            batch: list[Captured] = []
            while left > 0 and len(batch) < BATCH and not self._urgent:
                left -= 1
                batch.extend(self._records(self._queue.popleft()))
            if left <= 0:
                ready = self._storm.finish() if whole else self._storm.sweep(self._clock.now_ns())
                batch.extend(ready)
            self._hand_over(batch, now=whole and not tried)
            tried = tried or bool(batch)
            if left <= 0:
                break
        if not self._abandoned:
            self._deliver_urgent()
            self._delivery.look(now=whole and not tried)
            self._stalled = False

    def _deliver_urgent(self) -> None:
        waiting = [self._urgent.popleft() for _ in range(len(self._urgent))]
        self._hand_over([self._record(one.taken) for one in waiting if not one.spilled], now=False)
        if not self._abandoned:
            for one in waiting:
                one.done.release()

    def _hand_over(self, batch: list[Captured], *, now: bool) -> None:
        self._in_hand = batch
        self._delivery.deliver(batch, now=now)
        self._in_hand = []

    def _rest(self) -> list[Captured]:
        """Return what nobody delivered."""
        records = list(self._storm.finish())
        while self._queue:
            records.extend(self._records(self._queue.popleft()))
        while self._urgent:
            records.append(self._record(self._urgent.popleft().taken))
        records.extend(self._storm.finish())
        return records

    def _records(self, taken: Snapshot) -> list[Captured]:
        try:
            return list(self._storm.take(taken))
        except Exception as error:  # noqa: BLE001  one that cannot be recorded costs only itself
            self._delivery.lose(1, f"{type(error).__name__}: {error}")
            return []

    def _spill_directly(self, taken: Snapshot) -> bool:
        return self._delivery.spill([self._record(taken)])

    def _record(self, taken: Snapshot) -> Captured:
        return captured(taken, component=self._component, run_id=self._run_id)
