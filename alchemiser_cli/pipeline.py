"""The one place that wires market data into streaming: datasets in, handled ticks out."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from alchemiser_cli.clock import Clock
from alchemiser_cli.market import Tick
from alchemiser_cli.settings import Settings
from alchemiser_cli.streaming import (
    Cluster,
    Consumer,
    ConsumeResult,
    FailureCallback,
    Received,
    ReplayResult,
    Start,
    TickCallback,
    TickDecoder,
    TickEncoder,
    TickProducer,
    ensure_topic,
    open_registry,
    replay,
)

if TYPE_CHECKING:
    from alchemiser_cli.market import Dataset

__all__ = [
    "ConsumeLimits",
    "RoundTrip",
    "consume_ticks",
    "replay_dataset",
    "round_trip",
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
    registry = open_registry(settings.registry, settings.registry_url)
    encoder = TickEncoder(registry, f"{topic}-value")
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
    on_failed: FailureCallback | None = None,
    on_progress: Progress | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> ConsumeResult:
    """Run the consumer of ``settings.consumer`` over ``topic`` until a limit or ``stop``.

    ``on_failed`` is awaited for each message that cannot be read or handled, before its offset
    is committed.

    Raises:
        BrokerUnreachableError: ``broker-unreachable``; TopicMissingError ``topic-missing``;
            ConsumerGroupUnreadableError ``consumer-group-unreadable``;
            RegistryUnreachableError ``registry-unreachable``.
    """
    decoder = TickDecoder(open_registry(settings.registry, settings.registry_url))
    consumer = Consumer(settings.kafka, settings.consumer, cluster.bootstrap, topic, decoder, clock)
    return asyncio.run(
        consumer.run(
            on_tick,
            start=limits.start,
            max_messages=limits.max_messages,
            until_idle_s=limits.until_idle_s,
            stop=stop,
            on_failed=on_failed,
            on_progress=on_progress,
        )
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
        on_progress=lambda done, total: on_progress("consume", done, total),
    )
    return RoundTrip(replayed, consumed, ticks)
