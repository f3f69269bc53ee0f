"""What a run of a consumer did, at its end and while it goes on."""

import msgspec

__all__ = [
    "ConsumeResult",
    "ConsumerSnapshot",
    "EventsResult",
    "LatencyMs",
    "PartitionProgress",
    "Tally",
]


class PartitionProgress(msgspec.Struct, frozen=True):
    """How far the group is in one partition.

    ``committed_offset`` is the next to read, None where nothing was committed; ``lag`` counts
    the messages after it, None where the broker did not tell.
    """

    topic: str
    partition: int
    committed_offset: int | None
    lag: int | None


class LatencyMs(msgspec.Struct, frozen=True):
    """From the poll that took a message to the end of its callback; None without messages."""

    p50: float | None
    p99: float | None


class Tally(msgspec.Struct):
    """What became of all messages so far.

    ``consumed = processed + failed + quarantined + conflated + skipped``, once nothing is under
    way. ``dead_lettered`` are those of ``failed`` that a dead-letter topic has acknowledged,
    ``skipped`` those of a type that nobody wants.
    """

    consumed: int = 0
    processed: int = 0
    failed: int = 0
    dead_lettered: int = 0
    quarantined: int = 0
    conflated: int = 0
    skipped: int = 0


class ConsumeResult(msgspec.Struct, frozen=True):
    """What one run of a consumer did.

    ``throughput_per_s`` counts from the poll that brought the first message to the end of the
    last batch, so waiting for more at the end does not lower it. ``gaps`` are sequences that
    never came, ``duplicates`` came twice, ``reordered`` came late but within the window.
    """

    group: str
    topic: str
    consumed: int
    processed: int
    failed: int
    dead_lettered: int
    quarantined: int
    conflated: int
    gaps: int
    duplicates: int
    reordered: int
    rejoined: int
    partitions: list[PartitionProgress]
    throughput_per_s: float
    latency_ms: LatencyMs
    duration_s: float


class EventsResult(ConsumeResult, frozen=True, kw_only=True):
    """What one run of a consumer of events did; ``skipped`` were of types that nobody wants."""

    skipped: int


class ConsumerSnapshot(msgspec.Struct, frozen=True):
    """A consumer while it runs: totals, the rate of late, and what is open.

    ``lag`` is the number of messages behind the end of our partitions as far as the last
    fetches told, ``stale`` the symbols that should have come and did not.
    """

    consumed: int
    processed: int
    failed: int
    dead_lettered: int
    quarantined: int
    conflated: int
    gaps: int
    duplicates: int
    reordered: int
    under_way: int
    rate_per_s: float
    lag: int | None
    latency_ms: LatencyMs
    partitions: int
    paused: bool
    waiting_for: str
    stale: list[str]
    limit: int | None
