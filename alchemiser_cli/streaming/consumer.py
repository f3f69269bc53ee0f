"""Consuming ticks: fetched in one thread, worked off on the event loop, committed when finished.

The guarantee is *at least once*: an offset is committed when every message below it was worked
off or set aside, never earlier; after a crash, what was finished since the last commit comes
again. Order holds for each key; different keys are worked off at once.

Source: the group protocol of KIP-429 (cooperative rebalancing) or KIP-848.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.logs import get_logger
from alchemiser_cli.market.quality import LatencyHistogram
from alchemiser_cli.resilience import Retry, RetryPolicy
from alchemiser_cli.settings.sections import ConsumerSettings, KafkaSettings, QualitySettings
from alchemiser_cli.streaming.column_batches import ColumnBatches, ColumnsCallback
from alchemiser_cli.streaming.columnar import ColumnDecoder
from alchemiser_cli.streaming.conflating import thin
from alchemiser_cli.streaming.fetching import Fetcher, Intake
from alchemiser_cli.streaming.handling import Handling, OnlyCounted, SetAside
from alchemiser_cli.streaming.intake import ColumnIntake, TickIntake, Transit
from alchemiser_cli.streaming.lanes import Lanes
from alchemiser_cli.streaming.membership import GroupMember
from alchemiser_cli.streaming.offsets import PartitionLease
from alchemiser_cli.streaming.positions import Start, StartPositions
from alchemiser_cli.streaming.received import StopConsuming, TickCallback
from alchemiser_cli.streaming.registry import SchemaRegistry
from alchemiser_cli.streaming.results import (
    ConsumeResult,
    ConsumerSnapshot,
    LatencyMs,
    Tally,
)
from alchemiser_cli.streaming.schemas import SchemaCache
from alchemiser_cli.streaming.watching import QualityWatch
from alchemiser_cli.telemetry import SILENT, Telemetry
from alchemiser_cli.telemetry.names import (
    CONSUMED,
    FAILED,
    HANDLER_SECONDS,
    PROCESSED,
    TRANSIT_SECONDS,
)

__all__ = ["Consumer", "SnapshotCallback"]

_LOOK_S = 0.1  # how often stop conditions are looked at
_RATE_OVER_S = 2.0
_MS_PER_SECOND = 1_000

_log = get_logger("market_data", "streaming.consumer")

SnapshotCallback = Callable[[ConsumerSnapshot], None]


class Consumer:
    """A consumer of one topic in the group of its settings."""

    def __init__(
        self,
        kafka: KafkaSettings,
        settings: ConsumerSettings,
        bootstrap: str,
        topic: str,
        schemas: SchemaRegistry | SchemaCache,
        clock: Clock,
        *,
        quality: QualitySettings | None = None,
        telemetry: Telemetry = SILENT,
    ) -> None:
        """Prepare a consumer of ``topic``; nothing is contacted yet."""
        self._kafka = kafka
        self._settings = settings
        self._bootstrap = bootstrap
        self._topic = topic
        self._schemas = SchemaCache.of(schemas, clock)
        self._clock = clock
        self._quality = quality or QualitySettings()
        self._telemetry = telemetry
        self._retry = Retry(RetryPolicy(attempts=settings.callback_attempts), clock)

    async def run(
        self,
        on_tick: TickCallback,
        *,
        start: Start = "committed",
        max_messages: int | None = None,
        until_idle_s: float | None = None,
        stop: Callable[[], bool] = lambda: False,
        aside: SetAside | None = None,
        on_snapshot: SnapshotCallback | None = None,
    ) -> ConsumeResult:
        """Consume until a stop condition holds, then commit and leave the group.

        Args:
            on_tick: awaited for each tick, for different keys at once and for one key in order,
                for at most ``callback_timeout_s``. What it raises fails that message only; it is
                awaited again first, where the error's class says that this can do no harm.
            start: "earliest", "latest", "committed" (the earliest where nothing was committed)
                or a time in UTC nanoseconds; it holds for the first assignment of a partition.
            max_messages: end after this many.
            until_idle_s: end when no message came for so long, counted from the assignment.
            stop: looked at some ten times a second; what runs then may take
                ``drain_timeout_s``, and what waits is left for the next run.
            aside: where messages go that cannot be read, handled or believed.
            on_snapshot: told how it goes, some ten times a second.

        Raises:
            BrokerUnreachableError: ``broker-unreachable`` after ``request_timeout_s``.
            TopicMissingError: ``topic-missing``.
            ConsumerGroupUnreadableError: ``consumer-group-unreadable``.
            RegistryUnreachableError: ``registry-unreachable``, at the start or after
                ``max_outage_s``; what it concerns is not committed.
            Exception: what ``aside`` raised; that message is not committed.
        """
        run = self._begin(start, max_messages, until_idle_s, stop, on_snapshot)
        handling = Handling(
            on_tick,
            aside or OnlyCounted(),
            run.tally,
            run.latencies,
            self._telemetry.histogram(HANDLER_SECONDS, topic=self._topic),
            self._retry,
            self._clock,
            self._settings.callback_timeout_s,
        )
        lanes = Lanes(
            handling,
            run.tally,
            self._clock,
            concurrency=self._settings.concurrency,
            timeout_s=self._settings.callback_timeout_s,
            thin=thin if self._settings.latest_only else None,
            on_change=run.notice,
        )
        return await run.drive(lanes, self._intake(TickIntake, run))

    async def run_columns(
        self,
        on_columns: ColumnsCallback,
        *,
        start: Start = "committed",
        max_messages: int | None = None,
        until_idle_s: float | None = None,
        stop: Callable[[], bool] = lambda: False,
        aside: SetAside | None = None,
        on_snapshot: SnapshotCallback | None = None,
    ) -> ConsumeResult:
        """Consume as ``run`` does, but batch after batch as columns.

        ``on_columns`` is awaited for one batch at a time, for at most ``callback_timeout_s``.
        When it raises, it is called again with parts of that batch until the messages that fail
        are found: what it does must be safe to do twice.

        Raises:
            StreamingError: as ``run``.
        """
        run = self._begin(start, max_messages, until_idle_s, stop, on_snapshot)
        batches = ColumnBatches(
            self._topic,
            on_columns,
            aside or OnlyCounted(),
            run.tally,
            run.latencies,
            self._retry,
            self._clock,
            timeout_s=self._settings.callback_timeout_s,
            latest_only=self._settings.latest_only,
            on_change=run.notice,
        )
        return await run.drive(batches, self._intake(ColumnIntake, run))

    def _begin(self, start: Start, *conditions: Any) -> "_Run":
        positions = StartPositions(start, self._kafka.request_timeout_s)
        watch = QualityWatch(self._quality, self._clock, self._telemetry)
        return _Run(
            self._kafka,
            self._settings,
            self._bootstrap,
            self._topic,
            positions,
            watch,
            self._clock,
            self._telemetry,
            *conditions,
        )

    def _intake(self, kind: Any, run: "_Run") -> Any:
        decoder = ColumnDecoder(self._schemas, self._clock)
        seconds = self._telemetry.histogram(TRANSIT_SECONDS, topic=self._topic)
        transit = Transit(seconds, self._clock) if self._telemetry is not SILENT else None
        return kind(self._topic, decoder, run.positions, run.watch, self._clock, transit)


class _Stage(Protocol):
    """Where delivered work goes; all of it belongs to the event loop."""

    done: int
    dropped: int
    failure: BaseException | None

    @property
    def under_way(self) -> int: ...

    def add(self, work: Any) -> None: ...

    async def settle(self, leases: list[PartitionLease]) -> None: ...

    async def close(self, deadline_s: float) -> None: ...


class _Run:
    """One run of a consumer, from the join to the farewell."""

    def __init__(
        self,
        kafka: KafkaSettings,
        settings: ConsumerSettings,
        bootstrap: str,
        topic: str,
        positions: StartPositions,
        watch: QualityWatch,
        clock: Clock,
        telemetry: Telemetry,
        max_messages: int | None,
        until_idle_s: float | None,
        stop: Callable[[], bool],
        on_snapshot: SnapshotCallback | None,
    ) -> None:
        self.positions = positions
        self.watch = watch
        self.tally = Tally()
        self.latencies: list[float] = []  # seconds, not in the histogram yet
        self._histogram = LatencyHistogram()
        self._settings = settings
        self._topic = topic
        self._clock = clock
        self._counts = _Counts(self.tally, telemetry, topic)
        self._max_messages = max_messages
        self._until_idle_s = until_idle_s
        self._stop = stop
        self._on_snapshot = on_snapshot
        self._started_ns = self._last_done_ns = clock.monotonic_ns()
        self._rate = _Rate(clock)
        self._wake = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._stage: _Stage | None = None
        self._fetcher: Fetcher[Any] | None = None
        self._member = GroupMember(
            kafka, settings, bootstrap, topic, positions, clock, self._give_up
        )

    def notice(self) -> None:
        """Look around soon: messages are done, or something failed."""
        self._last_done_ns = self._clock.monotonic_ns()
        if self._fetcher is not None:
            self._fetcher.make_room()
        self._wake.set()

    async def drive(self, stage: _Stage, intake: Intake[Any]) -> ConsumeResult:
        fetcher = self._fetcher = Fetcher(
            self._member,
            intake,
            self._settings,
            self._clock,
            limit=self._max_messages,
            deliver=lambda work: self._loop.call_soon_threadsafe(stage.add, work),
            done=lambda: stage.done,
            dropped=lambda: stage.dropped,
            each_second=self.watch.take_stock,
            ended=lambda: self._loop.call_soon_threadsafe(self._wake.set),
        )
        self._stage = stage
        fetcher.start()
        drain_s = self._settings.drain_timeout_s
        try:
            while not self._over(stage, fetcher):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_S):
                        await self._wake.wait()
                self._wake.clear()
                self._tell(stage, fetcher)
        except asyncio.CancelledError:
            drain_s = 0.0
            raise
        finally:
            fetcher.end()
            await asyncio.shield(self._farewell(stage, fetcher, drain_s))
        self._tell(stage, fetcher)
        failure = stage.failure or fetcher.failure
        if failure is not None and not isinstance(failure, StopConsuming):
            raise failure
        return self._result(fetcher)

    def _over(self, stage: _Stage, fetcher: Fetcher[Any]) -> bool:
        if stage.failure is not None or not fetcher.alive or self._stop():
            return True
        if stage.done < fetcher.delivered:
            return False
        return fetcher.complete or self._idle(fetcher)

    def _idle(self, fetcher: Fetcher[Any]) -> bool:
        last_ns = fetcher.last_ns  # its thread may change it meanwhile
        if self._until_idle_s is None or last_ns is None or fetcher.waiting_for:
            return False
        silent_ns = self._clock.monotonic_ns() - max(last_ns, self._last_done_ns)
        return silent_ns >= self._until_idle_s * NS_PER_SECOND

    async def _farewell(self, stage: _Stage, fetcher: Fetcher[Any], drain_s: float) -> None:
        await stage.close(drain_s)
        while fetcher.alive:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    await self._wake.wait()
            self._wake.clear()

    def _give_up(self, leases: list[PartitionLease]) -> None:
        """Have nothing of ``leases`` worked on any more; called in the fetcher's thread."""
        stage = self._stage
        if not leases or stage is None:
            return
        self.watch.forget()
        settled = asyncio.run_coroutine_threadsafe(stage.settle(leases), self._loop)
        try:
            settled.result(self._settings.drain_timeout_s)
        except TimeoutError:
            settled.cancel()
            places = sorted(lease.place[1] for lease in leases)
            _log.warning("partitions_not_drained", topic=self._topic, partitions=places)

    def _tell(self, stage: _Stage, fetcher: Fetcher[Any]) -> None:
        self._counts.publish()
        self._histogram.record_many(self.latencies)
        self.latencies.clear()
        if self._on_snapshot is None:
            return
        tally, stock = self.tally, self.watch.stock
        self._on_snapshot(
            ConsumerSnapshot(
                consumed=tally.consumed,
                processed=tally.processed,
                failed=tally.failed,
                dead_lettered=tally.dead_lettered,
                quarantined=tally.quarantined,
                conflated=tally.conflated,
                gaps=stock.gaps,
                duplicates=stock.duplicates,
                reordered=stock.reordered,
                under_way=stage.under_way,
                rate_per_s=self._rate.of(tally.consumed),
                lag=fetcher.lag,
                latency_ms=_latency(self._histogram),
                partitions=len(self._member.leases),
                paused=fetcher.paused,
                waiting_for=fetcher.waiting_for,
                stale=[one.symbol or f"all of {one.venue}" for one in stock.stale],
                limit=self._max_messages,
            )
        )

    def _result(self, fetcher: Fetcher[Any]) -> ConsumeResult:
        tally, stock = self.tally, self.watch.stock
        busy_ns = self._last_done_ns - (fetcher.first_ns or self._last_done_ns)
        return ConsumeResult(
            group=self._settings.group,
            topic=self._topic,
            consumed=tally.consumed,
            processed=tally.processed,
            failed=tally.failed,
            dead_lettered=tally.dead_lettered,
            quarantined=tally.quarantined,
            conflated=tally.conflated,
            gaps=stock.gaps,
            duplicates=stock.duplicates,
            reordered=stock.reordered,
            rejoined=fetcher.rejoined,
            partitions=fetcher.partitions,
            throughput_per_s=tally.consumed * NS_PER_SECOND / busy_ns if busy_ns > 0 else 0.0,
            latency_ms=_latency(self._histogram),
            duration_s=(self._clock.monotonic_ns() - self._started_ns) / NS_PER_SECOND,
        )


