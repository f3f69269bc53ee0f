"""One member of a consumer group; every method blocks and belongs on one and the same thread."""

from collections.abc import Callable, Iterable

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.errors import BrokerUnreachableError, StreamingError
from alchemiser_cli.faults import fault_point
from alchemiser_cli.logs import get_logger
from alchemiser_cli.settings.sections import ConsumerSettings, KafkaSettings
from alchemiser_cli.streaming.clients import consumer_client
from alchemiser_cli.streaming.failures import (
    PASSING,
    group_unreadable,
    is_beyond_mending,
    is_fatal,
    kafka_error,
    translated,
)
from alchemiser_cli.streaming.offsets import PartitionLease
from alchemiser_cli.streaming.outages import BrokerAbsence
from alchemiser_cli.streaming.positions import StartPositions
from alchemiser_cli.streaming.probe import broker_metadata
from alchemiser_cli.streaming.results import PartitionProgress
from alchemiser_cli.streaming.topics import partitions_of

__all__ = ["GroupMember"]

_ANSWER_POLL_S = 0.02
_ASK_S = 0.5  # how long brokers that seem to be away are waited for
_COMMIT_ATTEMPTS = 3  # of the last commit before partitions are given up

_COMMIT = fault_point("streaming.commit")

_log = get_logger("market_data", "streaming.consumer")


