"""Replaying recorded ticks into a topic, as fast as possible or paced by their event time.

The embedded Kafka keeps 5 MiB a partition (compressed batches count as they are stored) and
drops the oldest beyond that, so a large dataset needs a consumer that follows, more
partitions, or a real cluster.
"""

from collections.abc import Callable, Iterable

import msgspec

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.logs import get_logger
from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.streaming.producer import TickProducer

__all__ = ["ReplayResult", "replay"]

_PAUSE_S = 0.1  # longest sleep before looking at `stop` again
_PROGRESS_EVERY = 1_000

_log = get_logger("market_data", "streaming.playback")


class ReplayResult(msgspec.Struct, frozen=True):
    """What a replay sent; the times are None when it sent nothing."""

    topic: str
    sent: int
    symbols: int
    first_event_time_ns: int | None
    last_event_time_ns: int | None
    duration_s: float
    throughput_per_s: float
    bytes: int


def replay(
    ticks: Iterable[Tick],
    producer: TickProducer,
    *,
    speed: float | None,
    clock: Clock,
    on_progress: Callable[[int], None] | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> ReplayResult:
    """Send ``ticks`` in their order and wait until all are acknowledged.

    A message that is given up ends the replay: what came after it would leave a gap.

    Args:
        ticks: ordered by event time.
        producer: inside its block.
        speed: None for as fast as possible, else the multiple of real time: 60 sends an hour of
            ticks in a minute.
        clock: paces and measures.
        on_progress: told the number sent: after each tick where paced, else every 1,000, and at
            the end.
        stop: looked at before each tick and ten times a second in a pause; True ends the replay
            after what was sent is flushed.

    Raises:
        BrokerUnreachableError: ``broker-unreachable``.
        DeliveryFailedError: ``delivery-failed``.
    """
    started_ns = clock.monotonic_ns()
    symbols: set[str] = set()
    first_ns = last_ns = None
    sent = size = 0
    for tick in ticks:
        if first_ns is None:
            first_ns = tick.event_time_ns
        if speed is not None:
            due_ns = started_ns + round((tick.event_time_ns - first_ns) / speed)
            _wait_until(due_ns, producer, clock, stop)
        if stop() or producer.failed:
            break
        size += producer.send(tick)
        sent += 1
        symbols.add(tick.symbol)
        last_ns = tick.event_time_ns
        if on_progress is not None and (speed is not None or sent % _PROGRESS_EVERY == 0):
            on_progress(sent)
    producer.flush()
    if on_progress is not None:
        on_progress(sent)
    duration_s = (clock.monotonic_ns() - started_ns) / NS_PER_SECOND
    result = ReplayResult(
        topic=producer.topic,
        sent=sent,
        symbols=len(symbols),
        first_event_time_ns=first_ns if sent else None,
        last_event_time_ns=last_ns,
        duration_s=duration_s,
        throughput_per_s=sent / duration_s if duration_s > 0 else 0.0,
        bytes=size,
    )
    _log.info("replay_finished", **msgspec.structs.asdict(result))
    return result


def _wait_until(
    due_ns: int, producer: TickProducer, clock: Clock, stop: Callable[[], bool]
) -> None:
    while not (stop() or producer.failed) and (left_ns := due_ns - clock.monotonic_ns()) > 0:
        clock.sleep(min(left_ns / NS_PER_SECOND, _PAUSE_S))
        producer.poll()
