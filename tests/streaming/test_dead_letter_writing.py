"""A failed message is set aside with everything it had, and the operator is told."""

import shutil
import subprocess

import pytest
from confluent_kafka import KafkaError

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors import (
    DeliveryFailedError,
    MessageImplausibleError,
    MessageProcessingError,
    MessageUndecodableError,
)
from alchemiser_cli.market.quality.violation import Violation
from alchemiser_cli.settings import TelemetrySettings
from alchemiser_cli.settings.sections import DeadLetterSettings
from alchemiser_cli.streaming.acknowledged import AcknowledgedProducer
from alchemiser_cli.streaming.dead_letters import (
    DeadLetterReader,
    DeadLetters,
    Quarantine,
    dead_letter_topic,
    implausible,
    quarantine_topic,
)
from alchemiser_cli.streaming.received import Received
from alchemiser_cli.telemetry import open_telemetry
from alchemiser_cli.telemetry.names import DEAD_LETTERS, QUARANTINED

PRODUCE = 0
TOO_LARGE = KafkaError.MSG_SIZE_TOO_LARGE
OWN = (("trace", b"\x00\xff"), ("trace", None), ("", b""))
CROSSED = Violation("crossed-book", "The bid 2 is above the ask 1.", {"bid": 2.0, "ask": 1.0})


@pytest.fixture
def telemetry():
    return open_telemetry(TelemetrySettings())


@pytest.fixture
def producer(kafka, kafka_settings):
    with AcknowledgedProducer(kafka_settings, kafka.bootstrap) as producer:
        yield producer


@pytest.fixture
def dead_letters(producer, telemetry):
    settings = DeadLetterSettings(max_redrives=2)
    return DeadLetters(producer, settings, ManualClock(), telemetry, group="desk")


@pytest.fixture
def find(kafka, kafka_settings, clock):
    reader = DeadLetterReader(kafka_settings, kafka.bootstrap, clock)
    return lambda sent: reader.find(sent.topic, f"{sent.partition}-{sent.offset}")


def received(topic, value=b"garbage", headers=OWN, partition=2):
    return Received(topic, partition, 17, 1_600_000_000_123, b"SPY", value, headers)


def undecodable(reason="wrong-magic"):
    context = {"reason": reason, "schema_id": None}
    return MessageUndecodableError("no tick", why="It is text.", next_step="-", context=context)


def failed_by(cause):
    error = MessageProcessingError("it failed", why=str(cause), next_step="-")
    error.__cause__ = cause
    return error


def counted(telemetry, metric, **labels):
    return telemetry.registry.get_sample_value(metric.name, labels)


async def test_a_dead_letter_is_the_message_as_it_came(dead_letters, find, topic):
    sent = await dead_letters.put(received(topic), undecodable(), 1)
    letter = find(sent)
    assert (sent.topic, sent.partition) == (dead_letter_topic(topic), 2)
    assert (letter.key, letter.value) == (b"SPY", b"garbage")
    assert letter.timestamp_ms == 1_600_000_000_123
    assert letter.failure.originals == OWN
    assert (letter.failure.topic, letter.failure.partition, letter.failure.offset) == (topic, 2, 17)
    assert (letter.failure.group, letter.failure.deliveries) == ("desk", 1)


async def test_every_header_is_text_under_the_documented_name(dead_letters, find, topic):
    sent = await dead_letters.put(received(topic), failed_by(ZeroDivisionError("by zero")), 3)
    found = {name: value.decode() for name, value in find(sent).headers[len(OWN) :]}
    trace = found.pop("__connect.errors.exception.stacktrace")
    assert "ZeroDivisionError: by zero" in trace
    assert trace.rstrip().endswith("MessageProcessingError: it failed")
    assert found == {
        "__connect.errors.topic": topic,
        "__connect.errors.partition": "2",
        "__connect.errors.offset": "17",
        "__connect.errors.connector.name": "desk",
        "__connect.errors.task.id": "0",
        "__connect.errors.stage": "TASK_PUT",
        "__connect.errors.class.name": "alchemiser_cli.streaming.consumer.Consumer",
        "__connect.errors.exception.class.name": "alchemiser_cli.errors.streaming"
        ".MessageProcessingError",
        "__connect.errors.exception.message": "it failed: by zero",
        "__dlq.errors.group": "desk",
        "__dlq.errors.delivery.count": "3",
        "alchemiser.code": "message-processing-failed",
        "alchemiser.reason": "ZeroDivisionError",
        "alchemiser.first-failed-at": "2023-11-14T22:13:20.000000+00:00",
        "alchemiser.redrive-count": "0",
    }


async def test_the_schema_that_the_value_names_is_noted(dead_letters, find, topic):
    framed = received(topic, b"\x00\x00\x00\x01\x02rest")
    letter = find(await dead_letters.put(framed, failed_by(ValueError("no")), 1))
    assert letter.failure.schema_id == 258


@pytest.mark.parametrize("value", [None, b""])
async def test_a_tombstone_and_an_empty_value_stay_what_they_are(dead_letters, find, topic, value):
    letter = find(await dead_letters.put(received(topic, value), undecodable("empty"), 1))
    assert letter.value == value


async def test_a_topic_of_fewer_partitions_takes_it_by_its_key(kafka, dead_letters, topic):
    kafka.create_topic(dead_letter_topic(topic), 1)
    sent = await dead_letters.put(received(topic, partition=3), undecodable(), 1)
    assert sent.partition == 0


