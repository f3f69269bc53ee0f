"""One member of a consumer group; every method blocks and belongs on one and the same thread."""

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from alchemiser_cli.errors import StreamingError
from alchemiser_cli.logs import get_logger
from alchemiser_cli.settings.sections import ConsumerSettings, KafkaSettings
from alchemiser_cli.streaming.clients import consumer_client
from alchemiser_cli.streaming.failures import (
    group_unreadable,
    is_fatal,
    kafka_error,
    translated,
)
from alchemiser_cli.streaming.offsets import OffsetTracker
from alchemiser_cli.streaming.positions import StartPositions
from alchemiser_cli.streaming.probe import broker_metadata
from alchemiser_cli.streaming.topics import partitions_of

__all__ = ["GroupMember", "PartitionProgress"]

_log = get_logger("market_data", "streaming.consumer")


class PartitionProgress(msgspec.Struct, frozen=True):
    """How far the group is in one partition.

    ``committed_offset`` is the next to read, None where nothing was committed; ``lag`` counts
    the messages after it, None where the broker did not tell.
    """

    topic: str
    partition: int
    committed_offset: int | None
    lag: int | None


class GroupMember:
    """Joins, takes, commits and leaves; knows its partitions."""

    def __init__(
        self,
        kafka: KafkaSettings,
        settings: ConsumerSettings,
        bootstrap: str,
        topic: str,
        positions: StartPositions,
    ) -> None:
        """Prepare a member; nothing is contacted yet."""
        self._kafka = kafka
        self._group = settings.group
        self._settings = settings
        self._bootstrap = bootstrap
        self._topic = topic
        self._positions = positions
        self._consumer: Consumer | None = None
        self._failure: StreamingError | None = None
        self.offsets = OffsetTracker()
        self.partitions: set[tuple[str, int]] = set()
        self.assigned = False

    def join(self) -> None:
        """Check broker, topic and group, then subscribe.

        Raises:
            BrokerUnreachableError: ``broker-unreachable`` after ``request_timeout_s``.
            TopicMissingError: ``topic-missing``.
            ConsumerGroupUnreadableError: ``consumer-group-unreadable``.
        """
        info = broker_metadata(self._kafka, self._bootstrap)
        partitions = partitions_of(info, self._topic, self._bootstrap)
        consumer = consumer_client(
            self._kafka, self._settings, self._bootstrap, embedded=info.embedded
        )
        places = [TopicPartition(self._topic, number) for number in range(partitions)]
        try:
            consumer.committed(places, timeout=self._kafka.request_timeout_s)
        except KafkaException as error:
            raise group_unreadable(self._group, self._bootstrap, kafka_error(error)) from error
        self._consumer = consumer
        consumer.subscribe(
            [self._topic],
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_lost,
        )
        _log.info("consumer_group_joined", group=self._group, topic=self._topic)

    def take(self, most: int, wait_s: float) -> list[Message]:
        """Return up to ``most`` messages: those there now, or the first within ``wait_s``.

        Raises:
            TopicMissingError: ``topic-missing`` if it was deleted or may not be read.
            BrokerUnreachableError: ``broker-unreachable`` for refused credentials.
            ConsumerGroupUnreadableError: ``consumer-group-unreadable`` for any other error
                that librdkafka does not mend by itself.
        """
        consumer = self._joined()
        first = consumer.poll(wait_s)
        if self._failure is not None:
            raise self._failure
        if first is None:
            return []
        taken = [first]
        if most > 1:
            taken += consumer.consume(most - 1, timeout=0)
        return [message for message in taken if self._usable(message)]

    def commit(self) -> None:
        """Commit what is finished, and wait for the broker's answer.

        A refused commit is logged and its offsets are tried again with the next one.
        """
        moved = self.offsets.committable()
        if moved:
            self._commit(moved)

    def leave(self) -> list[PartitionProgress]:
        """Commit, leave the group at once, and return how far it is in our partitions.

        A member that cannot reach the broker is dropped without commit and farewell: both would
        wait for the session's end, and the partitions go to others then anyway.
        """
        consumer = self._joined()
        places = sorted(self.partitions)
        reachable = self._reachable(consumer)
        if reachable:
            self.commit()
        progress = self._progress(consumer, places) if reachable else None
        if reachable:
            consumer.close()
        self._consumer = None
        _log.info("consumer_group_left", group=self._group, topic=self._topic, clean=reachable)
        return progress or [PartitionProgress(*place, None, None) for place in places]

    def _joined(self) -> Consumer:
        if self._consumer is None:
            raise RuntimeError("the consumer has not joined its group")
        return self._consumer

    def _usable(self, message: Message) -> bool:
        error = message.error()
        if error is None:
            return True
        if is_fatal(error):
            raise translated(error, self._bootstrap, self._topic, self._group)
        _log.warning("kafka_error", kafka_error=error.name(), why=error.str())
        return False

    def _commit(self, moved: dict[tuple[str, int], int]) -> None:
        offsets = [TopicPartition(*place, offset) for place, offset in moved.items()]
        try:
            answers = self._joined().commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            self._not_committed(kafka_error(error))
            return
        for answer in answers:
            if answer.error is None:
                self.offsets.committed((answer.topic, answer.partition), answer.offset)
            else:
                self._not_committed(answer.error)

    def _not_committed(self, error: KafkaError) -> None:
        _log.warning(
            "offset_commit_failed", group=self._group, kafka_error=error.name(), why=error.str()
        )

    def _reachable(self, consumer: Consumer) -> bool:
        try:
            consumer.list_topics(self._topic, timeout=self._kafka.request_timeout_s)
        except KafkaException:
            return False
        return True

    def _progress(
        self, consumer: Consumer, places: list[tuple[str, int]]
    ) -> list[PartitionProgress] | None:
        timeout_s = self._kafka.request_timeout_s
        progress = []
        try:
            answers = consumer.committed([TopicPartition(*place) for place in places], timeout_s)
            for place, answer in zip(places, answers, strict=True):
                low, high = consumer.get_watermark_offsets(answer, timeout=timeout_s)
                committed = answer.offset if answer.offset >= 0 else None
                lag = high - (low if committed is None else max(committed, low))
                progress.append(PartitionProgress(*place, committed, lag))
        except KafkaException:
            return None
        return progress

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        try:
            consumer.assign(self._positions.choose(consumer, partitions))
        except KafkaException as error:
            self._failure = group_unreadable(self._group, self._bootstrap, kafka_error(error))
            return
        places = [(place.topic, place.partition) for place in partitions]
        self.partitions = set(places)
        self.assigned = True
        _log.info("partitions_assigned", group=self._group, partitions=_numbers(places))

    def _on_revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self.commit()
        self._drop("partitions_revoked", partitions)

    def _on_lost(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._drop("partitions_lost", partitions)  # another member has them: commit nothing

    def _drop(self, event: str, partitions: list[TopicPartition]) -> None:
        places = [(place.topic, place.partition) for place in partitions]
        for place in places:
            self.offsets.forget(place)
            self.partitions.discard(place)
        _log.info(event, group=self._group, partitions=_numbers(places))


def _numbers(places: list[tuple[str, int]]) -> list[int]:
    return sorted(partition for _, partition in places)