class GroupMember:
    """Joins, takes, pauses, commits and leaves; holds a lease of each partition it has.

    ``give_up`` is called with leases before their partitions go to another member; it returns
    when nothing of them is worked on any more, or after its own deadline.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        settings: ConsumerSettings,
        bootstrap: str,
        topic: str,
        positions: StartPositions,
        clock: Clock,
        give_up: Callable[[list[PartitionLease]], None],
    ) -> None:
        """Prepare a member; nothing is contacted yet."""
        self._kafka = kafka
        self._group = settings.group
        self._settings = settings
        self._bootstrap = bootstrap
        self._topic = topic
        self._positions = positions
        self._clock = clock
        self._give_up = give_up
        self._consumer: Consumer | None = None
        self._failure: StreamingError | None = None
        self._absence = BrokerAbsence(bootstrap, kafka.client_id, clock, kafka.request_timeout_s)
        self._epoch = 0
        self._committed_ns = 0
        self._commit_under_way = False
        self._dead = False
        self.leases: dict[int, PartitionLease] = {}
        self.assigned = False
        self.paused = False

    def join(self) -> None:
        """Check broker, topic and group, then subscribe.

        Raises:
            BrokerUnreachableError: ``broker-unreachable`` after ``request_timeout_s``.
            TopicMissingError: ``topic-missing``.
            ConsumerGroupUnreadableError: ``consumer-group-unreadable``.
        """
        info = broker_metadata(self._kafka, self._bootstrap)
        partitions = partitions_of(info, self._topic, self._bootstrap)
        consumer = consumer_client(
            self._kafka,
            self._settings,
            self._bootstrap,
            embedded=info.embedded,
            on_commit=self._on_answer,
            error_cb=self._absence.noted,
        )
        places = [TopicPartition(self._topic, number) for number in range(partitions)]
        try:
            consumer.committed(places, timeout=self._kafka.request_timeout_s)
        except KafkaException as error:
            raise group_unreadable(self._group, self._bootstrap, kafka_error(error)) from error
        consumer.subscribe(
            [self._topic],
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_lost,
        )
        self._consumer = consumer
        self._committed_ns = self._clock.monotonic_ns()
        _log.info("consumer_group_joined", group=self._group, topic=self._topic)

    def take(self, most: int, wait_s: float) -> list[Message]:
        """Return up to ``most`` messages; an empty list after ``wait_s`` without any.

        Raises:
            TopicMissingError: ``topic-missing`` if it was deleted or may not be read.
            BrokerUnreachableError: ``broker-unreachable`` for refused credentials.
            ConsumerGroupUnreadableError: ``consumer-group-unreadable`` for any other error
                that librdkafka does not mend by itself.
        """
        consumer = self._joined()
        first = consumer.poll(wait_s)
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        if first is None:
            return []
        self._absence.over()
        taken = [first]
        if most > 1:
            taken += consumer.consume(most - 1, timeout=0)
        return [message for message in taken if message.error() is None or self._usable(message)]

    def absence(self) -> BrokerUnreachableError | None:
        """Return ``broker-unreachable`` once, when all brokers have been away for long."""
        return self._absence.overdue(lambda: self._reachable(self._joined(), _ASK_S))

    def pause(self) -> None:
        """Fetch no more, while ``take`` keeps the membership alive."""
        self.paused = True
        self._joined().pause(self._places())

    def resume(self) -> None:
        """Fetch again."""
        self.paused = False
        self._joined().resume(self._places())

    def commit_when_due(self) -> None:
        """Ask for a commit of what is finished, if ``commit_interval_s`` went by.

        Nothing waits for the answer; what a broker refuses is asked again with the next one. One
        is under way at a time: librdkafka sends one again that was refused for now, and it would
        overtake a later one and set the group back.
        """
        now_ns = self._clock.monotonic_ns()
        if (
            self._commit_under_way
            or now_ns - self._committed_ns < self._settings.commit_interval_s * NS_PER_SECOND
        ):
            return
        self._committed_ns = now_ns
        moved = self._moved(self.leases.values())
        if _COMMIT.armed is not None:
            moved = self._struck(moved)
        if moved:
            try:
                self._joined().commit(offsets=moved, asynchronous=True)
            except KafkaException as error:
                self._not_committed(kafka_error(error))
            else:
                self._commit_under_way = True

    def lag(self) -> int | None:
        """Return how many messages the last fetches left behind, None before the first."""
        consumer, behind = self._joined(), None
        for place in consumer.position(self._places()):
            if place.offset < 0:
                continue
            _, high = consumer.get_watermark_offsets(place, cached=True)
            if high >= 0:
                behind = (behind or 0) + max(0, high - place.offset)
        return behind

    def leave(self) -> list[PartitionProgress]:
        """Give up and commit, leave the group, and return how far it is in our partitions.

        A member that cannot reach the broker is dropped without commit and farewell: both would
        wait for the session's end, and the partitions go to others then anyway.
        """
        if self._consumer is None:
            return []
        consumer = self._consumer
        leases = sorted(self.leases.values(), key=lambda lease: lease.place)
        self._give_up(leases)
        reachable = self._reachable(consumer, self._kafka.request_timeout_s)
        progress = None
        if reachable:
            self._await_answer(consumer)
            self._commit_for_good(consumer, leases)
            progress = self._progress(consumer, leases)
            consumer.close()
        self._consumer = None
        _log.info("consumer_group_left", group=self._group, topic=self._topic, clean=reachable)
        return progress or [PartitionProgress(*lease.place, None, None) for lease in leases]

    def rejoin(self) -> None:
        """Drop a client that cannot go on, with all that is not committed, and join anew.

        Raises:
            StreamingError: as ``join``.
        """
        if self._consumer is not None:
            self._drop("partitions_lost", list(self.leases.values()))
            if not self._dead:
                self._consumer.close()
            self._consumer = None
        self._absence.over()
        self.assigned = self.paused = self._commit_under_way = self._dead = False
        self.join()

    def _joined(self) -> Consumer:
        if self._consumer is None:
            raise RuntimeError("the consumer has not joined its group")
        return self._consumer

    def _places(self) -> list[TopicPartition]:
        return [TopicPartition(*lease.place) for lease in self.leases.values()]

    def _usable(self, message: Message) -> bool:
        error = message.error()
        if error is None:
            return True
        if is_fatal(error):
            self._dead = is_beyond_mending(error)
            raise translated(error, self._bootstrap, self._topic, self._group)
        _log.warning("kafka_error", kafka_error=error.name(), why=error.str())
        return False

    def _moved(self, leases: Iterable[PartitionLease]) -> list[TopicPartition]:
        moved = []
        for lease in leases:
            offset = lease.committable
            if offset is not None:
                lease.asked = offset
                moved.append(TopicPartition(*lease.place, offset))
        return moved

    def _commit(self, leases: list[PartitionLease]) -> None:
        """Commit what is finished and wait for the answer."""
        for lease in leases:
            lease.asked = lease.committed  # an answer under way may still be a refusal
        if not (moved := self._moved(leases)):
            return
        for tried in range(1, _COMMIT_ATTEMPTS + 1):
            if _COMMIT.armed is not None and not (moved := self._struck(moved)):
                return
            try:
                answers = self._joined().commit(offsets=moved, asynchronous=False)
            except KafkaException as error:
                refused = kafka_error(error)
                self._not_committed(refused)
                if refused.code() not in PASSING or tried == _COMMIT_ATTEMPTS:
                    return
            else:
                self._on_commit(None, answers)
                return

    def _struck(self, moved: list[TopicPartition]) -> list[TopicPartition]:
        """Return what a fault lets through; what it refuses is asked again, as a broker's is."""
        try:
            return _COMMIT.alter_all(moved)
        except StreamingError as error:
            _log.warning(
                "offset_commit_failed",
                group=self._group,
                code=error.code,
                why=error.why,
                injected=error.injected,
            )
        for place in moved:
            lease = self.leases.get(place.partition)
            if lease is not None and lease.asked == place.offset:
                lease.asked = lease.committed
        return []

    def _commit_for_good(self, consumer: Consumer, leases: list[PartitionLease]) -> None:
        """Commit before leaving; sit a rebalance out during which commits are refused."""
        until_ns = self._clock.monotonic_ns() + self._settings.drain_timeout_s * NS_PER_SECOND
        self._commit(leases)
        while self._clock.monotonic_ns() < until_ns:
            ours = [lease for lease in leases if self.leases.get(lease.place[1]) is lease]
            if all(lease.position == lease.committed for lease in ours):
                return
            consumer.poll(_ANSWER_POLL_S)  # what comes is read again by whoever is next
            self._commit(ours)

    def _await_answer(self, consumer: Consumer) -> None:
        """Wait until no commit is under way; messages that come meanwhile are not ours any more."""
        until_ns = self._clock.monotonic_ns() + self._kafka.request_timeout_s * NS_PER_SECOND
        while self._commit_under_way and self._clock.monotonic_ns() < until_ns:
            consumer.poll(_ANSWER_POLL_S)

    def _on_answer(self, error: KafkaError | None, answers: list[TopicPartition]) -> None:
        self._commit_under_way = False
        self._on_commit(error, answers)

    def _on_commit(self, error: KafkaError | None, answers: list[TopicPartition]) -> None:
        for answer in answers:
            lease = self.leases.get(answer.partition)
            refused = error or answer.error
            if refused is not None:
                self._not_committed(refused)
            if lease is not None:
                if refused is None:
                    lease.committed = answer.offset
                elif lease.asked == answer.offset:
                    lease.asked = lease.committed

    def _not_committed(self, error: KafkaError) -> None:
        _log.warning(
            "offset_commit_failed", group=self._group, kafka_error=error.name(), why=error.str()
        )

    def _reachable(self, consumer: Consumer, wait_s: float) -> bool:
        if self._dead:
            return False  # closing it would wait for ever
        try:
            consumer.list_topics(self._topic, timeout=wait_s)
        except KafkaException:
            return False
        return True

    def _progress(
        self, consumer: Consumer, leases: list[PartitionLease]
    ) -> list[PartitionProgress] | None:
        timeout_s = self._kafka.request_timeout_s
        progress = []
        places = [TopicPartition(*lease.place) for lease in leases]
        try:
            for answer in consumer.committed(places, timeout_s) if places else ():
                low, high = consumer.get_watermark_offsets(answer, timeout=timeout_s)
                committed = answer.offset if answer.offset >= 0 else None
                lag = high - (low if committed is None else max(committed, low))
                progress.append(PartitionProgress(answer.topic, answer.partition, committed, lag))
        except KafkaException:
            return None
        return progress

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        try:
            chosen = self._positions.choose(consumer, partitions)
            consumer.incremental_assign(chosen)
            if self.paused:
                consumer.pause(partitions)
        except KafkaException as error:
            self._failure = group_unreadable(self._group, self._bootstrap, kafka_error(error))
            return
        for place in chosen:
            self._epoch += 1
            lease = PartitionLease((place.topic, place.partition), self._epoch)
            if place.offset >= 0:  # committed soon: the partition may go and come back unread
                lease.position = place.offset
            self.leases[place.partition] = lease
        self.assigned = True
        numbers = sorted(place.partition for place in partitions)
        _log.info("partitions_assigned", group=self._group, partitions=numbers, epoch=self._epoch)

    def _on_revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        leases = self._held(partitions)
        self.assigned = False
        self._give_up(leases)
        self._commit(leases)
        self._drop("partitions_revoked", leases)

    def _on_lost(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        # Another member has them already: commit nothing.
        self.assigned = False
        self._drop("partitions_lost", self._held(partitions))

    def _held(self, partitions: list[TopicPartition]) -> list[PartitionLease]:
        return [
            self.leases[place.partition] for place in partitions if place.partition in self.leases
        ]

    def _drop(self, event: str, leases: list[PartitionLease]) -> None:
        for lease in leases:
            lease.held = False
            self.leases.pop(lease.place[1], None)
        numbers = sorted(lease.place[1] for lease in leases)
        _log.info(event, group=self._group, partitions=numbers)
