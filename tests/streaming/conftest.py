"""Real parts: an embedded Kafka, a folder registry, a system clock."""

import asyncio
import socket

import pytest

from alchemiser_cli.clock import SystemClock
from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.settings.sections import ConsumerSettings, RegistrySettings
from alchemiser_cli.streaming import (
    Consumer,
    TickDecoder,
    TickEncoder,
    TickProducer,
    open_registry,
    value_subject,
)
from alchemiser_cli.telemetry import SILENT
from alchemiser_cli.testing.kafka import embedded_kafka, settings_for

TOPIC = "market.ticks"


@pytest.fixture
def topic():
    return TOPIC


@pytest.fixture
def kafka():
    with embedded_kafka(TOPIC) as running:
        yield running


@pytest.fixture
def kafka_settings(kafka):
    return settings_for(kafka)


@pytest.fixture
def clock():
    return SystemClock()


@pytest.fixture
def registry(tmp_path):
    return open_registry(RegistrySettings(), f"file:{tmp_path / 'schemas'}")


@pytest.fixture
def encoder(registry):
    return TickEncoder(registry, value_subject(TOPIC))


@pytest.fixture
def decoder(registry):
    return TickDecoder(registry)


@pytest.fixture
def make_tick():
    def make(sequence=1, symbol="SPY", **changes):
        fields = {
            "symbol": symbol,
            "venue": "XNYS",
            "kind": "bar",
            "sequence": sequence,
            "event_time_ns": 1_600_000_000_000_000_000 + sequence * 1_000_000_000,
            "price": 100.0 + sequence,
        }
        return Tick(**(fields | changes))

    return make


@pytest.fixture
def make_ticks(make_tick):
    def make(count, symbols=("SPY",)):
        return [make_tick(n, symbol) for n in range(1, count + 1) for symbol in symbols]

    return make


@pytest.fixture
def send(kafka, kafka_settings, encoder, clock):
    """Send ticks and wait until they are acknowledged."""

    def send_all(ticks):
        with TickProducer(kafka_settings, kafka.bootstrap, TOPIC, encoder, clock) as producer:
            for tick in ticks:
                producer.send(tick)
            producer.flush(10)

    return send_all


@pytest.fixture
def make_consumer(kafka, kafka_settings, registry, clock):
    def make(group="testers", registry=registry, quality=None, telemetry=SILENT, **changes):
        settings = ConsumerSettings(group=group, **changes)
        return Consumer(
            kafka_settings,
            settings,
            kafka.bootstrap,
            TOPIC,
            registry,
            clock,
            quality=quality,
            telemetry=telemetry,
        )

    return make


@pytest.fixture
def until():
    """Wait until a condition holds, for at most a minute."""

    async def wait(condition):
        async with asyncio.timeout(60):
            while not condition():  # noqa: ASYNC110  the condition is another thread's work
                await asyncio.sleep(0.01)  # allow no-bare-sleep: polls with the deadline above

    return wait


@pytest.fixture
def closed_port():
    """A loopback port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
