"""What every consumer of a group shares, whatever its messages hold."""

from collections.abc import Callable

from alchemiser_cli.clock import Clock
from alchemiser_cli.resilience import Retry, RetryPolicy
from alchemiser_cli.settings.sections import ConsumerSettings, KafkaSettings, QualitySettings
from alchemiser_cli.streaming.fetching import Intake
from alchemiser_cli.streaming.handling import Handling
from alchemiser_cli.streaming.intake import Transit
from alchemiser_cli.streaming.lanes import Lanes, Thin, WorkItem
from alchemiser_cli.streaming.outages import OutageCallback
from alchemiser_cli.streaming.positions import Start, StartPositions
from alchemiser_cli.streaming.received import MessageCallback
from alchemiser_cli.streaming.registry import SchemaRegistry
from alchemiser_cli.streaming.results import ConsumeResult
from alchemiser_cli.streaming.running import ConsumerRun, SnapshotCallback
from alchemiser_cli.streaming.schemas import SchemaCache
from alchemiser_cli.streaming.setting_aside import OnlyCounted, SetAside, TalliedAside
from alchemiser_cli.streaming.watching import QualityWatch
from alchemiser_cli.telemetry import SILENT, Telemetry
from alchemiser_cli.telemetry.names import HANDLER_SECONDS, TRANSIT_SECONDS

__all__ = ["GroupConsumer"]


class GroupConsumer:
    """A consumer of one topic in the group of its settings; a subclass says what it decodes.

    Each run has a thread and a client of its own, so that one event loop can run several.
    """

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

    def _begin(
        self,
        start: Start,
        max_messages: int | None,
        until_idle_s: float | None,
        stop: Callable[[], bool],
        on_snapshot: SnapshotCallback | None,
        on_outage: OutageCallback | None,
    ) -> ConsumerRun:
        return ConsumerRun(
            self._kafka,
            self._settings,
            self._bootstrap,
            self._topic,
            StartPositions(start, self._kafka.request_timeout_s),
            QualityWatch(self._quality, self._clock, self._telemetry),
            self._clock,
            self._telemetry,
            max_messages,
            until_idle_s,
            stop,
            on_snapshot,
            on_outage or (lambda _: None),
        )

    async def _in_lanes(
        self,
        run: ConsumerRun,
        callback: MessageCallback,
        intake: Intake[list[WorkItem]],
        aside: SetAside | None,
        thin: Thin | None = None,
    ) -> ConsumeResult:
        """Await ``callback`` for each message that ``intake`` gives, in order for each key."""
        handling = Handling(
            callback,
            self._tallied(run, aside),
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
            thin=thin,
            on_change=run.notice,
        )
        return await run.drive(lanes, intake)

    def _transit(self) -> Transit | None:
        if self._telemetry is SILENT:
            return None
        seconds = self._telemetry.histogram(TRANSIT_SECONDS, topic=self._topic)
        return Transit(seconds, self._clock)

    def _tallied(self, run: ConsumerRun, aside: SetAside | None) -> TalliedAside:
        return TalliedAside(aside or OnlyCounted(), run.tally)
