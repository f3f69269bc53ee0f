"""The acknowledged producer: what is awaited lies in Kafka, and what does not is told."""

import asyncio

import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition

from alchemiser_cli.errors import DeliveryFailedError
from alchemiser_cli.streaming.acknowledged import AcknowledgedProducer, Outgoing

PRODUCE = 0
PARTITIONS = 4


@pytest.fixture
def producer(kafka, kafka_settings):
    with AcknowledgedProducer(kafka_settings, kafka.bootstrap) as producer:
        yield producer


def lying_at(kafka, sent):
    reader = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "reader"})
    reader.assign([TopicPartition(sent.topic, sent.partition, sent.offset)])
    message = reader.poll(5)
    reader.close()
    return message


async def test_an_awaited_message_lies_where_it_says_with_all_that_it_had(kafka, topic, producer):
    headers = [("a", b"1"), ("b", None), ("a", b"")]
    sent = await producer.send(Outgoing(topic, b"k", b"v", headers, 1_600_000_000_123, 2))
    message = lying_at(kafka, sent)
    assert (sent.partition, message.offset()) == (2, sent.offset)
    assert (message.key(), message.value(), message.headers()) == (b"k", b"v", headers)
    assert message.timestamp()[1] == 1_600_000_000_123


async def test_many_are_awaited_at_once_and_each_gets_its_own_place(topic, producer):
    sent = await asyncio.gather(
        *(producer.send(Outgoing(topic, b"%d" % n, b"v")) for n in range(200))
    )
    assert len({(one.partition, one.offset) for one in sent}) == 200


@pytest.mark.provokes("delivery-failed")
async def test_a_refused_message_is_told_to_who_awaits_it(kafka, topic, producer):
    kafka.push_errors(PRODUCE, KafkaError.MSG_SIZE_TOO_LARGE)
    with pytest.raises(DeliveryFailedError) as raised:
        await producer.send(Outgoing(topic, None, b"v"))
    assert raised.value.context["kafka_error"] == "MSG_SIZE_TOO_LARGE"
    assert await producer.send(Outgoing(topic, None, b"v"))  # the next one goes again


async def test_a_message_above_librdkafkas_usual_limit_is_for_the_brokers_to_judge(topic, producer):
    assert await producer.send(Outgoing(topic, None, b"\xff" * 3_000_000))


async def test_who_is_cancelled_waits_no_longer_and_breaks_nothing(kafka, topic, producer):
    kafka.round_trip(1, 300)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await producer.send(Outgoing(topic, None, b"v"))
    kafka.round_trip(1, 0)
    assert await producer.send(Outgoing(topic, None, b"w"))


async def test_a_partition_is_kept_only_where_the_topic_has_it(kafka, topic, producer):
    kafka.create_topic("narrow", 1)
    assert await producer.same_partition(topic, PARTITIONS - 1) == PARTITIONS - 1
    assert await producer.same_partition("narrow", PARTITIONS - 1) == -1


async def test_without_brokers_a_partition_is_left_to_the_key(kafka, kafka_settings):
    quick = kafka_settings.model_copy(update={"request_timeout_s": 0.2})
    with AcknowledgedProducer(quick, kafka.bootstrap) as producer:
        kafka.broker_down()
        assert await producer.same_partition("anything", 0) == -1


async def test_outside_its_block_it_sends_nothing(kafka, kafka_settings, topic):
    producer = AcknowledgedProducer(kafka_settings, kafka.bootstrap)
    with pytest.raises(RuntimeError, match="block"):
        await producer.send(Outgoing(topic, None, b"v"))
