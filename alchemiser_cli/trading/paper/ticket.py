"""What the paper broker knows of one order."""

from alchemiser_cli.trading.instruments import Instrument
from alchemiser_cli.trading.orders import CLOSED, Execution, Order, OrderState, OrderUpdate

__all__ = ["Ticket"]


class Ticket:
    """An order at the broker; times are event times in UTC nanoseconds.

    ``accepted_ns`` is when it came, ``changed_ns`` when it last changed. ``filled`` is how much of
    it is executed, in ``fills`` executions. ``commission`` is that of one unit.
    """

    __slots__ = (
        "accepted_ns",
        "changed_ns",
        "commission",
        "filled",
        "fills",
        "instrument",
        "order",
        "reason",
        "state",
    )

    def __init__(self, order: Order, instrument: Instrument, commission: float, at_ns: int) -> None:
        self.order = order
        self.instrument = instrument
        self.commission = commission
        self.accepted_ns = at_ns
        self.changed_ns = at_ns
        self.state: OrderState = "accepted"
        self.filled = 0
        self.fills = 0
        self.reason = ""

    @property
    def left(self) -> int:
        """How much of the order still waits; 0 once it is closed."""
        return 0 if self.state in CLOSED else self.order.quantity - self.filled

    def close(self, state: OrderState, reason: str, at_ns: int) -> OrderUpdate:
        """End the order, whatever of it is not executed, and return what to tell about it."""
        self.state, self.reason, self.changed_ns = state, reason, at_ns
        return self.update()

    def book(self, execution: Execution) -> OrderUpdate:
        """Count a fill of the order, and return what to tell about it."""
        self.filled += abs(execution.change)
        self.fills += 1
        if self.state not in CLOSED:
            whole = self.filled >= self.order.quantity
            self.state = "filled" if whole else "partially_filled"
            self.changed_ns = execution.at_ns
        return self.update((execution,))

    def update(self, executions: tuple[Execution, ...] = ()) -> OrderUpdate:
        """Return the order's present state, with ``executions`` as its news."""
        return OrderUpdate(
            order_id=self.order.order_id,
            state=self.state,
            filled=self.filled,
            at_ns=self.changed_ns,
            reason=self.reason,
            executions=executions,
        )
