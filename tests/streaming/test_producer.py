"""The producer counts every acknowledgement and says what is missing."""

import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition

from alchemiser_cli.errors import BrokerUnreachableError, DeliveryFailedError, TopicMissingError
from alchemiser_cli.settings.sections import KafkaSettings
from alchemiser_cli.streaming import TickProducer, clients

PRODUCE = 0


def send_all(producer, ticks):
    for tick in ticks:
        producer.send(tick)


@pytest.fixture
def make_producer(kafka, kafka_settings, encoder, clock, topic):
    def make(settings=kafka_settings, topic=topic):
        return TickProducer(settings, kafka.bootstrap, topic, encoder, clock)

    return make


def test_a_flushed_tick_lies_in_the_topic_under_its_symbol_and_time(
    kafka, make_producer, make_tick, decoder, topic
):
    with make_producer() as ticks:
        size = ticks.send(make_tick())
        ticks.flush(5)
        assert (ticks.sent, ticks.acknowledged, ticks.failed) == (1, 1, 0)
    reader = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "reader"})
    reader.assign([TopicPartition(topic, number, 0) for number in range(4)])
    message = reader.poll(5)
    reader.close()
    assert message.key() == b"SPY"
    assert message.timestamp()[1] == make_tick().event_time_ns // 1_000_000
    assert decoder.decode(message.value()) == make_tick()
    assert len(message.value()) == size


def test_a_full_queue_waits_for_acknowledgements(
    make_producer, make_ticks, kafka_settings, monkeypatch
):
    def small(*arguments):
        return original(*arguments) | {"queue.buffering.max.messages": 10}

    original = clients.producer_config
    monkeypatch.setattr(clients, "producer_config", small)
    with make_producer() as ticks:
        for tick in make_ticks(100):
            ticks.send(tick)
        ticks.flush(5)
        assert ticks.acknowledged == 100


@pytest.mark.provokes("broker-unreachable")
def test_a_full_queue_without_any_broker_ends_after_the_request_timeout(
    kafka, make_producer, make_ticks, kafka_settings, monkeypatch
):
    def small(*arguments):
        return original(*arguments) | {"queue.buffering.max.messages": 10}

    original = clients.producer_config
    monkeypatch.setattr(clients, "producer_config", small)
    quick = kafka_settings.model_copy(update={"request_timeout_s": 0.5})
    with make_producer(quick) as ticks:
        kafka.broker_down()
        with pytest.raises(BrokerUnreachableError) as raised:
            send_all(ticks, make_ticks(100))
    assert "nothing was acknowledged" in raised.value.why


@pytest.mark.provokes("delivery-failed")
def test_a_refused_message_is_counted_and_named(kafka, make_producer, make_tick):
    kafka.push_errors(PRODUCE, KafkaError.MSG_SIZE_TOO_LARGE)
    with make_producer() as ticks:
        ticks.send(make_tick())
        with pytest.raises(DeliveryFailedError, match="1 of 1") as raised:
            ticks.flush(5)
    assert raised.value.context["failed"] == 1
    assert "too large" in raised.value.why


@pytest.mark.provokes("delivery-failed")
def test_what_has_no_answer_by_the_deadline_is_outstanding(kafka, make_producer, make_ticks):
    with make_producer() as ticks:
        kafka.broker_down()
        for tick in make_ticks(3):
            ticks.send(tick)
        with pytest.raises(DeliveryFailedError) as raised:
            ticks.flush(0.2)
    assert raised.value.context["outstanding"] == 3


def test_errors_that_pass_lose_and_double_nothing(kafka, make_producer, make_ticks):
    kafka.push_errors(PRODUCE, KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.REQUEST_TIMED_OUT)
    with make_producer() as ticks:
        for tick in make_ticks(20):
            ticks.send(tick)
        ticks.flush(10)
        assert ticks.acknowledged == 20


@pytest.mark.provokes("broker-unreachable")
def test_no_broker_at_the_start_is_a_coded_error(encoder, clock, closed_port, topic):
    settings = KafkaSettings(request_timeout_s=0.3)
    ticks = TickProducer(settings, f"127.0.0.1:{closed_port}", topic, encoder, clock)
    with pytest.raises(BrokerUnreachableError), ticks:
        pass


@pytest.mark.provokes("topic-missing")
def test_a_topic_that_does_not_exist_is_not_made_by_sending(make_producer):
    with pytest.raises(TopicMissingError), make_producer(topic="nowhere"):
        pass
