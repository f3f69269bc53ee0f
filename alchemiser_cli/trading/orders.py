"""Orders and executions: what is asked of a broker, and what it answers."""

from typing import Literal

import msgspec

from alchemiser_cli.trading.decisions import Decision, Side, order_id
from alchemiser_cli.trading.signals import Origin

__all__ = ["CLOSED", "Execution", "Order", "OrderState", "OrderUpdate", "order_of"]

OrderState = Literal[
    "submitted", "accepted", "partially_filled", "filled", "cancelled", "rejected", "expired"
]
CLOSED: frozenset[OrderState] = frozenset({"filled", "cancelled", "rejected", "expired"})
"""States after which nothing more comes of an order."""


class Order(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A market order. ``order_id`` is its idempotency key: a broker takes each one once.

    ``quantity`` is without sign, in units or contracts. ``not_before_ns`` is the event time of
    the tick that led to it: no price of that time or earlier may fill it.
    """

    order_id: str
    decision_id: str
    signal_id: str
    strategy_id: str
    broker: str
    symbol: str
    side: Side
    quantity: int
    reference_price: float
    not_before_ns: int
    created_at_ns: int
    origin: Origin

    @property
    def change(self) -> int:
        """The quantity with its sign: positive for a buy."""
        return self.quantity if self.side == "buy" else -self.quantity


class Execution(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A change of a position that the broker made: a fill, or the settlement at expiry.

    ``execution_id`` is the broker's and unique; who sees it twice counts it once. ``change`` is
    signed. ``price`` is of one unit; ``commission`` is for all of it, in the currency.
    ``order_id`` is empty for a settlement.
    """

    execution_id: str
    kind: Literal["fill", "settlement"]
    order_id: str
    strategy_id: str
    broker: str
    symbol: str
    change: int
    price: float
    commission: float
    at_ns: int
    origin: Origin | None = None


class OrderUpdate(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a broker says about an order, with the executions that are new since it last did.

    ``filled`` is how much of it is executed in all. ``reason`` says why it was rejected,
    cancelled or expired; empty otherwise.
    """

    order_id: str
    state: OrderState
    filled: int
    at_ns: int
    reason: str = ""
    executions: tuple[Execution, ...] = ()

    @property
    def closed(self) -> bool:
        """Whether nothing more comes of the order."""
        return self.state in CLOSED


def order_of(decision: Decision, created_at_ns: int) -> Order:
    """Return the order of an approved decision.

    Raises:
        ValueError: The decision was not approved, or approves nothing.
    """
    if not decision.approved or decision.side is None or decision.quantity <= 0:
        raise ValueError(f"the decision {decision.decision_id} approves no order")
    signal = decision.signal
    return Order(
        order_id=order_id(signal.signal_id),
        decision_id=decision.decision_id,
        signal_id=signal.signal_id,
        strategy_id=signal.strategy_id,
        broker=signal.broker,
        symbol=signal.symbol,
        side=decision.side,
        quantity=decision.quantity,
        reference_price=signal.reference_price,
        not_before_ns=signal.tick_time_ns,
        created_at_ns=created_at_ns,
        origin=signal.origin,
    )