class _Counts:
    """Passes a tally on to Prometheus, by what it grew."""

    def __init__(self, tally: Tally, telemetry: Telemetry, topic: str) -> None:
        self._tally = tally
        self._counters = {
            "consumed": telemetry.counter(CONSUMED, topic=topic),
            "processed": telemetry.counter(PROCESSED, topic=topic),
            "failed": telemetry.counter(FAILED, topic=topic),
        }
        self._published = dict.fromkeys(self._counters, 0)

    def publish(self) -> None:
        for name, counter in self._counters.items():
            total = getattr(self._tally, name)
            counter.inc(total - self._published[name])
            self._published[name] = total


class _Rate:
    """Messages a second, of late."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._marks: deque[tuple[int, int]] = deque()

    def of(self, total: int) -> float:
        now_ns = self._clock.monotonic_ns()
        marks = self._marks
        marks.append((now_ns, total))
        while len(marks) > 2 and now_ns - marks[0][0] > _RATE_OVER_S * NS_PER_SECOND:
            marks.popleft()
        since_ns, before = marks[0]
        return (total - before) * NS_PER_SECOND / (now_ns - since_ns) if now_ns > since_ns else 0.0


def _latency(latencies: LatencyHistogram) -> LatencyMs:
    p50, p99 = (latencies.percentile(share) for share in (50, 99))
    if p50 is None or p99 is None:
        return LatencyMs(None, None)
    return LatencyMs(p50=p50 * _MS_PER_SECOND, p99=p99 * _MS_PER_SECOND)
