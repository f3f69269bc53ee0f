"""Reading a dead-letter topic as it lies, without a group and without a commit."""

import re
from collections.abc import Iterator
from typing import cast

from confluent_kafka import Message

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors import (
    DeadLetterNotFoundError,
    MessageUndecodableError,
    RegistryUnreachableError,
)
from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.settings.sections import KafkaSettings
from alchemiser_cli.streaming.acknowledged import Header
from alchemiser_cli.streaming.codec import TickDecoder
from alchemiser_cli.streaming.dead_letters.families import failure_of
from alchemiser_cli.streaming.dead_letters.letter import DeadLetter
from alchemiser_cli.streaming.probe import broker_metadata
from alchemiser_cli.streaming.spans import SpanReader
from alchemiser_cli.streaming.topics import partitions_of

__all__ = ["DeadLetterReader"]

_GROUP = "alchemiser.dlq"  # librdkafka wants a name; it is never joined, and nothing is committed
_ID = re.compile(r"(\d{1,9})-(\d{1,18})", re.ASCII)


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
        with self._reader(topic) as reader:
            spans = {number: reader.whole(number) for number in range(partitions)}
            for message in reader.messages(spans):
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
        with self._reader(topic) as reader:
            low, end = reader.whole(number)
            if not low <= offset < end:
                why = f"Partition {number} holds the offsets from {low} to before {end}."
                raise _not_found(topic, identity, why)
            for message in reader.messages({number: (offset, offset + 1)}):
                if message.offset() == offset:
                    return self._letter(message)
        raise _not_found(topic, identity, "Kafka has already removed it.")

    def _reader(self, topic: str) -> SpanReader:
        return SpanReader(self._kafka, self._bootstrap, topic, self._clock, group=_GROUP)

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
