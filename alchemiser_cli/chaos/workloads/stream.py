"""Ticks through Kafka: produced, consumed, set aside; the work of most streaming experiments."""

import threading
from collections import deque
from collections.abc import Mapping

from alchemiser_cli.chaos.laboratory.contract import Laboratory
from alchemiser_cli.chaos.wording import times
from alchemiser_cli.chaos.workloads.pieces import PieceAccount
from alchemiser_cli.chaos.workloads.tick_sink import TickSink
from alchemiser_cli.chaos.workloads.tick_source import TickSource
from alchemiser_cli.chaos.workloads.workload import Defence, Steadiness, Work
from alchemiser_cli.clock import NS_PER_SECOND, TrueClock
from alchemiser_cli.streaming import (
    Cluster,
    ConsumerSnapshot,
    TickEncoder,
    open_registry,
    value_subject,
)

__all__ = ["StreamWorkload"]

_PARTITIONS = 4
_START_S = 60.0
_STILL_S = 4.0
_LOOK_S = 0.02
_RECENT_S = 1.0


class StreamWorkload:
    """A producer and a consumer on the laboratory's Kafka.

    A piece of work is a message. Its effect must happen once, although it may come more often:
    the consumer's guarantee is "at least once".
    """

    def __init__(
        self,
        laboratory: Laboratory,
        *,
        rate: float = 100.0,
        garbage: int = 0,
        remembers: bool = True,
    ) -> None:
        """Prepare for ``rate`` messages a second, every ``garbage``-th of which is no tick.

        ``remembers`` False makes a consumer that does again what comes again.
        """
        self._laboratory = laboratory
        self._rate = rate
        self._garbage = garbage
        self._remembers = remembers
        self._clock = TrueClock()
        self._account = PieceAccount()
        self._source: TickSource | None = None
        self._sink: TickSink | None = None
        self._lock = threading.Lock()
        self._marks: deque[tuple[int, int]] = deque()
        self._paused = self._lost_partitions = 0
        self._had = self._waited = 0

    def start(self) -> None:
        """Begin; return when messages are consumed.

        Raises:
            RuntimeError: where none is.
        """
        laboratory = self._laboratory
        settings = laboratory.settings
        topic, kafka = settings.topics.ticks, laboratory.kafka
        kafka.create_topic(topic, _PARTITIONS)
        cluster = Cluster(kafka.bootstrap, "own", kafka)
        registry = open_registry(settings.registry, settings.registry_url, laboratory.clock)
        encoder = TickEncoder(registry, value_subject(topic))
        self._source = TickSource(
            settings.kafka,
            kafka.bootstrap,
            topic,
            encoder,
            self._clock,
            self._account,
            laboratory.journal.capture,
            rate=self._rate,
            garbage=self._garbage,
        )
        self._sink = TickSink(
            laboratory,
            cluster,
            topic,
            registry,
            self._account,
            remembers=self._remembers,
            on_change=self._changed,
        )
        self._source.start()
        self._sink.start()
        until_ns = self._clock.monotonic_ns() + round(_START_S * NS_PER_SECOND)
        while not self._account.work().done:
            if self._clock.monotonic_ns() > until_ns:
                raise RuntimeError(f"no message was consumed within {_START_S:g} s")
            self._clock.sleep(_LOOK_S)

    def stop(self) -> None:
        """End the producer, let the consumer work off what is left, and end it."""
        if self._source is not None:
            self._source.stop()
        self._drain()
        if self._sink is not None:
            self._sink.stop()
        self._account.close()

    def work(self) -> Work:
        """Return how many messages were offered, handled, set aside, handled twice, and lost."""
        return self._account.work()

    def steady(self) -> Steadiness:
        """Tell whether the consumer keeps pace with the producer."""
        waiting, work = self._account.open, self._account.work()
        self._waited = max(self._waited, waiting)
        now_ns, ended = self._clock.monotonic_ns(), work.done + work.set_aside
        with self._lock:
            self._marks.append((now_ns, ended))
            while len(self._marks) > 1 and now_ns - self._marks[0][0] > _RECENT_S * NS_PER_SECOND:
                self._marks.popleft()
            moved = ended > self._marks[0][1] or len(self._marks) == 1
        return Steadiness(
            moved and waiting <= self._rate * _RECENT_S,
            f"{waiting} messages wait, at {self._rate:g} a second",
        )

    def defences(self) -> Mapping[str, Defence]:
        """Tell what was set aside, held back, waited out, fenced, and refused as done before."""
        failed = self._sink.failed if self._sink else []
        outages = [error.code for error in self._sink.outages] if self._sink else []
        asked = {piece for piece, *_ in failed}
        kept = self._account.work().set_aside
        again = self._account.again
        return {
            "dead-letter topic": Defence(
                0 < len(asked) <= kept, f"{len(asked)} messages failed, {kept} were set aside"
            ),
            "backpressure": Defence(self._paused > 0, f"paused in {self._paused} looks"),
            "outage watch": Defence(bool(outages), f"told of {', '.join(outages) or 'none'}"),
            "producer queue": Defence(
                self._waited > 0, f"{self._waited} messages waited at the most"
            ),
            "lease fence": Defence(
                self._lost_partitions > 0, f"gave partitions up {times(self._lost_partitions)}"
            ),
            "idempotent effects": Defence(
                again > 0, f"{again} messages came again and were known as done"
            ),
        }

    def _drain(self) -> None:
        """Wait until no piece is open, or until none was ended for a while."""
        left, moved_ns = self._account.open, self._clock.monotonic_ns()
        while left and self._clock.monotonic_ns() - moved_ns < _STILL_S * NS_PER_SECOND:
            self._clock.sleep(_LOOK_S)
            if (now := self._account.open) < left:
                left, moved_ns = now, self._clock.monotonic_ns()

    def _changed(self, now: ConsumerSnapshot) -> None:
        self._paused += now.paused
        self._lost_partitions += now.partitions < self._had
        self._had = now.partitions
