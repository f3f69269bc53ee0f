"""What can be done to the embedded Kafka: each condition is brought about, kept up, and healed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from alchemiser_cli.faults import Armed
from alchemiser_cli.streaming.embedded import EmbeddedKafka

if TYPE_CHECKING:
    from confluent_kafka import Consumer

__all__ = ["Condition", "Deletion", "Down", "LeaderMove", "RoundTrip"]

ASKING_TIMEOUT_S = 2.0
ALL_BROKERS = -1


class Condition(Protocol):
    """A state of the cluster; strikes are noted on the fault that wants it."""

    def begin(self, armed: Armed) -> None:
        """Bring it about."""
        ...

    def keep(self, armed: Armed) -> None:
        """Do what it takes to keep it up; called some 50 times a second."""
        ...

    def end(self) -> None:
        """Heal it, also where it was not brought about."""
        ...


class Down:
    """All brokers close their connections and take no new ones."""

    def __init__(self, kafka: EmbeddedKafka) -> None:
        """Mean ``kafka``."""
        self._kafka = kafka

    def begin(self, armed: Armed) -> None:
        """Take the brokers down, if chance will have it."""
        if armed.draw():
            self._kafka.broker_down()

    def keep(self, armed: Armed) -> None:
        """Do nothing: they stay down."""

    def end(self) -> None:
        """Bring them up."""
        self._kafka.broker_up()


class RoundTrip:
    """Each answer comes later by the fault's amount, in seconds."""

    def __init__(self, kafka: EmbeddedKafka) -> None:
        """Mean ``kafka``."""
        self._kafka = kafka

    def begin(self, armed: Armed) -> None:
        """Make the way longer, if chance will have it."""
        if armed.draw():
            self._kafka.round_trip(ALL_BROKERS, max(1, round(armed.fault.amount * 1e3)))

    def keep(self, armed: Armed) -> None:
        """Do nothing: it stays so."""

    def end(self) -> None:
        """Answer at once again."""
        self._kafka.round_trip(ALL_BROKERS, 0)


class LeaderMove:
    """Partitions get the next of several brokers as their leader.

    Each partition that is there at the beginning is a chance.
    """

    def __init__(self, kafka: EmbeddedKafka) -> None:
        """Mean ``kafka``."""
        self._kafka = kafka
        self._moved: list[tuple[str, int, int]] = []

    def begin(self, armed: Armed) -> None:
        """Move what chance will have moved.

        Raises:
            KafkaException: the cluster does not tell its partitions.
        """
        with _asking(self._kafka) as client:
            partitions = _partitions(client)
        brokers = self._kafka.brokers
        for topic, partition, leader in partitions:
            if armed.draw():
                self._kafka.set_leader(topic, partition, leader % brokers + 1)
                self._moved.append((topic, partition, leader))

    def keep(self, armed: Armed) -> None:
        """Do nothing: they stay there."""

    def end(self) -> None:
        """Give each partition its leader back."""
        while self._moved:
            self._kafka.set_leader(*self._moved.pop())


class Deletion:
    """Partitions lose their oldest records, as many of each as the fault's amount says.

    Each partition that holds records at the beginning is a chance. What is lost stays lost.
    """

    def __init__(self, kafka: EmbeddedKafka) -> None:
        """Mean ``kafka``."""
        self._kafka = kafka

    def begin(self, armed: Armed) -> None:
        """Delete what chance will have deleted.

        Raises:
            KafkaException: the cluster does not tell its partitions or their offsets.
        """
        from confluent_kafka import TopicPartition

        with _asking(self._kafka) as client:
            for topic, partition, _ in _partitions(client):
                low, high = client.get_watermark_offsets(
                    TopicPartition(topic, partition), timeout=ASKING_TIMEOUT_S
                )
                if low < high and armed.draw():
                    before = min(low + round(armed.fault.amount), high)
                    self._kafka.delete_records(topic, partition, before)

    def keep(self, armed: Armed) -> None:
        """Do nothing: what comes later stays."""

    def end(self) -> None:
        """Do nothing: nobody has the records any more."""


@contextmanager
def _asking(kafka: EmbeddedKafka) -> "Iterator[Consumer]":
    """Yield a client for questions to the cluster; it writes nothing on stderr."""
    from confluent_kafka import Consumer

    client = Consumer(
        {"bootstrap.servers": kafka.bootstrap, "group.id": "broker-faults", "log_level": 0}
    )
    try:
        yield client
    finally:
        client.close()


def _partitions(client: "Consumer") -> list[tuple[str, int, int]]:
    """Return topic, partition and leader of everything that the cluster holds."""
    topics = client.list_topics(timeout=ASKING_TIMEOUT_S).topics
    return [
        (name, number, one.leader)
        for name, topic in sorted(topics.items())
        for number, one in sorted(topic.partitions.items())
    ]
