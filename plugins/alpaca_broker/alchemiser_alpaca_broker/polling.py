"""Asking after open orders: one request at a time, whatever their number."""

import datetime as dt
from collections.abc import Collection, Mapping

import msgspec

from alchemiser_alpaca_broker.known_order import KnownOrder
from alchemiser_alpaca_broker.messages import ListedOrder, OrderAnswer
from alchemiser_alpaca_broker.rest import AlpacaRest
from alchemiser_cli.clock import NS_PER_SECOND

__all__ = ["PAGE", "OrderPolling", "find_order"]

PAGE = 500  # the most that one answer lists
_BEFORE_NS = 300 * NS_PER_SECOND  # how far our clock and Alpaca's may differ


class OrderPolling:
    """Asks for all orders since the oldest open one, and now and then for one that is not listed.

    It is not listed where more than a page came after it, or where Alpaca does not know it yet.
    """

    def __init__(self, rest: AlpacaRest, orders: Mapping[str, KnownOrder]) -> None:
        """Ask for those of ``orders`` that are not closed."""
        self._rest = rest
        self._orders = orders
        self._missing: list[str] = []

    async def ask(self, now_ns: int) -> None:
        """Ask one question; what is new is then in the orders.

        Raises:
            AlchemiserError: see ``AlpacaRest.get``; the next question is asked all the same.
        """
        if self._missing:
            known = self._orders[self._missing.pop()]
            if not known.closed:
                answer = await find_order(self._rest, known.order.order_id, once=True)
                if answer is not None:
                    known.take(answer, now_ns)
            return
        awaited = [known for known in self._orders.values() if not known.closed]
        if awaited:
            await self._ask_for(awaited, now_ns)

    async def _ask_for(self, awaited: Collection[KnownOrder], now_ns: int) -> None:
        oldest_ns = min(known.order.created_at_ns for known in awaited) - _BEFORE_NS
        after = dt.datetime.fromtimestamp(max(oldest_ns, 0) // NS_PER_SECOND, dt.UTC)
        params = {"status": "all", "limit": str(PAGE), "direction": "desc"}
        params["after"] = after.isoformat().replace("+00:00", "Z")
        wish = "list orders"
        found = await self._rest.get("/v2/orders", list[msgspec.Raw], wish, params, once=True)
        listed = set()
        for raw in found or ():
            identity = self._rest.read(bytes(raw), ListedOrder, wish).client_order_id
            known = self._orders.get(identity)
            if known is not None:
                listed.add(identity)
                known.take(self._rest.read(bytes(raw), OrderAnswer, wish), now_ns)
        waiting = (known.order.order_id for known in awaited if not known.closed)
        self._missing = [order_id for order_id in waiting if order_id not in listed]


async def find_order(rest: AlpacaRest, order_id: str, *, once: bool = False) -> OrderAnswer | None:
    """Return Alpaca's order with our id, None where it has none. Raises as ``AlpacaRest.get``."""
    return await rest.get(
        "/v2/orders:by_client_order_id",
        OrderAnswer,
        f"tell of the order {order_id}",
        {"client_order_id": order_id},
        once=once,
    )
