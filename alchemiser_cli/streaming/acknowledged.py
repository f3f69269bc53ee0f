"""Sending single messages from asyncio, each awaited until the brokers have it."""

import asyncio
import contextlib
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from alchemiser_cli.errors import BrokerUnreachableError, DeliveryFailedError
from alchemiser_cli.faults import fault_point
from alchemiser_cli.settings.sections import KafkaSettings
from alchemiser_cli.streaming.clients import producer_client
from alchemiser_cli.streaming.failures import caused_on_purpose, kafka_error
from alchemiser_cli.streaming.spoiling import Produced, spoiled_before_sending

__all__ = ["AcknowledgedProducer", "Header", "Outgoing", "Sent"]

_POLL_S = 0.05
_ROOM_S = 0.01  # pause between tries while librdkafka's queue is full
# How large a message may be is for the brokers to say: what one of them once took, and gave out
# with longer headers, is not to fail at a limit of ours.
_MAX_BYTES = 64 * 1024 * 1024

_PRODUCE = fault_point("streaming.produce")

Header = tuple[str, bytes | None]


class Outgoing(msgspec.Struct, frozen=True):
    """A message to send as it is; ``timestamp_ms`` is UTC, 0 for the producer's own time."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header] = ()
    timestamp_ms: int = 0
    partition: int = -1  # librdkafka's word for "by the key"


class Sent(msgspec.Struct, frozen=True):
    """Where an acknowledged message lies."""

    topic: str
    partition: int
    offset: int


class AcknowledgedProducer:
    """A context manager around an idempotent producer for one event loop.

    Leaving the block waits for what is still under way; a message is given up after six
    request timeouts, and whoever awaits it is told.
    """

    def __init__(self, kafka: KafkaSettings, bootstrap: str) -> None:
        """Prepare a producer; nothing is contacted before the block is entered."""
        self._kafka = kafka
        self._bootstrap = bootstrap
        self._producer: Producer | None = None
        self._partitions: dict[str, int] = {}
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="alchemiser-producer", daemon=True)

    def __enter__(self) -> Self:
        """Make the client.

        Raises:
            KafkaSettingsError: ``kafka-settings``.
        """
        options = {"linger.ms": 0, "message.max.bytes": _MAX_BYTES}
        self._producer = producer_client(self._kafka, self._bootstrap, **options)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Wait until nothing is under way, and disconnect."""
        producer, self._producer = self._producer, None
        self._ending.set()
        if producer is not None:
            self._thread.join()
            producer.flush()

    async def send(self, message: Outgoing) -> Sent:
        """Send ``message`` and return where it lies, once enough replicas have it.

        Raises:
            DeliveryFailedError: ``delivery-failed``; the brokers do not have it.
        """
        if _PRODUCE.armed is None:
            return await self._send(message)
        return await self._send_struck(message)

    async def _send_struck(self, message: Outgoing) -> Sent:
        """Send what a fault leaves of ``message``; where that is nothing, nobody is told."""
        whole = Produced(message.value, message.headers)
        try:
            left = await _PRODUCE.alter_async(whole, spoiled_before_sending)
        except BrokerUnreachableError as error:  # as librdkafka tells it: the message timed out
            failure = DeliveryFailedError(
                f"a message for {message.topic!r} was not acknowledged",
                why=error.why,
                next_step=error.next_step,
                context={"topic": message.topic, **error.context},
            )
            failure.injected = error.injected
            raise failure from error
        sent = Sent(message.topic, message.partition, -1)
        for one in left:
            changed = {"value": one.value, "headers": one.headers}
            sent = await self._send(msgspec.structs.replace(message, **changed))
        return sent

    async def _send(self, message: Outgoing) -> Sent:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Sent] = loop.create_future()

        def delivered(error: KafkaError | None, told: Message) -> None:
            with contextlib.suppress(RuntimeError):  # the loop ended, and nobody waits any more
                loop.call_soon_threadsafe(_settle, answer, message, error, told)

        while True:
            producer = self._producer
            if producer is None:
                raise RuntimeError("the producer's block was left or not entered")
            try:
                producer.produce(
                    message.topic,
                    message.value,
                    key=message.key,
                    partition=message.partition,
                    timestamp=message.timestamp_ms,
                    headers=list(message.headers),
                    on_delivery=delivered,
                )
                break
            except BufferError:
                await asyncio.sleep(_ROOM_S)
            except KafkaException as error:  # for example a message above the size limit
                raise _failed(message, kafka_error(error)) from error
        return await answer

    async def same_partition(self, topic: str, partition: int) -> int:
        """Return ``partition`` where ``topic`` has so many, else -1, which is: by the key.

        The brokers are asked once a topic. Where they do not answer, or make no topic that is
        named, it is -1 too, and sending tells why.
        """
        if topic not in self._partitions:
            found = await asyncio.to_thread(self._count_partitions, topic)
            if not found:
                return -1
            self._partitions[topic] = found
        return partition if partition < self._partitions[topic] else -1

    def _count_partitions(self, topic: str) -> int:
        producer = self._producer
        if producer is None:
            return 0
        try:
            metadata = producer.list_topics(topic, timeout=self._kafka.request_timeout_s)
        except KafkaException:
            return 0
        return len(metadata.topics[topic].partitions)

    def _poll(self) -> None:
        while not self._ending.is_set():
            producer = self._producer
            if producer is not None:
                producer.poll(_POLL_S)


def _settle(
    answer: "asyncio.Future[Sent]", message: Outgoing, error: KafkaError | None, told: Message
) -> None:
    if answer.done():  # whoever waited was cancelled
        return
    if error is None:
        answer.set_result(Sent(message.topic, told.partition() or 0, told.offset() or 0))
    else:
        answer.set_exception(_failed(message, error))


def _failed(message: Outgoing, error: KafkaError) -> DeliveryFailedError:
    failure = DeliveryFailedError(
        f"a message for {message.topic!r} was not acknowledged",
        why=f"{error.str().rstrip('.')}.",
        next_step="Check that the topic exists, its size limit, and that the brokers run.",
        context={
            "topic": message.topic,
            "kafka_error": error.name(),
            "bytes": len(message.value or b""),
        },
    )
    failure.injected = caused_on_purpose()
    return failure
