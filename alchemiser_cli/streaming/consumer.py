"""Consuming ticks: fetched in one thread, worked off on the event loop, committed when finished.

The guarantee is *at least once*: an offset is committed when every message below it was worked
off or set aside, never earlier; after a crash, what was finished since the last commit comes
again. Order holds for each key; different keys are worked off at once.

Source: the group protocol of KIP-429 (cooperative rebalancing) or KIP-848.
"""

from collections.abc import Callable
from typing import Any

from alchemiser_cli.clock import Clock
from alchemiser_cli.resilience import Retry, RetryPolicy
from alchemiser_cli.settings.sections import ConsumerSettings, KafkaSettings, QualitySettings
from alchemiser_cli.streaming.column_batches import ColumnBatches, ColumnsCallback
from alchemiser_cli.streaming.columnar import ColumnDecoder
from alchemiser_cli.streaming.conflating import thin
from alchemiser_cli.streaming.handling import Handling
from alchemiser_cli.streaming.intake import ColumnIntake, TickIntake, Transit
from alchemiser_cli.streaming.lanes import Lanes
from alchemiser_cli.streaming.positions import Start, StartPositions
from alchemiser_cli.streaming.received import TickCallback
from alchemiser_cli.streaming.registry import SchemaRegistry
from alchemiser_cli.streaming.results import ConsumeResult
from alchemiser_cli.streaming.running import ConsumerRun, SnapshotCallback
from alchemiser_cli.streaming.schemas import SchemaCache
from alchemiser_cli.streaming.setting_aside import OnlyCounted, SetAside, TalliedAside
from alchemiser_cli.streaming.watching import QualityWatch
from alchemiser_cli.telemetry import SILENT, Telemetry
from alchemiser_cli.telemetry.names import HANDLER_SECONDS, TRANSIT_SECONDS

__all__ = ["Consumer"]


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
            TalliedAside(aside or OnlyCounted(), run.tally),
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
            TalliedAside(aside or OnlyCounted(), run.tally),
            run.tally,
            run.histogram,
            self._retry,
            self._clock,
            timeout_s=self._settings.callback_timeout_s,
            latest_only=self._settings.latest_only,
            on_change=run.notice,
        )
        return await run.drive(batches, self._intake(ColumnIntake, run))

    def _begin(self, start: Start, *conditions: Any) -> ConsumerRun:
        positions = StartPositions(start, self._kafka.request_timeout_s)
        watch = QualityWatch(self._quality, self._clock, self._telemetry)
        return ConsumerRun(
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

    def _intake(self, kind: Any, run: ConsumerRun) -> Any:
        decoder = ColumnDecoder(self._schemas, self._clock)
        seconds = self._telemetry.histogram(TRANSIT_SECONDS, topic=self._topic)
        transit = Transit(seconds, self._clock) if self._telemetry is not SILENT else None
        return kind(self._topic, decoder, run.positions, run.watch, self._clock, transit)
