"""How fast the consumer is beside the usual loops, how late, and whether its memory grows.

Everything runs against the embedded Kafka in this process. The baselines are what a user of
confluent-kafka writes: *A* takes batches of 500, decodes them with ``AvroDeserializer`` and
gathers one coroutine a message; *B* takes batches of 500 and does not look at them.
"""

import asyncio
import gc
import os
import statistics
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import Message, Producer

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.market.columns import TickColumns
from alchemiser_cli.market.quality import LatencyHistogram
from alchemiser_cli.market.ticks import Tick, tick_schema
from alchemiser_cli.settings.sections import ConsumerSettings, KafkaSettings, RegistrySettings
from alchemiser_cli.streaming.clients import consumer_client
from alchemiser_cli.streaming.codec import TickEncoder
from alchemiser_cli.streaming.consumer import Consumer
from alchemiser_cli.streaming.embedded import EmbeddedKafka
from alchemiser_cli.streaming.producer import TickProducer
from alchemiser_cli.streaming.received import Received
from alchemiser_cli.streaming.registry import SchemaRegistry, open_registry, value_subject
from alchemiser_cli.streaming.results import ConsumerSnapshot

__all__ = [
    "ConsumerLatency",
    "ConsumerMemory",
    "ConsumerSpeed",
    "measure_latency",
    "measure_memory",
    "measure_speed",
]

TOPIC = "bench.ticks"
PARTITIONS = 4
SYMBOLS = 50
BATCH = 500
COLUMNS_BATCH = 2_000
_MS_PER_SECOND = 1_000
_PACE_S = 0.01
_IN_FLIGHT = 20_000  # messages that the embedded cluster holds before the consumer has them


class ConsumerSpeed(msgspec.Struct, frozen=True):
    """Medians in messages a second, taken in turns in one run."""

    messages: int
    rounds: int
    gather_per_s: float
    bare_per_s: float
    ticks_per_s: float
    columns_per_s: float


class ConsumerLatency(msgspec.Struct, frozen=True):
    """Milliseconds from before a tick is sent to inside its callback, at ``rate_per_s``."""

    rate_per_s: int
    messages: int
    p50_ms: float
    p99_ms: float


class ConsumerMemory(msgspec.Struct, frozen=True):
    """Resident memory in megabytes after the first tenth of the messages and after all."""

    messages: int
    early_mb: float
    late_mb: float
    messages_per_s: float


def measure_speed(clock: Clock, messages: int = 200_000, rounds: int = 3) -> ConsumerSpeed:
    """Consume the same ``messages`` in the four ways, ``rounds`` times in turns."""
    with _bench() as bench:
        bench.fill(messages)
        ways = {
            "gather": bench.gather,
            "bare": bench.bare,
            "ticks": bench.ticks,
            "columns": bench.columns,
        }
        taken: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(rounds):
            for name, way in ways.items():
                gc.collect()
                taken[name].append(way(f"{name}-{number}", messages, clock))
    medians = {f"{name}_per_s": statistics.median(rates) for name, rates in taken.items()}
    return ConsumerSpeed(messages, rounds, **medians)


def measure_latency(
    clock: Clock, rate_per_s: int = 1_000, seconds: float = 10.0
) -> ConsumerLatency:
    """Send ticks at a steady rate and take the time until their callbacks begin.

    The first second, in which the consumer finds its place, does not count.
    """
    histogram = LatencyHistogram()
    seen, count = 0, rate_per_s + round(rate_per_s * seconds)
    with _bench() as bench:

        async def note(tick: Tick, _received: Received) -> None:
            nonlocal seen
            seen += 1
            if seen <= rate_per_s:
                return
            histogram.record((clock.now_ns() - tick.event_time_ns) / NS_PER_SECOND)

        sender = threading.Thread(target=bench.send_steadily, args=(count, rate_per_s, clock))
        consumer = bench.consumer("latency", clock)

        async def run() -> None:
            begun = False

            def once_assigned(snapshot: ConsumerSnapshot) -> None:
                nonlocal begun
                if not begun and snapshot.partitions:
                    begun = True
                    sender.start()

            await consumer.run(note, max_messages=count, on_snapshot=once_assigned)

        asyncio.run(run())
        sender.join()
    p50, p99 = (histogram.percentile(share) or 0.0 for share in (50, 99))
    return ConsumerLatency(rate_per_s, histogram.count, p50 * _MS_PER_SECOND, p99 * _MS_PER_SECOND)


def measure_memory(clock: Clock, messages: int = 1_000_000) -> ConsumerMemory:
    """Consume ``messages`` while they are sent, and compare resident memory."""
    early = 0.0
    seen = 0
    tenth = messages // 10
    room = threading.Semaphore(_IN_FLIGHT)

    with _bench() as bench:

        async def note(_tick: Tick, _received: Received) -> None:
            nonlocal early, seen
            seen += 1
            room.release()
            if seen == tenth:
                early = _resident_megabytes()

        sender = threading.Thread(target=bench.send_following, args=(messages, room), daemon=True)
        sender.start()
        run = bench.consumer("memory", clock).run(note, max_messages=messages)
        result = asyncio.run(run)
        sender.join()
        late = _resident_megabytes()
    return ConsumerMemory(messages, early, late, result.throughput_per_s)


