"""Faults at the places that a message passes: each word goes the way that the real failure goes."""

import asyncio
import json
import signal
import subprocess
import sys
import threading
import time

import msgspec
import pytest

from alchemiser_cli.clock import SystemClock
from alchemiser_cli.errors import (
    BrokerUnreachableError,
    DeliveryFailedError,
    MessageUndecodableError,
    RegistryUnreachableError,
)
from alchemiser_cli.faults import CATALOGUE, Armed, Fault, FaultKind, disarm_all, fault_point
from alchemiser_cli.market.ticks import tick_schema
from alchemiser_cli.settings.sections import DeadLetterSettings, RegistrySettings
from alchemiser_cli.streaming import (
    AcknowledgedProducer,
    DeadLetterLimit,
    DeadLetters,
    Disposal,
    Outgoing,
    TickProducer,
    open_registry,
)
from alchemiser_cli.streaming.offsets import PartitionLease
from alchemiser_cli.streaming.registry_http import HttpRegistry
from alchemiser_cli.streaming.schemas import SchemaCache

PLACES = (
    "streaming.fetch",
    "streaming.decode",
    "streaming.handle",
    "streaming.commit",
    "streaming.produce",
    "registry.get",
)
KILLED = ("streaming.fetch", "streaming.decode", "streaming.handle", "streaming.commit")
WHAT_IS_TESTED = {
    "streaming.fetch": {"broker-unreachable", "delay", "hang", "drop", "duplicate", "kill"},
    "streaming.decode": {"message-undecodable", "delay", "corrupt", "kill"},
    "streaming.handle": {
        "message-processing-failed",
        "service-unreachable",
        "delay",
        "hang",
        "kill",
    },
    "streaming.commit": {"broker-unreachable", "delay", "hang", "drop", "kill"},
    "streaming.produce": {
        "delivery-failed",
        "broker-unreachable",
        "delay",
        "corrupt",
        "drop",
        "duplicate",
        "kill",
    },
    "registry.get": {"registry-unreachable", "schema-not-found", "delay", "hang"},
}
IDLE_S = 0.4
VICTIM = """
import asyncio, json, sys
from alchemiser_cli.clock import SystemClock
from alchemiser_cli.faults import Armed, Fault, FaultKind, fault_point
from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.settings.sections import ConsumerSettings, RegistrySettings
from alchemiser_cli.streaming import Consumer, TickEncoder, TickProducer, open_registry
from alchemiser_cli.streaming import value_subject
from alchemiser_cli.testing.kafka import embedded_kafka, settings_for
clock, topic = SystemClock(), "market.ticks"
registry = open_registry(RegistrySettings(), "memory:victim")
async def see(tick, received):
    print("saw", tick.sequence, flush=True)
with embedded_kafka(topic, partitions=1) as kafka:
    settings = settings_for(kafka, request_timeout_s=5)
    encoder = TickEncoder(registry, value_subject(topic))
    fault_point(sys.argv[1]).arm(Armed(Fault(kind=FaultKind.KILL), 60, target=sys.argv[1]))
    with TickProducer(settings, kafka.bootstrap, topic, encoder, clock) as producer:
        producer.send(Tick(**json.loads(sys.argv[2])))
        producer.flush(10)
    print("sent", flush=True)
    group = ConsumerSettings(group="victims", commit_interval_s=0.05)
    consumer = Consumer(settings, group, kafka.bootstrap, topic, registry, clock)
    asyncio.run(consumer.run(see, start="earliest", until_idle_s=5))
"""


@pytest.fixture(autouse=True)
def healed():
    yield
    disarm_all()


@pytest.fixture
def seen():
    return []


@pytest.fixture
def see(seen):
    async def take(tick, received):
        seen.append(tick.sequence)

    return take


class Aside:
    """Keeps what is set aside."""

    def __init__(self):
        self.kept = []

    async def failed(self, received, error, deliveries):
        self.kept.append((received, error, deliveries))
        return True

    async def implausible(self, received):
        raise AssertionError(received)

    def worked_off(self, count):
        pass

    @property
    def errors(self):
        return [(error.code, error.injected) for _, error, _ in self.kept]


