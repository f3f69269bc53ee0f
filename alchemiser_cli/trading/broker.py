"""What a trading broker is to us: the paper broker and every live adapter give this."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from alchemiser_cli.trading.orders import Execution, Order, OrderUpdate

__all__ = ["Broker", "BrokerAccountState"]


class BrokerAccountState(msgspec.Struct, frozen=True, kw_only=True):
    """An account as its broker knows it: what reconciliation compares ours with.

    ``positions`` are signed units or contracts by symbol, without zeros. ``open_orders`` are the
    ids of ours that are not closed there.
    """

    cash: float
    positions: Mapping[str, int]
    open_orders: tuple[str, ...] = ()


class Broker(Protocol):
    """One account at one broker. Each method may be awaited again after a failure.

    An order's ``order_id`` is its idempotency key: submitting it again never trades again.
    """

    @property
    def name(self) -> str:
        """The broker's name in the settings, under ``brokers``."""
        ...

    async def connect(self) -> None:
        """Open the connection and prove that the account answers.

        Raises:
            AlchemiserError: It cannot be reached, or refuses the credentials.
        """
        ...

    def restore(
        self,
        orders: Sequence[Order],
        updates: Sequence[OrderUpdate],
        executions: Sequence[Execution],
    ) -> None:
        """Take over what the audit trail knows, before anything else is asked after a restart."""
        ...

    async def account(self) -> BrokerAccountState:
        """Return what the broker holds for us, for reconciliation."""
        ...

    async def submit(self, order: Order) -> OrderUpdate:
        """Hand over an order, once: the same id again answers with its present state.

        Raises:
            OrderRejectedError: ``order-rejected``; nothing was or will be executed.
            InsufficientFundsError: ``insufficient-funds``; as above.
            MarketClosedError: ``market-closed``; as above.
            OrderOutcomeUnknownError: ``order-outcome-unknown``: ask for its ``status``.
            AlchemiserError: Others: it was not sent.
        """
        ...

    async def status(self, order_id: str) -> OrderUpdate | None:
        """Return what became of an order, None where the broker never saw it."""
        ...

    async def cancel(self, order_id: str) -> OrderUpdate | None:
        """Cancel what is left of an order; None where the broker never saw it."""
        ...

    async def updates(self) -> Sequence[OrderUpdate]:
        """Return what changed since the last call, settlements included; at once, and often."""
        ...

    async def close(self) -> None:
        """Disconnect; orders stay as they are."""
        ...
