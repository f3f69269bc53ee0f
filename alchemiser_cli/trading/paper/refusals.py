"""Why the paper broker refuses an order: by its form, its hour, its cost, or as a rehearsal."""

import hashlib
import math

from alchemiser_cli.clock import iso_from_ns
from alchemiser_cli.errors import InsufficientFundsError, MarketClosedError, OrderRejectedError
from alchemiser_cli.trading.book import Book
from alchemiser_cli.trading.instruments import Instrument
from alchemiser_cli.trading.orders import Order
from alchemiser_cli.trading.paper.ticket import Ticket

__all__ = ["malformed", "market_closed", "rehearsal", "rehearsed", "short_of_funds"]


def malformed(
    order: Order, instrument: Instrument, broker: str, at_ns: int
) -> OrderRejectedError | None:
    """Return why no broker could take this order at ``at_ns`` (event time), None if one could."""
    if order.broker != broker:
        return _rejected(order, f"it is for the broker {order.broker}, and this is {broker}")
    if order.quantity <= 0:
        return _rejected(order, f"its quantity is {order.quantity}")
    if not 0.0 <= order.reference_price < math.inf:
        return _rejected(order, f"its reference price is {order.reference_price}")
    if instrument.expiry_ns is not None and at_ns >= instrument.expiry_ns:
        return _rejected(order, f"the contract expired at {iso_from_ns(instrument.expiry_ns)}")
    return None


def rehearsed(order_id: str, seed: int, rate: float) -> bool:
    """Tell whether this order is one of the share ``rate`` that is rejected for rehearsal.

    It follows from the seed and the order's id alone, so that a replay rejects the same orders.
    """
    if rate <= 0.0:
        return False
    digest = hashlib.blake2b(f"{seed}\0{order_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) < rate * 2**64


def rehearsal(order: Order) -> OrderRejectedError:
    """Return the reject of a rehearsal, as a broker would send it."""
    return _rejected(order, "paper.reject_rate asks for a share of rejects, as a rehearsal")


def market_closed(order: Order, calendar: str, at_ns: int) -> MarketClosedError:
    """Return the refusal of an order outside of the exchange's sessions."""
    return MarketClosedError(
        f"the order {order.order_id} came while the exchange {calendar} is closed",
        why=f"It is {iso_from_ns(at_ns)}, which lies in no session; a lunch break is none.",
        next_step="Let the strategy decide anew in the next session; see market.calendar.",
        context={**_facts(order), "calendar": calendar, "at_ns": at_ns},
    )


def short_of_funds(
    ticket: Ticket, book: Book, waiting: int, held: float
) -> InsufficientFundsError | None:
    """Return why the account cannot carry this order, None if it can.

    The rule is simple: all longs together may be worth the equity at most, and so may all shorts.
    What makes a position smaller always passes. Values are at the last prices seen, the order
    counts at its reference price, and orders of its side that wait count in full. An option counts
    with its price: margin rules of exchanges are not simulated, and the risk gate limits notional.

    Args:
        ticket: The order.
        book: The account.
        waiting: Units of the same symbol and side that wait at the broker.
        held: What all waiting orders of this side are worth, at their reference prices.
    """
    order = ticket.order
    net = book.net(order.symbol)
    against = -net if order.side == "buy" else net
    opening = order.quantity - min(order.quantity, max(0, against - waiting))
    if opening == 0:
        return None
    worth = order.reference_price * ticket.instrument.multiplier
    needed = opening * (worth + ticket.commission)
    available = book.equity - book.exposure(long=order.side == "buy") - held
    if needed <= available:
        return None
    return InsufficientFundsError(
        f"the account cannot carry the order {order.order_id}: "
        f"it needs {needed:,.2f}, and {max(available, 0.0):,.2f} are free",
        why="Longs may be worth the account's equity at most, and so may shorts; "
        "orders that wait count, too.",
        next_step="Lower the strategy's size, or close positions or orders that nobody needs.",
        context={**_facts(order), "needed": needed, "available": available},
    )


def _rejected(order: Order, why: str) -> OrderRejectedError:
    return OrderRejectedError(
        f"the broker {order.broker} refused the order {order.order_id}: {why}",
        why="A broker takes an order only where it can be executed; nothing of it was.",
        next_step="Correct what the reason names, and let the strategy decide anew.",
        context={**_facts(order), "reason": why},
    )


def _facts(order: Order) -> dict[str, object]:
    return {
        "order_id": order.order_id,
        "strategy_id": order.strategy_id,
        "symbol": order.symbol,
        "side": order.side,
        "quantity": order.quantity,
        "reference_price": str(order.reference_price),
    }