@pytest.fixture
def aside():
    return Aside()


def arm(place, word, *, lasts_s=30.0, **more):
    point = fault_point(place)
    kind = point.target.kind_of(word)
    assert kind is not None
    said = word if kind is FaultKind.RAISE else ""
    armed = Armed(Fault(kind=kind, word=said, **more), lasts_s, target=place, lease="L1")
    point.arm(armed)
    return armed


def test_every_word_of_these_places_is_tested_here():
    words = {target.name: set(target.words) for target in CATALOGUE if target.name in PLACES}
    assert words == WHAT_IS_TESTED


async def consumed(consumer, take, aside=None, **limits):
    async with asyncio.timeout(60):
        return await consumer.run(take, start="earliest", aside=aside, **limits)


# streaming.fetch


@pytest.mark.provokes("broker-unreachable")
async def test_a_broker_that_is_lost_while_fetching_is_joined_again_and_nothing_is_lost(
    send, make_ticks, make_consumer, see, seen
):
    send(make_ticks(20))
    told = []
    arm("streaming.fetch", "broker-unreachable", count=1)
    result = await consumed(make_consumer(), see, max_messages=20, on_outage=told.append)
    assert sorted(seen) == list(range(1, 21))
    assert result.rejoined == 1
    assert [(error.code, error.injected) for error in told] == [("broker-unreachable", True)]


@pytest.mark.parametrize("word", ["delay", "hang"])
async def test_a_fetch_that_waits_goes_on_when_the_fault_ends(
    word, send, make_ticks, make_consumer, see, seen
):
    send(make_ticks(5))
    amount = 0.2 if word == "delay" else 0.0
    armed = arm("streaming.fetch", word, lasts_s=2.0, amount=amount, count=1)
    begun = time.monotonic()
    threading.Timer(0.6, armed.end).start()
    result = await consumed(make_consumer(), see, max_messages=5)
    assert seen == [1, 2, 3, 4, 5]
    assert time.monotonic() - begun >= (0.2 if word == "delay" else 0.5)
    assert (armed.strikes.count, result.rejoined) == (1, 0)


async def test_a_message_that_is_dropped_by_the_fetch_is_counted_as_a_gap(
    send, make_ticks, make_consumer, see, seen
):
    send(make_ticks(9))
    point = fault_point("streaming.fetch")
    point.arm(Armed(Fault(kind=FaultKind.DROP, probability=0.4, seed=3), 30, target=point.name))
    result = await consumed(make_consumer(), see, until_idle_s=IDLE_S)
    lost = point.armed.strikes.count
    assert 0 < lost < 9
    assert len(seen) == 9 - lost
    assert result.gaps > 0


@pytest.mark.parametrize("columns", [False, True])
async def test_a_message_that_is_fetched_twice_is_counted_and_offsets_go_on(
    columns, send, make_ticks, make_consumer, seen
):
    send(make_ticks(6, ("SPY", "QQQ")))
    armed = arm("streaming.fetch", "duplicate")

    async def see(tick, received):
        seen.append(tick.sequence)

    async def see_columns(batch):
        seen.extend(batch.sequence.tolist())

    consumer = make_consumer()
    async with asyncio.timeout(30):
        result = await (
            consumer.run_columns(see_columns, start="earliest", until_idle_s=IDLE_S)
            if columns
            else consumer.run(see, start="earliest", until_idle_s=IDLE_S)
        )
    assert sorted(seen) == sorted([*range(1, 7)] * 4)
    assert (armed.strikes.count, result.duplicates) == (12, 12)
    assert sum(one.lag or 0 for one in result.partitions) == 0


def test_an_offset_that_came_twice_and_is_done_before_the_one_below_does_not_hold_the_rest():
    lease = PartitionLease(("market.ticks", 0), 1)
    for offset in (4, 5, 5, 6):
        lease.begin(offset)
    for offset in (5, 5, 6):
        lease.finish(offset, offset + 1)
    assert lease.position is None
    lease.finish(4, 5)
    assert lease.position == 7


