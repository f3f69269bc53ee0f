"""What an embedded Kafka does while a fault is in force, as real clients see it."""

import time

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from alchemiser_cli.faults import CATALOGUE, Armed, Fault, FaultKind, disarm_all, fault_point
from alchemiser_cli.settings.sections import KafkaSettings, TopicSettings
from alchemiser_cli.streaming import own_cluster
from alchemiser_cli.streaming.broker_faults import broker_faults_reach
from alchemiser_cli.testing.kafka import embedded_kafka

TOPIC = "market.ticks"
LONG_S = 20.0
ANSWERS = [
    (target.name, word)
    for target in CATALOGUE
    for word in target.answers
    if target.name.startswith("broker.")
]


@pytest.fixture(autouse=True)
def healed():
    yield
    disarm_all()


@pytest.fixture
def kafka():
    with embedded_kafka(TOPIC, partitions=1) as running, broker_faults_reach(running):
        yield running


@pytest.fixture
def client(kafka):
    """Make clients that give up soon and say nothing on stderr; all are closed at the end."""
    made = []

    def make(kind, **options):
        quick = {"bootstrap.servers": kafka.bootstrap, "log_level": 0, "socket.timeout.ms": 2_000}
        one = kind(quick | {key.replace("_", "."): value for key, value in options.items()})
        made.append(one)
        return one

    yield make
    for one in made:
        if isinstance(one, Consumer):
            one.close()


@pytest.fixture
def send(client):
    """Send a record and return what became of it, as an error or None."""
    producer = client(Producer, message_timeout_ms=600)

    def send_one(value=b"x"):
        answers = []
        producer.produce(
            TOPIC, value, partition=0, on_delivery=lambda error, _: answers.append(error)
        )
        assert producer.flush(10) == 0
        return answers[0]

    return send_one


def arm(name, kind, *, lasts_s=LONG_S, **fault):
    armed = Armed(Fault(kind=kind, **fault), lasts_s, target=name)
    fault_point(name).arm(armed)
    return armed


def until(condition, within_s=10.0):
    end = time.monotonic() + within_s
    while not (seen := condition()):
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)  # allow no-bare-sleep: polls with the deadline above
    return seen


def read(consumer, count, within_s=10.0):
    """Return the values of ``count`` records."""
    values = []

    def take():
        message = consumer.poll(0.05)
        if message is not None and message.error() is None:
            values.append(message.value())
        return len(values) >= count

    until(take, within_s)
    return values


def test_brokers_that_are_down_take_nothing_and_come_back_when_the_fault_is_over(send):
    assert send() is None
    armed = arm("broker.connections", FaultKind.DOWN, lasts_s=0.9)
    assert send().code() == KafkaError._MSG_TIMED_OUT
    until(lambda: fault_point("broker.connections").armed is None)
    assert until(lambda: send() is None)
    assert armed.strikes.count == 1


def test_a_schedule_takes_the_brokers_down_again_in_each_period():
    with embedded_kafka(TOPIC) as kafka, broker_faults_reach(kafka):
        armed = arm("broker.connections", FaultKind.DOWN, every_s=0.2, active_s=0.1)
        until(lambda: armed.strikes.count >= 3)


def test_a_fault_that_is_in_force_already_reaches_a_cluster_that_starts_later():
    armed = arm("broker.connections", FaultKind.DOWN)
    with embedded_kafka(TOPIC) as kafka, broker_faults_reach(kafka):
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
        with pytest.raises(KafkaException):
            admin.list_topics(timeout=0.3)
    assert armed.strikes.count == 1


def test_the_cluster_that_our_commands_start_is_reached():
    settings = KafkaSettings(mode="embedded")
    with own_cluster(settings, TopicSettings()) as cluster:
        admin = AdminClient({"bootstrap.servers": cluster.bootstrap, "log_level": 0})
        assert admin.list_topics(timeout=5).brokers
        armed = arm("broker.round-trip", FaultKind.DELAY, amount=0.3)
        begun = time.monotonic()
        admin.list_topics(timeout=5)
        assert time.monotonic() - begun >= 0.3
    assert armed.strikes.count == 1


