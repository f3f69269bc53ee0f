"""The service that trades: approved decisions in, orders and fills out."""

from collections.abc import Mapping

from alchemiser_cli.market import Tick
from alchemiser_cli.market.envelope import EventEnvelope
from alchemiser_cli.pipeline.trading.publishing import CANCEL, OrderCancel, OrderChanged, Publisher
from alchemiser_cli.pipeline.trading.service import Service
from alchemiser_cli.streaming import EventCallback, Received, TopicMap
from alchemiser_cli.trading.audit.record import AuditEntry
from alchemiser_cli.trading.decisions import Decision
from alchemiser_cli.trading.desk import DeskParts, Folded
from alchemiser_cli.trading.desk.orders import OrderCounts, OrderDesk
from alchemiser_cli.trading.orders import Order, OrderUpdate
from alchemiser_cli.trading.reconcile import reconcile
from alchemiser_cli.trading.signals import Origin

__all__ = ["BrokerService"]


class BrokerService(Service):
    """Sends the orders, and tells what came of them."""

    def __init__(self, parts: DeskParts, topics: TopicMap, publisher: Publisher) -> None:
        """Put the stage together."""
        super().__init__(parts, topics, publisher)
        self._told: list[tuple[Order | None, OrderUpdate]] = []
        self._desk = OrderDesk(
            parts.broker, parts.book, parts.trail, parts.kill_switch, self.clock, self._hear
        )

    @property
    def inputs(self) -> Mapping[str, EventCallback]:
        """Approved decisions, and orders to be cancelled."""
        return {self.topics.signals_validated: self._on_validated}

    @property
    def counts(self) -> OrderCounts:
        """What was done with orders."""
        return self._desk.counts

    async def open(self, folded: Folded) -> None:
        """Take up orders and fills, and ask the broker for what was open."""
        parts = self.parts
        await parts.broker.connect()
        theirs = None if parts.paper is not None else await parts.broker.account()
        self.begin(folded, None if theirs is None else theirs.cash)
        self._desk.restore(folded.orders, (one.order_id for one in folded.closed))
        parts.broker.restore(folded.orders, folded.closed, folded.executions)
        if folded.lines:
            await self._desk.find_lost()
        if theirs is not None:
            await self._reconcile()
        await self.send_again(folded)
        await self._tell()

    async def on_tick(self, tick: Tick, origin: Origin) -> None:
        """Let a tick fill orders, and tell what it filled."""
        for one in self.marked(tick):
            if self.parts.paper is not None:
                self.parts.paper.on_tick(one, origin)
        await self._collect()

    async def look(self) -> None:
        """Ask the broker for news, too."""
        await self._collect()
        await super().look()

    async def close(self) -> None:
        """Disconnect, too; orders stay as they are."""
        await super().close()
        await self.parts.broker.close()

    async def _reconcile(self) -> None:
        """Compare our books with those of a broker that is none of ours, before anything else."""
        parts = self.parts
        await self._desk.collect()
        working = (one.order_id for one in self._desk.working)
        found = reconcile(await parts.broker.account(), parts.book, working)
        parts.trail.append(
            AuditEntry(
                event="RECONCILED",
                event_id=f"r-{parts.run_id}",
                reason="agrees" if found.agrees else "differs",
                detail=found,
            )
        )
        found.require(parts.broker.name)

    async def _on_validated(self, event: EventEnvelope, _received: Received) -> None:
        if event.event_type == CANCEL:
            await self._desk.cancel(event.content(OrderCancel).order_id)
            await self._tell()
            return
        order = await self._desk.submit(event.content(Decision))
        if order is not None:
            self.tally.approved += 1
            now_ns = self.clock.now_ns()
            self.parts.activity.seen("orders", now_ns)
            self.parts.activity.gave("orders", now_ns)
            await self.publisher.order(OrderChanged(order))
        await self._tell()

    async def _collect(self) -> None:
        if await self._desk.collect():
            self.parts.activity.seen("portfolio", self.clock.now_ns())
        await self._tell()

    def _hear(self, order: Order | None, update: OrderUpdate) -> None:
        self._told.append((order, update))

    async def _tell(self) -> None:
        told, self._told = self._told, []
        for order, update in told:
            for execution in update.executions:
                await self.publisher.execution(execution)
            if order is not None and update.closed:
                await self.publisher.order(OrderChanged(order, update))
