"""Sending ticks: idempotent, keyed by symbol, every acknowledgement counted."""

from types import TracebackType
from typing import Self

from confluent_kafka import KafkaError, Message, Producer

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.errors import DeliveryFailedError
from alchemiser_cli.logs import get_logger
from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.settings.sections import KafkaSettings
from alchemiser_cli.streaming.clients import producer_client
from alchemiser_cli.streaming.codec import TickEncoder
from alchemiser_cli.streaming.failures import broker_unreachable
from alchemiser_cli.streaming.topics import require_topic

__all__ = ["TickProducer"]

_BACK_PRESSURE_POLL_S = 0.1
_NS_PER_MS = 1_000_000

_log = get_logger("market_data", "streaming.producer")


class TickProducer:
    """A context manager that sends ticks to one topic.

    Leaving the block drops what was not flushed; call ``flush`` to be sure of delivery.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        bootstrap: str,
        topic: str,
        encoder: TickEncoder,
        clock: Clock,
    ) -> None:
        """Prepare a producer for ``topic``, which must exist when the block is entered."""
        self._kafka = kafka
        self._bootstrap = bootstrap
        self._encoder = encoder
        self._clock = clock
        self._producer: Producer | None = None
        self._last_failure: str | None = None
        self.topic = topic
        self.sent = 0
        self.acknowledged = 0
        self.failed = 0

    def __enter__(self) -> Self:
        """Connect.

        Raises:
            BrokerUnreachableError: ``broker-unreachable`` after ``request_timeout_s``.
            TopicMissingError: ``topic-missing``.
        """
        require_topic(self._kafka, self._bootstrap, self.topic)
        self._producer = producer_client(self._kafka, self._bootstrap)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Disconnect; messages that are still queued are dropped."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.purge()
            producer.poll(0)

    def send(self, tick: Tick) -> int:
        """Queue ``tick`` and return the size of its message in bytes.

        A full queue waits for acknowledgements.

        Raises:
            BrokerUnreachableError: ``broker-unreachable`` if the queue is full and nothing was
                acknowledged for ``request_timeout_s``.
        """
        producer = self._connected()
        value = self._encoder.encode(tick)
        key = tick.symbol.encode()
        waiting_since: tuple[int, int] | None = None  # settled messages, monotonic ns
        while True:
            try:
                producer.produce(
                    self.topic,
                    value,
                    key=key,
                    timestamp=tick.event_time_ns // _NS_PER_MS,
                    on_delivery=self._delivered,
                )
                break
            except BufferError:
                waiting_since = self._wait_for_room(producer, waiting_since)
        self.sent += 1
        producer.poll(0)
        return len(value)

    def poll(self) -> None:
        """Take the acknowledgements that have arrived; call it while pausing between sends."""
        self._connected().poll(0)

    def flush(self, deadline_s: float | None = None) -> None:
        """Wait until everything sent is acknowledged, for at most ``deadline_s`` seconds.

        Without a deadline a message is given up after six request timeouts.

        Raises:
            DeliveryFailedError: ``delivery-failed`` with the counts, if something was not.
        """
        producer = self._connected()
        outstanding = producer.flush(-1 if deadline_s is None else deadline_s)
        if self.failed or outstanding:
            raise DeliveryFailedError(
                f"{self.failed + outstanding} of {self.sent} messages were not acknowledged",
                why=f"{self.failed} were given up and {outstanding} had no answer in time; "
                f"the last reason was: {self._last_failure or 'none given'}.",
                next_step="Check the brokers and send again: ticks carry a sequence, so "
                "consumers count what came twice.",
                context={
                    "topic": self.topic,
                    "sent": self.sent,
                    "acknowledged": self.acknowledged,
                    "failed": self.failed,
                    "outstanding": outstanding,
                },
            )

    def _connected(self) -> Producer:
        if self._producer is None:
            raise RuntimeError("the producer's block was left or not entered")
        return self._producer

    def _wait_for_room(self, producer: Producer, since: tuple[int, int] | None) -> tuple[int, int]:
        producer.poll(_BACK_PRESSURE_POLL_S)
        settled, now_ns = self.acknowledged + self.failed, self._clock.monotonic_ns()
        if since is None or since[0] != settled:
            return settled, now_ns
        if now_ns - since[1] > self._kafka.request_timeout_s * NS_PER_SECOND:
            raise broker_unreachable(
                self._bootstrap,
                f"The send queue is full and nothing was acknowledged for "
                f"{self._kafka.request_timeout_s:g} s",
            )
        return since

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self.acknowledged += 1
            return
        self.failed += 1
        self._last_failure = error.str()
        if self.failed == 1:
            _log.warning(
                "delivery_failed",
                code=DeliveryFailedError.code,
                topic=self.topic,
                partition=message.partition(),
                why=error.str(),
            )