def test_a_longer_round_trip_delays_each_answer_until_it_is_over(send):
    send()
    arm("broker.round-trip", FaultKind.DELAY, amount=0.25)
    begun = time.monotonic()
    assert send() is None
    assert time.monotonic() - begun >= 0.25
    fault_point("broker.round-trip").disarm()
    send()  # what was on its way when the delay ended may still be late
    begun = time.monotonic()
    send()
    assert time.monotonic() - begun < 0.25


def test_leaders_move_to_the_next_broker_and_back():
    with embedded_kafka(TOPIC, partitions=4, brokers=3) as kafka, broker_faults_reach(kafka):
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 0})

        def leaders():
            partitions = admin.list_topics(TOPIC, timeout=5).topics[TOPIC].partitions
            return [partitions[number].leader for number in sorted(partitions)]

        before = leaders()
        armed = arm("broker.leader", FaultKind.MOVE)
        assert leaders() == [leader % 3 + 1 for leader in before]
        assert armed.strikes.count == 4
        fault_point("broker.leader").disarm()
        assert leaders() == before


def test_the_only_broker_leads_nothing_for_the_time(send):
    assert send() is None
    armed = arm("broker.leader", FaultKind.MOVE)
    assert send().code() == KafkaError._MSG_TIMED_OUT
    fault_point("broker.leader").disarm()
    assert armed.strikes.count
    assert until(lambda: send() is None)


@pytest.mark.parametrize(("amount", "first"), [(3, 3), (99, 5)])
def test_the_oldest_records_are_deleted(send, client, amount, first):
    for number in range(5):
        assert send(b"%d" % number) is None
    armed = arm("broker.records", FaultKind.DELETE, amount=amount)
    assert send(b"later") is None
    consumer = client(Consumer, group_id="late")
    partition = TopicPartition(TOPIC, 0)
    assert consumer.get_watermark_offsets(partition, timeout=5) == (first, 6)
    consumer.assign([TopicPartition(TOPIC, 0, first)])
    assert read(consumer, 6 - first)[-1] == b"later"
    assert armed.strikes.count == 1


def test_with_a_chance_some_partitions_keep_what_they_have(client):
    with embedded_kafka(TOPIC, partitions=16) as kafka, broker_faults_reach(kafka):
        producer = Producer({"bootstrap.servers": kafka.bootstrap})
        for number in range(16):
            producer.produce(TOPIC, b"x", partition=number)
        producer.flush(10)
        armed = arm("broker.records", FaultKind.DELETE, amount=1, probability=0.5, seed=1)
        assert 0 < armed.strikes.count < 16


@pytest.mark.parametrize(("target", "word"), ANSWERS)
def test_each_answer_of_the_catalogue_is_given_by_the_cluster(target, word, send, client):
    """A consumer and a producer do their usual work, and one of them gets this answer."""
    assert send() is None
    consumer = client(
        Consumer,
        group_id="g",
        auto_offset_reset="earliest",
        heartbeat_interval_ms=50,
        auto_commit_interval_ms=50,
    )
    armed = arm(target, FaultKind.ANSWER, word=word)
    client(Producer).produce(TOPIC, b"x", partition=0)
    consumer.subscribe([TOPIC])

    def struck():
        consumer.poll(0.02)
        return armed.strikes.count

    until(struck)
    disarm_all()


