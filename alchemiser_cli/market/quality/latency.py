"""The way of a tick from the exchange to the callback, and how long each leg took."""

import msgspec

from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.telemetry import SILENT, Telemetry
from alchemiser_cli.telemetry.names import (
    EMIT_LATENCY_SECONDS,
    ENQUEUE_DELAY_SECONDS,
    TRANSIT_SECONDS,
)

__all__ = ["Latencies", "LatencyMeter", "latencies"]

NS_PER_MS = 1_000_000


class Latencies(msgspec.Struct, frozen=True, kw_only=True):
    """The legs of one tick's way in seconds; None where one end of a leg is not known.

    ``enqueue_s`` is from the event at the exchange to the producer, ``emit_s`` from the producer
    to the broker's acknowledgement, ``transit_s`` from the message's timestamp to the consumer,
    ``handle_s`` from the consumer to the callback's end, ``total_s`` from the event to the
    callback's end. A leg between two clocks is negative where they disagree by more than it took.
    """

    enqueue_s: float | None = None
    emit_s: float | None = None
    transit_s: float | None = None
    handle_s: float | None = None
    total_s: float | None = None


def latencies(
    *,
    event_time_ns: int | None = None,
    produced_ns: int | None = None,
    acknowledged_ns: int | None = None,
    timestamp_ms: int | None = None,
    received_ns: int | None = None,
    handled_ns: int | None = None,
) -> Latencies:
    """Return the legs between the moments that are known, all UTC.

    Args:
        event_time_ns: when it happened at the exchange.
        produced_ns: when our producer took it.
        acknowledged_ns: when the broker's acknowledgement came back to the producer.
        timestamp_ms: the message's timestamp in milliseconds, as the producer (``CreateTime``)
            or the broker (``LogAppendTime``) set it; Kafka's -1 stands for none.
        received_ns: when the consumer got it.
        handled_ns: when its callback ended.

    Returns:
        The legs; where there is no ``timestamp_ms``, ``transit_s`` begins at ``produced_ns``.
    """
    stamped_ns = produced_ns
    if timestamp_ms is not None and timestamp_ms >= 0:
        stamped_ns = timestamp_ms * NS_PER_MS
    return Latencies(
        enqueue_s=_between(event_time_ns, produced_ns),
        emit_s=_between(produced_ns, acknowledged_ns),
        transit_s=_between(stamped_ns, received_ns),
        handle_s=_between(received_ns, handled_ns),
        total_s=_between(event_time_ns, handled_ns),
    )


class LatencyMeter:
    """Writes the legs of a topic's ticks into their histograms.

    A negative leg counts as zero. The callback's own time is the consumer's metric
    ``alchemiser_consumer_handler_seconds`` and not written here.
    """

    def __init__(self, topic: str, telemetry: Telemetry = SILENT) -> None:
        """Bind the histograms of ``topic``."""
        self._enqueue = telemetry.histogram(ENQUEUE_DELAY_SECONDS, topic=topic)
        self._emit = telemetry.histogram(EMIT_LATENCY_SECONDS, topic=topic)
        self._transit = telemetry.histogram(TRANSIT_SECONDS, topic=topic)

    def observe(self, legs: Latencies) -> None:
        """Count the legs that are known."""
        if legs.enqueue_s is not None:
            self._enqueue.observe(max(0.0, legs.enqueue_s))
        if legs.emit_s is not None:
            self._emit.observe(max(0.0, legs.emit_s))
        if legs.transit_s is not None:
            self._transit.observe(max(0.0, legs.transit_s))


def _between(start_ns: int | None, end_ns: int | None) -> float | None:
    if start_ns is None or end_ns is None:
        return None
    return (end_ns - start_ns) / NS_PER_SECOND
