"""Short questions to a cluster, for checks before a start and for the clients themselves."""

import msgspec
from confluent_kafka import (
    TIMESTAMP_LOG_APPEND_TIME,
    KafkaException,
    Message,
    TopicPartition,
)

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.settings.sections import ConsumerSettings, KafkaSettings
from alchemiser_cli.streaming.clients import admin_client, consumer_client, producer_client
from alchemiser_cli.streaming.failures import broker_unreachable, group_unreadable, kafka_error

__all__ = [
    "CLOCK_TOPIC",
    "BrokerAddress",
    "ClockSkew",
    "ClusterInfo",
    "GroupOffset",
    "broker_clock_skew",
    "broker_metadata",
    "consumer_group_lag",
    "consumer_group_offsets",
]

CLOCK_TOPIC = "alchemiser.clock"

_EMBEDDED_CLUSTER_ID = "mockCluster"  # how librdkafka names its clusters


class BrokerAddress(msgspec.Struct, frozen=True):
    """One broker, as it advertises itself."""

    id: int
    host: str
    port: int


class ClusterInfo(msgspec.Struct, frozen=True):
    """What a cluster says of itself; ``topics`` maps names to numbers of partitions."""

    cluster_id: str | None
    brokers: tuple[BrokerAddress, ...]
    topics: dict[str, int]

    @property
    def embedded(self) -> bool:
        """Whether this is an embedded cluster, here or in another process."""
        return _is_embedded(self.cluster_id)


class GroupOffset(msgspec.Struct, frozen=True):
    """A group's committed offset in one partition; None where it committed nothing."""

    topic: str
    partition: int
    committed_offset: int | None


class ClockSkew(msgspec.Struct, frozen=True):
    """The broker's clock minus ours in seconds, or None and the reason."""

    skew_s: float | None
    reason: str


def broker_metadata(kafka: KafkaSettings, bootstrap: str) -> ClusterInfo:
    """Ask the cluster for its brokers and topics; creates nothing.

    Raises:
        BrokerUnreachableError: ``broker-unreachable`` after ``request_timeout_s``.
    """
    admin = admin_client(kafka, bootstrap)
    try:
        metadata = admin.list_topics(timeout=kafka.request_timeout_s)
    except KafkaException as error:
        cause = kafka_error(error)
        raise broker_unreachable(bootstrap, cause.str(), cause.name()) from error
    brokers = tuple(
        BrokerAddress(broker.id, str(broker.host), int(broker.port or 0))
        for _, broker in sorted(metadata.brokers.items())
    )
    topics = {name: len(topic.partitions) for name, topic in metadata.topics.items()}
    return ClusterInfo(cluster_id=metadata.cluster_id, brokers=brokers, topics=topics)


def consumer_group_offsets(
    kafka: KafkaSettings, consumer: ConsumerSettings, bootstrap: str, topic: str, partitions: int
) -> tuple[GroupOffset, ...]:
    """Read what ``consumer.group`` committed in the topic; does not join the group.

    Raises:
        ConsumerGroupUnreadableError: ``consumer-group-unreadable`` after ``request_timeout_s``.
    """
    client = consumer_client(kafka, consumer, bootstrap)
    wanted = [TopicPartition(topic, partition) for partition in range(partitions)]
    try:
        answers = client.committed(wanted, timeout=kafka.request_timeout_s)
    except KafkaException as error:
        raise group_unreadable(consumer.group, bootstrap, kafka_error(error)) from error
    for answer in answers:
        if answer.error is not None:
            raise group_unreadable(consumer.group, bootstrap, answer.error)
    return tuple(
        GroupOffset(topic, answer.partition, answer.offset if answer.offset >= 0 else None)
        for answer in answers
    )


def consumer_group_lag(
    kafka: KafkaSettings, consumer: ConsumerSettings, bootstrap: str, topic: str, partitions: int
) -> int:
    """Return how many messages of the topic ``consumer.group`` has not committed yet.

    Where it committed nothing, all that the topic holds wait. Does not join the group.

    Raises:
        ConsumerGroupUnreadableError: ``consumer-group-unreadable`` after ``request_timeout_s``.
    """
    offsets = consumer_group_offsets(kafka, consumer, bootstrap, topic, partitions)
    client = consumer_client(kafka, consumer, bootstrap)
    lag = 0
    try:
        for one in offsets:
            partition = TopicPartition(topic, one.partition)
            low, high = client.get_watermark_offsets(partition, timeout=kafka.request_timeout_s)
            lag += max(0, high - max(low, one.committed_offset or 0))
    except KafkaException as error:
        raise group_unreadable(consumer.group, bootstrap, kafka_error(error)) from error
    return lag


def broker_clock_skew(
    kafka: KafkaSettings, bootstrap: str, topics: dict[str, int], clock: Clock
) -> ClockSkew:
    """Measure how far the broker's clock is ahead of ours, where the cluster lets it be seen.

    No request of Kafka's protocol answers with the broker's time. It shows only as the
    timestamp of a message appended to a topic with ``message.timestamp.type=LogAppendTime``,
    and a topic of market data is no place for a probe. So one empty message goes to
    ``alchemiser.clock``, if the operator made that topic; otherwise there is no measurement.
    The error is at most half the round trip plus one millisecond. ``topics`` is
    what ``broker_metadata`` listed.

    Raises:
        BrokerUnreachableError: ``broker-unreachable``.
    """
    if kafka.mode == "embedded":
        return ClockSkew(None, "the embedded Kafka runs on this machine's clock")
    if CLOCK_TOPIC not in topics:
        return ClockSkew(
            None,
            f"the cluster has no topic {CLOCK_TOPIC} with message.timestamp.type=LogAppendTime, "
            "and Kafka shows its time nowhere else",
        )
    reports: list[Message] = []
    producer = producer_client(kafka, bootstrap, **{"linger.ms": 0})
    try:
        metadata = producer.list_topics(CLOCK_TOPIC, timeout=kafka.request_timeout_s)
    except KafkaException as error:
        cause = kafka_error(error)
        raise broker_unreachable(bootstrap, cause.str(), cause.name()) from error
    if _is_embedded(metadata.cluster_id):
        return ClockSkew(None, "the embedded Kafka runs on this machine's clock")
    before_ns = clock.now_ns()
    producer.produce(CLOCK_TOPIC, b"", on_delivery=lambda _, message: reports.append(message))
    producer.flush(kafka.request_timeout_s)
    after_ns = clock.now_ns()
    if not reports or reports[0].error() is not None:
        producer.purge()
        raise broker_unreachable(bootstrap, f"the probe of {CLOCK_TOPIC} was not acknowledged")
    kind, at_ms = reports[0].timestamp()
    if kind != TIMESTAMP_LOG_APPEND_TIME:
        return ClockSkew(None, f"{CLOCK_TOPIC} does not use message.timestamp.type=LogAppendTime")
    middle_ns = (before_ns + after_ns) // 2
    skew_s = (at_ms * 1_000_000 - middle_ns) / NS_PER_SECOND
    return ClockSkew(skew_s, f"measured by one message to {CLOCK_TOPIC}")


def _is_embedded(cluster_id: str | None) -> bool:
    return (cluster_id or "").startswith(_EMBEDDED_CLUSTER_ID)
