"""The consumer: nothing is lost, one message fails alone, commits tell the truth."""

import asyncio
from zlib import crc32

import pytest
from confluent_kafka import KafkaError, Producer

from alchemiser_cli.errors import (
    BrokerUnreachableError,
    ConsumerGroupUnreadableError,
    MessageProcessingError,
    MessageUndecodableError,
    RegistryUnreachableError,
    TopicMissingError,
)
from alchemiser_cli.settings.sections import (
    ConsumerSettings,
    KafkaSettings,
    TelemetrySettings,
)
from alchemiser_cli.streaming import Consumer
from alchemiser_cli.streaming.received import StopConsuming
from alchemiser_cli.streaming.setting_aside import OnlyCounted
from alchemiser_cli.telemetry import open_telemetry

SYMBOLS = ("SPY", "QQQ", "IWM", "DIA")
FETCH, FIND_COORDINATOR = 1, 10
IDLE_S = 0.4
PARTITIONS = 4


class Seen:
    """A callback that remembers."""

    def __init__(self):
        self.ticks = []

    async def __call__(self, tick, _):
        self.ticks.append(tick)

    def sequences(self, symbol):
        return [tick.sequence for tick in self.ticks if tick.symbol == symbol]


class Kept(OnlyCounted):
    """Keeps failed messages in a list."""

    def __init__(self, failures):
        self.failures = failures

    async def failed(self, *failure):
        self.failures.append(failure)
        return True


@pytest.fixture
def seen():
    return Seen()


def send_raw(kafka, topic, value, key=b"SPY"):
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    producer.produce(topic, value, key=key)
    assert producer.flush(5) == 0


def committed(result):
    return sum(partition.committed_offset or 0 for partition in result.partitions)


async def test_every_tick_is_processed_in_the_order_of_its_key(
    send, make_ticks, make_consumer, seen
):
    send(make_ticks(100, SYMBOLS))
    result = await make_consumer().run(seen, max_messages=400)
    assert (result.consumed, result.processed, result.failed) == (400, 400, 0)
    assert (result.gaps, result.duplicates) == (0, 0)
    assert all(seen.sequences(symbol) == list(range(1, 101)) for symbol in SYMBOLS)
    assert committed(result) == 400
    assert {partition.lag for partition in result.partitions} == {0}
    assert result.latency_ms.p50 <= result.latency_ms.p99
    assert result.throughput_per_s > 0


async def test_the_protocol_of_kip_848_reads_and_commits_the_same(
    send, make_ticks, make_consumer, seen
):
    send(make_ticks(50, SYMBOLS))
    result = await make_consumer(protocol="consumer").run(seen, max_messages=200)
    assert (result.processed, committed(result)) == (200, 200)
    assert all(seen.sequences(symbol) == list(range(1, 51)) for symbol in SYMBOLS)


async def test_the_next_run_goes_on_where_the_last_one_committed(
    send, make_ticks, make_consumer, seen
):
    send(make_ticks(50))
    first = await make_consumer(batch_size=7).run(Seen(), max_messages=30)
    assert committed(first) == 30
    assert sum(partition.lag for partition in first.partitions) == 20
    second = await make_consumer().run(seen, until_idle_s=IDLE_S)
    assert seen.sequences("SPY") == list(range(31, 51))
    assert (second.consumed, second.gaps) == (20, 0)


async def test_an_empty_topic_ends_when_idle(make_consumer, seen):
    result = await make_consumer().run(seen, until_idle_s=0.1)
    assert (result.consumed, result.throughput_per_s) == (0, 0.0)
    assert result.latency_ms.p50 is None
    assert [partition.committed_offset for partition in result.partitions] == [None] * 4


async def test_callbacks_of_different_keys_run_at_once(send, make_ticks, make_consumer):
    symbols = [
        name
        for name in ("A", "B", "C", "D", "E", "F", "G", "H", "I")
        if crc32(name.encode()) % PARTITIONS == crc32(b"A") % PARTITIONS
    ][:2]
    send(make_ticks(1, symbols))  # of one partition, hence of one batch
    running = asyncio.Barrier(2)

    async def meet(*_):
        await running.wait()  # passes only when both are in their callbacks

    result = await make_consumer(callback_timeout_s=5).run(meet, max_messages=2)
    assert (len(symbols), result.processed) == (2, 2)


