"""Sending ticks: idempotent, keyed by symbol, nothing dropped without saying so."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaError, Message, Producer

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.errors import DeliveryFailedError
from alchemiser_cli.faults import fault_point
from alchemiser_cli.logs import get_logger
from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.settings.sections import KafkaSettings
from alchemiser_cli.streaming.acknowledged import Header
from alchemiser_cli.streaming.clients import producer_client
from alchemiser_cli.streaming.codec import TickEncoder
from alchemiser_cli.streaming.failures import broker_unreachable, caused_on_purpose
from alchemiser_cli.streaming.spoiling import Produced, spoiled_before_sending
from alchemiser_cli.streaming.topics import require_topic
from alchemiser_cli.telemetry import SILENT, Telemetry
from alchemiser_cli.telemetry.names import EMIT_LATENCY_SECONDS, ENQUEUE_DELAY_SECONDS

__all__ = ["TickProducer"]

_BACK_PRESSURE_POLL_S = 0.1
_FLUSH_STEP_S = 0.25  # between two of them, a signal is heard
_SENDS_A_POLL = 64  # asking for acknowledgements after each send would cost as much as the send
_NS_PER_MS = 1_000_000

_PRODUCE = fault_point("streaming.produce")

_log = get_logger("market_data", "streaming.producer")


class TickProducer:
    """A context manager that sends ticks to one topic.

    Leaving the block waits for all acknowledgements and raises ``delivery-failed`` with the
    counts if one is missing, unless ``flush`` said so before. A message is given up after six
    request timeouts. Where the block ends with an error, it waits for at most one request
    timeout, and what is missing becomes a note to that error and a record in the log; an
    interrupt does not wait.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        bootstrap: str,
        topic: str,
        encoder: TickEncoder,
        clock: Clock,
        *,
        telemetry: Telemetry = SILENT,
        live: bool = False,
    ) -> None:
        """Prepare a producer for ``topic``, which must exist when the block is entered.

        ``live`` says that ticks are sent as they happen: their messages are stamped with the
        time of sending, and the time from the event to it goes to ``telemetry``. Others are
        stamped with their event's time, so that a topic of recorded data can be read by time.
        """
        self._live = live
        self._kafka = kafka
        self._bootstrap = bootstrap
        self._encoder = encoder
        self._clock = clock
        self._delay = telemetry.histogram(ENQUEUE_DELAY_SECONDS, topic=topic) if live else None
        self._latency = telemetry.histogram(EMIT_LATENCY_SECONDS, topic=topic)
        self._measured = telemetry is not SILENT
        self._producer: Producer | None = None
        self._last_failure: str | None = None
        self._injected = 0  # of the failed ones, those that a fault refused
        self._told = 0  # missing acknowledgements that flush raised
        self.topic = topic
        self.sent = 0
        self.failed = 0

    @property
    def acknowledged(self) -> int:
        """How many messages the brokers have, as far as ``poll`` and ``flush`` have heard."""
        waiting = 0 if self._producer is None else len(self._producer)
        return self.sent - self.failed - waiting

    def __enter__(self) -> Self:
        """Connect.

        Raises:
            BrokerUnreachableError: ``broker-unreachable`` after ``request_timeout_s``.
            TopicMissingError: ``topic-missing``.
        """
        require_topic(self._kafka, self._bootstrap, self.topic)
        self._producer = producer_client(
            self._kafka,
            self._bootstrap,
            **{
                "on_delivery": self._delivered,
                "delivery.report.only.error": not self._measured,
            },
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Wait for what is under way and disconnect.

        Raises:
            DeliveryFailedError: ``delivery-failed`` with the counts, if something that nobody
                was told of was not acknowledged.
        """
        producer = self._connected()
        try:
            self._settle(producer, self._patience_s(error))
        finally:
            # An interrupt may end the wait.
            outstanding = len(producer)
            producer.purge()
            producer.poll(0)
            self._producer = None
        if self.failed <= self._told:
            return
        missing = self._missing(self.failed - outstanding, outstanding)
        if error is None:
            raise missing
        error.add_note(f"{missing.what}: {missing.why}")
        _log.error("delivery_failed", code=missing.code, what=missing.what, **missing.context)

    def send(self, tick: Tick, headers: Sequence[Header] = ()) -> int:
        """Queue ``tick`` and return the size of its message's value in bytes.

        A full queue waits for acknowledgements.

        Raises:
            BrokerUnreachableError: ``broker-unreachable`` if the queue is full and nothing was
                acknowledged for ``request_timeout_s``.
        """
        value = self._encoder.encode(tick)
        if _PRODUCE.armed is None:
            self._queue(tick, value, headers)
        else:
            self._queue_struck(tick, value, headers)
        if self._delay is not None:
            self._delay.observe((self._clock.now_ns() - tick.event_time_ns) / NS_PER_SECOND)
        return len(value)

    def _queue_struck(self, tick: Tick, value: bytes, headers: Sequence[Header]) -> None:
        """Queue what a fault leaves of the message: nothing, the same, two, or a spoiled one."""
        try:
            left = _PRODUCE.alter_all([Produced(value, headers)], spoiled_before_sending)
        except DeliveryFailedError as error:
            self.sent += 1
            self._injected += 1
            self._note_failure(error.why, None)
            return
        if not left:
            self.sent += 1  # as far as anybody knows
        for one in left:
            self._queue(tick, one.value, one.headers)

    def _queue(self, tick: Tick, value: bytes | None, headers: Sequence[Header]) -> None:
        producer = self._connected()
        moment_ns = self._clock.now_ns() if self._live else tick.event_time_ns
        stamp_ms = moment_ns // _NS_PER_MS
        waiting_since: tuple[int, int] | None = None  # settled messages, monotonic ns
        while True:
            try:
                if headers:
                    producer.produce(
                        self.topic,
                        value,
                        key=tick.symbol.encode(),
                        timestamp=stamp_ms,
                        headers=list(headers),
                    )
                else:
                    producer.produce(
                        self.topic,
                        value,
                        key=tick.symbol.encode(),
                        timestamp=stamp_ms,
                    )
                break
            except BufferError:
                waiting_since = self._wait_for_room(producer, waiting_since)
        self.sent += 1
        if self.sent % _SENDS_A_POLL == 0:
            producer.poll(0)

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
        self._settle(producer, deadline_s)
        outstanding = len(producer)
        if self.failed or outstanding:
            self._told = self.failed + outstanding
            raise self._missing(self.failed, outstanding)

    def _connected(self) -> Producer:
        if self._producer is None:
            raise RuntimeError("the producer's block was left or not entered")
        return self._producer

    def _patience_s(self, error: BaseException | None) -> float | None:
        if error is None and not self._told:
            return None
        return self._kafka.request_timeout_s if error is None or _is_ordinary(error) else 0.0

    def _settle(self, producer: Producer, deadline_s: float | None) -> None:
        """Wait until every message is acknowledged or given up, or the deadline is over."""
        if deadline_s is None:
            while producer.flush(_FLUSH_STEP_S):
                pass  # librdkafka itself gives each message up in time
            return
        steps = int(deadline_s // _FLUSH_STEP_S)
        for _ in range(steps):
            if not producer.flush(_FLUSH_STEP_S):
                return
        producer.flush(deadline_s - steps * _FLUSH_STEP_S)

    def _missing(self, given_up: int, outstanding: int) -> DeliveryFailedError:
        missing = DeliveryFailedError(
            f"{given_up + outstanding} of {self.sent} messages were not acknowledged",
            why=f"{given_up} were given up and {outstanding} had no answer in time; "
            f"the last reason was: {self._last_failure or 'none given'}.",
            next_step="Check the brokers and send again: ticks carry a sequence, so "
            "consumers count what came twice.",
            context={
                "topic": self.topic,
                "sent": self.sent,
                "acknowledged": self.sent - given_up - outstanding,
                "failed": given_up,
                "outstanding": outstanding,
            },
        )
        missing.injected = self._injected == given_up and not outstanding
        return missing

    def _wait_for_room(self, producer: Producer, since: tuple[int, int] | None) -> tuple[int, int]:
        producer.poll(_BACK_PRESSURE_POLL_S)
        settled, now_ns = self.sent - len(producer), self._clock.monotonic_ns()
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
        if error is not None and caused_on_purpose():
            self._injected += 1
        if error is None:
            if self._measured and (latency_s := message.latency()) is not None:
                self._latency.observe(latency_s)
            return
        self._note_failure(error.str(), message.partition())

    def _note_failure(self, why: str, partition: int | None) -> None:
        self.failed += 1
        self._last_failure = why
        if self.failed == 1:
            _log.warning(
                "delivery_failed",
                code=DeliveryFailedError.code,
                topic=self.topic,
                partition=partition,
                why=why,
            )


def _is_ordinary(error: BaseException) -> bool:
    return isinstance(error, Exception)
