"""Setting a failed message aside in its dead-letter topic, with everything that it had."""

from alchemiser_cli.clock import Clock, iso_from_ns
from alchemiser_cli.errors import AlchemiserError, DeliveryFailedError
from alchemiser_cli.logs import get_logger
from alchemiser_cli.settings.sections import DeadLetterSettings
from alchemiser_cli.streaming.acknowledged import AcknowledgedProducer, Header, Outgoing, Sent
from alchemiser_cli.streaming.dead_letters.headers import failure_headers, history_of, reason_of
from alchemiser_cli.streaming.dead_letters.names import dead_letter_topic
from alchemiser_cli.streaming.received import Received
from alchemiser_cli.telemetry import SILENT, Telemetry
from alchemiser_cli.telemetry.names import DEAD_LETTERS

__all__ = ["DeadLetters"]

_TOO_LARGE = "MSG_SIZE_TOO_LARGE"

_log = get_logger("market_data", "streaming.dead_letters")


class DeadLetters:
    """Writes failed messages of one consumer group to ``TOPIC.dlq``.

    Key, value, timestamp and headers stay as they were; what happened follows as further headers.
    A message goes to the partition of its own number where there is one, else by its key.

    A dead letter is some kilobytes larger than its message. Where the brokers refuse it for its
    size, it is sent again without the traceback; where they refuse that too, nothing was set
    aside, ``delivery-failed`` says so, and the source offset must not be committed.
    """

    def __init__(
        self,
        producer: AcknowledgedProducer,
        settings: DeadLetterSettings,
        clock: Clock,
        telemetry: Telemetry = SILENT,
        *,
        group: str,
    ) -> None:
        """Send by ``producer``, whose block is open, in the name of consumer ``group``."""
        self._producer = producer
        self._max_redrives = settings.max_redrives
        self._clock = clock
        self._telemetry = telemetry
        self._group = group

    async def put(self, received: Received, error: AlchemiserError, deliveries: int) -> Sent:
        """Set ``received`` aside, and return where it lies once the brokers have it.

        ``deliveries`` is how often it was given to the callback, the first time included.

        Raises:
            DeliveryFailedError: ``delivery-failed``; the brokers do not have it.
        """
        topic = dead_letter_topic(received.topic)
        partition = await self._producer.same_partition(topic, received.partition)
        failed_at = iso_from_ns(self._clock.now_ns())

        def outgoing(*, with_trace: bool) -> Outgoing:
            told = failure_headers(
                received,
                error,
                group=self._group,
                deliveries=deliveries,
                failed_at=failed_at,
                with_trace=with_trace,
            )
            return verbatim(received, topic, partition, told)

        try:
            try:
                sent = await self._producer.send(outgoing(with_trace=True))
            except DeliveryFailedError as refusal:
                if refusal.context.get("kafka_error") != _TOO_LARGE:
                    raise
                sent = await self._producer.send(outgoing(with_trace=False))
        except DeliveryFailedError as refusal:
            raise _not_kept(received, error, topic, refusal) from refusal
        self._tell(received, error, sent)
        return sent

    def _tell(self, received: Received, error: AlchemiserError, sent: Sent) -> None:
        reason = reason_of(error)
        self._telemetry.counter(DEAD_LETTERS, topic=received.topic, reason=reason).inc()
        redrives = history_of(received.headers).redrives
        _log.warning(
            "message_dead_lettered",
            dlq=True,
            code=error.code,
            reason=reason,
            topic=received.topic,
            partition=received.partition,
            offset=received.offset,
            dead_letter=f"{sent.partition}-{sent.offset}",
            dead_letter_topic=sent.topic,
            redrives=redrives,
            redrivable=redrives < self._max_redrives,
            group=self._group,
        )


def verbatim(received: Received, topic: str, partition: int, further: list[Header]) -> Outgoing:
    """Return ``received`` for another topic as it came, with ``further`` headers at the end."""
    return Outgoing(
        topic=topic,
        key=received.key,
        value=received.value,
        headers=[*received.headers, *further],
        timestamp_ms=max(received.timestamp_ms, 0),
        partition=partition,
    )


def _not_kept(
    received: Received, error: AlchemiserError, topic: str, refusal: DeliveryFailedError
) -> DeliveryFailedError:
    not_kept = DeliveryFailedError(
        f"a failed message could not be set aside in {topic!r}",
        why=refusal.why,
        next_step=f"Raise max.message.bytes of {topic} above that of {received.topic}."
        if refusal.context.get("kafka_error") == _TOO_LARGE
        else f"Check that {topic} exists, that kafka.username may write it, and that brokers run.",
        context={
            "topic": received.topic,
            "partition": received.partition,
            "offset": received.offset,
            "failed_with": error.code,
            "kafka_error": refusal.context.get("kafka_error"),
            "bytes": len(received.value or b""),
        },
    )
    not_kept.injected = refusal.injected
    return not_kept
