"""Whatever bytes come, the consumer accounts for each message, and dead letters are verbatim.

``CRASH=full`` sends 100,000 mutated messages, otherwise 2,000.
"""

import os
import random
import struct
from collections import Counter

import pytest
from confluent_kafka import Consumer as Client
from confluent_kafka import KafkaError, Producer, TopicPartition

from alchemiser_cli.clock import SystemClock
from alchemiser_cli.errors import DeadLetterStormError, DeliveryFailedError
from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.pipeline.streams import ConsumeLimits, consume_ticks
from alchemiser_cli.settings import Settings
from alchemiser_cli.settings.sections import RegistrySettings
from alchemiser_cli.streaming import Cluster, TickEncoder, open_registry, value_subject
from alchemiser_cli.testing.kafka import embedded_kafka

MESSAGES = 100_000 if os.environ.get("CRASH") == "full" else 2_000
ROUND = 5_000  # the embedded Kafka keeps 5 MiB a partition, dead letters with their headers too
TOPIC, PARTITIONS = "market.ticks", 4
PRODUCE = 0  # Kafka's API key
DEEP = b"\0" + b"[" * 100_000
SYMBOLS = ("SPY", "QQQ", "IWM", "DIA", "JPM")


@pytest.fixture
def kafka():
    with embedded_kafka(TOPIC, partitions=PARTITIONS) as running:
        yield running


@pytest.fixture
def encoder(schemas):
    return TickEncoder(open_registry(RegistrySettings(), schemas), value_subject(TOPIC))


@pytest.fixture
def schemas(tmp_path):
    return f"file:{tmp_path / 'schemas'}"


@pytest.fixture
def consume(kafka, schemas):
    """Run the whole pipeline over what is in the topic; return its result and the ticks."""

    def run(count, **letters):
        settings = Settings.model_validate(
            {
                "kafka": {"mode": "external", "bootstrap": kafka.bootstrap},
                "registry": {"url": schemas},
                "consumer": {"group": "accountants"},
                "dead_letters": letters,
            }
        )
        ticks = []

        async def keep(tick, _):
            ticks.append(tick)

        result = consume_ticks(
            settings,
            Cluster(kafka.bootstrap, "own", kafka),
            SystemClock(),
            keep,
            topic=TOPIC,
            limits=ConsumeLimits(max_messages=count, until_idle_s=1.0),
        )
        return result, ticks

    return run


def tick(sequence, symbol="SPY", **changes):
    fields = {
        "symbol": symbol,
        "venue": "XNYS",
        "kind": "quote",
        "sequence": sequence,
        "event_time_ns": 1_600_000_000_000_000_000 + sequence,
        "price": 100.0,
        "bid": 99.0,
        "ask": 101.0,
    }
    return Tick(**(fields | changes))


def send(kafka, values):
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "message.max.bytes": 4_000_000})
    for number, value in enumerate(values):
        producer.produce(TOPIC, value, key=SYMBOLS[number % len(SYMBOLS)].encode())
        producer.poll(0)
    assert producer.flush(30) == 0


def values_of(kafka, topic, partitions=PARTITIONS):
    """Read a whole topic, as anyone would: the values, each as it lies there."""
    client = Client(
        {"bootstrap.servers": kafka.bootstrap, "group.id": "reader", "fetch.wait.max.ms": 10}
    )
    places = [TopicPartition(topic, number, 0) for number in range(partitions)]
    client.assign(places)
    ends = [client.get_watermark_offsets(place, timeout=5)[1] for place in places]
    values = []
    while len(values) < sum(ends):
        values += [message.value() for message in client.consume(500, timeout=0.1)]
    client.close()
    return values


@pytest.mark.provokes("message-undecodable", "message-implausible")
def test_every_kind_of_bad_message_is_set_aside_verbatim_and_the_good_ones_get_through(
    kafka, encoder, consume
):
    good = [encoder.encode(tick(number)) for number in range(1, 41)]
    bad = {
        "truncated": good[0][:-3],
        "wrong magic": b"\1" + good[0][1:],
        "unknown schema": b"\0" + (999_999).to_bytes(4, "big") + good[0][5:],
        "wrong schema": good[0][:5] + b"\x02\x00",
        "1 MB of garbage": random.Random(1).randbytes(1_000_000),  # noqa: S311  no secret
        "tombstone": None,
        "empty": b"",
        "deep nesting": DEEP,
        "trailing": good[0] + b"\0",
    }
    crossed = encoder.encode(tick(41, bid=102.0))
    send(kafka, [*good[:20], *bad.values(), crossed, *good[20:]])
    result, ticks = consume(50)
    assert (result.consumed, result.processed) == (50, 40)
    assert (result.failed, result.dead_lettered, result.quarantined) == (9, 9, 1)
    assert {one.sequence for one in ticks} == set(range(1, 41))
    assert Counter(values_of(kafka, f"{TOPIC}.dlq")) == Counter(bad.values())
    assert values_of(kafka, f"{TOPIC}.quarantine") == [crossed]
    assert sum(place.committed_offset or 0 for place in result.partitions) == 50


