"""The paper broker: the simulated account behind the protocol that every live adapter has, too."""

from collections.abc import Sequence

from alchemiser_cli.trading.broker import BrokerAccountState
from alchemiser_cli.trading.orders import Order, OrderUpdate
from alchemiser_cli.trading.paper.account import PaperAccount

__all__ = ["PaperBroker"]


class PaperBroker(PaperAccount):
    """A ``Broker`` whose account exists only here; nothing of it waits for anybody.

    Each method does at once what its namesake with ``_now`` does without an event loop.
    """

    async def connect(self) -> None:
        """Do nothing: there is nobody to connect to."""

    async def account(self) -> BrokerAccountState:
        """Return cash, net positions and open orders."""
        return self.account_now()

    async def submit(self, order: Order) -> OrderUpdate:
        """Take an order; see ``submit_now``."""
        return self.submit_now(order)

    async def status(self, order_id: str) -> OrderUpdate | None:
        """Return what became of an order, None where it never came."""
        return self.status_now(order_id)

    async def cancel(self, order_id: str) -> OrderUpdate | None:
        """Cancel what is left of an order; None where it never came."""
        return self.cancel_now(order_id)

    async def updates(self) -> Sequence[OrderUpdate]:
        """Return what changed since the last call; see ``updates_now``."""
        return self.updates_now()

    async def close(self) -> None:
        """Do nothing: orders stay as they are."""
