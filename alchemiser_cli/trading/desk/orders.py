"""The last stage: an approved decision becomes an order, once, and what comes of it is booked."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors import AlchemiserError, OrderOutcomeUnknownError
from alchemiser_cli.faults import fault_point
from alchemiser_cli.logs import get_logger
from alchemiser_cli.trading.audit import AuditTrail
from alchemiser_cli.trading.book import Book
from alchemiser_cli.trading.broker import Broker
from alchemiser_cli.trading.decisions import Decision
from alchemiser_cli.trading.desk.entries import execution_entry, order_entry, update_entry
from alchemiser_cli.trading.kill_switch import KillSwitch
from alchemiser_cli.trading.orders import Order, OrderUpdate, order_of

__all__ = ["OrderCounts", "OrderDesk"]

_LOG = get_logger("trading", "orders")

_SUBMIT = fault_point("trading.broker.submit")


class OrderCounts(NamedTuple):
    """Orders that went out, executions that came back, and orders that are open."""

    submitted: int = 0
    executed: int = 0
    working: int = 0


OnUpdate = Callable[[Order | None, OrderUpdate], None]


class OrderDesk:
    """Hands orders to one broker. What it knows of follows from the trail and from the broker.

    An order goes on record before it goes out, and the kill switch is read in between. So after a
    crash each order that may exist is on record, and one that is on record goes out at most once:
    the broker takes an id once.
    """

    def __init__(
        self,
        broker: Broker,
        book: Book,
        trail: AuditTrail,
        kill_switch: KillSwitch,
        clock: Clock,
        on_update: OnUpdate,
    ) -> None:
        """Trade through ``broker``; ``on_update`` is told of each change of an order."""
        self._broker = broker
        self._book = book
        self._trail = trail
        self._kill_switch = kill_switch
        self._clock = clock
        self._on_update = on_update
        self._open: dict[str, Order] = {}
        self._known: set[str] = set()
        self._unsure: dict[str, Order] = {}
        self._deaf = ""
        self._submitted = 0
        self._executed = 0

    @property
    def counts(self) -> OrderCounts:
        """What was done since the start."""
        return OrderCounts(self._submitted, self._executed, len(self._open))

    @property
    def working(self) -> tuple[Order, ...]:
        """The orders that are not closed, the oldest first."""
        return tuple(self._open.values())

    def restore(self, orders: Iterable[Order], closed: Iterable[str]) -> None:
        """Take over the orders of a trail; ``closed`` are the ids of those that are done."""
        done = set(closed)
        self._known |= done  # also what was closed because it was never ordered
        for order in orders:
            self._known.add(order.order_id)
            if order.order_id not in done:
                self._open[order.order_id] = order

    def abandon(self, approved: Iterable[Decision]) -> None:
        """Close what was approved and never ordered, for a crash came between: its price is gone.

        Raises:
            AuditLostError: ``audit-lost``.
        """
        for decision in approved:
            order = order_of(decision, self._clock.now_ns())
            if order.order_id not in self._known:
                self._known.add(order.order_id)
                ended = _ended(order, "cancelled", "never ordered", self._clock)
                self._trail.append(update_entry(order, ended))
                self._on_update(order, ended)

    async def submit(self, decision: Decision) -> Order | None:
        """Send the order of an approved decision; None where it was sent before.

        Raises:
            AuditLostError: ``audit-lost``; nothing was sent.
        """
        order = order_of(decision, self._clock.now_ns())
        if order.order_id in self._known:
            return None
        self._trail.append(order_entry(order))
        self._known.add(order.order_id)
        self._open[order.order_id] = order
        if self._kill_switch.active and decision.reason != "flatten":
            self._take(order, _ended(order, "rejected", "kill_switch_active", self._clock))
            return order
        await self._send(order)
        return order

    async def collect(self) -> list[OrderUpdate]:
        """Book what the broker tells; returns the updates with executions or an end.

        Raises:
            AuditLostError: ``audit-lost``.
        """
        await self._settle_unsure()
        told = []
        for update in await self._news():
            order = self._open.get(update.order_id)
            if order is not None or update.executions:
                self._take(order, update)
                told.append(update)
        return told

    async def _news(self) -> Sequence[OrderUpdate]:
        """Return what the broker tells; one that does not answer is asked again next time."""
        try:
            news = await self._broker.updates()
        except AlchemiserError as error:
            if error.code != self._deaf:
                _LOG.warning("the broker tells nothing", code=error.code, why=error.why)
            self._deaf = error.code
            return ()
        self._deaf = ""
        return news

    async def cancel(self, order_id: str) -> bool:
        """Cancel an order; False where it is not open."""
        order = self._open.get(order_id)
        if order is None:
            return False
        update = await self._broker.cancel(order_id)
        self._take(order, update or _ended(order, "cancelled", "cancelled", self._clock))
        return True

    async def find_lost(self) -> list[str]:
        """Ask the broker for every order that was open at a crash; returns those it never saw.

        They are closed: the price that they rested on has passed.
        """
        lost = []
        for order in list(self._open.values()):
            update = await self._broker.status(order.order_id)
            if update is None:
                lost.append(order.order_id)
                update = _ended(order, "cancelled", "never reached the broker", self._clock)
            self._take(order, update)
        return lost

    async def _send(self, order: Order) -> None:
        self._submitted += 1
        try:
            if _SUBMIT.armed is not None:
                await _SUBMIT.strike_async()
            update = await self._broker.submit(order)
        except OrderOutcomeUnknownError as error:
            # Never sent again: the broker is asked until it knows.
            self._unsure[order.order_id] = order
            _LOG.error("order outcome unknown", order=order.order_id, why=error.why)
        except AlchemiserError as error:
            # Refused, or it could not be sent: nothing was executed, and its price is soon gone.
            self._take(order, _ended(order, "rejected", error.code, self._clock))
            _LOG.warning("order rejected", order=order.order_id, code=error.code, why=error.why)
        else:
            self._take(order, update)

    async def _settle_unsure(self) -> None:
        for order in list(self._unsure.values()):
            try:
                update = await self._broker.status(order.order_id)
            except AlchemiserError as error:
                _LOG.warning("order status unknown", order=order.order_id, code=error.code)
                continue
            del self._unsure[order.order_id]
            missing = _ended(order, "cancelled", "never reached the broker", self._clock)
            self._take(order, update or missing)

    def _take(self, order: Order | None, update: OrderUpdate) -> None:
        """Put an update on record, then book it and tell the others; a settlement has no order."""
        new = tuple(one for one in update.executions if not self._book.knows(one.execution_id))
        for execution in new:
            self._trail.append(execution_entry(execution))
            self._book.apply(execution)
        self._executed += len(new)
        if order is not None and update.closed and order.order_id in self._open:
            del self._open[order.order_id]
            self._trail.append(update_entry(order, update))
        self._on_update(order, replace(update, executions=new))


def _ended(order: Order, state: str, reason: str, clock: Clock) -> OrderUpdate:
    return OrderUpdate(
        order_id=order.order_id,
        state="rejected" if state == "rejected" else "cancelled",
        filled=0,
        at_ns=clock.now_ns(),
        reason=reason,
    )
