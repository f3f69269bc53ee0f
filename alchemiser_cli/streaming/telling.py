"""Telling of a consumer's work while it goes on: counters, log records, its rate of late."""

from collections import deque

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.logs import get_logger
from alchemiser_cli.streaming.results import Tally
from alchemiser_cli.streaming.watching import Stock
from alchemiser_cli.telemetry import Telemetry
from alchemiser_cli.telemetry.names import (
    CONSUMED,
    CONSUMER_LAG,
    FAILED,
    PROCESSED,
    SEQUENCE_DUPLICATES,
    SEQUENCE_GAPS,
    SEQUENCE_REORDERED,
    STALE_SYMBOLS,
)

__all__ = ["RecentRate", "TallyTeller"]

_EVERY_S = 1.0  # between two records of the log
_RATE_OVER_S = 2.0

_log = get_logger("market_data", "streaming.consumer")


class TallyTeller:
    """Passes on what a tally grew by: to Prometheus each time, to the log once a second."""

    def __init__(self, tally: Tally, telemetry: Telemetry, topic: str, clock: Clock) -> None:
        """Begin with nothing told."""
        self._tally = tally
        self._topic = topic
        self._clock = clock
        self._counters = {
            "consumed": telemetry.counter(CONSUMED, topic=topic),
            "processed": telemetry.counter(PROCESSED, topic=topic),
            "failed": telemetry.counter(FAILED, topic=topic),
        }
        self._sequences = {
            "gaps": telemetry.counter(SEQUENCE_GAPS, topic=topic),
            "duplicates": telemetry.counter(SEQUENCE_DUPLICATES, topic=topic),
            "reordered": telemetry.counter(SEQUENCE_REORDERED, topic=topic),
        }
        self._stale = telemetry.gauge(STALE_SYMBOLS, topic=topic)
        self._lag = telemetry.gauge(CONSUMER_LAG, topic=topic)
        self._stock = Stock()
        self._counted = dict.fromkeys(self._counters, 0)
        self._logged = dict.fromkeys(self._counters, 0)
        self._logged_ns: int | None = None

    def tell(self, stock: Stock, lag: int | None, *, last: bool = False) -> None:
        """Pass on what is new; ``last`` does not wait until a second is over."""
        for name, counter in self._sequences.items():
            counter.inc(getattr(stock, name) - getattr(self._stock, name))
        self._stock = stock
        self._stale.set(len(stock.stale))
        if lag is not None:
            self._lag.set(lag)
        for name, counter in self._counters.items():
            total = getattr(self._tally, name)
            counter.inc(total - self._counted[name])
            self._counted[name] = total
        if self._counted["consumed"] > self._logged["consumed"] and (last or self._due()):
            self._write()

    def _due(self) -> bool:
        logged_ns = self._logged_ns
        return (
            logged_ns is None or self._clock.monotonic_ns() - logged_ns >= _EVERY_S * NS_PER_SECOND
        )

    def _write(self) -> None:
        new = {name: total - self._logged[name] for name, total in self._counted.items()}
        self._logged = dict(self._counted)
        self._logged_ns = self._clock.monotonic_ns()
        counts = {
            "topic": self._topic,
            "messages": new["consumed"],
            "processed": new["processed"],
            "failed": new["failed"],
        }
        if new["failed"]:
            _log.warning("streaming_batch_partial_failure", **counts)
        _log.info("batch_processed_summary", **counts)


class RecentRate:
    """Messages a second, of late."""

    def __init__(self, clock: Clock) -> None:
        """Begin with no message."""
        self._clock = clock
        self._marks: deque[tuple[int, int]] = deque()

    def of(self, total: int) -> float:
        """Return the rate a second over the last two, now that ``total`` messages are done."""
        now_ns = self._clock.monotonic_ns()
        marks = self._marks
        marks.append((now_ns, total))
        while len(marks) > 2 and now_ns - marks[0][0] > _RATE_OVER_S * NS_PER_SECOND:
            marks.popleft()
        since_ns, before = marks[0]
        return (total - before) * NS_PER_SECOND / (now_ns - since_ns) if now_ns > since_ns else 0.0