@pytest.mark.provokes("message-undecodable")
async def test_a_poison_pill_is_counted_and_the_others_are_processed(
    kafka, topic, send, make_ticks, make_consumer, seen, logs
):
    send(make_ticks(5))
    send_raw(kafka, topic, b"poison")
    failures = []

    result = await make_consumer().run(seen, aside=Kept(failures), max_messages=6)
    assert (result.processed, result.failed) == (5, 1)
    assert committed(result) == 6
    message, error, deliveries = failures[0]
    assert (message.value, deliveries) == (b"poison", 1)
    assert isinstance(error, MessageUndecodableError)
    log = next(log for log in logs if log["event"] == "deserialization_error")
    assert (log["code"], log["reason"]) == ("message-undecodable", "wrong-magic")
    assert (log["topic"], log["offset"]) == (topic, 5)


@pytest.mark.provokes("message-processing-failed")
async def test_a_callback_that_raises_fails_its_message_and_not_its_batch(
    send, make_ticks, make_consumer, logs
):
    send(make_ticks(10))
    failures = []

    async def third_fails(tick, _):
        if tick.sequence == 3:
            raise ZeroDivisionError("three")

    result = await make_consumer().run(third_fails, aside=Kept(failures), max_messages=10)
    assert (result.processed, result.failed) == (9, 1)
    assert committed(result) == 10
    message, error, _ = failures[0]
    assert message.tick.sequence == 3
    assert isinstance(error, MessageProcessingError)
    assert "three" in error.why
    events = [log["event"] for log in logs]
    assert events.count("streaming_message_processing_failed") == 1


@pytest.mark.provokes("message-processing-failed")
async def test_a_callback_that_takes_too_long_fails_its_message(send, make_ticks, make_consumer):
    send(make_ticks(3))
    failures = []

    async def second_hangs(tick, _):
        if tick.sequence == 2:
            await asyncio.Event().wait()

    consumer = make_consumer(callback_timeout_s=0.1)
    result = await consumer.run(second_hangs, aside=Kept(failures), max_messages=3)
    assert (result.processed, result.failed) == (2, 1)
    assert failures[0][1].why == "The callback ran longer than 0.1 s."


async def test_a_callback_that_cancels_itself_fails_its_message_only(
    send, make_ticks, make_consumer
):
    send(make_ticks(3))

    async def second_cancels(tick, _):
        if tick.sequence == 2:
            raise asyncio.CancelledError

    result = await make_consumer().run(second_cancels, max_messages=3)
    assert (result.processed, result.failed) == (2, 1)


async def test_a_failed_message_that_nobody_could_keep_is_not_committed(
    send, make_ticks, make_consumer, seen
):
    send(make_ticks(10))

    async def fourth_fails(tick, _):
        if tick.sequence == 4:
            raise ValueError("four")

    class CannotKeep(OnlyCounted):
        async def failed(self, *_):
            raise OSError("no dead letters today")

    with pytest.raises(OSError, match="no dead letters"):
        await make_consumer().run(fourth_fails, aside=CannotKeep(), until_idle_s=IDLE_S)
    await make_consumer().run(seen, until_idle_s=IDLE_S)
    assert seen.sequences("SPY") == list(range(4, 11))


async def test_cancelling_commits_only_what_was_finished(send, make_ticks, make_consumer, seen):
    send(make_ticks(10))
    reached = asyncio.Event()

    async def sixth_hangs(tick, _):
        if tick.sequence == 6:
            reached.set()
            await asyncio.Event().wait()

    run = asyncio.create_task(make_consumer().run(sixth_hangs))
    await asyncio.wait_for(reached.wait(), 60)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    await make_consumer().run(seen, until_idle_s=IDLE_S)
    assert seen.sequences("SPY") == list(range(6, 11))


async def test_stop_commits_what_was_finished_and_leaves_the_rest(send, make_ticks, make_consumer):
    send(make_ticks(50))
    first, second = Seen(), Seen()
    enough = asyncio.Event()

    async def until_twenty(tick, received):
        await first(tick, received)
        if len(first.ticks) == 20:
            enough.set()
            await asyncio.sleep(0.2)  # allow no-bare-sleep: runs while the stop is noticed

    result = await make_consumer().run(until_twenty, stop=enough.is_set)
    assert result.consumed == 20
    assert committed(result) == 20
    await make_consumer().run(second, until_idle_s=IDLE_S)
    assert second.sequences("SPY") == list(range(21, 51))


