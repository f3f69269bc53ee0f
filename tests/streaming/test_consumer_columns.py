"""The columns path of the consumer: the same ticks, the same commits, and poison found alone."""

import asyncio

import pytest
from confluent_kafka import Producer

from alchemiser_cli.errors import BrokerUnreachableError
from alchemiser_cli.streaming.received import StopConsuming
from alchemiser_cli.streaming.setting_aside import OnlyCounted

SYMBOLS = ("SPY", "QQQ", "IWM", "DIA")
IDLE_S = 0.4


class SeenColumns:
    """A callback that remembers the ticks of all columns, and how many came at once."""

    def __init__(self):
        self.ticks = []
        self.sizes = []

    async def __call__(self, columns):
        self.sizes.append(len(columns))
        self.ticks += columns.ticks()

    def sequences(self, symbol="SPY"):
        return [tick.sequence for tick in self.ticks if tick.symbol == symbol]


class Kept(OnlyCounted):
    """Keeps what is set aside in lists."""

    def __init__(self):
        self.failures = []
        self.quarantined = []

    async def failed(self, received, error, deliveries):
        self.failures.append((received, error, deliveries))
        return True

    async def implausible(self, received):
        self.quarantined.append(received)

    def places(self):
        return [(one.offset, one.value, error.context) for one, error, _ in self.failures]


@pytest.fixture
def seen():
    return SeenColumns()


def send_raw(kafka, topic, *values):
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for value in values:
        producer.produce(topic, value, key=b"SPY")
    assert producer.flush(5) == 0


def committed(result):
    return sum(partition.committed_offset or 0 for partition in result.partitions)


def tallied(result):
    return result.processed + result.failed + result.quarantined + result.conflated


async def test_columns_hold_what_single_ticks_hold_and_the_same_is_set_aside(
    kafka, topic, send, make_ticks, make_tick, encoder, make_consumer, seen
):
    send(make_ticks(60, SYMBOLS))
    implausible = encoder.encode(make_tick(61, kind="quote", bid=161.0, ask=160.0))
    send_raw(kafka, topic, b"poison", None, b"", implausible)
    singles, one_by_one, at_once = [], Kept(), Kept()

    async def single(tick, _):
        singles.append(tick)

    told = await make_consumer("singles").run(single, aside=one_by_one, until_idle_s=IDLE_S)
    result = await make_consumer("columns", batch_size=50).run_columns(
        seen, aside=at_once, until_idle_s=IDLE_S
    )
    place = lambda tick: (tick.symbol, tick.sequence)  # noqa: E731  a sort key
    assert sorted(seen.ticks, key=place) == sorted(singles, key=place)
    assert all(seen.sequences(symbol) == list(range(1, 61)) for symbol in SYMBOLS)
    assert at_once.places() == one_by_one.places()
    assert at_once.quarantined == one_by_one.quarantined
    assert (told.consumed, told.processed, told.failed, told.quarantined) == (244, 240, 3, 1)
    assert (result.consumed, result.processed, result.failed, result.quarantined) == (
        told.consumed,
        told.processed,
        told.failed,
        told.quarantined,
    )
    assert result.partitions == told.partitions
    assert max(seen.sizes) > 1


async def test_the_next_run_of_columns_goes_on_where_the_last_one_committed(
    send, make_ticks, make_consumer, seen
):
    send(make_ticks(50))
    first = await make_consumer(batch_size=7).run_columns(SeenColumns(), max_messages=30)
    assert (first.consumed, committed(first)) == (30, 30)
    await make_consumer().run_columns(seen, until_idle_s=IDLE_S)
    assert seen.sequences() == list(range(31, 51))


@pytest.mark.provokes("message-processing-failed")
async def test_a_failing_batch_is_halved_down_to_the_rows_that_fail(
    send, make_ticks, make_consumer
):
    send(make_ticks(64))
    kept, good = Kept(), set()

    async def two_are_poison(columns):
        if {13, 47} & set(columns.sequence.tolist()):
            raise ZeroDivisionError("poison")
        good.update(columns.sequence.tolist())

    result = await make_consumer().run_columns(two_are_poison, aside=kept, max_messages=64)
    assert sorted(one[0].tick.sequence for one in kept.failures) == [13, 47]
    assert good == set(range(1, 65)) - {13, 47}
    assert (result.consumed, result.processed, result.failed) == (64, 62, 2)
    assert committed(result) == 64


