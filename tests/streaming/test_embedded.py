"""The embedded Kafka starts, obeys, and says so when it cannot."""

import pytest
from confluent_kafka import KafkaError, Producer

from alchemiser_cli.errors import BrokerUnreachableError, EmbeddedBrokerFailedError
from alchemiser_cli.streaming import EmbeddedKafka, broker_metadata
from alchemiser_cli.testing.kafka import settings_for

PRODUCE = 0


def test_a_topic_has_the_partitions_it_was_created_with(kafka, kafka_settings):
    kafka.create_topic("signals", 7)
    assert broker_metadata(kafka_settings, kafka.bootstrap).topics["signals"] == 7


def test_creating_a_topic_twice_leaves_it_as_it_is(kafka, kafka_settings):
    kafka.create_topic("signals", 2)
    kafka.create_topic("signals", 5)
    assert broker_metadata(kafka_settings, kafka.bootstrap).topics["signals"] == 2


def test_a_cluster_of_three_lists_three_brokers():
    with EmbeddedKafka(3) as kafka:
        brokers = broker_metadata(settings_for(kafka), kafka.bootstrap).brokers
    assert [broker.id for broker in brokers] == [1, 2, 3]


def test_a_broker_that_is_down_answers_again_when_it_is_up(kafka, kafka_settings):
    kafka.broker_down()
    with pytest.raises(BrokerUnreachableError):
        broker_metadata(
            kafka_settings.model_copy(update={"request_timeout_s": 0.3}), kafka.bootstrap
        )
    kafka.broker_up()
    assert broker_metadata(kafka_settings, kafka.bootstrap).brokers


def test_a_pushed_error_is_the_answer_to_the_next_request(kafka):
    kafka.push_errors(PRODUCE, KafkaError.MSG_SIZE_TOO_LARGE)
    answers = []
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for _ in range(2):
        producer.produce("market.ticks", b"x", on_delivery=lambda error, _: answers.append(error))
        producer.flush(5)
    assert answers[0].code() == KafkaError.MSG_SIZE_TOO_LARGE
    assert answers[1] is None


def test_it_writes_nothing_on_standard_error(capfd):
    with EmbeddedKafka() as kafka:
        kafka.create_topic("a", 1)
        kafka.broker_down()
        kafka.broker_up()
    assert capfd.readouterr() == ("", "")


@pytest.mark.provokes("embedded-broker-failed")
@pytest.mark.parametrize("brokers", [0, -1, 1_000_000])
def test_an_impossible_number_of_brokers_is_refused(brokers):
    with pytest.raises(EmbeddedBrokerFailedError), EmbeddedKafka(brokers):
        pass


@pytest.mark.provokes("embedded-broker-failed")
def test_what_librdkafka_refuses_names_its_reason(kafka):
    with pytest.raises(EmbeddedBrokerFailedError) as raised:
        kafka.broker_down(77)
    assert "BROKER_NOT_AVAILABLE" in raised.value.why


@pytest.mark.provokes("embedded-broker-failed")
def test_a_cluster_whose_block_was_left_cannot_be_used():
    with EmbeddedKafka() as kafka:
        pass
    with pytest.raises(EmbeddedBrokerFailedError, match="not running"):
        _ = kafka.bootstrap