# streaming.decode


@pytest.mark.parametrize("count", [3, 40], ids=["one by one", "as columns inside"])
@pytest.mark.parametrize("word", ["message-undecodable", "corrupt"])
@pytest.mark.provokes("message-undecodable")
async def test_a_message_that_is_spoiled_before_decoding_is_set_aside_as_injected(
    word, count, send, make_ticks, make_consumer, see, seen, aside, encoder
):
    ticks = make_ticks(count)
    send(ticks)
    arm("streaming.decode", word, count=2)
    result = await consumed(make_consumer(), see, aside, max_messages=count)
    assert (result.processed, result.failed) == (count - 2, 2)
    assert aside.errors == [("message-undecodable", True)] * 2
    values = {encoder.encode(tick) for tick in ticks}
    assert all(received.value in values for received, *_ in aside.kept)  # can be redriven


@pytest.mark.parametrize("word", ["message-undecodable", "corrupt"])
async def test_columns_go_on_without_the_messages_that_were_spoiled(
    word, send, make_ticks, make_consumer, seen, aside
):
    send(make_ticks(60))
    arm("streaming.decode", word, count=3)

    async def see(columns):
        seen.extend(columns.sequence.tolist())

    async with asyncio.timeout(30):
        result = await make_consumer().run_columns(
            see, start="earliest", aside=aside, max_messages=60
        )
    assert len(seen) == result.processed == 57
    assert aside.errors == [("message-undecodable", True)] * 3


async def test_a_message_that_is_undecodable_by_itself_is_not_injected_beside_one_that_is(
    kafka, kafka_settings, make_consumer, see, aside
):
    with AcknowledgedProducer(kafka_settings, kafka.bootstrap) as producer:
        for value in (b"garbage", b"more garbage"):
            await producer.send(Outgoing("market.ticks", b"SPY", value))
    arm("streaming.decode", "message-undecodable", count=1)
    await consumed(make_consumer(), see, aside, max_messages=2)
    assert sorted(injected for _, injected in aside.errors) == [False, True]


async def test_decoding_that_is_delayed_is_late_and_no_more(
    send, make_ticks, make_consumer, see, seen
):
    send(make_ticks(3))
    armed = arm("streaming.decode", "delay", amount=0.1, count=2)
    await consumed(make_consumer(), see, max_messages=3)
    assert (seen, armed.strikes.count) == ([1, 2, 3], 2)


# streaming.handle


@pytest.mark.parametrize("word", ["message-processing-failed", "service-unreachable"])
@pytest.mark.provokes("message-processing-failed")
async def test_a_message_whose_handling_is_made_to_fail_is_set_aside_as_injected(
    word, send, make_ticks, make_consumer, see, aside
):
    send(make_ticks(4))
    arm("streaming.handle", word, count=1)
    result = await consumed(make_consumer(), see, aside, max_messages=4)
    assert (result.processed, result.failed) == (3, 1)
    assert aside.errors == [("message-processing-failed", True)]
    assert aside.kept[0][1].context["reason"] == word


@pytest.mark.parametrize("columns", [False, True])
async def test_a_handling_that_hangs_beyond_its_time_is_ended_and_is_injected(
    columns, send, make_ticks, make_consumer, see, seen, aside
):
    send(make_ticks(1))
    armed = arm("streaming.handle", "hang", count=1)
    consumer = make_consumer(callback_timeout_s=0.3)

    async def see_columns(batch):
        seen.extend(batch.sequence.tolist())

    async with asyncio.timeout(30):
        result = await (
            consumer.run_columns(see_columns, start="earliest", aside=aside, max_messages=1)
            if columns
            else consumer.run(see, start="earliest", aside=aside, max_messages=1)
        )
    assert (result.failed, armed.is_over) == (1, False)
    assert aside.errors == [("message-processing-failed", True)]
    assert "ran longer than 0.3 s" in aside.kept[0][1].why