async def test_a_callback_may_end_the_run_and_its_message_comes_again(
    send, make_ticks, make_consumer, seen
):
    send(make_ticks(10))

    async def fifth_ends(tick, _):
        if tick.sequence == 5:
            raise StopConsuming

    result = await make_consumer().run(fifth_ends)
    assert (result.consumed, result.failed, committed(result)) == (4, 0, 4)
    await make_consumer().run(seen, until_idle_s=IDLE_S)
    assert seen.sequences("SPY") == list(range(5, 11))


async def test_gaps_and_duplicates_are_counted_by_sequence(send, make_tick, make_consumer, seen):
    send([make_tick(n) for n in (5, 6, 9, 9, 7, 10)])
    result = await make_consumer().run(seen, max_messages=6)
    assert (result.gaps, result.duplicates, result.reordered) == (1, 1, 1)


async def test_prometheus_counts_what_the_summary_tells(send, make_tick, make_consumer, seen):
    send([make_tick(n) for n in (5, 6, 9, 9, 7, 10)])
    telemetry = open_telemetry(TelemetrySettings())

    async def tenth_fails(tick, _):
        if tick.sequence == 10:
            raise ValueError("ten")

    result = await make_consumer(telemetry=telemetry).run(tenth_fails, max_messages=6)
    prefix = "alchemiser_consumer_messages"
    expected = {
        f"{prefix}_consumed_total": result.consumed,
        f"{prefix}_processed_total": result.processed,
        f"{prefix}_failed_total": result.failed,
        "market_sequence_gaps_total": result.gaps,
        "market_sequence_duplicates_total": result.duplicates,
        "market_sequence_reordered_total": result.reordered,
        "alchemiser_consumer_handler_seconds_count": result.processed,
    }
    labels = {"topic": "market.ticks"}
    found = {name: telemetry.registry.get_sample_value(name, labels) for name in expected}
    assert found == expected == {**expected, f"{prefix}_failed_total": 1}


async def test_snapshots_tell_how_it_goes(send, make_ticks, make_consumer, seen):
    send(make_ticks(20))
    told = []
    await make_consumer().run(seen, max_messages=20, on_snapshot=told.append)
    assert (told[-1].consumed, told[-1].limit, told[-1].under_way) == (20, 20, 0)
    counts = [snapshot.consumed for snapshot in told]
    assert sorted(counts) == counts


async def test_earliest_reads_again_what_was_committed(send, make_ticks, make_consumer, seen):
    send(make_ticks(10))
    await make_consumer().run(Seen(), max_messages=10)
    result = await make_consumer().run(seen, start="earliest", until_idle_s=IDLE_S)
    assert result.consumed == 10


async def test_latest_reads_only_what_comes_after_the_assignment(
    send, make_ticks, make_tick, make_consumer, seen, until, logs
):
    send(make_ticks(10))
    run = asyncio.create_task(make_consumer().run(seen, start="latest", max_messages=1))
    await until(lambda: any(log["event"] == "partitions_assigned" for log in logs))
    await asyncio.to_thread(send, [make_tick(11)])
    await asyncio.wait_for(run, 60)
    assert seen.sequences("SPY") == [11]


async def test_a_time_starts_at_the_first_tick_that_is_not_older(
    send, make_ticks, make_tick, make_consumer, seen
):
    send(make_ticks(100, SYMBOLS))
    start = make_tick(91).event_time_ns
    result = await make_consumer().run(seen, start=start, until_idle_s=IDLE_S)
    assert result.consumed == 40
    assert seen.sequences("QQQ") == list(range(91, 101))


async def test_a_time_after_all_ticks_reads_nothing(
    send, make_ticks, make_tick, make_consumer, seen
):
    send(make_ticks(10))
    start = make_tick(11).event_time_ns
    result = await make_consumer().run(seen, start=start, until_idle_s=IDLE_S)
    assert result.consumed == 0


async def test_latest_only_skips_quotes_that_waited_too_long_and_commits_them(
    send, make_tick, make_consumer, until
):
    send([make_tick(n, kind="quote") for n in range(1, 101)])
    seen, first = Seen(), asyncio.Event()

    async def slow_at_first(tick, received):
        await seen(tick, received)
        if not first.is_set():
            first.set()
            await until(lambda: consumer_has(100))

    told = []

    def consumer_has(count):
        return bool(told) and told[-1].under_way + told[-1].consumed >= count

    result = await make_consumer(latest_only=True, batch_size=10).run(
        slow_at_first, max_messages=100, on_snapshot=told.append
    )
    assert result.conflated > 0
    assert result.processed + result.conflated == result.consumed == 100
    assert seen.ticks[-1].sequence == 100
    assert committed(result) == 100


