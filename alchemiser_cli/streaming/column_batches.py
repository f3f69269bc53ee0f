"""Batches of columns, one after the other; a message that fails is found by halving."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable

import numpy as np
import numpy.typing as npt

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.faults import fault_point
from alchemiser_cli.market.columns import TickColumns
from alchemiser_cli.market.quality import LatencyHistogram, latest_only_columns
from alchemiser_cli.resilience import Retry
from alchemiser_cli.streaming.handling import (
    CallbackEndedError,
    pass_to_handle,
    processing_failed,
)
from alchemiser_cli.streaming.intake import ColumnWork, Span, received_from
from alchemiser_cli.streaming.offsets import PartitionLease
from alchemiser_cli.streaming.received import Received, StopConsuming
from alchemiser_cli.streaming.results import Tally
from alchemiser_cli.streaming.setting_aside import TalliedAside

__all__ = ["ColumnBatches", "ColumnsCallback"]

ColumnsCallback = Callable[[TickColumns], Awaitable[None]]
_HANDLE = fault_point("streaming.handle")
_LEAST_SHARE = 0.1  # of the time that a callback may take, for the smallest part of a batch

Rows = npt.NDArray[np.int64]


class ColumnBatches:
    """Works batches off in their order, on the event loop that ``add`` is called on.

    A callback that raises is tried again where that is safe. If it still raises, it is called
    with each half of the batch, down to the messages that fail: a callback may therefore see a
    tick again, and what it does must be safe to do twice.
    """

    def __init__(
        self,
        topic: str,
        on_columns: ColumnsCallback,
        aside: TalliedAside,
        tally: Tally,
        latencies: LatencyHistogram,
        retry: Retry,
        clock: Clock,
        *,
        timeout_s: float,
        latest_only: bool,
        on_change: Callable[[], None],
    ) -> None:
        """Bind the callback, which may take ``timeout_s`` each time.

        With ``latest_only``, a batch that others wait behind keeps the newest quote and bar of
        each symbol, and all trades.
        """
        self._topic = topic
        self._on_columns = on_columns
        self._aside = aside
        self._tally = tally
        self._latencies = latencies
        self._retry = retry
        self._clock = clock
        self._timeout_s = timeout_s
        self._latest_only = latest_only
        self._on_change = on_change
        self._waiting: deque[ColumnWork] = deque()
        self._present: ColumnWork | None = None
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self.received = 0
        self.done = 0
        self.dropped = 0  # given up with their partitions
        self.failure: BaseException | None = None

    @property
    def under_way(self) -> int:
        """Messages that wait or are worked on."""
        return self.received - self.done

    def add(self, work: ColumnWork) -> None:
        """Take a batch."""
        self.received += len(work.messages)
        if self._closed:
            self.done += len(work.messages)
            return
        for span in work.spans:
            span.lease.begin(span.first)
        self._waiting.append(work)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def settle(self, leases: list[PartitionLease]) -> None:
        """Drop what waits under ``leases`` and return when nothing of them is worked on."""
        for lease in leases:
            lease.held = False
        present = self._present
        while present is not None and self._present is present and self._task is not None:
            if not any(span.lease in leases for span in present.spans):
                return
            await asyncio.wait([self._task], timeout=0.01)

    async def close(self, deadline_s: float) -> None:
        """Take nothing more, drop what waits, and give the present batch ``deadline_s``."""
        self._closed = True
        self.done += sum(len(work.messages) for work in self._waiting)
        self._waiting.clear()
        task = self._task
        if task is None:
            return
        try:
            await asyncio.wait([task], timeout=deadline_s)
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        try:
            while self._waiting:
                work = self._present = self._waiting.popleft()
                ours = [span for span in work.spans if span.lease.held]
                if len(ours) == len(work.spans):
                    await self._work_off(work, work.columns, work.rows, work.aside)
                else:
                    before = self._tally.consumed
                    await self._work_off(work, *_only(work, ours))
                    self.dropped += len(work.messages) - (self._tally.consumed - before)
                for span in ours:  # given up meanwhile or not: what is drained is committed
                    span.lease.finish(span.first, span.following)
                self.done += len(work.messages)
                self._present = None
                self._on_change()
                await asyncio.sleep(0)
        except Exception as error:  # noqa: BLE001  it is told to whoever runs the consumer
            self.failure = error
        finally:
            self._task = self._present = None
            self._on_change()

    async def _work_off(
        self, work: ColumnWork, columns: TickColumns, rows: Rows, aside: list[Received]
    ) -> None:
        if self._latest_only and self._waiting:
            found = latest_only_columns(columns)
            columns, rows = columns.take(np.array(found.kept, int)), rows[found.kept]
            self._tally.consumed += len(found.skipped)
            self._tally.conflated += len(found.skipped)
        if len(columns):
            await self._process(work, columns, rows)
        for received in aside:
            await self._aside.unusable(received)

    async def _process(self, work: ColumnWork, columns: TickColumns, rows: Rows) -> None:
        # A part of a batch gets a part of its time, so that one row that hangs is found soon.
        share = max(len(columns) / len(work.columns), _LEAST_SHARE)
        timeout_s = self._timeout_s * share

        try:
            await self._retry.call_async(self._attempt, columns, timeout_s)
        except StopConsuming:
            raise
        except Exception as error:  # noqa: BLE001  a message must not fail its batch
            if len(columns) == 1:
                await self._fail(work, columns, rows, error)
                return
            middle = len(columns) // 2
            halves = np.arange(middle), np.arange(middle, len(columns))
            for half in halves:
                await self._process(work, columns.take(half), rows[half])
            return
        count = len(columns)
        self._aside.worked_off(count)
        latency_s = (self._clock.monotonic_ns() - work.taken_ns) / NS_PER_SECOND
        self._latencies.record(latency_s, count)

    async def _attempt(self, columns: TickColumns, timeout_s: float) -> None:
        deadline = asyncio.timeout(timeout_s)
        try:
            async with deadline:
                if _HANDLE.armed is not None:
                    await pass_to_handle()
                await self._on_columns(columns)
        except TimeoutError as error:
            if deadline.expired():
                why = f"The callback ran longer than {timeout_s:g} s."
                raise CallbackEndedError(why, error.__cause__ or error) from error
            raise
        except asyncio.CancelledError as error:
            if self._task is not None and self._task.cancelling():
                raise  # we ourselves are to end
            raise CallbackEndedError("The callback was cancelled.", error) from error

    async def _fail(
        self, work: ColumnWork, columns: TickColumns, rows: Rows, error: Exception
    ) -> None:
        message = work.messages[int(rows[0])]
        received = received_from(self._topic, message, tick=columns.ticks()[0])
        failure = processing_failed(received, error, 1)
        await self._aside.failed(received, failure, 1)


def _only(work: ColumnWork, spans: list[Span]) -> tuple[TickColumns, Rows, list[Received]]:
    held = {span.lease.place[1] for span in spans}
    ours = np.array([work.messages[row].partition() in held for row in work.rows.tolist()], bool)
    aside = [received for received in work.aside if received.partition in held]
    return work.columns.take(ours), work.rows[ours], aside
