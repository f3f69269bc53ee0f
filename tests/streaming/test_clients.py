"""Settings become librdkafka's configuration, and its chatter becomes few logs."""

import logging

import pytest
from confluent_kafka import Producer
from pydantic import SecretStr

from alchemiser_cli.errors import KafkaSettingsError
from alchemiser_cli.settings.sections import ConsumerSettings, KafkaSettings
from alchemiser_cli.streaming.clients import (
    LibraryLog,
    admin_client,
    client_config,
    consumer_config,
    producer_client,
)


def test_sasl_over_tls_carries_user_password_and_authorities(tmp_path):
    settings = KafkaSettings(
        mode="external",
        security_protocol="SASL_SSL",
        username="trader",
        password=SecretStr("secret"),
        ca_file=tmp_path / "ca.pem",
    )
    config = client_config(settings, "a:1")
    assert config["sasl.username"] == "trader"
    assert config["sasl.password"] == "secret"  # pragma: allowlist secret
    assert config["sasl.mechanism"] == "SCRAM-SHA-512"
    assert config["ssl.ca.location"] == str(tmp_path / "ca.pem")


def test_plaintext_carries_no_credentials():
    settings = KafkaSettings(username="trader", password=SecretStr("secret"))
    assert "secret" not in map(str, client_config(settings, "a:1").values())


def test_a_consumer_never_commits_by_itself():
    config = consumer_config(KafkaSettings(), ConsumerSettings(fetch_wait_ms=15), "a:1")
    assert config["enable.auto.commit"] is False
    assert config["enable.auto.offset.store"] is False
    assert config["fetch.wait.max.ms"] == 15


def test_the_session_is_short_on_the_embedded_kafka_unless_it_is_set():
    kafka, usual = KafkaSettings(), ConsumerSettings()
    chosen = ConsumerSettings(session_timeout_s=30)
    assert consumer_config(kafka, usual, "a:1")["session.timeout.ms"] == 10_000
    assert consumer_config(kafka, usual, "a:1", embedded=True)["session.timeout.ms"] == 2_000
    assert consumer_config(kafka, chosen, "a:1", embedded=True)["session.timeout.ms"] == 30_000


def test_with_kip_848_the_broker_decides_on_session_and_assignment():
    config = consumer_config(KafkaSettings(), ConsumerSettings(protocol="consumer"), "a:1")
    assert config["group.protocol"] == "consumer"
    refused = {"session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy"}
    assert not refused & config.keys()


@pytest.mark.provokes("kafka-settings")
@pytest.mark.parametrize("make", [admin_client, producer_client])
def test_settings_that_librdkafka_refuses_are_one_coded_error(make, tmp_path):
    settings = KafkaSettings(
        mode="external", security_protocol="SSL", ca_file=tmp_path / "missing.pem"
    )
    with pytest.raises(KafkaSettingsError) as caught:
        make(settings, "a:1")
    assert "ssl.ca.location" in caught.value.why


def test_a_line_that_repeats_a_thousand_times_is_logged_four_times(logs):
    log = LibraryLog("us")
    for attempt in range(1_000):
        log.log(logging.ERROR, "%s [%s] %s", "FAIL", "c", f"refused (after {attempt}ms)")
    assert [log["repeated"] for log in logs] == [1, 10, 100, 1_000]
    assert {log["level"] for log in logs} == {"warning"}


def test_librdkafka_writes_to_our_log_and_not_on_standard_error(closed_port, capfd, logs):
    producer = Producer(client_config(KafkaSettings(), f"127.0.0.1:{closed_port}"))
    for _ in range(100):
        producer.poll(0.05)
        if logs:
            break
    assert "refused" in logs[0]["line"]
    assert capfd.readouterr().err == ""
