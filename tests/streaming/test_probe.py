"""Questions to a cluster answer within the request timeout or say who did not."""

import pytest
from confluent_kafka import KafkaError

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors import BrokerUnreachableError, ConsumerGroupUnreadableError
from alchemiser_cli.settings.sections import ConsumerSettings, KafkaSettings
from alchemiser_cli.streaming import (
    broker_clock_skew,
    broker_metadata,
    consumer_group_lag,
    consumer_group_offsets,
)
from alchemiser_cli.streaming.probe import CLOCK_TOPIC

OFFSET_FETCH, FIND_COORDINATOR = 9, 10


def test_metadata_names_brokers_and_topics(kafka, kafka_settings):
    info = broker_metadata(kafka_settings, kafka.bootstrap)
    assert [f"{broker.host}:{broker.port}" for broker in info.brokers] == [kafka.bootstrap]
    assert info.topics == {"market.ticks": 4}
    assert info.embedded


@pytest.mark.provokes("broker-unreachable")
def test_no_broker_is_unreachable_within_the_request_timeout(closed_port, clock):
    settings = KafkaSettings(request_timeout_s=0.5)
    before_ns = clock.monotonic_ns()
    with pytest.raises(BrokerUnreachableError):
        broker_metadata(settings, f"127.0.0.1:{closed_port}")
    assert clock.monotonic_ns() - before_ns < 2_000_000_000


async def test_committed_offsets_of_a_group_are_read_without_joining_it(
    kafka, kafka_settings, send, make_ticks, make_consumer, topic
):
    send(make_ticks(10))
    settings = ConsumerSettings(group="testers")
    before = consumer_group_offsets(kafka_settings, settings, kafka.bootstrap, topic, 4)
    assert [offset.committed_offset for offset in before] == [None] * 4
    assert consumer_group_lag(kafka_settings, settings, kafka.bootstrap, topic, 4) == 10

    async def ignore(*_):
        pass

    await make_consumer("testers").run(ignore, max_messages=10)
    after = consumer_group_offsets(kafka_settings, settings, kafka.bootstrap, topic, 4)
    assert [offset.committed_offset for offset in after if offset.committed_offset] == [10]
    assert consumer_group_lag(kafka_settings, settings, kafka.bootstrap, topic, 4) == 0
    send(make_ticks(3))
    assert consumer_group_lag(kafka_settings, settings, kafka.bootstrap, topic, 4) == 3


@pytest.mark.provokes("consumer-group-unreadable")
@pytest.mark.parametrize(
    ("api_key", "error"),
    [
        (OFFSET_FETCH, KafkaError.GROUP_AUTHORIZATION_FAILED),
        (FIND_COORDINATOR, KafkaError.COORDINATOR_NOT_AVAILABLE),
    ],
)
def test_a_group_whose_coordinator_refuses_is_unreadable(
    kafka, kafka_settings, topic, api_key, error
):
    kafka.push_errors(api_key, *[error] * 200)
    quick = kafka_settings.model_copy(update={"request_timeout_s": 0.5})
    with pytest.raises(ConsumerGroupUnreadableError, match="testers"):
        consumer_group_offsets(quick, ConsumerSettings(group="testers"), kafka.bootstrap, topic, 4)


def test_the_embedded_cluster_has_no_clock_of_its_own(kafka, clock):
    skew = broker_clock_skew(KafkaSettings(), kafka.bootstrap, {}, clock)
    assert skew.skew_s is None
    assert "this machine" in skew.reason


def test_without_a_clock_topic_nothing_is_measured(kafka, kafka_settings, clock):
    topics = broker_metadata(kafka_settings, kafka.bootstrap).topics
    skew = broker_clock_skew(kafka_settings, kafka.bootstrap, topics, clock)
    assert skew.skew_s is None
    assert CLOCK_TOPIC in skew.reason


def test_an_embedded_cluster_reached_as_an_external_one_is_recognised(kafka, kafka_settings, clock):
    kafka.create_topic(CLOCK_TOPIC, 1)
    skew = broker_clock_skew(kafka_settings, kafka.bootstrap, {CLOCK_TOPIC: 1}, clock)
    assert skew.skew_s is None
    assert "this machine" in skew.reason


def test_the_skew_is_the_brokers_stamp_minus_our_time(kafka, kafka_settings, monkeypatch):
    """The embedded cluster stamps every message with 1.234 s after 1970."""
    monkeypatch.setattr("alchemiser_cli.streaming.probe._EMBEDDED_CLUSTER_ID", "none is")
    kafka.create_topic(CLOCK_TOPIC, 1)
    clock = ManualClock(now_ns=5_000_000_000)
    skew = broker_clock_skew(kafka_settings, kafka.bootstrap, {CLOCK_TOPIC: 1}, clock)
    assert skew.skew_s == pytest.approx(-3.766)
