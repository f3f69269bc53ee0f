"""The service that judges: signals in, decisions out."""

from collections.abc import Mapping

from msgspec.structs import replace

from alchemiser_cli.market import Tick
from alchemiser_cli.market.envelope import EventEnvelope
from alchemiser_cli.pipeline.trading.publishing import OrderCancel, OrderChanged, Publisher
from alchemiser_cli.pipeline.trading.service import Service
from alchemiser_cli.streaming import EventCallback, Received, TopicMap
from alchemiser_cli.trading.audit.record import AuditEntry
from alchemiser_cli.trading.control import Request
from alchemiser_cli.trading.decisions import Decision, order_id
from alchemiser_cli.trading.desk import DeskParts, Folded, MarketClock
from alchemiser_cli.trading.desk.entries import update_entry
from alchemiser_cli.trading.desk.risk import RiskDesk
from alchemiser_cli.trading.orders import Execution
from alchemiser_cli.trading.signals import Origin, Signal

__all__ = ["RiskService"]


class RiskService(Service):
    """Judges the signals."""

    def __init__(self, parts: DeskParts, topics: TopicMap, publisher: Publisher) -> None:
        """Put the stage together."""
        super().__init__(parts, topics, publisher)
        self._desk = RiskDesk(parts.gate, parts.trail, parts.activity)
        self._symbols: dict[str, str] = {}  # of every approved order, by its id
        self._closed: set[str] = set()
        self._flattening: set[str] = set()  # orders that an operator's flattening led to
        self._requests: set[str] = set()
        self._cancelled: set[str] = set()

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
        for decision in folded.decisions:
            self._remember(decision)
        self.begin(folded)
        self._desk.restore(folded)
        await self.send_again(folded)

    async def on_tick(self, tick: Tick, origin: Origin) -> None:  # noqa: ARG002  of the protocol
        """Value the account, and begin a new day where one begins."""
        self._desk.on_time(tick.event_time_ns)  # a day's losses count from before its first price
        self.marked(tick)

    async def ask(self, request: Request) -> str | None:
        """Flatten, or let trading go on.

        Flattening first has all working orders cancelled, and closes what is held when their ends
        are known: an order that is still filled would open a position again.
        """
        if request.kind == "resume":
            self._desk.change_state("active", f"{request.by}: {request.reason}")
            return "trading state is active"
        origin = Origin(f"flatten:{request.id}", 0, 0)
        if request.id not in self._requests:
            self._requests.add(request.id)
            self.parts.trail.append(
                AuditEntry(event="FLATTEN_REQUESTED", event_id=str(origin), reason=request.by)
            )
            self._desk.change_state("reduce_only", f"flattened by {request.by}")
        working = [one for one in self.parts.gate.working if one not in self._flattening]
        for order in working:
            if order not in self._cancelled:
                self._cancelled.add(order)
                await self.publisher.cancel(OrderCancel(order, self._symbols[order], request.by))
        if working:
            return None
        count = 0
        for strategy, symbol in self.parts.book.held():
            decision = self._desk.flatten(strategy, symbol, origin)
            self._remember(decision)
            await self.publisher.decision(decision)
            count += decision.approved
        return f"positions being closed: {count}"

    async def _on_signal(self, event: EventEnvelope, _received: Received) -> None:
        signal = event.content(Signal)
        if isinstance(self.clock, MarketClock):  # the strategies may see a tick before this does
            self.clock.advance_to(signal.tick_time_ns)
        decision, new = self._desk.judge(signal, self.clock.now_ns())
        if new:  # a known one was sent before, or was sent again at the start
            self._remember(decision)
            self.tally.decided(decision)
            await self.publisher.decision(decision)

    async def _on_order(self, event: EventEnvelope, _received: Received) -> None:
        changed = event.content(OrderChanged)
        order, update = changed.order, changed.update
        if update is None or not update.closed or order.order_id in self._closed:
            return
        # What it will never come to is free from here on; what it came to counts as working
        # until its fills are booked, which may come later.
        self._closed.add(order.order_id)
        self.parts.trail.append(update_entry(order, update))
        self._desk.updated(order, replace(update, executions=()))

    async def _on_fill(self, event: EventEnvelope, _received: Received) -> None:
        execution = event.content(Execution)
        if self.booked(execution):
            self.parts.gate.on_execution(execution)

    def _remember(self, decision: Decision) -> None:
        if not decision.approved:
            return
        order = order_id(decision.signal.signal_id)
        self._symbols[order] = decision.signal.symbol
        if decision.reason == "flatten":
            self._flattening.add(order)
