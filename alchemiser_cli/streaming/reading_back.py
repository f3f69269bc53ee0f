"""Reading back what a group has finished: the history that its next member starts warm with."""

from collections.abc import Iterator

import msgspec
from confluent_kafka import Message

from alchemiser_cli.clock import Clock
from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.settings.sections import ConsumerSettings, KafkaSettings
from alchemiser_cli.streaming.columnar import ColumnDecoder
from alchemiser_cli.streaming.intake import received_from
from alchemiser_cli.streaming.probe import broker_metadata, consumer_group_offsets
from alchemiser_cli.streaming.received import Received
from alchemiser_cli.streaming.registry import SchemaRegistry
from alchemiser_cli.streaming.schemas import SchemaCache
from alchemiser_cli.streaming.spans import Span, SpanReader
from alchemiser_cli.streaming.topics import partitions_of

__all__ = ["read_back"]

_GROUP = "alchemiser.read-back"  # librdkafka wants a name; it is never joined


def read_back(
    kafka: KafkaSettings,
    bootstrap: str,
    topic: str,
    group: str,
    schemas: SchemaRegistry | SchemaCache,
    clock: Clock,
    messages: int,
) -> list[tuple[Tick, Received]]:
    """Return the newest ticks that ``group`` has committed, in the order of their event times.

    The group is neither joined nor changed. The tick after the last one is what the group's next
    member gets first. Messages that are no ticks are left out. It blocks: await it in a thread.

    Args:
        kafka: how the cluster is reached.
        bootstrap: the cluster's address.
        topic: a topic of ticks.
        group: whose committed offsets count; where it has none, nothing of the partition is read.
        schemas: the registry that the ticks' schemas come from.
        clock: measures how long nothing came.
        messages: the most of each partition; Kafka may have removed some of them.

    Raises:
        BrokerUnreachableError: ``broker-unreachable``.
        TopicMissingError: ``topic-missing``.
        ConsumerGroupUnreadableError: ``consumer-group-unreadable``.
        RegistryUnreachableError: ``registry-unreachable``.
    """
    if messages <= 0:
        return []
    partitions = partitions_of(broker_metadata(kafka, bootstrap), topic, bootstrap)
    settings = ConsumerSettings(group=group)
    offsets = consumer_group_offsets(kafka, settings, bootstrap, topic, partitions)
    committed = {
        one.partition: one.committed_offset for one in offsets if one.committed_offset is not None
    }
    with SpanReader(kafka, bootstrap, topic, clock, group=_GROUP) as reader:
        spans = {
            number: _newest(reader.whole(number), before, messages)
            for number, before in committed.items()
        }
        found = list(reader.messages(spans))
    # Partition and offset break ties, so that the same history always reads the same.
    found.sort(key=lambda message: (message.partition() or 0, message.offset() or 0))
    ticks = list(_ticks(topic, found, ColumnDecoder(SchemaCache.of(schemas, clock), clock)))
    return sorted(ticks, key=lambda pair: pair[0].event_time_ns)


def _newest(held: Span, before: int, messages: int) -> Span:
    """Return the span of at most ``messages`` offsets that ends at ``before``."""
    low, high = held
    end = min(before, high)
    return max(low, end - messages), end


def _ticks(
    topic: str, found: list[Message], decoder: ColumnDecoder
) -> Iterator[tuple[Tick, Received]]:
    outcomes = decoder.decode_ticks([message.value() for message in found])
    for message, outcome in zip(found, outcomes, strict=True):
        if isinstance(outcome, Tick):
            yield outcome, msgspec.structs.replace(received_from(topic, message), tick=outcome)
