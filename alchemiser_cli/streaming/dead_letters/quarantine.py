"""Setting an implausible message aside, apart from those that cannot be read."""

import math
from typing import TYPE_CHECKING

import msgspec

from alchemiser_cli.errors import DeliveryFailedError, MessageImplausibleError
from alchemiser_cli.logs import get_logger
from alchemiser_cli.streaming.acknowledged import AcknowledgedProducer, Header, Sent
from alchemiser_cli.streaming.dead_letters import names
from alchemiser_cli.streaming.dead_letters.headers import text_bytes
from alchemiser_cli.streaming.dead_letters.letters import verbatim
from alchemiser_cli.streaming.received import Received
from alchemiser_cli.telemetry import SILENT, Telemetry
from alchemiser_cli.telemetry.names import QUARANTINED

if TYPE_CHECKING:
    from alchemiser_cli.market.quality.violation import Violation

__all__ = ["Quarantine", "implausible"]

_log = get_logger("market_data", "streaming.quarantine")


def implausible(received: Received, violation: "Violation") -> MessageImplausibleError:
    """Return ``message-implausible`` for a message that breaks a rule of plausibility."""
    return MessageImplausibleError(
        f"the message is implausible ({violation.rule})",
        why=f"{violation.detail.rstrip('.')}.",
        next_step="Compare it with the venue's own record; a rule that is wrong here can be "
        "named in quality.rules_off.",
        context={
            "rule": violation.rule,
            "numbers": _finite(violation.numbers),
            "topic": received.topic,
            "partition": received.partition,
            "offset": received.offset,
        },
    )


class Quarantine:
    """Writes implausible messages as they came to ``TOPIC.quarantine``, with rule and numbers."""

    def __init__(self, producer: AcknowledgedProducer, telemetry: Telemetry = SILENT) -> None:
        """Send by ``producer``, whose block is open."""
        self._producer = producer
        self._telemetry = telemetry

    async def put(self, received: Received, violation: "Violation") -> Sent:
        """Set ``received`` aside, and return where it lies once the brokers have it.

        Raises:
            DeliveryFailedError: ``delivery-failed``; the brokers do not have it.
        """
        topic = names.quarantine_topic(received.topic)
        error = implausible(received, violation)
        partition = await self._producer.same_partition(topic, received.partition)
        try:
            sent = await self._producer.send(
                verbatim(received, topic, partition, _headers(received, violation))
            )
        except DeliveryFailedError as refusal:
            refusal.context |= {"source": error.context, "failed_with": error.code}
            raise
        self._telemetry.counter(QUARANTINED, topic=received.topic, rule=violation.rule).inc()
        _log.warning(
            "message_quarantined",
            code=error.code,
            why=error.why,
            quarantined=f"{sent.partition}-{sent.offset}",
            quarantine_topic=sent.topic,
            **error.context,
        )
        return sent


def _headers(received: Received, violation: "Violation") -> list[Header]:
    return [
        (names.SOURCE_TOPIC, text_bytes(received.topic)),
        (names.SOURCE_PARTITION, text_bytes(received.partition)),
        (names.SOURCE_OFFSET, text_bytes(received.offset)),
        (names.RULE, text_bytes(violation.rule)),
        (names.DETAIL, text_bytes(violation.detail)),
        (names.NUMBERS, msgspec.json.encode(_finite(violation.numbers))),
    ]


def _finite(numbers: dict[str, float]) -> dict[str, float | str]:
    """Write what JSON has no number for (NaN, infinity) as a word."""
    return {name: value if math.isfinite(value) else str(value) for name, value in numbers.items()}
