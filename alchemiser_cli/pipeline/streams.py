"""Market data wired into streaming: datasets in, handled ticks out."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from alchemiser_cli.clock import Clock
from alchemiser_cli.market import Tick
from alchemiser_cli.settings import Settings
from alchemiser_cli.streaming import (
    AcknowledgedProducer,
    Cluster,
    Consumer,
    ConsumeResult,
    DeadLetterLimit,
    DeadLetters,
    Disposal,
    FailureCallback,
    OutageCallback,
    Quarantine,
    Received,
    ReplayResult,
    SnapshotCallback,
    Start,
    TickCallback,
    TickEncoder,
    TickProducer,
    ensure_companion,
    ensure_topic,
    open_registry,
    replay,
    value_subject,
)
from alchemiser_cli.telemetry import SILENT, Telemetry

if TYPE_CHECKING:
    from alchemiser_cli.market import Dataset

__all__ = [
    "ConsumeLimits",
    "RoundTrip",
    "consume_ticks",
    "replay_dataset",
    "round_trip",
    "set_aside",
]

Progress = Callable[[int, int | None], None]

# A round trip ends by count; this only bounds it when messages are missing.
ROUND_TRIP_IDLE_S = 5.0


@dataclass(frozen=True)
class ConsumeLimits:
    """Where a consumer starts, and what ends it besides a signal."""

    start: Start = "committed"
    max_messages: int | None = None
    until_idle_s: float | None = None


def replay_dataset(
    settings: Settings,
    cluster: Cluster,
    dataset: "Dataset",
    clock: Clock,
    *,
    topic: str,
    speed: float | None = None,
    on_progress: Progress | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> ReplayResult:
    """Send every tick of ``dataset`` to ``topic`` under its registered schema.

    ``speed`` is the multiple of real time, None for as fast as possible.

    Raises:
        BrokerUnreachableError: ``broker-unreachable``; TopicMissingError ``topic-missing``;
            DeliveryFailedError ``delivery-failed``; RegistryUnreachableError
            ``registry-unreachable``; SchemaIncompatibleError ``schema-incompatible``.
    """
    total = len(dataset)
    with closing(open_registry(settings.registry, settings.registry_url, clock)) as registry:
        encoder = TickEncoder(registry, value_subject(topic))
    ensure_topic(settings.kafka, settings.topics, cluster, topic)
    with TickProducer(settings.kafka, cluster.bootstrap, topic, encoder, clock) as producer:
        return replay(
            dataset,
            producer,
            speed=speed,
            clock=clock,
            on_progress=(lambda sent: on_progress(sent, total)) if on_progress else None,
            stop=stop,
        )


def consume_ticks(
    settings: Settings,
    cluster: Cluster,
    clock: Clock,
    on_tick: TickCallback,
    *,
    topic: str,
    limits: ConsumeLimits,
    on_failed: FailureCallback = lambda _received, _error: None,
    on_outage: OutageCallback | None = None,
    on_snapshot: SnapshotCallback | None = None,
    stop: Callable[[], bool] = lambda: False,
    telemetry: Telemetry = SILENT,
) -> ConsumeResult:
    """Run the consumer of ``settings.consumer`` over ``topic`` until a limit or ``stop``.

    ``on_failed`` is told of each message that cannot be read or handled. Such a message goes to
    ``TOPIC.dlq`` and an implausible one to ``TOPIC.quarantine``, as the settings say, before its
    offset is committed. ``on_outage`` is told once of each outage that it waits out.

    Raises:
        BrokerUnreachableError: ``broker-unreachable``; TopicMissingError ``topic-missing``;
            ConsumerGroupUnreadableError ``consumer-group-unreadable``;
            RegistryUnreachableError ``registry-unreachable``; DeadLetterStormError
            ``dead-letter-storm``; DeliveryFailedError ``delivery-failed`` where a message could
            not be set aside.
    """

    async def run() -> ConsumeResult:
        with (
            closing(open_registry(settings.registry, settings.registry_url, clock)) as registry,
            set_aside(
                settings, cluster, clock, topic, on_failed=on_failed, telemetry=telemetry
            ) as aside,
        ):
            consumer = Consumer(
                settings.kafka,
                settings.consumer,
                cluster.bootstrap,
                topic,
                registry,
                clock,
                quality=settings.quality,
                telemetry=telemetry,
            )
            return await consumer.run(
                on_tick,
                start=limits.start,
                max_messages=limits.max_messages,
                until_idle_s=limits.until_idle_s,
                stop=stop,
                aside=aside,
                on_snapshot=on_snapshot,
                on_outage=on_outage,
            )

    return asyncio.run(run())


@contextmanager
def set_aside(
    settings: Settings,
    cluster: Cluster,
    clock: Clock,
    topic: str,
    *,
    on_failed: FailureCallback = lambda _received, _error: None,
    telemetry: Telemetry = SILENT,
) -> Iterator[Disposal]:
    """Yield where failed and implausible messages of ``topic`` go; makes the topics it needs.

    Raises:
        TopicMissingError: ``topic-missing``, for a topic that cannot be made.
        BrokerUnreachableError: ``broker-unreachable``.
    """
    kafka, letters = settings.kafka, settings.dead_letters
    wanted = {"dlq": letters.enabled, "quarantine": settings.quality.quarantine}
    for suffix in (suffix for suffix, kept in wanted.items() if kept):
        ensure_companion(kafka, settings.topics, cluster, topic, suffix)
    with AcknowledgedProducer(kafka, cluster.bootstrap) as producer:
        group = settings.consumer.group
        yield Disposal(
            DeadLetters(producer, letters, clock, telemetry, group=group)
            if letters.enabled
            else None,
            DeadLetterLimit(letters) if letters.enabled else None,
            Quarantine(producer, telemetry) if settings.quality.quarantine else None,
            on_failed,
        )


@dataclass(frozen=True)
class RoundTrip:
    """A dataset that went through Kafka: what was sent, what was seen, and the ticks."""

    replayed: ReplayResult
    consumed: ConsumeResult
    ticks: list[Tick]


def round_trip(
    settings: Settings,
    cluster: Cluster,
    dataset: "Dataset",
    clock: Clock,
    on_progress: Callable[[str, int, int | None], None],
) -> RoundTrip:
    """Replay ``dataset`` into ``cluster`` and consume all of it again.

    ``on_progress`` is told the stage, how much is done and of how much.

    Raises:
        StreamingError: as ``replay_dataset`` and ``consume_ticks``.
    """
    topic = settings.topics.ticks
    ticks: list[Tick] = []

    async def keep(tick: Tick, _received: Received) -> None:
        ticks.append(tick)

    replayed = replay_dataset(
        settings,
        cluster,
        dataset,
        clock,
        topic=topic,
        on_progress=lambda done, total: on_progress("replay", done, total),
    )
    consumed = consume_ticks(
        settings,
        cluster,
        clock,
        keep,
        topic=topic,
        limits=ConsumeLimits(
            start="earliest", max_messages=replayed.sent, until_idle_s=ROUND_TRIP_IDLE_S
        ),
        on_snapshot=lambda now: on_progress("consume", now.consumed, now.limit),
    )
    return RoundTrip(replayed, consumed, ticks)
