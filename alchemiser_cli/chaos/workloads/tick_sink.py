"""A consumer of ticks as ``alchemiser consume`` runs it, started again when it ends."""

import asyncio
import threading
from collections.abc import Callable

from alchemiser_cli.chaos.laboratory.contract import Laboratory
from alchemiser_cli.chaos.workloads.pieces import PieceAccount
from alchemiser_cli.chaos.workloads.tick_source import PIECE
from alchemiser_cli.errors import AlchemiserError, operation
from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.pipeline.streams import set_aside
from alchemiser_cli.streaming import (
    Cluster,
    Consumer,
    ConsumerSnapshot,
    Disposal,
    Received,
    SchemaRegistry,
)

__all__ = ["TickSink"]

_AGAIN_S = 0.5


class TickSink:
    """Does the pieces of one topic, and forgets none that it did: who comes again changes nothing.

    ``remembers`` False is a consumer that forgets; it shows what remembering is good for.
    """

    def __init__(
        self,
        laboratory: Laboratory,
        cluster: Cluster,
        topic: str,
        registry: SchemaRegistry,
        account: PieceAccount,
        *,
        remembers: bool,
        on_change: Callable[[ConsumerSnapshot], None],
    ) -> None:
        """Prepare; nothing is contacted before ``start``."""
        self._laboratory = laboratory
        self._cluster = cluster
        self._topic = topic
        self._registry = registry
        self._account = account
        self._remembers = remembers
        self._on_change = on_change
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="chaos-sink", daemon=True)
        self.failed: list[tuple[int, str, bool]] = []
        self.outages: list[AlchemiserError] = []
        self.starts = 0

    def start(self) -> None:
        """Begin to consume."""
        self._thread.start()

    def stop(self) -> None:
        """End; what is under way is finished and committed."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            self.starts += 1
            try:
                asyncio.run(self._consume())
            except AlchemiserError as error:
                self._laboratory.journal.capture(error)
                self._stop.wait(_AGAIN_S)

    async def _consume(self) -> None:
        laboratory = self._laboratory
        settings, clock = laboratory.settings, laboratory.clock
        with set_aside(
            settings, self._cluster, clock, self._topic, on_failed=self._journalled
        ) as disposal:
            consumer = Consumer(
                settings.kafka,
                settings.consumer,
                self._cluster.bootstrap,
                self._topic,
                self._registry,
                clock,
                quality=settings.quality,
            )
            await consumer.run(
                self._do,
                start="earliest" if self.starts == 1 else "committed",
                stop=self._stop.is_set,
                aside=_Noting(disposal, self._account),
                on_snapshot=self._on_change,
                on_outage=self._outage,
            )

    async def _do(self, _tick: Tick, received: Received) -> None:
        piece = piece_of(received)
        if self._remembers and self._account.came_before(piece):
            return
        self._account.done(piece)

    def _journalled(self, received: Received, error: AlchemiserError) -> None:
        self.failed.append((piece_of(received), error.code, error.injected))
        place = {"topic": received.topic, "partition": received.partition}
        with operation("consume", component="consumer", **place, offset=received.offset):
            self._laboratory.journal.capture(error)

    def _outage(self, error: AlchemiserError) -> None:
        self.outages.append(error)
        self._laboratory.journal.capture(error)


class _Noting:
    """Sets messages aside as the product does, and notes what a topic of ours then has."""

    def __init__(self, disposal: Disposal, account: PieceAccount) -> None:
        self._disposal = disposal
        self._account = account

    async def failed(self, received: Received, error: AlchemiserError, deliveries: int) -> bool:
        kept = await self._disposal.failed(received, error, deliveries)
        if kept:
            self._account.set_aside(piece_of(received))
        return kept

    async def implausible(self, received: Received) -> None:
        await self._disposal.implausible(received)
        self._account.set_aside(piece_of(received))

    def worked_off(self, count: int) -> None:
        self._disposal.worked_off(count)


def piece_of(received: Received) -> int:
    """Return the number of the piece that a message carries."""
    return next(int(value or b"0") for name, value in received.headers if name == PIECE)
