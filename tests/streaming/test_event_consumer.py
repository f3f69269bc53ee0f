"""Events are worked off as ticks are: in order, at least once, each failing alone."""

import asyncio

import pytest
from confluent_kafka import KafkaError, Producer

from alchemiser_cli.errors import (
    KafkaSettingsError,
    MessageProcessingError,
    MessageUndecodableError,
    RegistryUnreachableError,
    ServiceUnreachableError,
    TopicMissingError,
)
from alchemiser_cli.market.envelope import event
from alchemiser_cli.settings.sections import ConsumerSettings, DeadLetterSettings
from alchemiser_cli.streaming import (
    Consumer,
    DeadLetterReader,
    DeadLetters,
    Disposal,
    EventConsumer,
    EventProducer,
    StopConsuming,
    TopicMap,
    dead_letter_topic,
)
from alchemiser_cli.streaming.acknowledged import AcknowledgedProducer
from alchemiser_cli.streaming.probe import consumer_group_offsets
from alchemiser_cli.streaming.registry_memory import MemoryRegistry
from alchemiser_cli.telemetry import SILENT

TOPICS = TopicMap("paper")
ORDERS, FILLS = TOPICS.orders, TOPICS.fills
IDLE_S = 0.4
FETCH = 1


class Seen:
    """A callback that remembers the number in each event, by its message's key."""

    def __init__(self):
        self.events = []
        self.by_key = {}

    async def __call__(self, one, received):
        self.events.append(one)
        self.by_key.setdefault(received.key, []).append(one.content(dict)["number"])

    @property
    def numbers(self):
        return sorted(one.content(dict)["number"] for one in self.events)


@pytest.fixture
def topics(kafka):
    for name in (ORDERS, FILLS):
        kafka.create_topic(name, 4)


@pytest.fixture
def schemas():
    return MemoryRegistry()


@pytest.fixture
def publish(topics, kafka, kafka_settings, schemas, clock):
    """Send events of these numbers; their key is one of four."""

    async def send_all(numbers, event_type="order.submitted", topic=ORDERS):
        producer = EventProducer(kafka_settings, kafka.bootstrap, TOPICS, schemas)
        with producer:
            for number in numbers:
                content = {"number": number}
                made = event(event_type, content, broker="paper", source="tests", clock=clock)
                await producer.send(topic, made, f"key-{number % 4}")

    return send_all


@pytest.fixture
def make_event_consumer(kafka, kafka_settings, schemas, clock):
    def make(topic=ORDERS, schemas=schemas, event_types=None, telemetry=SILENT, **changes):
        settings = ConsumerSettings(**{"group": "testers", **changes})
        return EventConsumer(
            kafka_settings,
            settings,
            kafka.bootstrap,
            topic,
            schemas,
            clock,
            event_types=event_types,
            telemetry=telemetry,
        )

    return make


@pytest.fixture
def committed(kafka, kafka_settings):
    def read(topic=ORDERS, group="testers"):
        settings = ConsumerSettings(group=group)
        offsets = consumer_group_offsets(kafka_settings, settings, kafka.bootstrap, topic, 4)
        return sum(one.committed_offset or 0 for one in offsets)

    return read


def send_raw(kafka, value, headers=()):
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    producer.produce(ORDERS, value, key=b"key-0", headers=list(headers))
    assert producer.flush(5) == 0


async def test_every_event_is_handled_in_the_order_of_its_key(
    publish, make_event_consumer, committed
):
    await publish(range(60))
    seen = Seen()
    result = await make_event_consumer().run(seen, max_messages=60)
    assert seen.numbers == list(range(60))
    assert all(numbers == sorted(numbers) for numbers in seen.by_key.values())
    assert (result.consumed, result.processed, result.failed, result.skipped) == (60, 60, 0, 0)
    assert committed() == 60


async def test_the_next_run_goes_on_where_the_last_one_committed(publish, make_event_consumer):
    await publish(range(20))
    first, second = Seen(), Seen()
    await make_event_consumer(batch_size=5).run(first, max_messages=8)
    await make_event_consumer().run(second, until_idle_s=IDLE_S)
    assert sorted(first.numbers + second.numbers) == list(range(20))


