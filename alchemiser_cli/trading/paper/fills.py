"""At what price, and how much, one tick fills."""

import math

from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.settings.trading import PaperSettings
from alchemiser_cli.trading.decisions import Side
from alchemiser_cli.trading.orders import Execution
from alchemiser_cli.trading.paper.ticket import Ticket
from alchemiser_cli.trading.signals import Origin

__all__ = ["capacity", "fill_of", "fill_price"]

NO_LIMIT = 2**62


def fill_price(tick: Tick, side: Side, settings: PaperSettings) -> float | None:
    """Return the price of one unit at which ``tick`` fills a market order.

    A buy pays the ask, a sell gets the bid, both worse by the slippage. A tick without any quote
    has its price as the mid of the spread in ``settings``.

    Returns:
        The price, above zero; None where nobody is on the other side: the quote lacks this side,
        or it is zero. Nobody pays for an option whose bid is zero, so its sale waits.
    """
    buys = side == "buy"
    if tick.bid is None and tick.ask is None:
        quoted = tick.price * (1.0 + settings.spread if buys else 1.0 - settings.spread)
    else:
        found = tick.ask if buys else tick.bid
        if found is None:
            return None
        quoted = found
    price = quoted * (1.0 + settings.slippage if buys else 1.0 - settings.slippage)
    return price if 0.0 < price < math.inf else None


def capacity(tick: Tick, max_fill: int | None) -> int:
    """Return how many units ``tick`` can fill on each side.

    That is ``max_fill`` at most, and the size of a quote that has one, in whole units.
    """
    most = NO_LIMIT if max_fill is None else max_fill
    if tick.kind == "quote" and 0.0 < tick.size < most:
        return math.floor(tick.size)
    return most


def fill_of(ticket: Ticket, quantity: int, price: float, tick: Tick, origin: Origin) -> Execution:
    """Return the execution of ``quantity`` units of an order at ``price``; it changes nothing yet.

    Its id follows from the order's and from how many fills there were: a replay gives the same.
    """
    order = ticket.order
    return Execution(
        execution_id=f"{order.order_id}-{ticket.fills + 1}",
        kind="fill",
        order_id=order.order_id,
        strategy_id=order.strategy_id,
        broker=order.broker,
        symbol=order.symbol,
        change=quantity if order.side == "buy" else -quantity,
        price=price,
        commission=quantity * ticket.commission,
        at_ns=tick.event_time_ns,
        origin=origin,
    )
