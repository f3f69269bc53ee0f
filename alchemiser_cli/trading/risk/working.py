"""Orders that were approved and have not ended: they count as if they were filled."""

from collections.abc import Mapping

import msgspec

from alchemiser_cli.trading.decisions import Decision, order_id
from alchemiser_cli.trading.orders import Execution, OrderUpdate

__all__ = ["WorkingOrder", "WorkingOrders"]

Sides = list[int]
"""Units that are still to be bought, and still to be sold; neither has a sign."""
_IDLE: Sides = [0, 0]


class WorkingOrder(msgspec.Struct, gc=False):
    """One order: ``limit`` is what it can still come to in all, ``executed`` what it came to."""

    strategy: str
    symbol: str
    side: int  # 0: buy, 1: sell
    limit: int
    executed: int
    reference_price: float
    confidence: float | None

    @property
    def remaining(self) -> int:
        """Units that may still be executed."""
        return max(0, self.limit - self.executed)


class WorkingOrders:
    """What is on its way, by symbol and by strategy and symbol.

    An order leaves when it has ended and every execution that its end told of was seen; so
    between an order's end and the booking of its last fill, nothing is forgotten.
    """

    def __init__(self) -> None:
        """Start with none."""
        self._orders: dict[str, WorkingOrder] = {}
        self._by_symbol: dict[str, Sides] = {}
        self._by_strategy: dict[tuple[str, str], Sides] = {}

    def __contains__(self, order: str) -> bool:
        """Tell whether the order of this id is working."""
        return order in self._orders

    @property
    def ids(self) -> tuple[str, ...]:
        """The orders' ids, the oldest first."""
        return tuple(self._orders)

    @property
    def by_symbol(self) -> Mapping[str, Sides]:
        """What is still to be bought and sold, by symbol; those with nothing are not in it."""
        return self._by_symbol

    def symbols_of(self, strategy: str) -> list[str]:
        """Return the symbols in which ``strategy`` has anything on its way."""
        return [symbol for name, symbol in self._by_strategy if name == strategy]

    def of_symbol(self, symbol: str) -> Sides:
        """Return what is still to be bought and sold of a symbol."""
        return self._by_symbol.get(symbol, _IDLE)

    def around(self, strategy: str, symbol: str) -> tuple[Sides, Sides]:
        """Return what is on its way of a symbol: the strategy's own, and that of all."""
        all_sides = self._by_symbol.get(symbol)
        if all_sides is None:
            return _IDLE, _IDLE
        return self._by_strategy.get((strategy, symbol), _IDLE), all_sides

    def of_strategy(self, strategy: str, symbol: str) -> Sides:
        """Return what a strategy has still to buy and to sell of a symbol."""
        return self._by_strategy.get((strategy, symbol), _IDLE)

    def add(self, decision: Decision) -> None:
        """Count the order of an approved decision, once."""
        signal = decision.signal
        order = order_id(signal.signal_id)
        if order in self._orders or not decision.approved or decision.quantity <= 0:
            return
        side = 0 if decision.side == "buy" else 1
        working = self._orders[order] = WorkingOrder(
            signal.strategy_id,
            signal.symbol,
            side,
            decision.quantity,
            0,
            signal.reference_price,
            signal.confidence,
        )
        self._move(working, decision.quantity)

    def executed(self, execution: Execution) -> WorkingOrder | None:
        """Take off what was executed; return its order, None where none of ours is working."""
        order = self._orders.get(execution.order_id)
        if order is None:
            return None
        before = order.remaining
        order.executed += abs(execution.change)
        self._move(order, order.remaining - before)
        if not order.remaining:
            del self._orders[execution.order_id]
        return order

    def updated(self, update: OrderUpdate) -> None:
        """Take off what an order that has ended will never come to."""
        order = self._orders.get(update.order_id)
        if order is None or not update.closed:
            return
        before = order.remaining
        order.limit = min(order.limit, max(update.filled, 0))
        self._move(order, order.remaining - before)
        if not order.remaining:
            del self._orders[update.order_id]

    def _move(self, order: WorkingOrder, change: int) -> None:
        symbol, side = order.symbol, order.side
        pair = (order.strategy, symbol)
        total = self._by_symbol.get(symbol)
        if total is None:
            total = self._by_symbol[symbol] = [0, 0]
        own = self._by_strategy.get(pair)
        if own is None:
            own = self._by_strategy[pair] = [0, 0]
        total[side] += change
        own[side] += change
        if not (own[0] or own[1]):
            del self._by_strategy[pair]
        if not (total[0] or total[1]):
            del self._by_symbol[symbol]