async def test_events_of_other_types_are_skipped_by_their_header_and_committed(
    kafka, publish, make_event_consumer, committed
):
    await publish(range(10))
    await publish(range(10, 20), "order.closed")
    # It would not decode: its header alone tells that nobody wants it.
    send_raw(kafka, b"poison", [("alchemiser.event-type", b"order.closed")])
    seen = Seen()
    consumer = make_event_consumer(event_types=("order.submitted",))
    result = await consumer.run(seen, max_messages=21)
    assert seen.numbers == list(range(10))
    assert (result.consumed, result.processed, result.skipped, result.failed) == (21, 10, 11, 0)
    assert committed() == 21


async def test_an_event_without_headers_is_judged_by_what_it_says(
    kafka, topics, schemas, clock, make_event_consumer
):
    from alchemiser_cli.streaming.envelopes import EnvelopeEncoder

    encoder = EnvelopeEncoder(schemas, f"{ORDERS}-value")
    for kind in ("order.closed", "order.submitted"):
        made = event(kind, {"number": 1}, broker="paper", source="tests", clock=clock)
        send_raw(kafka, encoder.encode(made))
    seen = Seen()
    result = await make_event_consumer(event_types={"order.submitted"}).run(seen, max_messages=2)
    assert [one.event_type for one in seen.events] == ["order.submitted"]
    assert (result.processed, result.skipped) == (1, 1)


@pytest.mark.provokes("message-undecodable", "message-processing-failed")
async def test_what_cannot_be_read_or_handled_goes_to_the_dead_letters_with_its_reason(
    kafka, kafka_settings, publish, clock, make_event_consumer, committed
):
    await publish(range(8))
    send_raw(kafka, b"poison")
    kafka.create_topic(dead_letter_topic(ORDERS), 4)

    async def third_fails(one, _):
        if one.content(dict)["number"] == 3:
            raise ZeroDivisionError("three")

    with AcknowledgedProducer(kafka_settings, kafka.bootstrap) as producer:
        letters = DeadLetters(producer, DeadLetterSettings(), clock, group="testers")
        disposal = Disposal(letters, None, None)
        result = await make_event_consumer().run(third_fails, aside=disposal, max_messages=9)
    assert (result.processed, result.failed, result.dead_lettered) == (7, 2, 2)
    assert committed() == 9
    reader = DeadLetterReader(kafka_settings, kafka.bootstrap, clock)
    found = {one.failure.code: one.failure for one in reader.read(dead_letter_topic(ORDERS))}
    assert found[MessageUndecodableError.code].reason == "wrong-magic"
    assert found[MessageProcessingError.code].reason == "ZeroDivisionError"


@pytest.mark.provokes("message-processing-failed")
async def test_a_failed_event_is_named_by_its_type(publish, make_event_consumer, logs):
    await publish([1])
    from alchemiser_cli.streaming.setting_aside import OnlyCounted

    failures = []

    class Kept(OnlyCounted):
        async def failed(self, _, error, deliveries):
            failures.append((error, deliveries))
            return False

    async def refuse(*_):
        raise ValueError("no")

    await make_event_consumer().run(refuse, aside=Kept(), max_messages=1)
    [(error, deliveries)] = failures
    assert "an event order.submitted" in error.what
    assert deliveries == 1


async def test_a_failure_that_may_be_repeated_is_repeated_and_no_other(
    publish, make_event_consumer
):
    await publish([1])
    from alchemiser_cli.errors import RateLimitError

    calls = []

    async def second_time_lucky(*_):
        calls.append(1)
        if len(calls) == 1:
            raise RateLimitError("wait", why="Too many.", next_step="Wait.")

    result = await make_event_consumer().run(second_time_lucky, max_messages=1)
    assert (len(calls), result.processed, result.failed) == (2, 1, 0)

    await publish([2])
    calls.clear()

    async def once(*_):
        calls.append(1)
        raise ServiceUnreachableError("lost", why="Gone.", next_step="Ask.")

    result = await make_event_consumer().run(once, max_messages=1)
    assert (len(calls), result.failed) == (1, 1)