@pytest.mark.parametrize("word", ["delay", "hang"])
async def test_a_handling_that_waits_goes_on_when_the_fault_ends(
    word, send, make_ticks, make_consumer, see, seen, aside
):
    send(make_ticks(3))
    armed = arm("streaming.handle", word, lasts_s=0.8, amount=0.2, count=1)
    result = await consumed(make_consumer(), see, aside, max_messages=3)
    assert (seen, result.failed, armed.strikes.count) == ([1, 2, 3], 0, 1)


async def test_columns_that_fail_once_are_handled_again_in_halves(
    send, make_ticks, make_consumer, seen, aside
):
    send(make_ticks(30))
    arm("streaming.handle", "message-processing-failed", count=1)

    async def see(columns):
        seen.extend(columns.sequence.tolist())

    async with asyncio.timeout(30):
        result = await make_consumer().run_columns(
            see, start="earliest", aside=aside, max_messages=30
        )
    assert (sorted(seen), result.failed) == (list(range(1, 31)), 0)


# streaming.commit


def committed(result):
    return sum(one.committed_offset or 0 for one in result.partitions)


@pytest.mark.parametrize("word", ["broker-unreachable", "drop", "delay", "hang"])
async def test_commits_that_fail_or_wait_come_later_and_are_whole_in_the_end(
    word, send, make_ticks, make_consumer, see, seen
):
    send(make_ticks(40))
    in_force = []
    pace = make_consumer(commit_interval_s=0.05, max_buffered=5, batch_size=5)

    async def slowly(tick, received):
        if not in_force:  # joining the group may have taken its time
            in_force.append(arm("streaming.commit", word, lasts_s=0.8, amount=0.2))
        await asyncio.sleep(0.03)  # allow no-bare-sleep: work that takes its time
        seen.append(tick.sequence)

    result = await consumed(pace, slowly, max_messages=40)
    assert seen == list(range(1, 41))
    assert committed(result) == 40
    assert in_force[0].strikes.count > 0


async def test_a_refused_commit_is_logged_as_injected(logs, send, make_ticks, make_consumer, see):
    send(make_ticks(3))
    arm("streaming.commit", "broker-unreachable", count=1)
    result = await consumed(make_consumer(), see, max_messages=3)
    refused = [event for event in logs if event["event"] == "offset_commit_failed"]
    assert [(one["code"], one["injected"]) for one in refused] == [("broker-unreachable", True)]
    assert committed(result) == 3


# streaming.produce


@pytest.fixture
def producer(kafka, kafka_settings, encoder, clock):
    with TickProducer(kafka_settings, kafka.bootstrap, "market.ticks", encoder, clock) as opened:
        yield opened


@pytest.mark.provokes("delivery-failed")
def test_a_delivery_that_is_made_to_fail_is_told_by_the_flush_as_injected(producer, make_tick):
    arm("streaming.produce", "delivery-failed", count=1)
    assert producer.send(make_tick(1)) > 0
    producer.send(make_tick(2))
    with pytest.raises(DeliveryFailedError) as failed:
        producer.flush(10)
    assert failed.value.injected
    assert (failed.value.context["failed"], producer.acknowledged) == (1, 1)


def test_a_broker_that_is_away_while_sending_is_raised_as_injected(producer, make_tick):
    arm("streaming.produce", "broker-unreachable", count=1)
    with pytest.raises(BrokerUnreachableError) as away:
        producer.send(make_tick(1))
    assert away.value.injected
    assert producer.sent == 0


@pytest.mark.parametrize(
    ("word", "arrive"), [("delay", 3), ("drop", 2), ("duplicate", 4), ("corrupt", 2)]
)
async def test_what_a_fault_leaves_of_messages_is_sent(
    word, arrive, producer, make_ticks, make_consumer, see, seen, aside
):
    armed = arm("streaming.produce", word, amount=0.1, count=1)
    for tick in make_ticks(3):
        producer.send(tick)
    producer.flush(10)
    assert (armed.strikes.count, producer.failed) == (1, 0)
    await consumed(make_consumer(), see, aside, until_idle_s=IDLE_S)
    assert len(seen) == arrive
    assert aside.errors == [("message-undecodable", True)] * (word == "corrupt")


