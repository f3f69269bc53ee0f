"""Work whose failures must all be in the journal, beside a desk that must not wait for it."""

import threading
from collections.abc import Mapping

from sqlalchemy import func, select

from alchemiser_cli.chaos.laboratory.contract import Laboratory
from alchemiser_cli.chaos.workloads.trading import TradingWorkload
from alchemiser_cli.chaos.workloads.workload import Defence, Steadiness, Work
from alchemiser_cli.clock import NS_PER_SECOND, TrueClock
from alchemiser_cli.errors import MessageProcessingError, operation
from alchemiser_cli.state import StateDatabase, error_group

__all__ = ["JournallingWorkload"]

COMPONENT = "laboratory-parts"

_STOP_S = 20.0
_SLOW_S = 0.5  # longest time that capturing one failure may take


class JournallingWorkload:
    """Parts that fail one after the other, and a desk that trades, on one state database.

    A piece of work is a failure that was captured without delay, or a tick of the desk. What is
    not in the journal at the end is lost.
    """

    def __init__(self, laboratory: Laboratory, *, rate: float = 20.0) -> None:
        """Prepare for ``rate`` failures, and as many ticks, a second."""
        self._laboratory = laboratory
        self._between_s = 1.0 / rate
        self._desk = TradingWorkload(laboratory, rate=rate)
        self._clock = TrueClock()
        self._evidence = StateDatabase.of(laboratory.settings, self._clock, suffers=False)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._captured = self._slow = 0
        self._last: Work | None = None
        self._stored = 0

    def start(self) -> None:
        """Begin; return when the desk trades.

        Raises:
            RuntimeError: where it does not.
        """
        self._thread = threading.Thread(target=self._run, name="chaos-parts", daemon=True)
        self._thread.start()
        self._desk.start()

    def stop(self) -> None:
        """End the desk and the parts, and let the journal take in everything."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_STOP_S)
        self._desk.stop()
        until_ns = self._clock.monotonic_ns() + round(_STOP_S * NS_PER_SECOND)
        while self._missing() > 0 and self._clock.monotonic_ns() < until_ns:
            self._laboratory.journal.flush()
            self._clock.sleep(0.1)
        self._stored = self._in_journal()
        self._evidence.close()
        desk = self._desk.work()
        self._last = Work(
            offered=self._captured + desk.offered,
            done=min(self._captured, self._stored) + desk.done,
            twice=max(0, self._stored - self._captured) + desk.twice,
            lost=max(0, self._captured - self._stored) + desk.lost,
        )

    def work(self) -> Work:
        """Return how many failures and ticks there were, and how many got through."""
        desk = self._desk.work()
        done = self._captured - self._slow + desk.done
        return self._last or Work(offered=self._captured + desk.offered, done=done)

    def steady(self) -> Steadiness:
        """Tell whether the desk trades, and the journal writes to its database."""
        desk = self._desk.steady()
        missing = self._missing()
        written = missing <= 2.0 / self._between_s
        return Steadiness(
            desk.steady and written, f"{desk.detail}; {missing} failures are not in the database"
        )

    def defences(self) -> Mapping[str, Defence]:
        """Tell of the spill file, and of a desk that goes on."""
        summary = self._laboratory.journal.summary()
        return {
            "spill file": Defence(
                summary.spilled > 0 and not summary.dropped,
                f"failures spilled: {summary.spilled}; taken in: {summary.taken_in}; "
                f"dropped: {summary.dropped}",
            ),
            "queued journal": Defence(
                self._captured > 0 and not self._slow,
                f"failures captured: {self._captured}; of them late: {self._slow}",
            ),
        }

    def _run(self) -> None:
        while not self._stop.wait(self._between_s):
            try:
                self._work_on_a_part()
            except MessageProcessingError as error:
                begun_ns = self._clock.monotonic_ns()
                self._laboratory.journal.capture(error)
                self._slow += self._clock.monotonic_ns() - begun_ns > _SLOW_S * NS_PER_SECOND
                self._captured += 1

    @staticmethod
    def _work_on_a_part() -> None:
        with operation("work on a part", component=COMPONENT):
            raise MessageProcessingError(
                "a part of the laboratory failed",
                why="It fails so that one can see whether the journal has it.",
                next_step="Nothing.",
            )

    def _missing(self) -> int:
        """Return how many failures will still come into the journal."""
        dropped = self._laboratory.journal.summary().dropped
        return self._captured - dropped - self._in_journal()

    def _in_journal(self) -> int:
        query = select(func.sum(error_group.c.count)).where(error_group.c.component == COMPONENT)
        with self._evidence.begin() as connection:
            return int(connection.execute(query).scalar() or 0)
