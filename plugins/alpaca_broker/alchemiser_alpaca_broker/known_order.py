"""What one order of ours has become so far, from answers that tell only its totals."""

from collections.abc import Iterable
from decimal import Decimal

from alchemiser_alpaca_broker.messages import OrderAnswer
from alchemiser_cli.trading import orders

__all__ = ["KnownOrder", "state_of"]

_CLOSED: dict[str, orders.OrderState] = {
    "filled": "filled",
    "canceled": "cancelled",
    "replaced": "cancelled",
    "expired": "expired",
    "rejected": "rejected",
}
_REASONS = {
    "canceled": "cancelled at the broker",
    "replaced": "replaced at the broker",
    "expired": "the day's session ended",
    "rejected": "rejected by the exchange",
}


class KnownOrder:
    """One order; each answer adds at most one execution, of what it has in all less what it had.

    An execution's id follows from the order and from how much of it is then executed: who asks
    again gets the same id again, as long as no execution before it was missed.
    """

    def __init__(self, order: orders.Order) -> None:
        """Begin with an order that Alpaca has not answered to."""
        self.order = order
        self.sent = False
        self.answered = False
        self.changed = False
        self.at_ns = order.created_at_ns
        self._state: orders.OrderState = "submitted"
        self._reason = ""
        self._filled = 0
        self._paid = Decimal(0)  # price times quantity of what was executed
        self._executions: list[orders.Execution] = []
        self._told = 0

    @property
    def closed(self) -> bool:
        """Whether nothing more comes of it."""
        return self._state in orders.CLOSED

    def restore(
        self, updates: Iterable[orders.OrderUpdate], executions: Iterable[orders.Execution]
    ) -> None:
        """Take over what an earlier process has told of it."""
        for execution in executions:
            if execution.kind == "fill" and execution not in self._executions:
                self._executions.append(execution)
                self._filled += abs(execution.change)
                self._paid += Decimal(str(execution.price)) * abs(execution.change)
                self._state = "partially_filled"
                self.answered = True
        self._told = len(self._executions)
        for update in updates:
            self.answered |= update.state != "submitted"
            if not self.closed:
                self._state, self._reason = update.state, update.reason

    def take(self, answer: OrderAnswer, now_ns: int) -> None:
        """Take over what Alpaca says of it; an answer that is older than what we know is not."""
        self.answered = True
        state = state_of(answer)
        if answer.filled < self._filled or (self.closed and answer.filled == self._filled):
            return
        if answer.filled > self._filled and answer.filled_avg_price is not None:
            self._execute(answer.filled, answer.filled_avg_price, answer.changed_at_ns() or now_ns)
            self.changed = True
        if state != self._state:
            self._state, self._reason = state, _REASONS.get(answer.status, "")
            self.changed = True
        if self.changed:
            self.at_ns = answer.changed_at_ns() or now_ns

    def news(self) -> orders.OrderUpdate:
        """Return its state with the executions that were not returned so before."""
        new = tuple(self._executions[self._told :])
        self._told, self.changed = len(self._executions), False
        return self._update(new)

    def all(self) -> orders.OrderUpdate:
        """Return its state with all its executions; none of them is news after that."""
        self.news()
        return self._update(tuple(self._executions))

    def _update(self, executions: tuple[orders.Execution, ...]) -> orders.OrderUpdate:
        return orders.OrderUpdate(
            order_id=self.order.order_id,
            state=self._state,
            filled=self._filled,
            at_ns=self.at_ns,
            reason=self._reason,
            executions=executions,
        )

    def _execute(self, filled: int, average: Decimal, at_ns: int) -> None:
        order, quantity = self.order, filled - self._filled
        paid = average * filled
        price = (paid - self._paid) / quantity
        if price <= 0:  # the average is rounded
            price = average
        self._executions.append(
            orders.Execution(
                execution_id=f"{order.broker}-{order.order_id}-{filled}",
                kind="fill",
                order_id=order.order_id,
                strategy_id=order.strategy_id,
                broker=order.broker,
                symbol=order.symbol,
                change=quantity if order.side == "buy" else -quantity,
                price=float(price),
                commission=0.0,
                at_ns=at_ns,
                origin=order.origin,
            )
        )
        self._filled, self._paid = filled, paid


def state_of(answer: OrderAnswer) -> orders.OrderState:
    """Return our word for an order's status; one that we do not know is taken for open."""
    closed = _CLOSED.get(answer.status)
    if closed is not None:
        return closed
    return "partially_filled" if answer.filled else "accepted"
