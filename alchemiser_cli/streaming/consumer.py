"""Consuming ticks: batch after batch, until told to stop; commits only what is finished."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import msgspec
from confluent_kafka import Message

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.errors import MessageUndecodableError
from alchemiser_cli.settings.sections import ConsumerSettings, KafkaSettings
from alchemiser_cli.streaming.batches import (
    Batch,
    BatchWorker,
    FailureCallback,
    Received,
    Tally,
    TickCallback,
)
from alchemiser_cli.streaming.codec import TickDecoder
from alchemiser_cli.streaming.membership import GroupMember, PartitionProgress
from alchemiser_cli.streaming.positions import Start, StartPositions
from alchemiser_cli.streaming.sequences import SequenceCounter

__all__ = ["ConsumeResult", "Consumer", "LatencyMs"]

_POLL_S = 0.1  # longest wait for a message before looking at the stop conditions
_NS_PER_MS = 1_000_000

Answer = TypeVar("Answer")


class LatencyMs(msgspec.Struct, frozen=True):
    """From the poll that took a message to the end of its callback; None without messages."""

    p50: float | None
    p99: float | None


class ConsumeResult(msgspec.Struct, frozen=True):
    """What one run of a consumer did.

    ``throughput_per_s`` counts from the poll that brought the first message to the end of the
    last batch, so waiting for more at the end does not lower it.
    """

    group: str
    topic: str
    consumed: int
    processed: int
    failed: int
    dead_lettered: int
    quarantined: int
    gaps: int
    duplicates: int
    partitions: list[PartitionProgress]
    throughput_per_s: float
    latency_ms: LatencyMs
    duration_s: float


class Consumer:
    """A consumer of one topic in the group of its settings."""

    def __init__(
        self,
        kafka: KafkaSettings,
        settings: ConsumerSettings,
        bootstrap: str,
        topic: str,
        decoder: TickDecoder,
        clock: Clock,
    ) -> None:
        """Prepare a consumer of ``topic``; nothing is contacted yet."""
        self._kafka = kafka
        self._settings = settings
        self._bootstrap = bootstrap
        self._topic = topic
        self._decoder = decoder
        self._clock = clock

    async def run(
        self,
        on_tick: TickCallback,
        *,
        start: Start = "committed",
        max_messages: int | None = None,
        until_idle_s: float | None = None,
        stop: Callable[[], bool] = lambda: False,
        on_failed: FailureCallback | None = None,
        on_progress: Callable[[int, int | None], None] | None = None,
    ) -> ConsumeResult:
        """Consume until a stop condition holds, then commit and leave the group.

        Args:
            on_tick: awaited for each tick, for different keys at once and for one key in order,
                for at most ``callback_timeout_s``. What it raises fails that message only.
            start: "earliest", "latest", "committed" (the earliest where nothing was committed)
                or a time in UTC nanoseconds; it holds for the first assignment of a partition.
            max_messages: end after this many.
            until_idle_s: end when no message came for so long, counted from the assignment.
            stop: looked at between batches, and some ten times a second while idle.
            on_failed: awaited for each failed message before its offset is committed; if it
                raises, the run ends with that error and the offset is not committed.
            on_progress: told the messages consumed so far, and ``max_messages``.

        Raises:
            BrokerUnreachableError: ``broker-unreachable`` after ``request_timeout_s``.
            TopicMissingError: ``topic-missing``.
            ConsumerGroupUnreadableError: ``consumer-group-unreadable``.
            RegistryUnreachableError: ``registry-unreachable``; that batch is not committed.
        """
        started_ns = self._clock.monotonic_ns()
        positions = StartPositions(start, self._kafka.request_timeout_s)
        member = GroupMember(self._kafka, self._settings, self._bootstrap, self._topic, positions)
        worker = BatchWorker(
            on_tick, on_failed, member.offsets, self._settings.callback_timeout_s, self._clock
        )
        sequences = SequenceCounter()
        idle = _Idle(until_idle_s, self._clock)
        busy = _Busy()
        # librdkafka's consumer is used by this one thread, from the join to the farewell.
        with ThreadPoolExecutor(1, "alchemiser-consumer") as thread:
            await _on(thread, member.join)
            try:
                while not (stop() or idle.over(member.assigned)):
                    most = _room(self._settings.batch_size, max_messages, worker.tally.consumed)
                    if most == 0:
                        break
                    asked_ns = self._clock.monotonic_ns()
                    batch = await _on(thread, partial(self._take, member, positions, most))
                    if not batch.messages:
                        continue
                    for message in batch.messages:
                        if message.tick is not None:
                            sequences.see(message.tick)
                    await worker.work(batch)
                    await _on(thread, member.commit)
                    idle.again()
                    busy.note(asked_ns, self._clock.monotonic_ns())
                    if on_progress is not None:
                        on_progress(worker.tally.consumed, max_messages)
            finally:
                partitions = await asyncio.shield(_on(thread, member.leave))
        duration_s = (self._clock.monotonic_ns() - started_ns) / NS_PER_SECOND
        return self._result(worker.tally, sequences, partitions, busy, duration_s)

    def _take(self, member: GroupMember, positions: StartPositions, most: int) -> Batch:
        while messages := member.take(most, _POLL_S):
            taken_ns = self._clock.monotonic_ns()
            received = [
                self._received(message)
                for message in messages
                if not positions.too_early(_place(message), message.timestamp()[1])
            ]
            if received:
                return Batch(received, taken_ns)
        return Batch((), self._clock.monotonic_ns())

    def _received(self, message: Message) -> Received:
        tick = undecodable = None
        try:
            tick = self._decoder.decode(message.value())
        except MessageUndecodableError as error:
            undecodable = error
        topic, partition = _place(message)
        return Received(
            topic=topic,
            partition=partition,
            offset=message.offset() or 0,
            timestamp_ms=message.timestamp()[1],
            key=message.key(),
            value=message.value(),
            tick=tick,
            undecodable=undecodable,
        )

    def _result(
        self,
        tally: Tally,
        sequences: SequenceCounter,
        partitions: list[PartitionProgress],
        busy: "_Busy",
        duration_s: float,
    ) -> ConsumeResult:
        return ConsumeResult(
            group=self._settings.group,
            topic=self._topic,
            consumed=tally.consumed,
            processed=tally.processed,
            failed=tally.failed,
            dead_lettered=0,
            quarantined=0,
            gaps=sequences.gaps,
            duplicates=sequences.duplicates,
            partitions=partitions,
            throughput_per_s=tally.consumed / busy.seconds if busy.seconds else 0.0,
            latency_ms=_latency(sorted(tally.latencies_ns)),
            duration_s=duration_s,
        )


class _Idle:
    """How long no message came, from the assignment on."""

    def __init__(self, limit_s: float | None, clock: Clock) -> None:
        self._limit_s = limit_s
        self._clock = clock
        self._since_ns: int | None = None

    def again(self) -> None:
        self._since_ns = self._clock.monotonic_ns()

    def over(self, assigned: bool) -> bool:
        if self._limit_s is None or not assigned:
            return False
        if self._since_ns is None:
            self.again()
            return False
        return self._clock.monotonic_ns() - self._since_ns >= self._limit_s * NS_PER_SECOND


class _Busy:
    """The span from the first batch to the last."""

    def __init__(self) -> None:
        self._first_ns: int | None = None
        self._last_ns = 0

    def note(self, began_ns: int, ended_ns: int) -> None:
        if self._first_ns is None:
            self._first_ns = began_ns
        self._last_ns = ended_ns

    @property
    def seconds(self) -> float:
        return 0.0 if self._first_ns is None else (self._last_ns - self._first_ns) / NS_PER_SECOND


async def _on(thread: ThreadPoolExecutor, call: Callable[[], Answer]) -> Answer:
    return await asyncio.get_running_loop().run_in_executor(thread, call)


def _room(batch_size: int, max_messages: int | None, consumed: int) -> int:
    return batch_size if max_messages is None else min(batch_size, max_messages - consumed)


def _place(message: Message) -> tuple[str, int]:
    return message.topic() or "", message.partition() or 0


def _latency(sorted_ns: list[int]) -> LatencyMs:
    if not sorted_ns:
        return LatencyMs(None, None)
    last = len(sorted_ns) - 1
    p50, p99 = (sorted_ns[round(last * share)] / _NS_PER_MS for share in (0.5, 0.99))
    return LatencyMs(p50=p50, p99=p99)
