"""Where messages are set aside, and the headers that say why.

The ``__connect.errors`` headers are those of Kafka Connect's DeadLetterQueueReporter (KIP-298),
as text in UTF-8, so that tools made for Connect read ours.
"""

from alchemiser_cli.streaming.topic_map import companion_topic

__all__ = [
    "CODE",
    "CONNECT",
    "DELIVERIES",
    "DETAIL",
    "FIRST_FAILED",
    "GROUP",
    "INJECTED",
    "NUMBERS",
    "REASON",
    "REDRIVES",
    "RULE",
    "SCHEMA_ID",
    "SOURCE_OFFSET",
    "SOURCE_PARTITION",
    "SOURCE_TOPIC",
    "dead_letter_topic",
    "quarantine_topic",
]

CONNECT = "__connect.errors."
GROUP = "__dlq.errors.group"
DELIVERIES = "__dlq.errors.delivery.count"

CODE = "alchemiser.code"
REASON = "alchemiser.reason"
SCHEMA_ID = "alchemiser.schema-id"
FIRST_FAILED = "alchemiser.first-failed-at"
REDRIVES = "alchemiser.redrive-count"
INJECTED = "alchemiser.injected"  # only where the failure was caused on purpose

RULE = "alchemiser.rule"
DETAIL = "alchemiser.detail"
NUMBERS = "alchemiser.numbers"
SOURCE_TOPIC = "alchemiser.source-topic"
SOURCE_PARTITION = "alchemiser.source-partition"
SOURCE_OFFSET = "alchemiser.source-offset"


def dead_letter_topic(topic: str) -> str:
    """Return the topic of what cannot be read or handled in ``topic``.

    Raises:
        TopicForbiddenError: ``topic-forbidden``.
    """
    return companion_topic(topic, "dlq")


def quarantine_topic(topic: str) -> str:
    """Return the topic of what is readable but implausible in ``topic``.

    Raises:
        TopicForbiddenError: ``topic-forbidden``.
    """
    return companion_topic(topic, "quarantine")