@pytest.mark.parametrize(
    ("target", "word"),
    [
        ("broker.fetch", "NOT_LEADER_FOR_PARTITION"),
        ("broker.metadata", "LEADER_NOT_AVAILABLE"),
    ],
)
def test_after_answers_a_consumer_reads_on(target, word, send, client):
    consumer = client(
        Consumer,
        group_id="g",
        auto_offset_reset="earliest",
        heartbeat_interval_ms=50,
        fetch_error_backoff_ms=50,
        topic_metadata_refresh_interval_ms=100,
    )
    consumer.subscribe([TOPIC])
    assert send(b"before") is None
    read(consumer, 1)
    armed = arm(target, FaultKind.ANSWER, word=word)

    def struck():
        consumer.poll(0.02)
        return armed.strikes.count

    until(struck)
    disarm_all()
    assert until(lambda: send(b"after") is None)
    until(lambda: b"after" in read(consumer, 1))


def test_produce_answers_never_run_out_while_the_fault_is_in_force(send, client):
    armed = arm("broker.produce", FaultKind.ANSWER, word="NOT_LEADER_FOR_PARTITION")
    producer = client(Producer, message_timeout_ms=1_500, retry_backoff_ms=1, linger_ms=0)
    failed = []
    for _ in range(20):
        producer.produce(
            TOPIC, b"x", partition=0, on_delivery=lambda error, _: failed.append(error)
        )
    producer.flush(10)
    assert len(failed) == 20
    assert all(failed)
    assert armed.strikes.count > 5


def test_answers_end_after_their_count(kafka, client):
    """Two produce requests fail, the third gets through: the client tries again."""
    armed = arm("broker.produce", FaultKind.ANSWER, word="NOT_LEADER_FOR_PARTITION", count=2)
    producer = client(Producer, message_timeout_ms=10_000, retry_backoff_ms=10)
    answers = []
    producer.produce(TOPIC, b"x", partition=0, on_delivery=lambda error, _: answers.append(error))
    producer.flush(10)
    assert answers == [None]
    until(lambda: armed.strikes.count == 2)


def test_the_same_seed_answers_the_same_requests(client):
    """Each request is its own chance: of twenty lone records the same ones fail again."""

    def fates():
        with embedded_kafka(TOPIC, partitions=1) as kafka, broker_faults_reach(kafka):
            arm("broker.produce", FaultKind.ANSWER, word="NOT_ENOUGH_REPLICAS", probability=0.5)
            producer = Producer(
                {"bootstrap.servers": kafka.bootstrap, "log_level": 0, "retries": 0}
            )
            failed = []
            for _ in range(20):
                producer.produce(
                    TOPIC,
                    b"x",
                    partition=0,
                    on_delivery=lambda error, _: failed.append(bool(error)),
                )
                producer.flush(5)
            disarm_all()
            return failed

    first = fates()
    assert 0 < sum(first) < 20
    assert first == fates()


def test_two_kinds_of_requests_are_counted_apart(kafka, send, client):
    fetches = arm("broker.fetch", FaultKind.ANSWER, word="NOT_LEADER_FOR_PARTITION", count=1)
    produces = arm("broker.produce", FaultKind.ANSWER, word="NOT_ENOUGH_REPLICAS", count=1)
    assert send(b"x") is None
    fault_point("broker.produce").disarm()
    consumer = client(Consumer, group_id="g", fetch_error_backoff_ms=10)
    consumer.assign([TopicPartition(TOPIC, 0, 0)])
    assert read(consumer, 1) == [b"x"]
    assert (fetches.strikes.count, produces.strikes.count) == (1, 1)


def test_a_fault_that_cannot_be_brought_about_never_strikes_and_is_logged(kafka, logs):
    kafka.broker_down()
    armed = arm("broker.records", FaultKind.DELETE, amount=1)
    assert armed.strikes.count == 0
    assert any(event["event"] == "broker_fault_failed" for event in logs)


def test_after_the_block_nothing_listens_any_more(kafka):
    listener = fault_point("broker.leader").listener
    with embedded_kafka(TOPIC) as other, broker_faults_reach(other):
        assert fault_point("broker.leader").listener is not listener
    assert fault_point("broker.leader").listener == listener
