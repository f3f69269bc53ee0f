"""Raw messages to work: decoded, judged and counted in the order of their partition."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from confluent_kafka import Message

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.errors import AlchemiserError, MessageUndecodableError
from alchemiser_cli.faults import fault_point
from alchemiser_cli.market.columns import TickColumns
from alchemiser_cli.market.quality import Violation
from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.streaming.columnar import (
    FEWEST_FOR_COLUMNS,
    ColumnDecoder,
    DecodedColumns,
)
from alchemiser_cli.streaming.lanes import WorkItem
from alchemiser_cli.streaming.offsets import PartitionLease
from alchemiser_cli.streaming.poisoning import Poisoning, marked
from alchemiser_cli.streaming.positions import StartPositions
from alchemiser_cli.streaming.received import Received
from alchemiser_cli.streaming.watching import QualityWatch
from alchemiser_cli.telemetry import Histogram

__all__ = ["ColumnIntake", "ColumnWork", "Span", "TickIntake", "Transit", "ours", "received_from"]

_NS_PER_MS = 1_000_000

_DECODE = fault_point("streaming.decode")

Leases = dict[int, PartitionLease]


class Transit:
    """The time from the producer's stamp on a message to its arrival here.

    A message that is stamped with its event's own time is replayed: that it comes late says
    nothing.
    """

    def __init__(self, seconds: Histogram, clock: Clock) -> None:
        """Observe into ``seconds``."""
        self._seconds = seconds
        self._clock = clock

    def observe(self, timestamp_ms: int, event_time_ns: int) -> None:
        """Note one message that has just come; both times are UTC."""
        if timestamp_ms != event_time_ns // _NS_PER_MS:
            self.observe_since(timestamp_ms * _NS_PER_MS)

    def observe_since(self, made_ns: int) -> None:
        """Note one message that has just come and was made at ``made_ns``, UTC."""
        self._seconds.observe(max(0, self._clock.now_ns() - made_ns) / NS_PER_SECOND)


class _Intake:
    """What both ways of taking messages in need."""

    def __init__(
        self,
        topic: str,
        decoder: ColumnDecoder,
        positions: StartPositions,
        watch: QualityWatch,
        clock: Clock,
        transit: Transit | None = None,
    ) -> None:
        """Decode messages of ``topic`` with ``decoder`` and have ``watch`` look at all ticks."""
        self._transit = transit
        self._topic = topic
        self._decoder = decoder
        self._positions = positions
        self._watch = watch
        self._clock = clock

    def _decode(self, values: Sequence[bytes | None]) -> DecodedColumns:
        if _DECODE.armed is not None:
            return Poisoning(values).columns(self._decoder)
        return self._decoder.decode(values)

    def _decode_ticks(self, values: Sequence[bytes | None]) -> list[Tick | MessageUndecodableError]:
        if _DECODE.armed is not None:
            return Poisoning(values).ticks(self._decoder)
        return self._decoder.decode_ticks(values)


class TickIntake(_Intake):
    """Makes a ``WorkItem`` of each message."""

    def take(self, messages: Sequence[Message], leases: Leases) -> tuple[int, list[WorkItem]]:
        """Return the messages that are ours as work, in their order.

        Raises:
            RegistryUnreachableError: ``registry-unreachable``; nothing was counted yet.
        """
        taken_ns = self._clock.monotonic_ns()
        wanted = ours(messages, leases, self._positions)
        received = self._received(wanted)
        if self._transit is not None:
            for one in received:
                if one.tick is not None:
                    self._transit.observe(one.timestamp_ms, one.tick.event_time_ns)
        items = [WorkItem(one, leases[one.partition], taken_ns) for one in received]
        return len(items), items

    def _received(self, messages: Sequence[Message]) -> list[Received]:
        values = [message.value() for message in messages]
        topic, now_ns = self._topic, self._clock.now_ns()
        received = []
        if len(messages) < FEWEST_FOR_COLUMNS:
            see = self._watch.see
            for message, outcome in zip(messages, self._decode_ticks(values), strict=True):
                if isinstance(outcome, Tick):
                    violation = see(outcome, now_ns)
                    received.append(received_from(topic, message, outcome, None, violation))
                else:
                    received.append(_refused(topic, message, outcome))
            return received
        # Columns are looked at much faster, and give the same verdicts.
        decoded = self._decode(values)
        violations = dict(self._watch.see_columns(decoded.columns, now_ns))
        errors = dict(decoded.undecodable)
        ticks = enumerate(decoded.columns.ticks())
        for row, message in enumerate(messages):
            if row in errors:
                received.append(_refused(topic, message, errors[row]))
                continue
            index, tick = next(ticks)
            received.append(received_from(topic, message, tick, None, violations.get(index)))
        return received


class Span(NamedTuple):
    """The part of one partition in a batch: its first offset, and the one after its last."""

    lease: PartitionLease
    first: int
    following: int


@dataclass(frozen=True, slots=True, eq=False)
class ColumnWork:
    """A batch as columns, with what had to be taken out of it.

    ``columns`` are the good ticks, of shape ``(n,)`` each; ``rows`` (int64, ``(n,)``) are their
    indexes in ``messages``. ``aside`` are messages that do not decode or break a rule.
    """

    columns: TickColumns
    rows: npt.NDArray[np.int64]
    messages: Sequence[Message]
    aside: list[Received]
    spans: list[Span]
    taken_ns: int


class ColumnIntake(_Intake):
    """Makes ``ColumnWork`` of a batch."""

    def take(self, messages: Sequence[Message], leases: Leases) -> tuple[int, ColumnWork]:
        """Return the messages that are ours as columns.

        Raises:
            RegistryUnreachableError: ``registry-unreachable``; nothing was counted yet.
        """
        taken_ns = self._clock.monotonic_ns()
        wanted = ours(messages, leases, self._positions)
        decoded = self._decode([message.value() for message in wanted])
        columns, rows = decoded.columns, decoded.rows
        if self._transit is not None:
            for row, event_ns in zip(rows.tolist(), columns.event_time_ns.tolist(), strict=True):
                self._transit.observe(wanted[row].timestamp()[1], event_ns)
        violations = self._watch.see_columns(columns, self._clock.now_ns())
        aside = [_refused(self._topic, wanted[row], error) for row, error in decoded.undecodable]
        if violations:
            good = np.ones(len(columns), bool)
            good[[index for index, _ in violations]] = False
            broken = columns.take(~good).ticks()
            for tick, (index, violation) in zip(broken, violations, strict=True):
                message = wanted[int(rows[index])]
                aside.append(received_from(self._topic, message, tick, violation=violation))
            columns, rows = columns.take(good), rows[good]
        work = ColumnWork(columns, rows, wanted, aside, _spans(wanted, leases), taken_ns)
        return len(wanted), work


def ours(
    messages: Sequence[Message], leases: Leases, positions: StartPositions
) -> Sequence[Message]:
    """Leave out what is no longer ours, and what lies before the time to start from."""
    if positions.scanning or not leases.keys() >= {message.partition() for message in messages}:
        return [
            message
            for message in messages
            if message.partition() in leases and not positions.too_early(message)
        ]
    return messages


def received_from(
    topic: str,
    message: Message,
    tick: Tick | None = None,
    undecodable: AlchemiserError | None = None,
    violation: Violation | None = None,
) -> Received:
    """Return a message of ``topic`` as it came."""
    return Received(
        topic,
        message.partition() or 0,
        message.offset() or 0,
        message.timestamp()[1],
        message.key(),
        message.value(),
        message.headers() or (),  # type: ignore[arg-type]  # a dict is only for sending
        tick,
        undecodable,
        violation,
    )


def _refused(topic: str, message: Message, error: MessageUndecodableError) -> Received:
    received = received_from(topic, message, undecodable=error)
    marked(error, received.headers)
    return received


def _spans(messages: Sequence[Message], leases: Leases) -> list[Span]:
    """Return each partition's part; within a partition, messages come in order."""
    last: dict[int, int] = {message.partition() or 0: at for at, message in enumerate(messages)}
    first: dict[int, int] = {}
    for at, message in enumerate(messages):
        if first.setdefault(message.partition() or 0, at) == at and len(first) == len(last):
            break
    return [
        Span(leases[one], messages[first[one]].offset() or 0, (messages[at].offset() or 0) + 1)
        for one, at in last.items()
    ]