# librdkafka's mock coordinator leaves a SyncGroup or an OffsetCommit unanswered now and then, and
# drops the member that waits for it. What two members do then says nothing about us.
@pytest.mark.flaky(reruns=3)
async def test_two_members_of_a_group_share_the_partitions(
    send, make_ticks, make_consumer, seen, until, logs
):
    done = asyncio.Event()
    runs = [asyncio.create_task(make_consumer().run(seen, stop=done.is_set)) for _ in range(2)]
    await until(lambda: any(len(log.get("partitions", ())) == 2 for log in logs))
    await asyncio.to_thread(send, make_ticks(50, SYMBOLS))
    await until(lambda: len({(tick.symbol, tick.sequence) for tick in seen.ticks}) == 200)
    done.set()
    results = await asyncio.gather(*runs)
    assert sum(result.consumed for result in results) >= 200  # a rebalance may deliver again
    assert all(set(seen.sequences(symbol)) == set(range(1, 51)) for symbol in SYMBOLS)


async def test_a_broker_that_comes_back_loses_nothing(kafka, send, make_ticks, make_consumer, seen):
    send(make_ticks(40))
    kafka.push_errors(FETCH, *[KafkaError._TRANSPORT] * 3)  # drops the connection
    result = await make_consumer(batch_size=5).run(seen, max_messages=40)
    assert seen.sequences("SPY") == list(range(1, 41))
    assert result.duplicates == 0


@pytest.mark.provokes("broker-unreachable")
async def test_no_broker_at_the_start_is_said_within_the_request_timeout(
    registry, clock, topic, closed_port, seen
):
    kafka = KafkaSettings(request_timeout_s=0.5)
    consumer = Consumer(
        kafka, ConsumerSettings(), f"127.0.0.1:{closed_port}", topic, registry, clock
    )
    async with asyncio.timeout(2):
        with pytest.raises(BrokerUnreachableError):
            await consumer.run(seen)


async def test_a_broker_that_dies_does_not_keep_a_run_from_ending(
    kafka, send, make_ticks, make_consumer, seen
):
    send(make_ticks(5))

    def stop():
        if len(seen.ticks) == 5:
            kafka.broker_down()
        return bool(seen.ticks)

    async with asyncio.timeout(8):
        result = await make_consumer().run(seen, stop=stop)
    assert result.processed == 5
    assert {partition.lag for partition in result.partitions} == {None}


@pytest.mark.provokes("topic-missing")
async def test_a_missing_topic_is_a_coded_error(kafka, kafka_settings, registry, clock, seen):
    consumer = Consumer(
        kafka_settings, ConsumerSettings(), kafka.bootstrap, "nowhere", registry, clock
    )
    with pytest.raises(TopicMissingError):
        await consumer.run(seen)


@pytest.mark.provokes("consumer-group-unreadable")
async def test_a_group_without_a_coordinator_is_a_coded_error(
    kafka, kafka_settings, topic, registry, clock, seen
):
    kafka.push_errors(FIND_COORDINATOR, *[KafkaError.GROUP_AUTHORIZATION_FAILED] * 50)
    quick = kafka_settings.model_copy(update={"request_timeout_s": 0.5})
    consumer = Consumer(quick, ConsumerSettings(), kafka.bootstrap, topic, registry, clock)
    with pytest.raises(ConsumerGroupUnreadableError):
        await consumer.run(seen)


class Outage:
    """A registry that does not answer."""

    def schema(self, schema_id):
        raise RegistryUnreachableError(str(schema_id), why="Off.", next_step="On.")


@pytest.mark.provokes("registry-unreachable")
async def test_a_registry_that_is_down_at_the_start_ends_the_run_and_commits_nothing(
    send, make_ticks, make_consumer, seen
):
    send(make_ticks(5))
    with pytest.raises(RegistryUnreachableError):
        await make_consumer(registry=Outage()).run(seen, max_messages=5)
    result = await make_consumer().run(seen, max_messages=5)
    assert result.consumed == 5


async def test_the_group_and_its_partitions_are_logged(make_consumer, seen, logs):
    await make_consumer().run(seen, until_idle_s=0.05)
    events = {log["event"]: log for log in logs}
    assert events["consumer_group_joined"]["group"] == "testers"
    assert events["partitions_assigned"]["partitions"] == [0, 1, 2, 3]
    assert events["partitions_revoked"]["partitions"] == [0, 1, 2, 3]
    assert events["consumer_group_left"]["clean"]
