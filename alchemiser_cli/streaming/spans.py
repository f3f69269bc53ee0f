"""Reading known spans of partitions as they lie, without joining a group and without a commit."""

import contextlib
from collections.abc import Iterator
from typing import Self

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.settings.sections import ConsumerSettings, KafkaSettings
from alchemiser_cli.streaming.clients import consumer_client
from alchemiser_cli.streaming.failures import broker_unreachable, is_fatal, kafka_error, translated

__all__ = ["Span", "SpanReader"]

_POLL_S = 0.2
_BATCH = 500

Span = tuple[int, int]  # the first offset, and the one after the last


class SpanReader:
    """A context manager that reads offsets of one topic, each partition in its order."""

    def __init__(
        self, kafka: KafkaSettings, bootstrap: str, topic: str, clock: Clock, *, group: str
    ) -> None:
        """Prepare; librdkafka wants the name of a group, which is never joined."""
        self._kafka = kafka
        self._bootstrap = bootstrap
        self._topic = topic
        self._clock = clock
        self._group = group
        self._clients = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Make the client.

        Raises:
            KafkaSettingsError: ``kafka-settings``.
        """
        settings, eof = ConsumerSettings(group=self._group), {"enable.partition.eof": True}
        self._client: Consumer = consumer_client(self._kafka, settings, self._bootstrap, **eof)
        self._clients.callback(self._client.close)
        return self

    def __exit__(self, *_: object) -> None:
        """Disconnect."""
        self._clients.close()

    def whole(self, partition: int) -> Span:
        """Return what the partition holds now.

        Raises:
            BrokerUnreachableError: ``broker-unreachable``.
        """
        place = TopicPartition(self._topic, partition)
        try:
            span = self._client.get_watermark_offsets(place, timeout=self._kafka.request_timeout_s)
        except KafkaException as error:
            cause = kafka_error(error)
            raise broker_unreachable(self._bootstrap, cause.str(), cause.name()) from error
        if span is None:
            raise broker_unreachable(self._bootstrap, f"the offsets of {self._topic} were not told")
        return span

    def messages(self, spans: dict[int, Span]) -> Iterator[Message]:
        """Yield what lies in the spans; one ends at its end, or where the partition does.

        Raises:
            BrokerUnreachableError: ``broker-unreachable`` when nothing comes for twice
                ``request_timeout_s``.
            TopicMissingError: ``topic-missing`` where the topic may not be read.
        """
        open_spans = {number: span for number, span in spans.items() if span[0] < span[1]}
        places = [TopicPartition(self._topic, at, first) for at, (first, _) in open_spans.items()]
        self._client.assign(places)
        patience_ns = round(2 * self._kafka.request_timeout_s * NS_PER_SECOND)
        silent_since_ns = self._clock.monotonic_ns()
        while open_spans:
            # No more than there can be: librdkafka waits until it has as many, or for the timeout.
            awaited = sum(end - begin for begin, end in open_spans.values())
            messages = self._client.consume(min(awaited, _BATCH), timeout=_POLL_S)
            if messages:
                silent_since_ns = self._clock.monotonic_ns()
            elif self._clock.monotonic_ns() - silent_since_ns > patience_ns:
                raise broker_unreachable(self._bootstrap, f"reading {self._topic} came to a halt")
            for message in messages:
                number, offset = message.partition() or 0, message.offset() or 0
                if (error := message.error()) is not None:
                    self._refuse(error)
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

    def _refuse(self, error: KafkaError) -> None:
        if is_fatal(error):
            raise translated(error, self._bootstrap, self._topic, self._group)
