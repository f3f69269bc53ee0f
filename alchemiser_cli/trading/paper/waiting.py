"""The orders that wait for a price, by symbol and in the order of their arrival."""

from alchemiser_cli.trading.decisions import Side
from alchemiser_cli.trading.paper.ticket import Ticket

__all__ = ["WaitingOrders"]

NEVER = 2**63 - 1


class WaitingOrders:
    """Orders that are neither executed nor over, each of which waits ``lifetime_ns`` at most.

    ``deadline_ns`` is an event time before which none of them is overdue.
    """

    def __init__(self, lifetime_ns: int) -> None:
        self.deadline_ns = NEVER
        self._lifetime_ns = lifetime_ns
        self._by_symbol: dict[str, dict[str, Ticket]] = {}

    def __contains__(self, symbol: str) -> bool:
        """Tell whether an order of ``symbol`` waits."""
        return symbol in self._by_symbol

    def add(self, ticket: Ticket) -> None:
        """Let an order wait, behind those of its symbol that came before."""
        order = ticket.order
        self._by_symbol.setdefault(order.symbol, {})[order.order_id] = ticket
        self.deadline_ns = min(self.deadline_ns, ticket.accepted_ns + self._lifetime_ns)

    def remove(self, ticket: Ticket) -> None:
        """Let an order wait no longer."""
        queue = self._by_symbol[ticket.order.symbol]
        del queue[ticket.order.order_id]
        if not queue:
            del self._by_symbol[ticket.order.symbol]

    def of(self, symbol: str) -> list[Ticket]:
        """Return the orders of a symbol, first come first."""
        return list(self._by_symbol.get(symbol, {}).values())

    def order_ids(self) -> tuple[str, ...]:
        """Return the ids of all that wait, sorted."""
        return tuple(sorted(name for queue in self._by_symbol.values() for name in queue))

    def overdue(self, at_ns: int) -> list[Ticket]:
        """Return the orders whose lifetime is over at ``at_ns``, and set the next deadline."""
        self.deadline_ns = NEVER
        found = []
        for queue in self._by_symbol.values():
            for ticket in queue.values():
                deadline_ns = ticket.accepted_ns + self._lifetime_ns
                if at_ns >= deadline_ns:
                    found.append(ticket)
                else:
                    self.deadline_ns = min(self.deadline_ns, deadline_ns)
        return found

    def on_side(self, symbol: str, side: Side) -> tuple[int, float]:
        """Return how many units of ``symbol`` wait on this side, and what the whole side is worth.

        The worth is that of all symbols at the orders' reference prices, in the currency.
        """
        units, worth = 0, 0.0
        for queue in self._by_symbol.values():
            for ticket in queue.values():
                order = ticket.order
                if order.side == side:
                    worth += ticket.left * order.reference_price * ticket.instrument.multiplier
                    units += ticket.left if order.symbol == symbol else 0
        return units, worth
