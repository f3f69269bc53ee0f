"""The journal: failures are captured without delay and kept in the state database."""

import atexit
import uuid
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors.base import Severity
from alchemiser_cli.errors.details import ErrorDetails
from alchemiser_cli.errors.journal.capture import Snapshot, snapshot
from alchemiser_cli.errors.journal.delivery import Delivery, Store
from alchemiser_cli.errors.journal.policy import ContinuePolicy
from alchemiser_cli.errors.journal.spill import Spill
from alchemiser_cli.errors.journal.writer import Writer
from alchemiser_cli.state import StateDatabase

__all__ = ["ErrorJournal", "JournalSummary"]

QUEUE_LENGTH = 10_000
DEADLINE_S = 2.0


class JournalSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the failures of this process, by number.

    ``captured`` is all of them; ``written`` went to the database at once, ``spilled`` to the
    spill file, ``dropped`` nowhere. A critical failure may be both written and spilled.
    ``taken_in`` came from spill files, those of other processes too.
    """

    captured: int
    written: int
    spilled: int
    dropped: int
    waiting: int
    taken_in: int
    by_code: dict[str, int]


class ErrorJournal:
    """Captures failures from any thread, signal handler or exit hook; a thread writes them.

    A failure that is not critical is queued, and dropped and counted when the queue is full. A
    critical one, as every foreign exception is, is in the database or fsynced in the spill file
    before ``capture`` returns, and never folded. Of a storm of one fingerprint a few failures a
    second are kept whole and the others as their number, so the id of one of these is not found
    later. After ``close``, and in a forked child, failures go straight to the spill file.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        run_id: str,
        component: str,
        spill_folder: Path,
        database: StateDatabase | None = None,
        policy: ContinuePolicy | None = None,
        queue_length: int = QUEUE_LENGTH,
    ) -> None:
        """Start the writer; ``component`` and ``run_id`` are those of errors that name none.

        ``database`` is the one under ``store``: given, it is opened anew when its file vanishes.
        """
        self._clock = clock
        self._policy = policy or ContinuePolicy()
        self._tallies: dict[str, _Tally] = {}
        self._dropped = _Tally()
        self._delivery = Delivery(store, Spill(spill_folder), clock, database)
        self._writer = Writer(
            self._delivery, clock, component=component, run_id=run_id, queue_length=queue_length
        )
        atexit.register(self.close)

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
    def backlog(self) -> int:
        """How many failures wait to be written."""
        return self._writer.backlog

    def capture(
        self, error: BaseException, *, recovered: bool = False, injected: bool | None = None
    ) -> str:
        """Take ``error`` into the journal and return its id; never blocks, never raises.

        A critical failure may wait for the database, for ``writer.CRITICAL_WAIT_S`` at most.
        ``injected`` None means what the error itself says.
        """
        error_id = uuid.uuid4().hex
        try:
            self._pass_on(self._snapshot(error, error_id, recovered=recovered, injected=injected))
        except Exception:  # noqa: BLE001  whatever happens here must not reach the caller
            with suppress(Exception):
                self._dropped.add()
        return error_id

    def handle(self, error: BaseException, *, should_continue: bool | None = None) -> ErrorDetails:
        """Capture ``error`` and decide whether the caller goes on; waits no more than ``capture``.

        ``should_continue`` overrides the policy.
        """
        taken = self._snapshot(error, uuid.uuid4().hex, recovered=False, injected=None)
        try:
            self._pass_on(taken)
        except Exception:  # noqa: BLE001  as for capture
            self._dropped.add()
        if should_continue is None:
            should_continue = self._policy.should_continue(
                taken.severity, recoverable=taken.recoverable
            )
        return ErrorDetails(
            id=taken.id,
            code=taken.code,
            error=type(error).__name__,
            severity=taken.severity,
            what=taken.what,
            why=taken.why,
            next_step=taken.next_step,
            recoverable=taken.recoverable,
            retry_safety=taken.retry_safety,
            should_continue=should_continue,
            injected=taken.injected,
            at_ns=taken.at_ns,
            context=taken.context,
        )

    def summary(self) -> JournalSummary:
        """Count what became of the failures so far."""
        by_code = {code: tally.value for code, tally in sorted(self._tallies.items())}
        return JournalSummary(
            captured=sum(by_code.values()),
            written=self._delivery.written,
            spilled=self._delivery.spilled,
            dropped=self._dropped.value + self._delivery.lost,
            waiting=self.backlog,
            taken_in=self._delivery.taken_in,
            by_code=by_code,
        )

    def flush(self, deadline_s: float = DEADLINE_S) -> bool:
        """Deliver what was captured before, folded or not; False when the deadline passed."""
        return self._writer.flush(deadline_s)

    def close(self, deadline_s: float = DEADLINE_S) -> None:
        """Deliver what is left and end the writer; what is late then is spilled."""
        atexit.unregister(self.close)
        self._writer.close(deadline_s)

    def _snapshot(
        self, error: BaseException, error_id: str, *, recovered: bool, injected: bool | None
    ) -> Snapshot:
        at_ns = self._clock.now_ns()
        return snapshot(
            error, error_id=error_id, at_ns=at_ns, recovered=recovered, injected=injected
        )

    def _pass_on(self, taken: Snapshot) -> None:
        tally = self._tallies.get(taken.code) or self._tallies.setdefault(taken.code, _Tally())
        tally.add()
        if taken.severity is Severity.CRITICAL:
            self._writer.write_through(taken)
        elif not self._writer.offer(taken):
            self._dropped.add()


class _Tally:
    """A number that threads and signal handlers raise by one, without a lock and without loss."""

    __slots__ = ("_reads", "add")

    def __init__(self) -> None:
        self.add: Callable[[], int] = count().__next__
        self._reads = 0

    @property
    def value(self) -> int:
        # Reading is one more step of the count; only summaries read, one at a time.
        self._reads += 1
        return self.add() - self._reads + 1
