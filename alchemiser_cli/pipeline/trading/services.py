"""One service of trading in a process of its own, between topics of Kafka.

``strategy`` reads ticks and fills and writes signals; ``risk`` reads signals, orders and fills and
writes decisions; ``broker`` reads approved decisions and writes orders and fills. Each has its own
audit trail, from which it rebuilds its state, and its own consumer groups.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from alchemiser_cli.market import Tick
from alchemiser_cli.market.envelope import EventEnvelope
from alchemiser_cli.pipeline.trading.publishing import OrderChanged, Publisher
from alchemiser_cli.streaming import EventCallback, Received, TopicMap
from alchemiser_cli.trading.audit.record import AuditEntry
from alchemiser_cli.trading.control import Request
from alchemiser_cli.trading.decisions import Decision
from alchemiser_cli.trading.desk import DeskParts, Folded
from alchemiser_cli.trading.desk.entries import execution_entry, update_entry
from alchemiser_cli.trading.desk.orders import OrderCounts, OrderDesk
from alchemiser_cli.trading.desk.risk import RiskDesk
from alchemiser_cli.trading.desk.signals import SignalDesk
from alchemiser_cli.trading.desk.tally import Tally
from alchemiser_cli.trading.orders import Execution, Order, OrderUpdate
from alchemiser_cli.trading.signals import Origin, Signal

__all__ = ["BrokerService", "RiskService", "Service", "StrategyService", "make_service"]


class Service(ABC):
    """One service; its methods are called one at a time."""

    def __init__(self, parts: DeskParts, topics: TopicMap, publisher: Publisher) -> None:
        """Put it together; nothing is taken up or sent yet."""
        self.parts = parts
        self.topics = topics
        self.publisher = publisher
        self.clock = parts.clock
        self.tally = Tally()

    @property
    @abstractmethod
    def inputs(self) -> Mapping[str, EventCallback]:
        """The topics that it reads beside ticks, and what is done with their events."""

    @abstractmethod
    async def open(self, folded: Folded) -> None:
        """Take up the state that its trail ended with, and send again what may be unsent."""

    @abstractmethod
    async def on_tick(self, tick: Tick, origin: Origin) -> None:
        """Take in a tick."""

    @property
    def counts(self) -> OrderCounts:
        """What it did with orders; zeros where they are not its business."""
        return OrderCounts()

    def warm(self, tick: Tick) -> None:
        """Take in a tick of the past."""
        for one in self.parts.view.ticks(tick):
            self.parts.book.mark(one.symbol, one.price, one.event_time_ns)

    async def ask(self, request: Request) -> str:
        """Do what an operator asks."""
        return f"{request.kind} is for the service risk"

    async def look(self) -> None:
        """Do what is due beside ticks and events."""
        self.parts.kill_switch.refresh()
        self.parts.activity.publish()
        await self.publisher.mark()
        self.parts.trail.sync_when_due()

    def marked(self, tick: Tick) -> list[Tick]:
        """Value the book at a tick; returns it with the quotes of contracts listed on it."""
        self.tally.ticks += 1
        ticks = self.parts.view.ticks(tick)
        for one in ticks:
            self.parts.book.mark(one.symbol, one.price, one.event_time_ns)
        return ticks

    def booked(self, execution: Execution) -> bool:
        """Put an execution of the broker's service on record and book it; False if it is known."""
        if self.parts.book.knows(execution.execution_id):
            return False
        self.parts.trail.append(execution_entry(execution))
        self.parts.book.apply(execution)
        return True

    async def on_fill(self, event: EventEnvelope, _received: Received) -> None:
        """Book a fill or a settlement."""
        self.booked(event.content(Execution))

    async def restored(self, folded: Folded) -> None:
        """Book what the trail knows, and send again what may be unsent."""
        for execution in folded.executions:
            self.parts.book.apply(execution)
        await self.publisher.send_again(folded.unpublished, folded.orders)
        await self.publisher.mark()


class StrategyService(Service):
    """Runs the strategies."""

    def __init__(self, parts: DeskParts, topics: TopicMap, publisher: Publisher) -> None:
        """Put the stage together."""
        super().__init__(parts, topics, publisher)
        self._desk = SignalDesk(parts.host, parts.trail, parts.activity)
        self._sent: set[str] = set()

    @property
    def inputs(self) -> Mapping[str, EventCallback]:
        """Fills: strategies look at positions."""
        return {self.topics.fills: self.on_fill}

    async def open(self, folded: Folded) -> None:
        """Take up signals and fills."""
        self._desk.restore(folded.signals)
        self._sent.update(signal.signal_id for signal in folded.signals)
        await self.restored(folded)

    def warm(self, tick: Tick) -> None:
        """Show a tick of the past to the strategies."""
        for one in self.parts.view.ticks(tick):
            self.parts.book.mark(one.symbol, one.price, one.event_time_ns)
            self.parts.host.warm(one)

    async def on_tick(self, tick: Tick, origin: Origin) -> None:
        """Let the strategies look, and send what they say."""
        self.parts.activity.seen("market_data", tick.event_time_ns)
        for one in self.marked(tick):
            for signal in self._desk.on_tick(one, origin, self.parts.book):
                if signal.signal_id in self._sent:
                    continue
                self._sent.add(signal.signal_id)
                strategy = signal.strategy_id
                self.tally.by_strategy[strategy] = self.tally.by_strategy.get(strategy, 0) + 1
                await self.publisher.signal(signal)

    async def look(self) -> None:
        """Put holds on record, too."""
        self._desk.record_holds()
        await super().look()


