"""Dead letters of four programs are understood, and anything else is survived."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.errors import MessageUndecodableError
from alchemiser_cli.streaming.dead_letters.families import failure_of
from alchemiser_cli.streaming.dead_letters.headers import failure_headers
from alchemiser_cli.streaming.received import Received

OWN = (("trace", b"abc"), ("trace", None))
FAILED_AT = "2026-01-05T14:30:00.000000+00:00"

# As org.apache.kafka.connect.runtime.errors.DeadLetterQueueReporter writes them.
CONNECT = (
    ("__connect.errors.topic", b"orders"),
    ("__connect.errors.partition", b"3"),
    ("__connect.errors.offset", b"1234567890123"),
    ("__connect.errors.connector.name", b"sink"),
    ("__connect.errors.task.id", b"0"),
    ("__connect.errors.stage", b"VALUE_CONVERTER"),
    ("__connect.errors.class.name", b"io.confluent.connect.avro.AvroConverter"),
    ("__connect.errors.exception.class.name", b"org.apache.kafka.connect.errors.DataException"),
    ("__connect.errors.exception.message", b"Failed to deserialize data"),
    ("__connect.errors.exception.stacktrace", b"org...DataException: Failed\n\tat x.Y.z(Y.java)\n"),
)
# As org.springframework.kafka.listener.DeadLetterPublishingRecoverer writes them.
SPRING = (
    ("kafka_dlt-exception-fqcn", b"o.s.k.listener.ListenerExecutionFailedException"),
    ("kafka_dlt-exception-cause-fqcn", b"com.desk.Book$CrossedException"),
    ("kafka_dlt-exception-message", b"Listener failed; crossed book"),
    ("kafka_dlt-exception-stacktrace", b"o.s.k...\n"),
    ("kafka_dlt-original-topic", b"orders"),
    ("kafka_dlt-original-partition", struct.pack(">i", 3)),
    ("kafka_dlt-original-offset", struct.pack(">q", 1234567890123)),
    ("kafka_dlt-original-timestamp", struct.pack(">q", 1600000000000)),
    ("kafka_dlt-original-consumer-group", b"desk"),
)
# As org.apache.kafka.streams.errors.ExceptionHandlerUtils writes them (KIP-1034).
STREAMS = (
    ("__streams.errors.exception", b"org.apache.kafka.common.errors.SerializationException: no"),
    ("__streams.errors.message", b"no"),
    ("__streams.errors.stacktrace", b"org...\n"),
    ("__streams.errors.topic", b"orders"),
    ("__streams.errors.partition", b"3"),
    ("__streams.errors.offset", b"1234567890123"),
)


@pytest.mark.parametrize(
    ("headers", "family", "reason", "message"),
    [
        (CONNECT, "connect", "DataException", "Failed to deserialize data"),
        (SPRING, "spring", "CrossedException", "Listener failed; crossed book"),
        (STREAMS, "streams", "SerializationException", "no"),
    ],
)
def test_another_programs_headers_tell_place_reason_and_what_is_the_messages_own(
    headers, family, reason, message
):
    told = failure_of((OWN[0], *headers, OWN[1]))
    assert (told.family, told.reason, told.message) == (family, reason, message)
    assert (told.topic, told.partition, told.offset) == ("orders", 3, 1234567890123)
    assert (told.code, told.redrives, told.originals) == (None, 0, OWN)


def our_headers(own, **context):
    received = Received("market.ticks", 2, 17, 0, b"SPY", b"garbage", own)
    error = MessageUndecodableError("it broke", why="It is old.", next_step="-", context=context)
    return failure_headers(received, error, group="desk", deliveries=4, failed_at=FAILED_AT)


def test_our_own_headers_tell_everything():
    told = failure_of([*OWN, *our_headers(OWN, reason="wrong-magic", schema_id=7)])
    assert told.family == "alchemiser"
    assert (told.topic, told.partition, told.offset) == ("market.ticks", 2, 17)
    assert (told.code, told.reason) == ("message-undecodable", "wrong-magic")
    assert (told.group, told.deliveries, told.schema_id) == ("desk", 4, 7)
    assert (told.stage, told.message) == ("VALUE_CONVERTER", "it broke: It is old.")
    assert told.exception == "alchemiser_cli.errors.streaming.MessageUndecodableError"
    assert "MessageUndecodableError: it broke" in told.stacktrace
    assert (told.first_failed_at, told.redrives, told.originals) == (FAILED_AT, 0, OWN)


def test_a_message_from_anothers_dead_letters_keeps_their_headers_as_its_own():
    own = (*OWN, *CONNECT, *SPRING)
    told = failure_of([*own, *our_headers(own)])
    assert (told.family, told.topic, told.originals) == ("alchemiser", "market.ticks", own)


def test_what_an_earlier_life_noted_stays():
    earlier = (
        ("alchemiser.first-failed-at", b"2025-12-24T00:00:00+00:00"),
        ("alchemiser.redrive-count", b"2"),
    )
    told = failure_of([*earlier, *our_headers(earlier)])
    assert (told.first_failed_at, told.redrives) == ("2025-12-24T00:00:00+00:00", 2)


def test_a_redriven_message_that_another_program_failed_on_keeps_its_count():
    assert failure_of([("alchemiser.redrive-count", b"3"), *CONNECT]).redrives == 3


def test_a_message_without_any_such_header_is_of_an_unknown_family():
    told = failure_of(OWN)
    assert (told.family, told.topic, told.originals) == ("unknown", None, OWN)


NAMES = sorted({name for name, _ in (*CONNECT, *SPRING, *STREAMS, *our_headers(()))})


@given(st.lists(st.tuples(st.sampled_from(NAMES) | st.text(), st.none() | st.binary(max_size=12))))
def test_any_headers_are_read_without_an_error(headers):
    told = failure_of(headers)
    assert told.redrives >= 0
    assert set(told.originals) <= set(headers)
