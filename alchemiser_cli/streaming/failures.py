"""librdkafka's errors as coded errors of ours."""

from typing import TypeVar

from confluent_kafka import KafkaError, KafkaException

from alchemiser_cli.errors import (
    BrokerUnreachableError,
    ConsumerGroupUnreadableError,
    StreamingError,
    TopicMissingError,
)
from alchemiser_cli.faults import fault_points

__all__ = [
    "PASSING",
    "broker_unreachable",
    "caused_on_purpose",
    "group_unreadable",
    "is_beyond_mending",
    "is_fatal",
    "kafka_error",
    "translated",
]

Failure = TypeVar("Failure", bound=StreamingError)

PASSING = {
    KafkaError._TRANSPORT,  # noqa: SLF001  librdkafka's own codes begin with an underscore
    KafkaError.REQUEST_TIMED_OUT,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
}
"""Refusals of a request that the same request, sent again, need not meet."""

_AUTHORIZATION = {
    KafkaError._AUTHENTICATION,  # noqa: SLF001  librdkafka's own codes begin with an underscore
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
}
_TOPIC = {
    KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001  as above
    KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001  as above
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.TOPIC_EXCEPTION,
}
_GROUP = {
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.INVALID_GROUP_ID,
    KafkaError.GROUP_MAX_SIZE_REACHED,
    KafkaError.FENCED_INSTANCE_ID,
}
# What a poll reports of a client that is beyond mending; it does not carry the fatal mark.
_CLIENT_DEAD = {KafkaError._FATAL, KafkaError._FENCED}  # noqa: SLF001  as above


def kafka_error(error: KafkaException) -> KafkaError:
    """Return the KafkaError that the exception carries."""
    first = error.args[0] if error.args else None
    return first if isinstance(first, KafkaError) else KafkaError(KafkaError.UNKNOWN, str(error))


def is_fatal(error: KafkaError) -> bool:
    """Tell whether the client cannot go on after ``error``; others it mends by itself."""
    return error.fatal() or error.code() in _AUTHORIZATION | _TOPIC | _GROUP | _CLIENT_DEAD


def is_beyond_mending(error: KafkaError) -> bool:
    """Tell whether the client is dead after ``error``: it can be dropped, but never closed."""
    return error.fatal() or error.code() in _CLIENT_DEAD


def translated(error: KafkaError, bootstrap: str, topic: str, group: str) -> StreamingError:
    """Return the coded error for a fatal ``error`` of a consumer."""
    if error.code() in _TOPIC:
        missing = TopicMissingError(
            f"the topic {topic!r} cannot be read",
            why=f"Kafka answered: {error.str()}.",
            next_step="Check topics.ticks and the rights of kafka.username.",
            context={"topic": topic, "bootstrap": bootstrap, "kafka_error": error.name()},
        )
        return _marked(missing)
    if error.code() in _AUTHORIZATION:
        return broker_unreachable(bootstrap, error.str(), error.name())
    return group_unreadable(group, bootstrap, error)


def broker_unreachable(bootstrap: str, why: str, name: str | None = None) -> BrokerUnreachableError:
    """Return ``broker-unreachable`` for the cluster at ``bootstrap``."""
    unreachable = BrokerUnreachableError(
        f"no broker of {bootstrap} answered",
        why=f"{why.rstrip('.')}.",
        next_step="Check kafka.bootstrap and that the cluster runs; `alchemiser broker serve` "
        "starts an embedded one.",
        context={"bootstrap": bootstrap, "kafka_error": name},
    )
    return _marked(unreachable)


def group_unreadable(group: str, bootstrap: str, error: KafkaError) -> ConsumerGroupUnreadableError:
    """Return ``consumer-group-unreadable`` for ``group``."""
    unreadable = ConsumerGroupUnreadableError(
        f"the consumer group {group!r} cannot be used",
        why=f"Kafka answered: {error.str()}.",
        next_step="Check that the group's coordinator runs, and the rights of kafka.username.",
        context={"group": group, "bootstrap": bootstrap, "kafka_error": error.name()},
    )
    return _marked(unreadable)


def caused_on_purpose() -> bool:
    """Tell whether a fault of this process is in force at the brokers themselves."""
    return any(
        point.armed is not None and point.armed.in_force()
        for name, point in fault_points().items()
        if name.startswith("broker.")
    )


def _marked(failure: Failure) -> Failure:
    failure.injected = caused_on_purpose()
    return failure
