"""The producer counts every acknowledgement and says what is missing."""

import contextlib

import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors import BrokerUnreachableError, DeliveryFailedError, TopicMissingError
from alchemiser_cli.settings.sections import KafkaSettings, TelemetrySettings
from alchemiser_cli.streaming import TickProducer, clients
from alchemiser_cli.telemetry import open_telemetry
from alchemiser_cli.telemetry.names import EMIT_LATENCY_SECONDS, ENQUEUE_DELAY_SECONDS

PRODUCE = 0


def send_all(producer, ticks):
    for tick in ticks:
        producer.send(tick)


def send_in_block(producer, ticks, *, down=None, error=None):
    """Send ``ticks`` and leave the block, by ``error`` if there is one."""
    with producer:
        if down is not None:
            down.broker_down()
        send_all(producer, ticks)
        if error is not None:
            raise error


@pytest.fixture
def make_producer(kafka, kafka_settings, encoder, clock, topic):
    def make(settings=kafka_settings, topic=topic, clock=clock, **options):
        return TickProducer(settings, kafka.bootstrap, topic, encoder, clock, **options)

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
    with pytest.raises(BrokerUnreachableError) as raised:
        send_in_block(make_producer(quick), make_ticks(100), down=kafka)
    assert "nothing was acknowledged" in raised.value.why
    assert raised.value.__notes__[0].startswith("10 of 10 messages were not acknowledged")


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


def read(kafka, topic, count):
    reader = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "reader"})
    reader.assign([TopicPartition(topic, number, 0) for number in range(4)])
    messages = []
    while len(messages) < count and (message := reader.poll(5)) is not None:
        messages.append(message)
    reader.close()
    return messages


def test_leaving_the_block_drops_nothing(kafka, make_producer, make_ticks, topic):
    with make_producer() as ticks:
        send_all(ticks, make_ticks(1_000))
    assert (ticks.sent, ticks.acknowledged, ticks.failed) == (1_000, 1_000, 0)
    assert len(read(kafka, topic, 1_000)) == 1_000


@pytest.mark.provokes("delivery-failed")
def test_leaving_the_block_tells_what_the_brokers_do_not_have(
    kafka, kafka_settings, make_producer, make_ticks
):
    quick = kafka_settings.model_copy(update={"request_timeout_s": 0.1})
    ticks = make_producer(quick)
    with pytest.raises(DeliveryFailedError, match="3 of 3") as raised:
        send_in_block(ticks, make_ticks(3), down=kafka)
    assert raised.value.context["failed"] == 3
    assert (ticks.acknowledged, ticks.failed) == (0, 3)


@pytest.mark.provokes("delivery-failed")
def test_what_flush_told_is_not_told_again(kafka, make_producer, make_tick):
    kafka.push_errors(PRODUCE, KafkaError.MSG_SIZE_TOO_LARGE)
    with make_producer() as ticks:
        ticks.send(make_tick())
        with contextlib.suppress(DeliveryFailedError):
            ticks.flush(5)


def test_an_error_in_the_block_stays_itself_and_what_was_sent_arrives(
    kafka, make_producer, make_ticks, topic
):
    with pytest.raises(ZeroDivisionError) as raised:
        send_in_block(make_producer(), make_ticks(100), error=ZeroDivisionError())
    assert not hasattr(raised.value, "__notes__")
    assert len(read(kafka, topic, 100)) == 100


def test_an_error_in_the_block_carries_a_note_of_what_did_not_arrive(
    kafka, kafka_settings, make_producer, make_ticks, logs
):
    quick = kafka_settings.model_copy(update={"request_timeout_s": 0.2})
    with pytest.raises(ZeroDivisionError) as raised:
        send_in_block(make_producer(quick), make_ticks(5), down=kafka, error=ZeroDivisionError())
    assert raised.value.__notes__[0].startswith("5 of 5 messages were not acknowledged")
    [told] = [one for one in logs if one["event"] == "delivery_failed" and "sent" in one]
    assert (told["code"], told["sent"], told["outstanding"]) == ("delivery-failed", 5, 5)


def test_an_interrupt_does_not_wait_and_counts_what_is_lost(kafka, make_producer, make_ticks):
    with pytest.raises(KeyboardInterrupt) as raised:
        send_in_block(make_producer(), make_ticks(5), down=kafka, error=KeyboardInterrupt())
    assert "5 of 5" in raised.value.__notes__[0]


def test_headers_travel_with_the_tick(kafka, make_producer, make_tick, topic):
    with make_producer() as ticks:
        ticks.send(make_tick(), headers=[("alchemiser.origin", b"polled"), ("empty", None)])
    [message] = read(kafka, topic, 1)
    assert message.headers() == [("alchemiser.origin", b"polled"), ("empty", None)]


def samples(telemetry, metric):
    found = (sample for family in telemetry.registry.collect() for sample in family.samples)
    return {
        sample.name.removeprefix(f"{metric.name}_"): sample.value
        for sample in found
        if sample.name in {f"{metric.name}_count", f"{metric.name}_sum"}
    }


def test_every_acknowledgement_is_measured(make_producer, make_ticks):
    telemetry = open_telemetry(TelemetrySettings())
    with make_producer(telemetry=telemetry) as ticks:
        send_all(ticks, make_ticks(100))
    measured = samples(telemetry, EMIT_LATENCY_SECONDS)
    assert measured["count"] == 100
    assert 0 < measured["sum"] < 100 * 10
    assert not samples(telemetry, ENQUEUE_DELAY_SECONDS)


def test_the_delay_of_a_live_tick_is_from_its_event_until_it_is_sent(make_producer, make_tick):
    telemetry = open_telemetry(TelemetrySettings())
    tick = make_tick()
    clock = ManualClock(tick.event_time_ns + 250_000_000)
    with make_producer(clock=clock, telemetry=telemetry, live=True) as ticks:
        ticks.send(tick)
    assert samples(telemetry, ENQUEUE_DELAY_SECONDS) == {"count": 1, "sum": pytest.approx(0.25)}
