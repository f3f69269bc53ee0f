"""What a service sends on: after it is on record, and once more after a crash."""

import asyncio
from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from alchemiser_cli.clock import Clock
from alchemiser_cli.market.envelope import event
from alchemiser_cli.streaming import EventProducer, Sent
from alchemiser_cli.trading.audit import AuditRecord, AuditTrail
from alchemiser_cli.trading.audit.record import AuditEntry
from alchemiser_cli.trading.decisions import Decision
from alchemiser_cli.trading.desk.folding import decision_of
from alchemiser_cli.trading.orders import Execution, Order, OrderUpdate
from alchemiser_cli.trading.signals import Signal

__all__ = ["CANCEL", "OrderCancel", "OrderChanged", "Publisher"]

CANCEL = "order.cancel"
"""The type of the event that asks the broker's service to cancel an order."""
MOST_UNDER_WAY = 1_000


class OrderChanged(msgspec.Struct, frozen=True):
    """An order with what became of it; without an update it was just submitted.

    Executions are events of their own: the update comes without them.
    """

    order: Order
    update: OrderUpdate | None = None


class OrderCancel(msgspec.Struct, frozen=True):
    """The wish that an order be cancelled; ``by`` is who wants it."""

    order_id: str
    symbol: str
    by: str


class Publisher:
    """Sends a service's events to its broker's topics, keyed by symbol.

    Each event was put on record before, so nobody waits for its acknowledgement but ``mark``,
    which notes on record how far everything arrived. What comes after the last mark is sent again
    by ``send_again``, and every receiver drops what it knows: nothing is lost, and nothing counts
    twice.
    """

    def __init__(
        self, producer: EventProducer, trail: AuditTrail, clock: Clock, service: str
    ) -> None:
        """Send through ``producer`` what ``trail`` has on record."""
        self._producer = producer
        self._topics = producer.topics
        self._trail = trail
        self._clock = clock
        self._service = service
        self._sent = 0
        self._known_topics: set[str] = set()
        self._under_way: set[asyncio.Task[Sent]] = set()

    async def signal(self, signal: Signal) -> None:
        """Send a signal to the risk gate."""
        await self._send(self._topics.signals_raw, "signal.raw", signal, signal.symbol)

    async def decision(self, decision: Decision) -> None:
        """Send a decision to those who watch, and an approved one to the broker's service."""
        symbol = decision.signal.symbol
        await self._send(self._topics.risk_decisions, "risk.decision", decision, symbol)
        if decision.approved:
            await self._send(self._topics.signals_validated, "signal.validated", decision, symbol)

    async def cancel(self, wish: OrderCancel) -> None:
        """Ask for an order's end; it comes after the decision that the order followed from."""
        await self._send(self._topics.signals_validated, CANCEL, wish, wish.symbol)

    async def order(self, changed: OrderChanged) -> None:
        """Send an order, new or closed."""
        kind, update = "order.submitted", changed.update
        if update is not None:
            kind, changed = "order.closed", replace(changed, update=replace(update, executions=()))
        await self._send(self._topics.orders, kind, changed, changed.order.symbol)

    async def execution(self, execution: Execution) -> None:
        """Send a fill or a settlement."""
        await self._send(self._topics.fills, "fill", execution, execution.symbol)

    async def send_again(self, records: Iterable[AuditRecord], orders: Iterable[Order]) -> int:
        """Send what was on record and perhaps not sent; ``orders`` are all of the trail's."""
        by_id = {order.order_id: order for order in orders}
        before = self._sent
        for record in records:
            await self._again(record, by_id)
        return self._sent - before

    async def mark(self) -> None:
        """Wait until everything arrived, and note that on record.

        Raises:
            DeliveryFailedError: ``delivery-failed``: it is sent again at the next start.
        """
        if self._under_way:
            await asyncio.gather(*self._under_way)
            self._under_way.clear()
        if self._sent:
            sequence = self._trail.head.sequence
            self._trail.append(
                AuditEntry(event="PUBLISHED", event_id=f"p-{sequence}", quantity=self._sent)
            )
            self._sent = 0

    async def _again(self, record: AuditRecord, orders: dict[str, Order]) -> None:
        detail = record.detail
        match (self._service, record.event):
            case ("strategy", "SIGNAL"):
                await self.signal(msgspec.json.decode(detail, type=Signal))
            case ("risk", "TRADE_APPROVED" | "TRADE_REJECTED"):
                await self.decision(decision_of(record))
            case ("broker", "ORDER_SUBMITTED"):
                await self.order(OrderChanged(msgspec.json.decode(detail, type=Order)))
            case ("broker", "ORDER_CLOSED" | "ORDER_REJECTED"):
                update = msgspec.json.decode(detail, type=OrderUpdate)
                await self.order(OrderChanged(orders[update.order_id], update))
            case ("broker", "EXECUTED"):
                await self.execution(msgspec.json.decode(detail, type=Execution))
            case _:
                pass

    async def _send(self, topic: str, event_type: str, payload: object, key: str) -> None:
        made = event(
            event_type,
            payload,
            broker=self._topics.broker,
            source=f"trading.{self._service}",
            clock=self._clock,
        )
        self._sent += 1
        sending = asyncio.ensure_future(self._producer.send(topic, made, key))
        if topic in self._known_topics and len(self._under_way) < MOST_UNDER_WAY:
            self._under_way.add(sending)  # in order: it hands over before it waits
            await asyncio.sleep(0)
        else:
            await sending
            self._known_topics.add(topic)
