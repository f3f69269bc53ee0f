"""The consumer under faults: it recovers by itself, loses nothing, keeps order and its accounts.

``CRASH=full`` returns every error that a request can meet, otherwise one of each kind.
"""

import asyncio
import io
import json
import os
from collections import defaultdict

import fastavro
import msgspec
import pytest
from confluent_kafka import Consumer as Client
from confluent_kafka import KafkaError, Producer, TopicPartition

from alchemiser_cli.errors import RegistryUnreachableError
from alchemiser_cli.market.ticks import tick_schema
from alchemiser_cli.settings.sections import ConsumerSettings
from alchemiser_cli.streaming import Consumer, TickProducer
from alchemiser_cli.testing.kafka import embedded_kafka, settings_for

SYMBOLS = ("DIA", "JPM", "QQQ", "SPY")  # of partitions 0, 1, 2, 3
PARTITIONS = 4
IDLE_S = 0.4
PACE_S = 0.005  # of a callback, so that a fault comes while much is still to be done

# Kafka's API keys.
FETCH, OFFSET_COMMIT, FIND_COORDINATOR = 1, 8, 10
JOIN_GROUP, HEARTBEAT, SYNC_GROUP = 11, 12, 14


class Paced:
    """A callback that takes its time and remembers what it finished, in order."""

    def __init__(self, pace_s=PACE_S):
        self.pace_s = pace_s
        self.done = []

    async def __call__(self, tick, received):
        await asyncio.sleep(self.pace_s)  # allow no-bare-sleep: work that takes its time
        self.done.append((tick.symbol, tick.sequence))

    def sequences(self, symbol):
        return [sequence for one, sequence in self.done if one == symbol]

    def repeated(self):
        return len(self.done) - len(set(self.done))


@pytest.fixture
def seen():
    return Paced()


@pytest.fixture
def committed(kafka):
    """Ask the broker itself what a group has committed, partition by partition."""

    def ask(group="testers"):
        client = Client({"bootstrap.servers": kafka.bootstrap, "group.id": group})
        places = [TopicPartition("market.ticks", number) for number in range(PARTITIONS)]
        try:
            return [max(place.offset, 0) for place in client.committed(places, timeout=5)]
        finally:
            client.close()

    return ask


def accounted(result):
    return result.processed + result.failed + result.quarantined + result.conflated


def in_order_but_for_repeats(sequences):
    """Tell whether a key's sequences only go back to one that was seen before."""
    highest = 0
    for sequence in sequences:
        if sequence > highest + 1:
            return False
        highest = max(highest, sequence)
    return True


FULL = os.environ.get("CRASH") == "full"
SHORT = {
    "fetch: not the leader",
    "fetch: topic authorization",
    "commit: timed out",
    "commit: coordinator loads",
    "commit: unknown member",
    "coordinator: not available",
    "heartbeat: fenced",
}


def chosen(faults):
    return [pytest.param(faults[name], id=name) for name in faults if FULL or name in SHORT]


RETRIABLE = {
    "fetch: not the leader": (FETCH, KafkaError.NOT_LEADER_FOR_PARTITION),
    "fetch: timed out": (FETCH, KafkaError.REQUEST_TIMED_OUT),
    "fetch: connection lost": (FETCH, KafkaError._TRANSPORT),
    "commit: coordinator loads": (OFFSET_COMMIT, KafkaError.COORDINATOR_LOAD_IN_PROGRESS),
    "commit: coordinator moved": (OFFSET_COMMIT, KafkaError.NOT_COORDINATOR),
    "commit: timed out": (OFFSET_COMMIT, KafkaError.REQUEST_TIMED_OUT),
    "commit: connection lost": (OFFSET_COMMIT, KafkaError._TRANSPORT),
    "coordinator: not available": (FIND_COORDINATOR, KafkaError.COORDINATOR_NOT_AVAILABLE),
    "join: coordinator loads": (JOIN_GROUP, KafkaError.COORDINATOR_LOAD_IN_PROGRESS),
    "sync: rebalance": (SYNC_GROUP, KafkaError.REBALANCE_IN_PROGRESS),
    "heartbeat: coordinator moved": (HEARTBEAT, KafkaError.NOT_COORDINATOR),
}