@pytest.mark.parametrize("word", ["delivery-failed", "broker-unreachable"])
async def test_a_dead_letter_that_cannot_be_sent_is_an_injected_failure(
    word, kafka, kafka_settings, send, make_ticks, make_consumer, see, clock
):
    send(make_ticks(2))
    arm("streaming.decode", "corrupt")
    arm("streaming.produce", word)
    with AcknowledgedProducer(kafka_settings, kafka.bootstrap) as producer:
        letters = DeadLetters(producer, DeadLetterSettings(), clock, group="testers")
        with pytest.raises(DeliveryFailedError) as failed:
            await consumed(make_consumer(), see, Disposal(letters, None, None), max_messages=2)
    assert failed.value.injected


@pytest.mark.parametrize(("word", "sent"), [("drop", 0), ("duplicate", 2), ("delay", 1)])
async def test_a_single_message_is_lost_sent_twice_or_late(
    word, sent, kafka, kafka_settings, make_consumer, encoder, make_tick, see, seen
):
    arm("streaming.produce", word, amount=0.1, count=1)
    message = Outgoing("market.ticks", b"SPY", encoder.encode(make_tick(1)))
    with AcknowledgedProducer(kafka_settings, kafka.bootstrap) as producer:
        told = await producer.send(message)
    assert told.topic == "market.ticks"
    await consumed(make_consumer(), see, until_idle_s=IDLE_S)
    assert len(seen) == sent


async def test_a_dead_letter_says_that_its_failure_was_injected(
    kafka, kafka_settings, send, make_ticks, make_consumer, see, clock
):
    send(make_ticks(1))
    arm("streaming.decode", "corrupt")
    kept = []

    class Watched(AcknowledgedProducer):
        async def send(self, message):
            kept.append(dict(message.headers))
            return await super().send(message)

    with Watched(kafka_settings, kafka.bootstrap) as producer:
        letters = DeadLetters(producer, DeadLetterSettings(), clock, group="testers")
        await consumed(make_consumer(), see, Disposal(letters, None, None), max_messages=1)
    assert [headers["alchemiser.injected"] for headers in kept] == [b"true"]


@pytest.mark.provokes("dead-letter-storm")
async def test_a_storm_of_injected_failures_is_injected_and_one_of_others_is_not(
    send, make_ticks, make_consumer, see
):
    from alchemiser_cli.errors import DeadLetterStormError

    send(make_ticks(5))
    arm("streaming.decode", "corrupt")
    limit = DeadLetterLimit(DeadLetterSettings(max_consecutive=3))
    with pytest.raises(DeadLetterStormError) as storm:
        await consumed(make_consumer(), see, Disposal(None, limit, None), max_messages=5)
    assert storm.value.injected
    mixed = DeadLetterLimit(DeadLetterSettings(max_consecutive=3))
    for injected in (True, False):
        mixed.failed("malformed", injected=injected)
    with pytest.raises(DeadLetterStormError) as storm:
        mixed.failed("malformed", injected=True)
    assert not storm.value.injected


# registry.get

URLS = {"folder": "file:{}", "memory": "memory:faults"}


@pytest.mark.parametrize("kind", URLS)
@pytest.mark.parametrize("word", ["registry-unreachable", "schema-not-found"])
@pytest.mark.provokes("registry-unreachable", "schema-not-found")
def test_a_registry_that_is_made_to_refuse_does_so_for_every_question(
    kind, word, tmp_path, provoked
):
    provoked |= {"registry-unreachable", "schema-not-found"}  # the other word's
    registry = open_registry(RegistrySettings(), URLS[kind].format(tmp_path / "schemas"))
    known = registry.register("ticks-value", tick_schema())
    arm("registry.get", word)
    for question in (
        lambda: registry.schema(known),
        lambda: registry.latest("ticks-value"),
        lambda: registry.register("ticks-value", tick_schema()),
    ):
        with pytest.raises(Exception, match=r"registry\.get") as refused:
            question()
        assert (refused.value.code, refused.value.injected) == (word, True)


