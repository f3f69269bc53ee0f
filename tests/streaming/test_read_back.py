"""A service starts warm with what its group has finished, and with nothing else."""

import pytest
from confluent_kafka import Producer

from alchemiser_cli.errors import BrokerUnreachableError, TopicMissingError
from alchemiser_cli.settings.sections import ConsumerSettings
from alchemiser_cli.streaming import read_back
from alchemiser_cli.streaming.probe import consumer_group_offsets
from alchemiser_cli.testing.kafka import settings_for

SYMBOLS = ("SPY", "QQQ", "IWM", "DIA")
GROUP = "testers"


@pytest.fixture
def history(kafka, kafka_settings, registry, clock, topic):
    def read(messages, group=GROUP, topic=topic):
        return read_back(kafka_settings, kafka.bootstrap, topic, group, registry, clock, messages)

    return read


@pytest.fixture
def offsets(kafka, kafka_settings, topic):
    def read(group=GROUP):
        return consumer_group_offsets(
            kafka_settings, ConsumerSettings(group=group), kafka.bootstrap, topic, 4
        )

    return read


async def nothing(*_):
    pass


async def test_the_newest_ticks_below_the_commit_come_in_the_order_of_their_events(
    send, make_ticks, make_consumer, history, offsets
):
    send(make_ticks(50, SYMBOLS))
    await make_consumer().run(nothing, max_messages=200)
    before = offsets()
    send(make_ticks(60, SYMBOLS)[200:])  # not consumed yet
    found = history(10)
    times = [tick.event_time_ns for tick, _ in found]
    assert times == sorted(times)
    for one in before:
        of_partition = [got for _, got in found if got.partition == one.partition]
        end = one.committed_offset or 0
        assert [got.offset for got in of_partition] == list(range(max(0, end - 10), end))
    assert all(received.tick is tick for tick, received in found)
    assert offsets() == before


async def test_the_next_member_begins_right_after_what_was_read_back(
    send, make_ticks, make_consumer, history
):
    send(make_ticks(30))
    await make_consumer(batch_size=4).run(nothing, max_messages=12)
    warm = [tick.sequence for tick, _ in history(5)]
    seen = []

    async def see(tick, _):
        seen.append(tick.sequence)

    await make_consumer().run(see, max_messages=18)
    assert warm == [8, 9, 10, 11, 12]
    assert seen == list(range(13, 31))


async def test_a_group_that_committed_nothing_has_no_history(send, make_ticks, history):
    send(make_ticks(10))
    assert history(100, group="newcomer") == []


async def test_more_than_there_is_ends_at_the_beginning_of_the_log(
    send, make_ticks, make_consumer, history
):
    send(make_ticks(7))
    await make_consumer().run(nothing, max_messages=7)
    assert [tick.sequence for tick, _ in history(1_000)] == [1, 2, 3, 4, 5, 6, 7]
    assert history(0) == []


async def test_the_group_keeps_its_members_while_it_is_read_back(
    send, make_ticks, make_consumer, history, until
):
    import asyncio

    send(make_ticks(10))
    seen = []
    over = asyncio.Event()

    async def see(tick, _):
        seen.append(tick.sequence)

    consumer = make_consumer(commit_interval_s=0.05)
    run = asyncio.create_task(consumer.run(see, stop=over.is_set))
    await until(lambda: len(seen) == 10)
    await asyncio.to_thread(history, 5)
    await asyncio.to_thread(send, make_ticks(20)[10:])
    await until(lambda: len(seen) == 20)
    over.set()
    result = await run
    assert (result.rejoined, seen) == (0, list(range(1, 21)))


async def test_what_is_no_tick_is_left_out(kafka, topic, send, make_ticks, make_consumer, history):
    send(make_ticks(3))
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    producer.produce(topic, b"poison", key=b"SPY")
    assert producer.flush(5) == 0
    await make_consumer().run(nothing, max_messages=4)
    assert [tick.sequence for tick, _ in history(4)] == [1, 2, 3]


@pytest.mark.provokes("topic-missing")
def test_a_topic_that_is_not_there_is_a_coded_error(history):
    with pytest.raises(TopicMissingError):
        history(5, topic="nowhere")


@pytest.mark.provokes("broker-unreachable")
def test_a_cluster_that_does_not_answer_is_a_coded_error(
    kafka, registry, clock, topic, closed_port
):
    settings = settings_for(kafka, request_timeout_s=0.3)
    with pytest.raises(BrokerUnreachableError):
        read_back(settings, f"127.0.0.1:{closed_port}", topic, GROUP, registry, clock, 5)
