"""Sending events: each in its envelope, to the broker's own topics, acknowledged."""

import asyncio
from types import TracebackType
from typing import Self

from alchemiser_cli.errors import EnvelopeIncompleteError, TopicForbiddenError
from alchemiser_cli.market.envelope import EventEnvelope
from alchemiser_cli.settings.sections import KafkaSettings
from alchemiser_cli.streaming.acknowledged import AcknowledgedProducer, Outgoing, Sent
from alchemiser_cli.streaming.envelopes import EnvelopeEncoder, envelope_headers
from alchemiser_cli.streaming.registry import SchemaRegistry, value_subject
from alchemiser_cli.streaming.topic_map import TopicMap

__all__ = ["EventProducer"]

_NS_PER_MS = 1_000_000


class EventProducer:
    """A context manager that sends the events of one trading broker, for one event loop.

    It is idempotent: librdkafka sends again what was not acknowledged, and the brokers keep one
    copy. Leaving the block waits for what is still under way.
    """

    def __init__(
        self, kafka: KafkaSettings, bootstrap: str, topics: TopicMap, registry: SchemaRegistry
    ) -> None:
        """Prepare a producer for ``topics``, which must exist when the first event goes there."""
        self._producer = AcknowledgedProducer(kafka, bootstrap)
        self._registry = registry
        self._encoders: dict[str, EnvelopeEncoder] = {}
        self.topics = topics

    def __enter__(self) -> Self:
        """Make the client.

        Raises:
            KafkaSettingsError: ``kafka-settings``.
        """
        self._producer.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Wait until nothing is under way, and disconnect."""
        self._producer.__exit__(kind, error, traceback)

    async def send(self, topic: str, event: EventEnvelope, key: str) -> Sent:
        """Send ``event`` to ``topic`` and return where it lies, once enough replicas have it.

        Events of one ``key``, for example a symbol or an order's id, keep their order where
        each is awaited before the next is sent, or where the topic was sent to before.

        Raises:
            TopicForbiddenError: ``topic-forbidden`` for a topic that is not the broker's own,
                and for an event of another broker.
            EnvelopeIncompleteError: ``envelope-incomplete`` for what is no event.
            SchemaIncompatibleError: ``schema-incompatible``, at the topic's first event.
            RegistryUnreachableError: ``registry-unreachable``, at the topic's first event.
            DeliveryFailedError: ``delivery-failed``; the brokers do not have it.
        """
        self.topics.own(topic)
        self._refuse_foreign(event, topic)
        encoder = self._encoders.get(topic)
        if encoder is None:
            encoder = await asyncio.to_thread(self._registered, topic)
        return await self._producer.send(
            Outgoing(
                topic,
                key.encode(),
                encoder.encode(event),
                envelope_headers(event),
                event.occurred_at_ns // _NS_PER_MS,
            )
        )

    def _registered(self, topic: str) -> EnvelopeEncoder:
        # Two first events may both come here; registering a schema again changes nothing.
        encoder = EnvelopeEncoder(self._registry, value_subject(topic))
        return self._encoders.setdefault(topic, encoder)

    def _refuse_foreign(self, event: object, topic: str) -> None:
        if not isinstance(event, EventEnvelope):
            raise EnvelopeIncompleteError(
                f"a {type(event).__name__} without an envelope was to be sent to {topic!r}",
                why="Every topic but market ticks holds events with their type and broker.",
                next_step="Make it an event first: event(event_type, payload, broker=...).",
                context={"topic": topic, "broker": self.topics.broker},
            )
        if event.broker != self.topics.broker:
            raise TopicForbiddenError(
                f"an event of the broker {event.broker!r} may not go to the topic {topic!r}",
                why=f"The topic belongs to the broker {self.topics.broker!r}.",
                next_step="Send it through the producer of its own broker.",
                context={
                    "broker": event.broker,
                    "topic": topic,
                    "owner": self.topics.broker,
                    "event_type": event.event_type,
                },
            )