class _Bench:
    """An embedded cluster with one topic, and the four ways to read it."""

    def __init__(self, kafka: EmbeddedKafka, registry: SchemaRegistry) -> None:
        self._bootstrap = kafka.bootstrap
        self._kafka = KafkaSettings(mode="external", bootstrap=kafka.bootstrap)
        self._registry = registry
        self._encoder = TickEncoder(registry, value_subject(TOPIC))

    def fill(self, messages: int) -> None:
        producer = self._producer()
        for number in range(messages):
            self._send(producer, number)
        producer.flush()

    def send_following(self, messages: int, room: threading.Semaphore) -> None:
        producer = self._producer()
        for number in range(messages):
            room.acquire()
            self._send(producer, number)
        producer.flush()

    def send_steadily(self, count: int, rate_per_s: int, clock: Clock) -> None:
        with TickProducer(self._kafka, self._bootstrap, TOPIC, self._encoder, clock) as producer:
            began_ns, sent = clock.monotonic_ns(), 0
            while sent < count:
                due = (clock.monotonic_ns() - began_ns) * rate_per_s // NS_PER_SECOND
                while sent < min(due, count):
                    producer.send(_tick(sent, clock.now_ns()))
                    sent += 1
                producer.poll()
                clock.sleep(_PACE_S / 10)

    def consumer(self, group: str, clock: Clock, batch_size: int = BATCH) -> Consumer:
        settings = ConsumerSettings(group=group, batch_size=batch_size)
        return Consumer(self._kafka, settings, self._bootstrap, TOPIC, self._registry, clock)

    def ticks(self, group: str, messages: int, clock: Clock) -> float:
        async def take(_tick: Tick, _received: Received) -> None:
            pass

        run = self.consumer(group, clock).run(take, max_messages=messages)
        return asyncio.run(run).throughput_per_s

    def columns(self, group: str, messages: int, clock: Clock) -> float:
        async def take(_columns: TickColumns) -> None:
            pass

        consumer = self.consumer(group, clock, COLUMNS_BATCH)
        return asyncio.run(consumer.run_columns(take, max_messages=messages)).throughput_per_s

    def bare(self, group: str, messages: int, clock: Clock) -> float:
        return self._loop(group, messages, clock, lambda _messages: None)

    def gather(self, group: str, messages: int, clock: Clock) -> float:
        from confluent_kafka.schema_registry.avro import AvroDeserializer
        from confluent_kafka.serialization import MessageField, SerializationContext

        deserialize = AvroDeserializer(_library_registry(), tick_schema())
        where = SerializationContext(TOPIC, MessageField.VALUE)

        async def take(_record: object) -> None:
            pass

        async def work(batch: list[bytes]) -> None:
            await asyncio.gather(*(take(deserialize(value, where)) for value in batch))

        with asyncio.Runner() as runner:
            return self._loop(
                group,
                messages,
                clock,
                lambda taken: runner.run(work([one.value() or b"" for one in taken])),
            )

    def _loop(
        self, group: str, messages: int, clock: Clock, work: Callable[[list[Message]], object]
    ) -> float:
        settings = ConsumerSettings(group=group)
        consumer = consumer_client(self._kafka, settings, self._bootstrap, embedded=True)
        consumer.subscribe([TOPIC])
        seen, began_ns = 0, 0
        while seen < messages:
            asked_ns = clock.monotonic_ns()
            taken = consumer.consume(BATCH, timeout=1.0)
            if taken:
                began_ns = began_ns or asked_ns
                work(taken)
                seen += len(taken)
        ended_ns = clock.monotonic_ns()
        consumer.close()
        return seen * NS_PER_SECOND / (ended_ns - began_ns)

    def _producer(self) -> Producer:
        return Producer(
            {
                "bootstrap.servers": self._bootstrap,
                "linger.ms": 20,
                "compression.type": "lz4",
                "queue.buffering.max.messages": 1_000_000,
            }
        )

    def _send(self, producer: Producer, number: int) -> None:
        tick = _tick(number, 1_600_000_000 * NS_PER_SECOND + number)
        producer.produce(TOPIC, self._encoder.encode(tick), key=tick.symbol.encode())
        if number % BATCH == 0:
            producer.poll(0)


@contextmanager
def _bench() -> Iterator[_Bench]:
    with EmbeddedKafka() as kafka:
        kafka.create_topic(TOPIC, PARTITIONS)
        yield _Bench(kafka, open_registry(RegistrySettings(), "memory:"))


def _tick(number: int, at_ns: int) -> Tick:
    return Tick(
        symbol=f"SYM{number % SYMBOLS}",
        venue="XNYS",
        kind="trade",
        sequence=number // SYMBOLS + 1,
        event_time_ns=at_ns,
        price=100.0 + number % 7 / 10,
        size=1.0,
        bid=99.0,
        ask=101.0,
    )


def _library_registry() -> Any:
    """Return confluent-kafka's registry without a server; every id is the tick's schema."""
    from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

    client: Any = SchemaRegistryClient.new_client({"url": "mock://"})
    schema = Schema(tick_schema(), "AVRO")
    client.register_schema(value_subject(TOPIC), schema)
    client.get_schema = lambda *_, **__: schema
    return client


def _resident_megabytes() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
