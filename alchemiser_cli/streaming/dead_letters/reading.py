"""Reading a dead-letter topic as it lies, without a group and without a commit."""

import contextlib
import re
from collections.abc import Iterator
from typing import cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.errors import (
    DeadLetterNotFoundError,
    MessageUndecodableError,
    RegistryUnreachableError,
)
from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.settings.sections import ConsumerSettings, KafkaSettings
from alchemiser_cli.streaming.acknowledged import Header
from alchemiser_cli.streaming.clients import consumer_client
from alchemiser_cli.streaming.codec import TickDecoder
from alchemiser_cli.streaming.dead_letters.families import failure_of
from alchemiser_cli.streaming.dead_letters.letter import DeadLetter
from alchemiser_cli.streaming.failures import broker_unreachable, is_fatal, kafka_error, translated
from alchemiser_cli.streaming.probe import broker_metadata
from alchemiser_cli.streaming.topics import partitions_of

__all__ = ["DeadLetterReader"]

_GROUP = "alchemiser.dlq"  # librdkafka wants a name; it is never joined, and nothing is committed
_ID = re.compile(r"(\d{1,9})-(\d{1,18})", re.ASCII)
_POLL_S = 0.2
_BATCH = 500

Span = tuple[int, int]  # the first offset, and the one after the last


class DeadLetterReader:
    """Reads dead letters of one cluster; ``decoder``, where there is one, decodes their ticks.

    A registry that does not answer ends the decoding, not the reading.
    """

    def __init__(
        self, kafka: KafkaSettings, bootstrap: str, clock: Clock, decoder: TickDecoder | None = None
    ) -> None:
        """Keep what is needed; nothing is contacted."""
        self._kafka = kafka
        self._bootstrap = bootstrap
        self._clock = clock
        self._decoder = decoder

    def read(self, topic: str) -> Iterator[DeadLetter]:
        """Yield the letters that ``topic`` holds now, each partition in its order.

        A topic that does not exist holds none. What is set aside meanwhile is not read.

        Raises:
            BrokerUnreachableError: ``broker-unreachable``; TopicMissingError ``topic-missing``
                where the topic may not be read.
        """
        partitions = broker_metadata(self._kafka, self._bootstrap).topics.get(topic, 0)
        if not partitions:
            return
        with self._client() as client:
            spans = {number: self._span(client, topic, number) for number in range(partitions)}
            for message in self._messages(client, topic, spans):
                yield self._letter(message)

    def require_one(self, *topics: str) -> None:
        """Raise unless the cluster has at least one of ``topics``: an empty list would hide a typo.

        Raises:
            TopicMissingError: ``topic-missing``; BrokerUnreachableError ``broker-unreachable``.
        """
        info = broker_metadata(self._kafka, self._bootstrap)
        if not any(topic in info.topics for topic in topics):
            partitions_of(info, topics[0], self._bootstrap)

    def find(self, topic: str, identity: str) -> DeadLetter:
        """Return the letter of ``topic`` whose id is ``identity`` (PARTITION-OFFSET).

        Raises:
            DeadLetterNotFoundError: ``dead-letter-not-found``.
            BrokerUnreachableError: ``broker-unreachable``.
        """
        match = _ID.fullmatch(identity)
        if match is None:
            raise _not_found(topic, identity, "An id is PARTITION-OFFSET, for example 2-17.")
        number, offset = int(match[1]), int(match[2])
        partitions = broker_metadata(self._kafka, self._bootstrap).topics.get(topic, 0)
        if number >= partitions:
            raise _not_found(topic, identity, f"The topic has {partitions} partitions.")
        with self._client() as client:
            low, end = self._span(client, topic, number)
            if not low <= offset < end:
                why = f"Partition {number} holds the offsets from {low} to before {end}."
                raise _not_found(topic, identity, why)
            wanted = {number: (offset, offset + 1)}
            for message in self._messages(client, topic, wanted):
                if message.offset() == offset:
                    return self._letter(message)
        raise _not_found(topic, identity, "Kafka has already removed it.")

    @contextlib.contextmanager
    def _client(self) -> Iterator[Consumer]:
        settings, eof = ConsumerSettings(group=_GROUP), {"enable.partition.eof": True}
        client = consumer_client(self._kafka, settings, self._bootstrap, **eof)
        try:
            yield client
        finally:
            client.close()

    def _span(self, client: Consumer, topic: str, number: int) -> Span:
        place = TopicPartition(topic, number)
        try:
            span = client.get_watermark_offsets(place, timeout=self._kafka.request_timeout_s)
        except KafkaException as error:
            cause = kafka_error(error)
            raise broker_unreachable(self._bootstrap, cause.str(), cause.name()) from error
        if span is None:
            raise broker_unreachable(self._bootstrap, f"the offsets of {topic} were not told")
        return span

    def _messages(self, client: Consumer, topic: str, spans: dict[int, Span]) -> Iterator[Message]:
        """Yield what lies in the spans; one ends at its end, or where the partition does."""
        open_spans = {number: span for number, span in spans.items() if span[0] < span[1]}
        client.assign([TopicPartition(topic, at, begin) for at, (begin, _) in open_spans.items()])
        patience_ns = round(2 * self._kafka.request_timeout_s * NS_PER_SECOND)
        silent_since_ns = self._clock.monotonic_ns()
        while open_spans:
            # No more than there can be: librdkafka waits until it has as many, or for the timeout.
            awaited = sum(end - begin for begin, end in open_spans.values())
            messages = client.consume(min(awaited, _BATCH), timeout=_POLL_S)
            if messages:
                silent_since_ns = self._clock.monotonic_ns()
            elif self._clock.monotonic_ns() - silent_since_ns > patience_ns:
                raise broker_unreachable(self._bootstrap, f"reading {topic} came to a halt")
            for message in messages:
                number, offset = message.partition() or 0, message.offset() or 0
                if (error := message.error()) is not None:
                    self._refuse(error, topic)
                    if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  librdkafka's name
                        open_spans.pop(number, None)
                    continue
                if number not in open_spans:
                    continue
                end = open_spans.pop(number)[1]
                if offset + 1 < end:
                    open_spans[number] = offset + 1, end
                if offset < end:
                    yield message

    def _refuse(self, error: KafkaError, topic: str) -> None:
        if is_fatal(error):
            raise translated(error, self._bootstrap, topic, _GROUP)

    def _letter(self, message: Message) -> DeadLetter:
        found = cast("list[Header]", message.headers() or [])  # the stub allows for dicts too
        headers = tuple((name, _bytes(value)) for name, value in found)
        value = _bytes(message.value())
        return DeadLetter(
            topic=message.topic() or "",
            partition=message.partition() or 0,
            offset=message.offset() or 0,
            timestamp_ms=message.timestamp()[1],
            key=_bytes(message.key()),
            value=value,
            headers=headers,
            failure=failure_of(headers),
            tick=self._decoded(value),
        )

    def _decoded(self, value: bytes | None) -> Tick | None:
        if self._decoder is None:
            return None
        try:
            return self._decoder.decode(value)
        except MessageUndecodableError:
            return None
        except RegistryUnreachableError:
            self._decoder = None
            return None


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value


def _not_found(topic: str, identity: str, why: str) -> DeadLetterNotFoundError:
    return DeadLetterNotFoundError(
        f"{topic!r} has no dead letter {identity!r}",
        why=why,
        next_step="`alchemiser dlq list` shows those that there are, with their ids.",
        context={"topic": topic, "id": identity},
    )
