"""Publishing a live feed: its ticks into a topic, each with its origin in a header."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

import msgspec

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.logs import get_logger
from alchemiser_cli.market.feeds import FeedClient, FeedCounts, FeedTick
from alchemiser_cli.settings import Settings
from alchemiser_cli.streaming.codec import TickEncoder
from alchemiser_cli.streaming.discovery import Cluster
from alchemiser_cli.streaming.producer import TickProducer
from alchemiser_cli.streaming.registry import open_registry, value_subject
from alchemiser_cli.streaming.topics import ensure_topic
from alchemiser_cli.telemetry import SILENT, Telemetry

__all__ = ["ORIGIN_HEADER", "FeedLimits", "FeedResult", "publish_feed", "run_feed"]

ORIGIN_HEADER = "alchemiser.origin"

_BATCH = 1_000
_LOOK_S = 0.1  # longest wait before looking at `stop` again

_log = get_logger("market_data", "streaming.feed_publisher")


@dataclass(frozen=True)
class FeedLimits:
    """What ends a feed besides a signal: so many ticks, or so long without one."""

    max_ticks: int | None = None
    until_idle_s: float | None = None


class FeedResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a feed brought into a topic; ``symbols`` counts the published ticks of each."""

    feed: str
    venue: str
    topic: str
    published: int
    bytes: int
    symbols: dict[str, int]
    counts: FeedCounts
    duration_s: float
    throughput_per_s: float


def run_feed(
    settings: Settings,
    cluster: Cluster,
    clock: Clock,
    feed: FeedClient,
    *,
    topic: str,
    limits: FeedLimits,
    on_tick: Callable[[FeedTick], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
    telemetry: Telemetry = SILENT,
) -> FeedResult:
    """Publish ``feed`` to ``topic`` under the tick's registered schema, until a limit or ``stop``.

    Raises:
        BrokerUnreachableError: ``broker-unreachable``; TopicMissingError ``topic-missing``;
            DeliveryFailedError ``delivery-failed``; RegistryUnreachableError
            ``registry-unreachable``; FeedReconnectsExhaustedError ``feed-reconnects-exhausted``.
    """
    with closing(open_registry(settings.registry, settings.registry_url)) as registry:
        encoder = TickEncoder(registry, value_subject(topic))
        ensure_topic(settings.kafka, settings.topics, cluster, topic)
        with TickProducer(
            settings.kafka,
            cluster.bootstrap,
            topic,
            encoder,
            clock,
            telemetry=telemetry,
            live=True,
        ) as producer:
            return asyncio.run(publish_feed(feed, producer, clock, limits, on_tick, stop))


async def publish_feed(
    feed: FeedClient,
    producer: TickProducer,
    clock: Clock,
    limits: FeedLimits,
    on_tick: Callable[[FeedTick], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
) -> FeedResult:
    """Run ``feed`` and send what it delivers; ``producer`` is inside its block.

    Sending happens in a thread, so that a full producer never holds up the feed's receiver;
    what piles up meanwhile is bounded and counted by the feed's buffer. ``on_tick`` is told of
    each tick once it is sent, in that thread.

    Raises:
        BrokerUnreachableError: ``broker-unreachable``; FeedReconnectsExhaustedError
            ``feed-reconnects-exhausted``.
    """
    started_ns = heard_ns = clock.monotonic_ns()
    symbols: dict[str, int] = {}
    published = size = 0
    most = limits.max_ticks

    def send(ticks: Sequence[FeedTick]) -> int:
        sent = 0
        for item in ticks:
            sent += producer.send(item.tick, [(ORIGIN_HEADER, item.origin.encode())])
            symbols[item.tick.symbol] = symbols.get(item.tick.symbol, 0) + 1
            on_tick(item)
        producer.poll()
        return sent

    async with feed:
        while not stop() and (most is None or published < most):
            room = _BATCH if most is None else min(_BATCH, most - published)
            ticks = await feed.take(room, _LOOK_S)
            now_ns = clock.monotonic_ns()
            if ticks:
                heard_ns = now_ns
                size += await asyncio.to_thread(send, ticks)
                published += len(ticks)
            elif (
                limits.until_idle_s is not None
                and now_ns - heard_ns >= limits.until_idle_s * NS_PER_SECOND
            ):
                break
    await asyncio.to_thread(producer.flush)
    duration_s = (clock.monotonic_ns() - started_ns) / NS_PER_SECOND
    result = FeedResult(
        feed=feed.name,
        venue=feed.venue.name,
        topic=producer.topic,
        published=published,
        bytes=size,
        symbols=dict(sorted(symbols.items())),
        counts=feed.counts,
        duration_s=duration_s,
        throughput_per_s=published / duration_s if duration_s > 0 else 0.0,
    )
    _log.info("feed_finished", **msgspec.to_builtins(result))
    return result
