"""Settings to librdkafka's configuration; secrets are unwrapped here and nowhere else."""

import logging
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from alchemiser_cli.errors import KafkaSettingsError
from alchemiser_cli.logs import get_logger
from alchemiser_cli.settings.sections import ConsumerSettings, KafkaSettings

__all__ = [
    "LibraryLog",
    "admin_client",
    "client_config",
    "consumer_client",
    "consumer_config",
    "producer_client",
    "producer_config",
]

# The session's length also bounds how long a commit waits for a lost coordinator. The embedded
# cluster ends a rebalance one second before a session's end and not when all have joined, so
# a short session there makes joining a group that was just left take one second.
_SESSION_TIMEOUT_MS = 10_000
_EMBEDDED_SESSION_TIMEOUT_MS = 2_000
_DELIVERY_REQUESTS = 6  # request timeouts that a message may take before it is given up
_LINGER_MS = 5
# How long a fetch is put off while enough is queued. With librdkafka's own second, a consumer that
# catches up runs dry and stands still for most of it.
_QUEUE_BACKOFF_MS = 10

Client = TypeVar("Client")


class LibraryLog:
    """librdkafka's own log lines, as records of the ``api`` channel.

    A client without a broker repeats itself some twenty times a second, so a line is passed on
    at its first, tenth, hundredth... appearance. Nothing is above a warning: what matters is
    raised as an error of ours.
    """

    def __init__(self, client_id: str) -> None:
        """Name the records' client."""
        self._log = get_logger("api", "librdkafka")
        self._client_id = client_id
        self._seen: Counter[str] = Counter()

    def log(self, level: int, message: str, *parts: object) -> None:
        """Take one line, as ``logging.Logger.log`` does; librdkafka calls this."""
        text = message % parts if parts else message
        line = text.rpartition(" (after ")[0] or text
        self._seen[line] += 1
        repeated = self._seen[line]
        if repeated == 10 ** (len(str(repeated)) - 1):
            self._log.log(
                min(level, logging.WARNING),
                "librdkafka",
                line=line,
                repeated=repeated,
                client_id=self._client_id,
            )

    def failed(self, error: KafkaError) -> None:
        """Take one error that concerns no single request; librdkafka calls this."""
        self.log(logging.WARNING, f"{error.name()}: {error.str()}")


def client_config(kafka: KafkaSettings, bootstrap: str) -> dict[str, Any]:
    """Return what every client of ``bootstrap`` needs, its secrets included: never log it."""
    log = LibraryLog(kafka.client_id)
    request_ms = max(round(kafka.request_timeout_s * 1_000), 10)
    config: dict[str, Any] = {
        "bootstrap.servers": bootstrap,
        "client.id": kafka.client_id,
        "security.protocol": kafka.security_protocol,
        "socket.timeout.ms": request_ms,
        "socket.connection.setup.timeout.ms": max(request_ms, 1_000),
        "reconnect.backoff.max.ms": 1_000,
        "logger": log,
        "error_cb": log.failed,
    }
    if kafka.security_protocol.startswith("SASL"):
        config["sasl.mechanism"] = kafka.sasl_mechanism
        config["sasl.username"] = kafka.username or ""
        config["sasl.password"] = kafka.password.get_secret_value() if kafka.password else ""
    if kafka.security_protocol.endswith("SSL") and kafka.ca_file is not None:
        config["ssl.ca.location"] = str(kafka.ca_file)
    return config


def consumer_config(
    kafka: KafkaSettings, consumer: ConsumerSettings, bootstrap: str, *, embedded: bool = False
) -> dict[str, Any]:
    """Return the configuration of a member of ``consumer.group`` that commits by itself never."""
    session_ms = _EMBEDDED_SESSION_TIMEOUT_MS if embedded else _SESSION_TIMEOUT_MS
    if consumer.session_timeout_s is not None:
        session_ms = round(consumer.session_timeout_s * 1_000)
    request_ms = round(kafka.request_timeout_s * 1_000)
    poll_ms = round(consumer.max_poll_interval_s * 1_000)
    config = client_config(kafka, bootstrap) | {
        "group.id": consumer.group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "fetch.wait.max.ms": min(consumer.fetch_wait_ms, max(request_ms - 1, 0)),
        "queued.max.messages.kbytes": consumer.prefetch_kilobytes,
        "fetch.queue.backoff.ms": _QUEUE_BACKOFF_MS,
        "max.poll.interval.ms": poll_ms,
    }
    if consumer.protocol == "consumer":  # the broker decides the session and who gets what
        return config | {"group.protocol": "consumer"}
    session_ms = min(session_ms, poll_ms)  # librdkafka asks for that
    return config | {
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": session_ms,
        "heartbeat.interval.ms": session_ms // (10 if embedded else 4),
    }


def producer_config(kafka: KafkaSettings, bootstrap: str) -> dict[str, Any]:
    """Return the configuration of an idempotent producer."""
    return client_config(kafka, bootstrap) | {
        "enable.idempotence": True,
        "compression.type": "lz4",
        "linger.ms": _LINGER_MS,
        "message.timeout.ms": max(round(kafka.request_timeout_s * 1_000 * _DELIVERY_REQUESTS), 100),
    }


def admin_client(kafka: KafkaSettings, bootstrap: str) -> AdminClient:
    """Return an admin client; nothing is contacted yet.

    Raises:
        KafkaSettingsError: ``kafka-settings``.
    """
    return _made(AdminClient, client_config(kafka, bootstrap))


def producer_client(kafka: KafkaSettings, bootstrap: str, **options: Any) -> Producer:
    """Return an idempotent producer; ``options`` are librdkafka's, and win.

    Raises:
        KafkaSettingsError: ``kafka-settings``.
    """
    return _made(Producer, producer_config(kafka, bootstrap) | options)


def consumer_client(
    kafka: KafkaSettings,
    consumer: ConsumerSettings,
    bootstrap: str,
    *,
    embedded: bool = False,
    **options: Any,
) -> Consumer:
    """Return a consumer that has not joined ``consumer.group``; ``options`` are librdkafka's.

    Raises:
        KafkaSettingsError: ``kafka-settings``.
    """
    return _made(Consumer, consumer_config(kafka, consumer, bootstrap, embedded=embedded) | options)


def _made(kind: Callable[[dict[str, Any]], Client], config: dict[str, Any]) -> Client:
    try:
        return kind(config)
    except (KafkaException, ValueError) as error:
        cause = error.args[0] if error.args else error
        raise KafkaSettingsError(
            "librdkafka refuses the Kafka settings",
            why=cause.str() if isinstance(cause, KafkaError) else str(cause),
            next_step="Correct the kafka setting that it names: credentials for SASL, "
            "a readable kafka.ca_file for TLS.",
            context={"security_protocol": config["security.protocol"]},
        ) from error
