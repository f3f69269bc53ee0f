"""Slow callbacks: the member stays in its group, memory is bounded; drain first, then fence."""

import asyncio

import pytest
from confluent_kafka import Consumer as Client
from confluent_kafka import TopicPartition

SHORTEST_POLL_INTERVAL_S = 1.0  # what the setting allows


@pytest.fixture
def committed(kafka, topic):
    """Ask the broker itself what the group has committed of a partition."""
    client = Client({"bootstrap.servers": kafka.bootstrap, "group.id": "testers"})

    def ask(partition):
        (place,) = client.committed([TopicPartition(topic, partition)], timeout=5)
        return max(place.offset, 0)

    yield ask
    client.close()


def trouble(logs):
    """Return what would tell that the group took the member for dead."""
    return [
        log
        for log in logs
        if log["event"] in {"partitions_lost", "consumer_rejoins", "kafka_error"}
    ]


@pytest.mark.flaky(reruns=3)  # a machine that stalls for a second breaks the interval itself
async def test_callbacks_slower_than_the_poll_interval_keep_the_member_in_its_group(
    send, make_ticks, make_consumer, logs
):
    send(make_ticks(3))
    told, done = [], []

    async def slow(tick, _):
        await asyncio.sleep(1.4)  # allow no-bare-sleep: longer than the group waits for a poll
        done.append(tick.sequence)

    consumer = make_consumer(
        max_poll_interval_s=SHORTEST_POLL_INTERVAL_S, max_buffered=1, batch_size=1
    )
    result = await consumer.run(slow, max_messages=3, on_snapshot=told.append)
    assert done == [1, 2, 3]
    assert (result.rejoined, trouble(logs)) == (0, [])
    assert sum(partition.committed_offset or 0 for partition in result.partitions) == 3
    assert any(snapshot.paused for snapshot in told)


@pytest.mark.flaky(reruns=3)  # a machine that stalls for a second breaks the interval itself
async def test_small_batches_before_a_large_one_do_not_keep_the_member_from_polling(
    send, make_ticks, make_consumer, until, logs
):
    """Each finished batch makes room, and still there is none: polling must go on meanwhile."""
    told, done, go_on = [], [], asyncio.Event()

    async def slow(columns):
        await go_on.wait()
        await asyncio.sleep(0.4)  # allow no-bare-sleep: work that takes its time
        done.extend(columns.sequence.tolist())

    consumer = make_consumer(max_poll_interval_s=SHORTEST_POLL_INTERVAL_S, max_buffered=6)
    run = asyncio.create_task(consumer.run_columns(slow, until_idle_s=0.5, on_snapshot=told.append))
    ticks = make_ticks(35)
    for number in range(5):
        await asyncio.to_thread(send, ticks[number : number + 1])
        await until(lambda: told and told[-1].under_way == number + 1)  # noqa: B023  awaited here
    go_on.set()
    await asyncio.to_thread(send, ticks[5:])
    result = await run
    assert max(snapshot.under_way for snapshot in told) > 6
    assert done == list(range(1, 36))
    assert (result.rejoined, trouble(logs)) == (0, [])


async def test_what_is_under_way_is_bounded_however_slow_the_callbacks_are(
    send, make_ticks, make_consumer, until
):
    send(make_ticks(1_000, ("DIA", "SPY")))
    told = []

    async def slow(*_):
        # As slow as it takes to be seen, and afterwards in no hurry either.
        await until(lambda: any(snapshot.under_way for snapshot in told))
        await asyncio.sleep(0.001)  # allow no-bare-sleep: work that takes its time

    consumer = make_consumer(max_buffered=60, batch_size=40)
    result = await consumer.run(slow, max_messages=2_000, on_snapshot=told.append)
    assert result.processed == 2_000
    assert max(snapshot.under_way for snapshot in told) < 60 + 40


@pytest.mark.flaky(reruns=3)  # as above
async def test_a_callback_that_outlasts_the_drain_is_fenced_and_what_waits_goes_over(
    send, make_ticks, make_consumer, committed, until
):
    """Two members meet on a message only past the deadline, and only the new owner commits."""
    send(make_ticks(10, ["DIA"]))  # of partition 0, which will go over
    first, second, watched = [], [], []
    first_hangs, second_hangs, stop = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def one(tick, _):
        if tick.sequence == 5:
            await first_hangs.wait()
        first.append(tick.sequence)

    async def other(tick, _):
        if tick.sequence == 7:
            await second_hangs.wait()
        second.append(tick.sequence)

    def look():
        watched.append(committed(0))
        return watched[-1]

    settings = {"drain_timeout_s": 0.3, "commit_interval_s": 0.05}
    runs = [asyncio.create_task(make_consumer(**settings).run(one, stop=stop.is_set))]
    await until(lambda: first == [1, 2, 3, 4] and look() == 4)
    runs.append(asyncio.create_task(make_consumer(**settings).run(other, stop=stop.is_set)))
    await until(lambda: second == [5, 6] and look() == 6)
    first_hangs.set()
    await until(lambda: first == [1, 2, 3, 4, 5])
    for _ in range(10):
        await asyncio.sleep(0.05)  # allow no-bare-sleep: several commits of the first one long
        assert look() == 6
    second_hangs.set()
    await until(lambda: second == [5, 6, 7, 8, 9, 10] and look() == 10)
    stop.set()
    results = await asyncio.gather(*runs)
    assert look() == 10
    assert watched == sorted(watched)
    assert first == [1, 2, 3, 4, 5], "what waited was worked off by a member that had lost it"
    assert sum(result.consumed for result in results) == 11


# librdkafka's mock coordinator leaves a SyncGroup or an OffsetCommit unanswered now and then, and
# drops the member that waits for it. What two members do then says nothing about us.
@pytest.mark.flaky(reruns=3)
async def test_a_callback_that_ends_within_the_drain_is_committed_and_not_repeated(
    send, make_ticks, make_consumer, committed, until, logs
):
    send(make_ticks(10, ["DIA"]))
    first, second = [], []
    hangs, stop = asyncio.Event(), asyncio.Event()

    async def one(tick, _):
        if tick.sequence == 5:
            await hangs.wait()
        first.append(tick.sequence)

    async def other(tick, _):
        second.append(tick.sequence)

    def assigned_nothing_yet():
        return any(
            log["event"] == "partitions_assigned" and log["partitions"] == [] for log in logs
        )

    runs = [asyncio.create_task(make_consumer(session_timeout_s=4).run(one, stop=stop.is_set))]
    await until(lambda: first == [1, 2, 3, 4])
    runs.append(
        asyncio.create_task(make_consumer(session_timeout_s=4).run(other, stop=stop.is_set))
    )
    await until(assigned_nothing_yet)
    await asyncio.sleep(0.3)  # allow no-bare-sleep: the callback runs on in the revocation
    assert second == []
    hangs.set()
    await until(lambda: len(first) + len(second) == 10)
    stop.set()
    await asyncio.gather(*runs)
    assert first == [1, 2, 3, 4, 5]
    assert second == [6, 7, 8, 9, 10]
    assert committed(0) == 10
