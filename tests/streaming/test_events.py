"""Events reach their broker's topics, acknowledged and readable, or the sender is told."""

import asyncio

import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition

from alchemiser_cli.clock import SystemClock
from alchemiser_cli.errors import (
    DeliveryFailedError,
    EnvelopeIncompleteError,
    TopicForbiddenError,
)
from alchemiser_cli.market.envelope import event
from alchemiser_cli.streaming.envelopes import EnvelopeDecoder, header_text
from alchemiser_cli.streaming.events import EventProducer
from alchemiser_cli.streaming.registry_memory import MemoryRegistry
from alchemiser_cli.streaming.topic_map import TopicMap
from alchemiser_cli.testing.kafka import embedded_kafka, settings_for

PRODUCE = 0
TOPICS = TopicMap("paper")


@pytest.fixture
def broker():
    with embedded_kafka(TOPICS.orders) as running:
        yield running


@pytest.fixture
def schemas():
    return MemoryRegistry()


@pytest.fixture
def producer(broker, schemas):
    with EventProducer(settings_for(broker), broker.bootstrap, TOPICS, schemas) as ready:
        yield ready


@pytest.fixture
def an_event():
    def made(number=0, broker="paper"):
        payload = {"number": number}
        return event("order.sent", payload, broker=broker, source="s", clock=SystemClock())

    return made


def read(broker, topic, count):
    reader = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "reader"})
    reader.assign([TopicPartition(topic, number, 0) for number in range(4)])
    messages = []
    while len(messages) < count and (message := reader.poll(5)) is not None:
        messages.append(message)
    reader.close()
    return messages


async def test_an_event_lies_where_the_answer_says_with_headers_to_filter_by(
    broker, producer, schemas, an_event
):
    sent = an_event(7)
    place = await producer.send(TOPICS.orders, sent, "SPY")
    [message] = read(broker, TOPICS.orders, 1)
    assert (message.topic(), message.partition(), message.offset()) == (
        place.topic,
        place.partition,
        place.offset,
    )
    assert message.key() == b"SPY"
    assert message.timestamp()[1] == sent.occurred_at_ns // 1_000_000
    assert header_text(message.headers(), "alchemiser.event-type") == "order.sent"
    assert header_text(message.headers(), "alchemiser.broker") == "paper"
    assert EnvelopeDecoder(schemas).decode(message.value()) == sent


async def test_events_of_one_key_keep_their_order(broker, producer, schemas, an_event):
    await producer.send(TOPICS.orders, an_event(0), "SPY")
    async with asyncio.TaskGroup() as group:
        for number in range(1, 50):
            group.create_task(producer.send(TOPICS.orders, an_event(number), "SPY"))
    decoder = EnvelopeDecoder(schemas)
    seen = [decoder.decode(message.value()) for message in read(broker, TOPICS.orders, 50)]
    assert [one.content(dict)["number"] for one in seen] == list(range(50))


async def test_errors_that_pass_lose_and_double_nothing(broker, producer, an_event):
    broker.push_errors(PRODUCE, KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.REQUEST_TIMED_OUT)
    places = [await producer.send(TOPICS.orders, an_event(), "SPY") for _ in range(3)]
    assert [place.offset for place in places] == [0, 1, 2]


@pytest.mark.provokes("topic-forbidden")
@pytest.mark.parametrize("topic", ["binance.orders", "market.ticks", "paper.other", ""])
async def test_a_topic_that_is_not_the_brokers_own_is_refused(producer, an_event, topic):
    with pytest.raises(TopicForbiddenError):
        await producer.send(topic, an_event(), "SPY")


@pytest.mark.provokes("topic-forbidden")
async def test_an_event_of_another_broker_is_refused(broker, producer, an_event):
    with pytest.raises(TopicForbiddenError, match="'binance'"):
        await producer.send(TOPICS.orders, an_event(broker="binance"), "SPY")
    await producer.send(TOPICS.orders, an_event(), "SPY")
    assert len(read(broker, TOPICS.orders, 1)) == 1


@pytest.mark.provokes("envelope-incomplete")
@pytest.mark.parametrize("sent", [b"bytes", {"event_type": "order.sent"}, None])
async def test_what_has_no_envelope_is_refused(producer, sent):
    with pytest.raises(EnvelopeIncompleteError, match="without an envelope"):
        await producer.send(TOPICS.orders, sent, "SPY")


@pytest.mark.provokes("delivery-failed")
async def test_an_event_that_the_brokers_refuse_is_a_coded_error(broker, producer, an_event):
    broker.push_errors(PRODUCE, KafkaError.MSG_SIZE_TOO_LARGE)
    with pytest.raises(DeliveryFailedError, match=r"'paper\.orders'"):
        await producer.send(TOPICS.orders, an_event(), "SPY")
