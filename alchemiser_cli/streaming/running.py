"""One run of a consumer, from the join to the farewell."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Protocol

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.logs import get_logger
from alchemiser_cli.market.quality import LatencyHistogram
from alchemiser_cli.settings.sections import ConsumerSettings, KafkaSettings
from alchemiser_cli.streaming.fetching import Fetcher, Intake
from alchemiser_cli.streaming.membership import GroupMember
from alchemiser_cli.streaming.offsets import PartitionLease
from alchemiser_cli.streaming.outages import OutageCallback
from alchemiser_cli.streaming.positions import StartPositions
from alchemiser_cli.streaming.received import StopConsuming
from alchemiser_cli.streaming.results import (
    ConsumeResult,
    ConsumerSnapshot,
    LatencyMs,
    Tally,
)
from alchemiser_cli.streaming.telling import RecentRate, TallyTeller
from alchemiser_cli.streaming.watching import QualityWatch
from alchemiser_cli.telemetry import Telemetry

__all__ = ["ConsumerRun", "SnapshotCallback"]

_LOOK_S = 0.1  # how often stop conditions are looked at
_MS_PER_SECOND = 1_000

_log = get_logger("market_data", "streaming.consumer")

SnapshotCallback = Callable[[ConsumerSnapshot], None]


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


class ConsumerRun:
    """Drives a fetcher's thread and a stage of work on the event loop until a condition holds."""

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
        on_outage: OutageCallback,
    ) -> None:
        self.positions = positions
        self.watch = watch
        self.tally = Tally()
        self.latencies: list[float] = []  # seconds, not in the histogram yet
        self.histogram = LatencyHistogram()
        self._settings = settings
        self._topic = topic
        self._clock = clock
        self._teller = TallyTeller(self.tally, telemetry, topic, clock)
        self._max_messages = max_messages
        self._until_idle_s = until_idle_s
        self._stop = stop
        self._on_snapshot = on_snapshot
        self._on_outage = on_outage
        self._started_ns = self._last_done_ns = clock.monotonic_ns()
        self._rate = RecentRate(clock)
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
        """Fetch by ``intake`` into ``stage`` until a condition holds, then leave the group.

        Raises:
            Exception: what ended the stage or the fetcher.
        """
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
            on_outage=self._on_outage,
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
        self._tell(stage, fetcher, last=True)
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
            # Longer than half of that, and the group would take us for dead while we drain.
            longest_s = self._settings.max_poll_interval_s / 2
            settled.result(min(self._settings.drain_timeout_s, longest_s))
        except TimeoutError:
            settled.cancel()
            places = sorted(lease.place[1] for lease in leases)
            _log.warning("partitions_not_drained", topic=self._topic, partitions=places)

    def _tell(self, stage: _Stage, fetcher: Fetcher[Any], *, last: bool = False) -> None:
        self._teller.tell(self.watch.stock, fetcher.lag, last=last)
        if self.latencies:
            self.histogram.record_many(self.latencies)
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
                latency_ms=_latency(self.histogram),
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
            latency_ms=_latency(self.histogram),
            duration_s=(self._clock.monotonic_ns() - self._started_ns) / NS_PER_SECOND,
        )


def _latency(latencies: LatencyHistogram) -> LatencyMs:
    p50, p99 = (latencies.percentile(share) for share in (50, 99))
    if p50 is None or p99 is None:
        return LatencyMs(None, None)
    return LatencyMs(p50=p50 * _MS_PER_SECOND, p99=p99 * _MS_PER_SECOND)