async def test_a_callback_may_end_the_run_and_its_event_comes_again(publish, make_event_consumer):
    await publish([4, 8, 12])  # of one key
    first, second = Seen(), Seen()

    async def second_ends(one, received):
        if one.content(dict)["number"] == 8:
            raise StopConsuming
        await first(one, received)

    await make_event_consumer().run(second_ends)
    await make_event_consumer().run(second, until_idle_s=IDLE_S)
    assert (first.numbers, second.numbers) == ([4], [8, 12])


async def test_errors_of_the_brokers_that_pass_lose_no_event(kafka, publish, make_event_consumer):
    await publish(range(10))
    kafka.push_errors(FETCH, KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.UNKNOWN_LEADER_EPOCH)
    seen = Seen()
    await make_event_consumer().run(seen, max_messages=10)
    assert seen.numbers == list(range(10))


@pytest.mark.provokes("registry-unreachable")
async def test_a_registry_that_is_away_commits_nothing(publish, make_event_consumer, committed):
    await publish(range(3))

    class Away:
        def schema(self, _):
            raise RegistryUnreachableError("away", why="Down.", next_step="Start it.")

    with pytest.raises(RegistryUnreachableError):
        await make_event_consumer(schemas=Away()).run(Seen(), max_messages=3)
    assert committed() == 0


@pytest.mark.provokes("topic-missing")
async def test_a_topic_that_is_not_there_is_a_coded_error(make_event_consumer):
    with pytest.raises(TopicMissingError):
        await make_event_consumer("paper.signals.raw").run(Seen(), until_idle_s=0.1)


@pytest.mark.provokes("kafka-settings")
async def test_one_consumer_that_fails_leaves_the_others_to_their_work(
    kafka, kafka_settings, publish, make_event_consumer
):
    await publish(range(5))
    broken = kafka_settings.model_copy(
        update={"security_protocol": "SASL_SSL", "ca_file": "/nowhere/ca.pem"}
    )
    consumer = make_event_consumer(group="others")
    consumer._kafka = broken
    seen = Seen()
    fine, failed = await asyncio.gather(
        make_event_consumer().run(seen, max_messages=5),
        consumer.run(Seen(), max_messages=5),
        return_exceptions=True,
    )
    assert isinstance(failed, KafkaSettingsError)
    assert fine.processed == 5


async def test_ticks_and_two_topics_of_events_are_consumed_side_by_side_in_one_loop(
    kafka, kafka_settings, send, make_ticks, registry, clock, publish, make_event_consumer, until
):
    """A service takes ticks, orders and fills: three groups, one loop, each with its own pace."""
    send(make_ticks(50, ("SPY", "QQQ")))
    await publish(range(30))
    await publish(range(20), "order.filled", FILLS)
    ticks, orders, fills = [], Seen(), Seen()

    async def on_tick(tick, _):
        ticks.append(tick)

    settings = ConsumerSettings(group="service")
    tick_consumer = Consumer(
        kafka_settings, settings, kafka.bootstrap, "market.ticks", registry, clock
    )
    over = asyncio.Event()
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        runs = [
            group.create_task(tick_consumer.run(on_tick, stop=over.is_set)),
            group.create_task(make_event_consumer(group="service").run(orders, stop=over.is_set)),
            group.create_task(
                make_event_consumer(FILLS, group="service").run(fills, stop=over.is_set)
            ),
        ]
        await until(lambda: (len(ticks), len(orders.events), len(fills.events)) == (100, 30, 20))
        await publish([30])  # what is published while all run, arrives too
        await until(lambda: len(orders.events) == 31)
        over.set()
    assert [run.result().processed for run in runs] == [100, 31, 20]
    assert sum(one.committed_offset or 0 for one in runs[1].result().partitions) == 31