def test_a_schema_that_is_made_to_be_unknown_makes_its_messages_injected_as_long_as_that_is_kept(
    registry, encoder, make_tick
):
    cache = SchemaCache(registry, SystemClock())
    arm("registry.get", "schema-not-found", count=1)
    for _ in range(2):  # the second is not asked for
        with pytest.raises(MessageUndecodableError) as unknown:
            cache.writer(encoder.schema_id)
        assert unknown.value.injected


@pytest.mark.parametrize("word", ["delay", "hang"])
def test_a_question_that_waits_is_answered_when_the_fault_ends(word, registry, encoder):
    arm("registry.get", word, lasts_s=0.4, amount=0.2, count=1)
    begun = time.monotonic()
    assert registry.schema(encoder.schema_id)
    assert time.monotonic() - begun >= 0.2


def test_a_registry_over_http_that_hangs_is_given_up_after_its_timeout_and_asked_again(closed_port):
    settings = RegistrySettings(timeout_s=0.2)
    registry = HttpRegistry(settings, f"http://127.0.0.1:{closed_port}")
    arm("registry.get", "hang", count=1)
    begun = time.monotonic()
    with pytest.raises(RegistryUnreachableError, match="did not give schema 1") as hung:
        registry.schema(1)
    assert hung.value.injected
    assert time.monotonic() - begun < 5
    with pytest.raises(RegistryUnreachableError) as real:
        registry.schema(1)
    assert not real.value.injected


def test_retries_and_the_breaker_of_a_registry_carry_the_mark_on(closed_port):
    registry = open_registry(RegistrySettings(timeout_s=0.5), f"http://127.0.0.1:{closed_port}")
    arm("registry.get", "registry-unreachable")
    whys = []
    for _ in range(2):
        with pytest.raises(RegistryUnreachableError) as refused:
            registry.schema(1)
        assert refused.value.injected
        whys.append(refused.value.why)
    assert "It was asked" in whys[0]


@pytest.mark.parametrize("word", ["registry-unreachable", "hang"])
async def test_a_consumer_outlasts_a_registry_that_refuses_new_schemas(
    word, kafka, kafka_settings, clock, registry, send, make_ticks, make_consumer, see, seen, aside
):
    """What is known goes on; a fault that ends, by whatever way, leaves the consumer healthy."""
    send(make_ticks(2))
    told = []
    consumer = make_consumer(max_outage_s=20)

    async def see_and_break(tick, received):
        await see(tick, received)
        if len(seen) == 2:
            arm("registry.get", word, lasts_s=0.8)
            with AcknowledgedProducer(kafka_settings, kafka.bootstrap) as producer:
                unknown = b"\0\0\0\0\x07rest"
                await producer.send(Outgoing("market.ticks", b"SPY", unknown))

    result = await consumed(consumer, see_and_break, aside, max_messages=3, on_outage=told.append)
    assert (result.processed, result.failed) == (2, 1)
    assert aside.errors == [("message-undecodable", False)]
    assert [(one.code, one.injected) for one in told] == (
        [("registry-unreachable", True)] if word == "registry-unreachable" else []
    )


# kill


@pytest.mark.slow
@pytest.mark.parametrize("place", [*KILLED, "streaming.produce"])
def test_a_process_that_comes_by_is_killed_there(place, make_tick):
    victim = subprocess.run(
        [sys.executable, "-c", VICTIM, place, json.dumps(msgspec.structs.asdict(make_tick()))],
        check=False,
        capture_output=True,
        timeout=60,
        text=True,
    )
    assert victim.returncode == -signal.SIGKILL, victim.stderr
    passed = {"streaming.produce": [], "streaming.commit": ["sent", "saw 1"]}
    assert victim.stdout.splitlines() == passed.get(place, ["sent"])