async def test_it_is_counted_and_logged_as_a_dead_letter(dead_letters, telemetry, topic, logs):
    sent = await dead_letters.put(received(topic), undecodable(), 1)
    assert counted(telemetry, DEAD_LETTERS, topic=topic, reason="wrong-magic") == 1
    record = next(log for log in logs if log["event"] == "message_dead_lettered")
    assert record["dlq"] is True
    assert (record["code"], record["reason"]) == ("message-undecodable", "wrong-magic")
    assert (record["topic"], record["partition"], record["offset"]) == (topic, 2, 17)
    assert record["dead_letter"] == f"{sent.partition}-{sent.offset}"
    assert record["redrivable"] is True


async def test_the_log_tells_when_no_redrive_is_left(dead_letters, topic, logs):
    again = (("alchemiser.redrive-count", b"2"),)
    await dead_letters.put(received(topic, headers=again), undecodable(), 1)
    record = next(log for log in logs if log["event"] == "message_dead_lettered")
    assert (record["redrives"], record["redrivable"]) == (2, False)


async def test_a_password_in_an_errors_words_does_not_leave_with_it(dead_letters, find, topic):
    error = failed_by(OSError("no answer from postgresql://desk:hunter2@db/ticks"))
    letter = find(await dead_letters.put(received(topic), error, 1))
    assert not [name for name, value in letter.headers if value and b"hunter2" in value]


async def test_what_is_too_large_goes_without_its_traceback(kafka, dead_letters, find, topic):
    await dead_letters.put(received(topic), undecodable(), 1)  # the topic is known from now on
    kafka.push_errors(PRODUCE, TOO_LARGE)
    letter = find(await dead_letters.put(received(topic), undecodable(), 1))
    assert letter.failure.stacktrace is None
    assert (letter.value, letter.failure.code) == (b"garbage", "message-undecodable")


@pytest.mark.provokes("delivery-failed")
async def test_what_is_still_too_large_is_refused_so_that_its_offset_is_kept(
    kafka, dead_letters, telemetry, topic
):
    await dead_letters.put(received(topic), undecodable(), 1)
    kafka.push_errors(PRODUCE, TOO_LARGE, TOO_LARGE)
    with pytest.raises(DeliveryFailedError, match="could not be set aside") as raised:
        await dead_letters.put(received(topic), undecodable(), 1)
    told = raised.value.context
    assert (told["topic"], told["partition"], told["offset"]) == (topic, 2, 17)
    assert told["failed_with"] == "message-undecodable"
    assert "max.message.bytes" in raised.value.next_step
    assert counted(telemetry, DEAD_LETTERS, topic=topic, reason="wrong-magic") == 1


@pytest.mark.provokes("message-implausible")
async def test_an_implausible_message_is_quarantined_with_its_rule_and_numbers(
    producer, telemetry, find, topic, logs
):
    sent = await Quarantine(producer, telemetry).put(received(topic), CROSSED)
    letter = find(sent)
    assert (sent.topic, sent.partition) == (quarantine_topic(topic), 2)
    assert (letter.key, letter.value) == (b"SPY", b"garbage")
    assert letter.timestamp_ms == 1_600_000_000_123
    assert letter.headers == (
        *OWN,
        ("alchemiser.source-topic", topic.encode()),
        ("alchemiser.source-partition", b"2"),
        ("alchemiser.source-offset", b"17"),
        ("alchemiser.rule", b"crossed-book"),
        ("alchemiser.detail", b"The bid 2 is above the ask 1."),
        ("alchemiser.numbers", b'{"bid":2.0,"ask":1.0}'),
    )
    assert counted(telemetry, QUARANTINED, topic=topic, rule="crossed-book") == 1
    record = next(log for log in logs if log["event"] == "message_quarantined")
    assert (record["code"], record["rule"]) == ("message-implausible", "crossed-book")


@pytest.mark.provokes("message-implausible")
def test_numbers_that_json_does_not_know_are_words(topic):
    odd = Violation("non-finite", "A price is NaN", {"price": float("nan"), "bid": float("inf")})
    error = implausible(received(topic), odd)
    assert isinstance(error, MessageImplausibleError)
    assert error.context["numbers"] == {"price": "nan", "bid": "inf"}
    assert error.why == "A price is NaN."


@pytest.mark.provokes("delivery-failed")
async def test_a_quarantine_that_is_refused_says_what_was_to_go_there(kafka, producer, topic):
    quarantine = Quarantine(producer)
    await quarantine.put(received(topic), CROSSED)
    kafka.push_errors(PRODUCE, TOO_LARGE)
    with pytest.raises(DeliveryFailedError) as raised:
        await quarantine.put(received(topic), CROSSED)
    assert raised.value.context["failed_with"] == "message-implausible"
    assert raised.value.context["source"]["offset"] == 17


@pytest.mark.skipif(shutil.which("kcat") is None, reason="kcat is not installed")
async def test_kcat_reads_the_headers(kafka, dead_letters, topic):
    headers = (("trace", b"abc"),)
    await dead_letters.put(received(topic, headers=headers), undecodable(), 1)
    command = ["kcat", "-b", kafka.bootstrap, "-C", "-t", dead_letter_topic(topic), "-e", "-q"]
    read = subprocess.run(  # noqa: ASYNC221  nothing else runs in this loop
        [*command, "-f", r"%k|%s|%T|%h\n"],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    ).stdout
    key, value, at, told = read.rstrip("\n").split("|", 3)
    assert (key, value, at) == ("SPY", "garbage", "1600000000123")
    assert told.startswith(f"trace=abc,__connect.errors.topic={topic},__connect.errors.partition=2")
    assert "__connect.errors.offset=17" in told
    assert "__dlq.errors.group=desk,__dlq.errors.delivery.count=1" in told
    assert "alchemiser.code=message-undecodable,alchemiser.reason=wrong-magic" in told