@pytest.mark.parametrize("fault", chosen(RETRIABLE))
async def test_a_retriable_error_is_outlasted_without_loss_or_repeat(
    fault, kafka, send, make_ticks, make_consumer, seen, committed
):
    send(make_ticks(40, SYMBOLS))
    api, error = fault
    kafka.push_errors(api, *[error] * (1 if api == FIND_COORDINATOR else 2))
    consumer = make_consumer(commit_interval_s=0.05)
    async with asyncio.timeout(60):
        result = await consumer.run(seen, max_messages=160)
    kafka.clear_errors(api)
    assert all(seen.sequences(symbol) == list(range(1, 41)) for symbol in SYMBOLS)
    assert (result.consumed, accounted(result), result.rejoined) == (160, 160, 0)
    assert committed() == [40] * 4


# Refused for a while: what a wrong access list or a topic that is moved looks like.
REFUSALS = {
    "fetch: topic authorization": (FETCH, KafkaError.TOPIC_AUTHORIZATION_FAILED),
    "fetch: unknown topic": (FETCH, KafkaError.UNKNOWN_TOPIC_OR_PART),
    "join: group authorization": (JOIN_GROUP, KafkaError.GROUP_AUTHORIZATION_FAILED),
    "join: fenced": (JOIN_GROUP, KafkaError.FENCED_INSTANCE_ID),
    "commit: unknown member": (OFFSET_COMMIT, KafkaError.UNKNOWN_MEMBER_ID),
    "commit: illegal generation": (OFFSET_COMMIT, KafkaError.ILLEGAL_GENERATION),
    "commit: fenced": (OFFSET_COMMIT, KafkaError.FENCED_INSTANCE_ID),
    "commit: group authorization": (OFFSET_COMMIT, KafkaError.GROUP_AUTHORIZATION_FAILED),
    "heartbeat: unknown member": (HEARTBEAT, KafkaError.UNKNOWN_MEMBER_ID),
    "heartbeat: illegal generation": (HEARTBEAT, KafkaError.ILLEGAL_GENERATION),
    "heartbeat: fenced": (HEARTBEAT, KafkaError.FENCED_INSTANCE_ID),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", chosen(REFUSALS))
async def test_a_refusal_for_a_while_is_outlasted_without_loss(
    fault, kafka, send, make_ticks, make_consumer, seen, committed
):
    send(make_ticks(40, SYMBOLS))
    api, error = fault
    kafka.push_errors(api, *[error] * 2)
    consumer = make_consumer(commit_interval_s=0.05)
    async with asyncio.timeout(60):
        result = await consumer.run(seen, until_idle_s=1.5)
    kafka.clear_errors(api)
    assert all(set(seen.sequences(symbol)) == set(range(1, 41)) for symbol in SYMBOLS)
    assert all(in_order_but_for_repeats(seen.sequences(symbol)) for symbol in SYMBOLS)
    assert accounted(result) == result.consumed == 160 + seen.repeated()
    assert committed() == [40] * 4


async def test_brokers_that_go_and_come_back_lose_nothing(
    kafka, send, make_ticks, make_consumer, seen, until, committed
):
    send(make_ticks(150, SYMBOLS))
    consumer = make_consumer(batch_size=10, max_buffered=20, commit_interval_s=0.05)
    run = asyncio.create_task(consumer.run(seen, max_messages=600))
    await until(lambda: len(seen.done) > 40)
    kafka.broker_down()
    await asyncio.sleep(0.5)  # allow no-bare-sleep: how long the brokers are away
    kafka.broker_up()
    async with asyncio.timeout(60):
        result = await run
    assert all(seen.sequences(symbol) == list(range(1, 151)) for symbol in SYMBOLS)
    assert (result.consumed, accounted(result), result.duplicates) == (600, 600, 0)
    assert committed() == [150] * 4


async def test_a_slow_broker_only_takes_longer(
    kafka, send, make_ticks, make_consumer, seen, committed
):
    send(make_ticks(50, SYMBOLS))
    kafka.round_trip(-1, 200)
    async with asyncio.timeout(60):
        result = await make_consumer(commit_interval_s=0.05).run(seen, max_messages=200)
    kafka.round_trip(-1, 0)
    assert all(seen.sequences(symbol) == list(range(1, 51)) for symbol in SYMBOLS)
    assert (result.consumed, result.rejoined) == (200, 0)
    assert committed() == [50] * 4


async def test_partitions_whose_leader_moves_are_read_on_from_the_new_one(
    clock, registry, encoder, make_ticks, seen
):
    with embedded_kafka("market.ticks", brokers=3) as cluster:
        settings = settings_for(cluster)
        with TickProducer(settings, cluster.bootstrap, "market.ticks", encoder, clock) as producer:
            for tick in make_ticks(150, SYMBOLS):
                producer.send(tick)
            producer.flush(10)
        consumer = Consumer(
            settings,
            ConsumerSettings(group="movers", batch_size=10, max_buffered=20),
            cluster.bootstrap,
            "market.ticks",
            registry,
            clock,
        )
        run = asyncio.create_task(consumer.run(seen, max_messages=600))
        async with asyncio.timeout(60):
            for leader in (2, 3, 1):
                had = len(seen.done)
                while len(seen.done) < had + 50:  # noqa: ASYNC110  moves need their own pace
                    await asyncio.sleep(0.01)  # allow no-bare-sleep: polls with a deadline
                for partition in range(PARTITIONS):
                    cluster.set_leader("market.ticks", partition, leader)
            result = await run
    assert all(seen.sequences(symbol) == list(range(1, 151)) for symbol in SYMBOLS)
    assert (result.consumed, accounted(result), result.duplicates) == (600, 600, 0)


class Watched:
    """Slow callbacks of several members; tells when two work on one partition at once."""

    def __init__(self, pace_s):
        self.pace_s = pace_s
        self.done = []
        self.overlaps = []
        self._working = defaultdict(set)

    def member(self, name):
        async def work(tick, received):
            others = self._working[received.partition]
            if others - {name}:
                self.overlaps.append((name, received.partition, received.offset))
            others.add(name)
            await asyncio.sleep(self.pace_s)  # allow no-bare-sleep: work that takes its time
            others.discard(name)
            self.done.append((tick.symbol, tick.sequence))

        return work


# librdkafka's mock coordinator leaves a SyncGroup or an OffsetCommit unanswered now and then, and
# drops the member that waits for it. What two members do then says nothing about us.
@pytest.mark.flaky(reruns=3)
async def test_members_that_come_and_go_lose_nothing_and_never_share_a_partition(
    send, make_ticks, make_consumer, until
):
    """The group rebalances about every second while callbacks are slow."""
    send(make_ticks(120, SYMBOLS))
    watched, stop = Watched(0.03), asyncio.Event()
    whole = {(symbol, number) for symbol in SYMBOLS for number in range(1, 121)}

    async def visit(name):
        leave = asyncio.Event()
        consumer = make_consumer(commit_interval_s=0.1)
        run = asyncio.create_task(consumer.run(watched.member(name), stop=leave.is_set))
        await asyncio.sleep(1.2)  # allow no-bare-sleep: how long it stays
        leave.set()
        return await run

    consumer = make_consumer(commit_interval_s=0.1)
    stays = asyncio.create_task(consumer.run(watched.member("stays"), stop=stop.is_set))
    await until(lambda: watched.done)
    results = [await visit(f"visitor {number}") for number in range(3)]
    async with asyncio.timeout(60):
        while set(watched.done) != whole:  # noqa: ASYNC110  the members' work
            await asyncio.sleep(0.02)  # allow no-bare-sleep: polls with the deadline above
    stop.set()
    results.append(await stays)
    assert watched.overlaps == []
    assert sum(accounted(result) for result in results) == len(watched.done)
    assert sum(result.consumed for result in results) == len(watched.done)
    for symbol in SYMBOLS:
        sequences = [sequence for one, sequence in watched.done if one == symbol]
        assert in_order_but_for_repeats(sequences)


class Switched:
    """A registry that can be switched off."""

    def __init__(self, registry):
        self.registry = registry
        self.off = False
        self.asked = 0

    def schema(self, schema_id):
        self.asked += 1
        if self.off:
            raise RegistryUnreachableError("it is off", why="Off.", next_step="Wait.")
        return self.registry.schema(schema_id)


def with_other_schema(registry, tick):
    """Encode ``tick`` under another id: the schema with one field more, which has a default."""
    schema = json.loads(tick_schema())
    schema["fields"].append({"name": "flags", "type": "int", "default": 0})
    text = json.dumps(schema)
    schema_id = registry.register("other-value", text)
    values = msgspec.structs.asdict(tick) | {"flags": 1}
    data = io.BytesIO()
    fastavro.schemaless_writer(data, fastavro.parse_schema(schema), values)
    return b"\0" + schema_id.to_bytes(4, "big") + data.getvalue()


@pytest.mark.provokes("registry-unreachable")
async def test_a_registry_that_is_away_in_the_middle_pauses_and_nothing_is_set_aside(
    kafka, topic, registry, send, make_ticks, make_tick, make_consumer, seen, until, committed
):
    switched, told = Switched(registry), []
    send(make_ticks(20))
    consumer = make_consumer(registry=switched, commit_interval_s=0.05)
    run = asyncio.create_task(
        consumer.run(seen, max_messages=41, on_snapshot=lambda now: told.append(now.waiting_for))
    )
    await until(lambda: len(seen.done) == 20)
    switched.off = True
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    producer.produce(topic, with_other_schema(registry, make_tick(21)), key=b"SPY")
    assert producer.flush(5) == 0
    await asyncio.to_thread(send, [make_tick(number) for number in range(22, 42)])
    await until(lambda: "the schema registry" in told and switched.asked >= 3)
    assert len(seen.done) == 20
    assert committed()[3] == 20
    switched.off = False
    async with asyncio.timeout(60):
        result = await run
    assert seen.sequences("SPY") == list(range(1, 42))
    assert (result.processed, result.failed, result.rejoined) == (41, 0, 0)
    assert committed()[3] == 41


async def test_a_refusal_in_the_middle_does_not_count_what_was_dropped_against_the_limit(
    kafka, send, make_ticks, make_consumer, until
):
    send(make_ticks(100, SYMBOLS))
    seen = Paced(0.02)
    run = asyncio.create_task(make_consumer(commit_interval_s=0.05).run(seen, max_messages=400))
    await until(lambda: len(seen.done) > 20)
    kafka.push_errors(HEARTBEAT, KafkaError.FENCED_INSTANCE_ID)  # the client is dead then
    async with asyncio.timeout(60):
        result = await run
    assert result.rejoined == 1
    assert result.consumed == accounted(result) == len(seen.done) == 400
    assert all(in_order_but_for_repeats(seen.sequences(symbol)) for symbol in SYMBOLS)


@pytest.mark.flaky(reruns=3)  # as above
async def test_who_starts_at_the_end_stays_there_when_partitions_come_back(
    send, make_ticks, make_consumer, seen, until, logs
):
    send(make_ticks(10, SYMBOLS))

    def times(event):
        return sum(log["event"] == event for log in logs)

    stop, leave = asyncio.Event(), asyncio.Event()
    stays = asyncio.create_task(make_consumer().run(seen, start="latest", stop=stop.is_set))
    await until(lambda: times("partitions_assigned"))
    visit = asyncio.create_task(make_consumer().run(Paced(), start="latest", stop=leave.is_set))
    await until(lambda: times("partitions_revoked"))
    leave.set()
    await visit
    await until(lambda: logs[-1]["event"] == "partitions_assigned" and logs[-1]["partitions"])
    await asyncio.to_thread(send, make_ticks(1, SYMBOLS))
    await until(lambda: len(seen.done) >= 4)
    stop.set()
    await stays
    assert sorted(seen.done) == sorted((symbol, 1) for symbol in SYMBOLS)
