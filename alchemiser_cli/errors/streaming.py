"""Errors of Kafka, the schema registry and the messages themselves."""

from typing import ClassVar

from alchemiser_cli.errors.base import AlchemiserError, RetrySafety, Severity
from alchemiser_cli.exits import ExitCode

__all__ = [
    "BrokerUnreachableError",
    "ConsumerGroupUnreadableError",
    "DeadLetterNotFoundError",
    "DeadLetterStormError",
    "DeliveryFailedError",
    "EmbeddedBrokerFailedError",
    "EmbeddedBrokerRunningError",
    "EnvelopeIncompleteError",
    "MessageImplausibleError",
    "MessageProcessingError",
    "MessageUndecodableError",
    "RedriveLoopError",
    "RegistryUnreachableError",
    "SchemaIncompatibleError",
    "SchemaNotFoundError",
    "StaleRunFileError",
    "StreamingError",
    "TopicForbiddenError",
    "TopicMissingError",
]


class StreamingError(AlchemiserError):
    """Family: the stream of messages is interrupted or a message is unusable."""

    recoverable: ClassVar[bool] = True


class BrokerUnreachableError(StreamingError):
    """No broker of the bootstrap list answered in time."""

    code = "broker-unreachable"
    retry_safety = RetrySafety.SAFE
    severity = Severity.CRITICAL
    exit_code = ExitCode.UNREACHABLE


class TopicMissingError(StreamingError):
    """A topic does not exist and cannot be made."""

    code = "topic-missing"
    exit_code = ExitCode.NOT_FOUND
    recoverable = False


class ConsumerGroupUnreadableError(StreamingError):
    """The consumer group's coordinator or committed offsets cannot be read."""

    code = "consumer-group-unreadable"
    retry_safety = RetrySafety.SAFE
    exit_code = ExitCode.UNREACHABLE


class RegistryUnreachableError(StreamingError):
    """The schema registry did not answer."""

    code = "registry-unreachable"
    retry_safety = RetrySafety.SAFE
    exit_code = ExitCode.UNREACHABLE


class SchemaNotFoundError(StreamingError):
    """The registry has no schema under this id or subject."""

    code = "schema-not-found"
    exit_code = ExitCode.NOT_FOUND
    recoverable = False


class SchemaIncompatibleError(StreamingError):
    """A schema cannot replace the registered one without breaking its readers."""

    code = "schema-incompatible"
    recoverable = False


class MessageUndecodableError(StreamingError):
    """The bytes of a message are not a record of a known schema."""

    code = "message-undecodable"
    severity = Severity.MEDIUM
    recoverable = False


class MessageProcessingError(StreamingError):
    """The callback for one message raised; the rest of its batch went on."""

    code = "message-processing-failed"
    retry_safety = RetrySafety.IF_IDEMPOTENT
    severity = Severity.MEDIUM


class DeliveryFailedError(StreamingError):
    """The broker did not acknowledge every message that was sent."""

    code = "delivery-failed"
    retry_safety = RetrySafety.IF_IDEMPOTENT


class EmbeddedBrokerFailedError(StreamingError):
    """The embedded Kafka could not be started or controlled."""

    code = "embedded-broker-failed"
    recoverable = False


class EmbeddedBrokerRunningError(StreamingError):
    """Another process already serves the embedded Kafka of this home."""

    code = "embedded-broker-running"
    severity = Severity.LOW
    exit_code = ExitCode.REFUSED
    recoverable = False


class StaleRunFileError(StreamingError):
    """A killed process left its run file behind."""

    code = "stale-run-file"
    retry_safety = RetrySafety.SAFE
    severity = Severity.LOW


class MessageImplausibleError(StreamingError):
    """A message decodes to values that the market cannot have produced."""

    code = "message-implausible"
    severity = Severity.MEDIUM
    recoverable = False


class DeadLetterStormError(StreamingError):
    """So many messages fail that setting them aside would empty the topic."""

    code = "dead-letter-storm"
    severity = Severity.CRITICAL
    recoverable = False


class DeadLetterNotFoundError(StreamingError):
    """No dead letter has this id."""

    code = "dead-letter-not-found"
    severity = Severity.LOW
    exit_code = ExitCode.NOT_FOUND
    recoverable = False


class RedriveLoopError(StreamingError):
    """A dead letter failed again after every redrive that it may have."""

    code = "redrive-loop"
    severity = Severity.MEDIUM
    exit_code = ExitCode.REFUSED
    recoverable = False


class EnvelopeIncompleteError(StreamingError):
    """An event was to be sent without saying what it is, whose it is, or what it holds."""

    code = "envelope-incomplete"
    recoverable = False


class TopicForbiddenError(StreamingError):
    """A broker's producer was to write to a topic that is not the broker's own."""

    code = "topic-forbidden"
    exit_code = ExitCode.REFUSED
    recoverable = False
