"""An embedded Kafka for tests: real wire protocol, gone with the block."""

from collections.abc import Iterator
from contextlib import contextmanager

from alchemiser_cli.settings.sections import KafkaSettings
from alchemiser_cli.streaming import EmbeddedKafka

__all__ = ["embedded_kafka", "settings_for"]


@contextmanager
def embedded_kafka(
    topic: str = "market.ticks", *, partitions: int = 4, brokers: int = 1
) -> Iterator[EmbeddedKafka]:
    """Yield a running cluster that has ``topic``.

    Raises:
        EmbeddedBrokerFailedError: ``embedded-broker-failed``.
    """
    with EmbeddedKafka(brokers) as kafka:
        kafka.create_topic(topic, partitions)
        yield kafka


def settings_for(kafka: EmbeddedKafka, *, request_timeout_s: float = 2.0) -> KafkaSettings:
    """Return settings that treat ``kafka`` as an external cluster."""
    return KafkaSettings(
        mode="external", bootstrap=kafka.bootstrap, request_timeout_s=request_timeout_s
    )