@pytest.mark.provokes("broker-unreachable")
async def test_an_error_that_may_be_retried_is_retried_with_the_whole_batch(
    send, make_ticks, make_consumer, seen
):
    send(make_ticks(20))
    calls = []

    async def flaky(columns):
        calls.append(len(columns))
        if len(calls) < 3:
            raise BrokerUnreachableError("a store", why="Away.", next_step="Wait.")
        await seen(columns)

    result = await make_consumer().run_columns(flaky, max_messages=20)
    assert calls[0] == calls[1] == calls[2]
    assert seen.sequences() == list(range(1, 21))
    assert (result.processed, result.failed, committed(result)) == (20, 0, 20)


async def test_a_batch_that_ends_the_run_comes_again(send, make_ticks, make_consumer, seen):
    send(make_ticks(30))

    async def ends_at_the_fifteenth(columns):
        if 15 in columns.sequence:
            raise StopConsuming

    result = await make_consumer(batch_size=10).run_columns(ends_at_the_fifteenth)
    assert result.consumed == committed(result) < 15
    await make_consumer().run_columns(seen, until_idle_s=IDLE_S)
    assert seen.sequences() == list(range(committed(result) + 1, 31))


@pytest.mark.provokes("message-processing-failed")
async def test_columns_whose_callback_cancels_itself_fail_alone(send, make_ticks, make_consumer):
    send(make_ticks(8))
    kept = Kept()

    async def third_cancels(columns):
        if 3 in columns.sequence:
            raise asyncio.CancelledError

    async with asyncio.timeout(60):
        result = await make_consumer().run_columns(third_cancels, aside=kept, max_messages=8)
    assert [one[0].tick.sequence for one in kept.failures] == [3]
    assert (result.processed, result.failed, committed(result)) == (7, 1, 8)


@pytest.mark.provokes("message-processing-failed")
async def test_columns_whose_callback_takes_too_long_fail_alone(send, make_ticks, make_consumer):
    send(make_ticks(4))
    kept = Kept()

    async def third_hangs(columns):
        if 3 in columns.sequence:
            await asyncio.Event().wait()

    consumer = make_consumer(callback_timeout_s=0.2)
    result = await consumer.run_columns(third_hangs, aside=kept, max_messages=4)
    assert [one[0].tick.sequence for one in kept.failures] == [3]
    # A fourth of the batch has a fourth of its time.
    assert kept.failures[0][1].why == "The callback ran longer than 0.05 s."
    assert (result.processed, committed(result)) == (3, 4)


async def test_a_batch_that_could_not_be_set_aside_is_not_committed(
    send, make_ticks, make_consumer, seen
):
    send(make_ticks(10))

    async def fails(_):
        raise ValueError("all")

    class CannotKeep(OnlyCounted):
        async def failed(self, *_):
            raise OSError("no dead letters today")

    with pytest.raises(OSError, match="no dead letters"):
        await make_consumer().run_columns(fails, aside=CannotKeep(), until_idle_s=IDLE_S)
    await make_consumer().run_columns(seen, until_idle_s=IDLE_S)
    assert seen.sequences() == list(range(1, 11))


# librdkafka's mock coordinator leaves a SyncGroup or an OffsetCommit unanswered now and then, and
# drops the member that waits for it. What two members do then says nothing about us.
@pytest.mark.flaky(reruns=3)
async def test_a_batch_under_way_when_its_partitions_go_is_finished_and_committed(
    send, make_ticks, make_consumer, until, logs
):
    """Drain first: a rebalance waits for the batch, commits it, and nobody reads it again."""
    send(make_ticks(10, ["DIA"]))  # of a partition that will go over
    first, second, stop = SeenColumns(), SeenColumns(), asyncio.Event()
    begun, go_on = asyncio.Event(), asyncio.Event()

    def events(name):
        return [log["partitions"] for log in logs if log["event"] == name]

    async def slow(columns):
        await first(columns)
        begun.set()
        await go_on.wait()

    one = asyncio.create_task(
        make_consumer(session_timeout_s=4).run_columns(slow, stop=stop.is_set)
    )
    await asyncio.wait_for(begun.wait(), 60)
    await asyncio.to_thread(send, make_ticks(100, ["JPM", "QQQ", "SPY"]))  # these wait
    other = asyncio.create_task(
        make_consumer(session_timeout_s=4).run_columns(second, stop=stop.is_set)
    )
    await until(lambda: [] in events("partitions_assigned"))  # it is told who is to give up what
    await asyncio.sleep(0.3)  # allow no-bare-sleep: the batch runs on while it is to be given up
    assert events("partitions_revoked") == []
    go_on.set()
    await until(lambda: len(first.ticks) + len(second.ticks) >= 310)
    stop.set()
    results = await asyncio.gather(one, other)
    both = [(tick.symbol, tick.sequence) for tick in first.ticks + second.ticks]
    assert second.ticks, "no partition with messages went over: the test proves nothing"
    assert len(both) == len(set(both)) == 310
    assert sum(tallied(result) for result in results) == 310
