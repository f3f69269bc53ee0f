"""A witness before the broker: it sees every order that goes out, and when."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from alchemiser_cli.clock import Clock
from alchemiser_cli.trading.broker import Broker, BrokerAccountState
from alchemiser_cli.trading.orders import Execution, Order, OrderUpdate

__all__ = ["SentOrder", "WitnessedBroker"]


class SentOrder(NamedTuple):
    """An order that went out: when in monotonic nanoseconds, and whether our clock was right."""

    order_id: str
    at_ns: int
    clock_right: bool


class WitnessedBroker:
    """A ``Broker`` that notes what is submitted, and leaves everything to the real one."""

    def __init__(
        self,
        broker: Broker,
        sent: list[SentOrder],
        clock: Clock,
        clock_right: Callable[[], bool],
    ) -> None:
        """Note orders in ``sent``."""
        self._broker = broker
        self._sent = sent
        self._clock = clock
        self._clock_right = clock_right

    @property
    def name(self) -> str:
        """The broker's name in the settings."""
        return self._broker.name

    async def connect(self) -> None:
        """Connect."""
        await self._broker.connect()

    def restore(
        self,
        orders: Sequence[Order],
        updates: Sequence[OrderUpdate],
        executions: Sequence[Execution],
    ) -> None:
        """Take over what the audit trail knows."""
        self._broker.restore(orders, updates, executions)

    async def account(self) -> BrokerAccountState:
        """Return what the broker holds for us."""
        return await self._broker.account()

    async def submit(self, order: Order) -> OrderUpdate:
        """Note an order, and hand it over."""
        self._sent.append(
            SentOrder(order.order_id, self._clock.monotonic_ns(), self._clock_right())
        )
        return await self._broker.submit(order)

    async def status(self, order_id: str) -> OrderUpdate | None:
        """Return what became of an order."""
        return await self._broker.status(order_id)

    async def cancel(self, order_id: str) -> OrderUpdate | None:
        """Cancel what is left of an order."""
        return await self._broker.cancel(order_id)

    async def updates(self) -> Sequence[OrderUpdate]:
        """Return what changed since the last call."""
        return await self._broker.updates()

    async def close(self) -> None:
        """Disconnect."""
        await self._broker.close()