class RiskService(Service):
    """Judges the signals."""

    def __init__(self, parts: DeskParts, topics: TopicMap, publisher: Publisher) -> None:
        """Put the stage together."""
        super().__init__(parts, topics, publisher)
        self._desk = RiskDesk(parts.gate, parts.book, parts.trail, parts.hours, parts.activity)
        self._closed: set[str] = set()
        self._filled: dict[str, int] = {}
        self._waiting: dict[str, OrderChanged] = {}
        self._asked = 0

    @property
    def inputs(self) -> Mapping[str, EventCallback]:
        """Signals, and what became of orders."""
        return {
            self.topics.signals_raw: self._on_signal,
            self.topics.orders: self._on_order,
            self.topics.fills: self._on_fill,
        }

    async def open(self, folded: Folded) -> None:
        """Take up decisions, orders and fills."""
        self._closed.update(update.order_id for update in folded.closed)
        for execution in folded.executions:
            self._count(execution)
        await self.restored(folded)
        self._desk.restore(folded)

    async def on_tick(self, tick: Tick, origin: Origin) -> None:  # noqa: ARG002  of the protocol
        """Value the account, and begin a new day where one begins."""
        self.marked(tick)
        self._desk.on_time(tick.event_time_ns)

    async def ask(self, request: Request) -> str:
        """Flatten, or let trading go on."""
        if request.kind == "resume":
            self._desk.change_state("active", f"{request.by}: {request.reason}")
            return "trading state is active"
        self._asked += 1
        origin = Origin(f"flatten:{request.id}", 0, self._asked)
        self.parts.trail.append(
            AuditEntry(event="FLATTEN_REQUESTED", event_id=str(origin), reason=request.by)
        )
        self._desk.change_state("reduce_only", f"flattened by {request.by}")
        held = self.parts.book.held()
        for strategy, symbol in held:
            await self.publisher.decision(self._desk.flatten(strategy, symbol, origin))
        return f"{len(held)} positions are being closed"

    async def _on_signal(self, event: EventEnvelope, _received: Received) -> None:
        decision, new = self._desk.judge(event.content(Signal), self.clock.now_ns())
        if new:  # a known one was sent before, or was sent again at the start
            self.tally.decided(decision)
            await self.publisher.decision(decision)

    async def _on_order(self, event: EventEnvelope, _received: Received) -> None:
        changed = event.content(OrderChanged)
        order_id = changed.order.order_id
        if changed.update is not None and order_id not in self._closed:
            # Its end frees what it could still fill: not before every fill of it is booked.
            self._waiting[order_id] = changed
            self._close(order_id)

    async def _on_fill(self, event: EventEnvelope, _received: Received) -> None:
        execution = event.content(Execution)
        if self.booked(execution):
            self.parts.gate.on_execution(execution)
            self._count(execution)
            self._close(execution.order_id)

    def _count(self, execution: Execution) -> None:
        before = self._filled.get(execution.order_id, 0)
        self._filled[execution.order_id] = before + abs(execution.change)

    def _close(self, order_id: str) -> None:
        changed = self._waiting.get(order_id)
        if changed is None or changed.update is None:
            return
        if self._filled.get(order_id, 0) < changed.update.filled:
            return
        del self._waiting[order_id]
        self._closed.add(order_id)
        self.parts.trail.append(update_entry(changed.order, changed.update))
        self._desk.updated(changed.order, changed.update)


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
        """Approved decisions."""
        return {self.topics.signals_validated: self._on_validated}

    @property
    def counts(self) -> OrderCounts:
        """What was done with orders."""
        return self._desk.counts

    async def open(self, folded: Folded) -> None:
        """Take up orders and fills, and ask the broker for what was open."""
        parts = self.parts
        for execution in folded.executions:
            parts.book.apply(execution)
        self._desk.restore(folded.orders, (one.order_id for one in folded.closed))
        if parts.paper is not None:
            parts.paper.restore(folded.orders, folded.closed, folded.executions)
        await parts.broker.connect()
        await self.publisher.send_again(folded.unpublished, folded.orders)
        if folded.lines:
            await self._desk.find_lost()
        await self._tell()
        await self.publisher.mark()

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

    async def _on_validated(self, event: EventEnvelope, _received: Received) -> None:
        decision = event.content(Decision)
        if decision.reason == "flatten":
            await self._desk.cancel_all()
        order = await self._desk.submit(decision)
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


def make_service(name: str, parts: DeskParts, topics: TopicMap, publisher: Publisher) -> Service:
    """Return the service ``name``: strategy, risk or broker."""
    kinds: dict[str, type[Service]] = {
        "strategy": StrategyService,
        "risk": RiskService,
        "broker": BrokerService,
    }
    return kinds[name](parts, topics, publisher)
