"""Topics are made where they are missing, and never by asking for them."""

import pytest

from alchemiser_cli.errors import (
    BrokerUnreachableError,
    TopicForbiddenError,
    TopicMissingError,
)
from alchemiser_cli.settings.sections import KafkaSettings, TopicSettings
from alchemiser_cli.streaming import (
    Cluster,
    broker_metadata,
    ensure_topic,
    open_cluster,
    require_topic,
)
from alchemiser_cli.streaming.topics import ensure_companion

TOPICS = TopicSettings(partitions=3)


def test_on_an_own_cluster_a_topic_gets_the_partitions_of_the_settings(tmp_path):
    settings = KafkaSettings()
    with open_cluster(settings, TOPICS, tmp_path) as cluster:
        assert ensure_topic(settings, TOPICS, cluster, "signals") == 3


def test_on_a_served_cluster_a_topic_is_made_by_naming_it(kafka, kafka_settings):
    cluster = Cluster(kafka.bootstrap, "served")
    assert ensure_topic(kafka_settings, TOPICS, cluster, "signals") > 0
    assert "signals" in broker_metadata(kafka_settings, kafka.bootstrap).topics


def test_an_existing_topic_keeps_its_shape(kafka, kafka_settings, topic):
    cluster = Cluster(kafka.bootstrap, "external")
    assert ensure_topic(kafka_settings, TOPICS, cluster, topic) == 4


@pytest.mark.provokes("topic-missing")
def test_a_cluster_that_creates_no_topic_is_a_coded_error(kafka, kafka_settings):
    quick = kafka_settings.model_copy(update={"request_timeout_s": 0.5})
    with pytest.raises(TopicMissingError) as raised:
        ensure_topic(quick, TOPICS, Cluster(kafka.bootstrap, "external"), "signals")
    assert "--topic signals" in raised.value.next_step


@pytest.mark.provokes("topic-missing")
def test_requiring_a_topic_does_not_create_it(kafka, kafka_settings, topic):
    for _ in range(2):
        with pytest.raises(TopicMissingError) as raised:
            require_topic(kafka_settings, kafka.bootstrap, "nowhere")
    assert raised.value.context["known"] == [topic]


@pytest.mark.provokes("broker-unreachable")
def test_no_broker_is_a_coded_error(closed_port):
    settings = KafkaSettings(request_timeout_s=0.3)
    cluster = Cluster(f"127.0.0.1:{closed_port}", "external")
    with pytest.raises(BrokerUnreachableError, match=str(closed_port)):
        ensure_topic(settings, TOPICS, cluster, "signals")


@pytest.mark.parametrize("suffix", ["dlq", "quarantine"])
def test_a_companion_has_the_partitions_of_its_source(tmp_path, suffix):
    settings = KafkaSettings()
    with open_cluster(settings, TOPICS, tmp_path) as cluster:
        cluster.embedded.create_topic("source", 7)
        assert ensure_companion(settings, TOPICS, cluster, "source", suffix) == 7
        known = broker_metadata(settings, cluster.bootstrap).topics
        assert known[f"source.{suffix}"] == 7


@pytest.mark.parametrize("named", [True, False])
def test_a_companion_on_the_embedded_cluster_of_another_process_is_made_by_naming_it(
    kafka, kafka_settings, topic, named
):
    cluster = kafka.bootstrap if named else Cluster(kafka.bootstrap, "served")
    assert ensure_companion(kafka_settings, TOPICS, cluster, topic, "dlq") == 4
    assert f"{topic}.dlq" in broker_metadata(kafka_settings, kafka.bootstrap).topics


def test_a_companion_that_exists_keeps_its_shape(kafka, kafka_settings, topic):
    kafka.create_topic(f"{topic}.dlq", 1)
    assert ensure_companion(kafka_settings, TOPICS, kafka.bootstrap, topic, "dlq") == 1


@pytest.mark.provokes("topic-missing")
def test_a_source_that_does_not_exist_has_no_companion(kafka, kafka_settings):
    with pytest.raises(TopicMissingError, match="'nowhere'"):
        ensure_companion(kafka_settings, TOPICS, kafka.bootstrap, "nowhere", "dlq")
    assert "nowhere.dlq" not in broker_metadata(kafka_settings, kafka.bootstrap).topics


@pytest.mark.provokes("topic-missing")
def test_an_external_cluster_that_creates_no_companion_is_a_coded_error(
    kafka, kafka_settings, topic
):
    quick = kafka_settings.model_copy(update={"request_timeout_s": 0.5})
    cluster = Cluster(kafka.bootstrap, "external")
    with pytest.raises(TopicMissingError, match=f"{topic}.dlq"):
        ensure_companion(quick, TOPICS, cluster, topic, "dlq")


@pytest.mark.provokes("topic-forbidden")
def test_a_companion_whose_name_is_too_long_is_refused(kafka, kafka_settings):
    with pytest.raises(TopicForbiddenError):
        ensure_companion(kafka_settings, TOPICS, kafka.bootstrap, "x" * 249, "dlq")