@pytest.mark.provokes("dead-letter-storm")
def test_a_topic_that_fails_as_a_whole_stops_the_consumer_and_is_not_set_aside(
    kafka, encoder, consume
):
    send(kafka, [b"garbage"] * 100)
    with pytest.raises(DeadLetterStormError):
        consume(100, max_consecutive=10)
    assert len(values_of(kafka, f"{TOPIC}.dlq")) < 10
    result, _ = consume(100 - len(values_of(kafka, f"{TOPIC}.dlq")), max_consecutive=1_000)
    assert result.dead_lettered == result.consumed  # the next run begins where this one stopped


@pytest.mark.parametrize(
    "error",
    [KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.REQUEST_TIMED_OUT, KafkaError._TRANSPORT],
)
def test_dead_letters_that_cannot_be_written_for_a_while_are_written_then(
    kafka, encoder, consume, error
):
    good = [encoder.encode(tick(number)) for number in range(1, 21)]
    send(kafka, [*good[:10], b"poison", *good[10:]])
    kafka.push_errors(PRODUCE, *[error] * 3)
    result, _ = consume(21)
    assert (result.processed, result.dead_lettered) == (20, 1)
    assert values_of(kafka, f"{TOPIC}.dlq") == [b"poison"]


@pytest.mark.provokes("delivery-failed")
def test_a_message_whose_dead_letter_is_refused_comes_again_with_the_next_run(
    kafka, encoder, consume
):
    good = [encoder.encode(tick(number)) for number in range(1, 21)]
    send(kafka, [*good[:10], b"poison", *good[10:]])
    kafka.push_errors(PRODUCE, KafkaError.TOPIC_AUTHORIZATION_FAILED)
    with pytest.raises(DeliveryFailedError):
        consume(21)
    assert values_of(kafka, f"{TOPIC}.dlq") == []
    result, _ = consume(21)
    assert result.dead_lettered == 1
    assert values_of(kafka, f"{TOPIC}.dlq") == [b"poison"]
    assert sum(place.committed_offset or 0 for place in result.partitions) == 21


def mutated(chance, data):
    data = bytearray(data)
    begin = chance.randrange(len(data))
    match chance.randrange(8):
        case 0:
            data[begin] ^= 1 << chance.randrange(8)
        case 1:
            del data[begin : begin + chance.randint(1, 9)]
        case 2:
            data[begin:begin] = chance.randbytes(chance.randint(1, 9))
        case 3:
            data[begin : begin + 8] = struct.pack("<d", chance.choice([float("nan"), 1e308, -1.0]))
        case 4:
            data[begin : begin + 10] = b"\xff" * chance.randint(8, 12)
        case 5:
            return chance.randbytes(chance.randint(0, 64))
        case _:
            pass  # as it was
    return bytes(data)


@pytest.mark.parametrize("start", range(0, MESSAGES, ROUND))
@pytest.mark.provokes("message-undecodable")
def test_of_mutated_messages_each_is_accounted_for_once(kafka, encoder, consume, start):
    chance = random.Random(start)  # noqa: S311  no secret; the same mutations every time
    count = min(ROUND, MESSAGES - start)
    values = [
        mutated(chance, encoder.encode(tick(start + number, chance.choice(SYMBOLS))))
        for number in range(1, count + 1)
    ]
    send(kafka, values)
    result, ticks = consume(count, max_consecutive=10**9, ratio_window=10**9)
    assert result.consumed == count
    assert result.processed + result.dead_lettered + result.quarantined == count
    assert result.failed == result.dead_lettered
    assert len(ticks) == result.processed
    sent = Counter(values)
    dead = Counter(values_of(kafka, f"{TOPIC}.dlq"))
    aside = Counter(values_of(kafka, f"{TOPIC}.quarantine"))
    assert (dead.total(), aside.total()) == (result.dead_lettered, result.quarantined)
    assert dead + aside <= sent, "something was set aside that is not as it was sent"
    assert min(dead.total(), len(ticks)) > count // 10
