"""What Alpaca's refusals of an order amount to."""

from alchemiser_alpaca_broker.rest import Answered
from alchemiser_cli.errors import (
    AlchemiserError,
    InsufficientFundsError,
    MarketClosedError,
    OrderOutcomeUnknownError,
    OrderRejectedError,
)
from alchemiser_cli.trading import orders

__all__ = ["outcome_unknown", "refused"]

_FORBIDDEN = 403
_LACKING = ("insufficient", "buying power", "not enough")
_CLOSED = ("market hours", "market is closed", "market is not open")


def refused(order: orders.Order, answer: Answered) -> AlchemiserError:
    """Return why nothing was or will be executed of an order."""
    words = answer.why.lower()
    why = f"Alpaca answered HTTP {answer.status}: {answer.why}."
    context = _facts(order) | {"status": answer.status}
    what = f"{order.side} {order.quantity} {order.symbol}"
    if answer.status == _FORBIDDEN and any(word in words for word in _LACKING):
        return InsufficientFundsError(
            f"the account {order.broker!r} cannot pay for the order to {what}",
            why=why,
            next_step="Free buying power, or lower `risk.max_notional` in the settings.",
            context=context,
        )
    if any(word in words for word in _CLOSED):
        return MarketClosedError(
            f"Alpaca takes no order to {what} now",
            why=why,
            next_step="Wait for the session; a strategy decides anew then.",
            context=context,
        )
    return OrderRejectedError(
        f"Alpaca rejected the order to {what}",
        why=why,
        next_step="Correct what the reason names: the symbol, or what the account may trade.",
        context=context,
    )


def outcome_unknown(
    order: orders.Order, why: str, cause: AlchemiserError | None = None
) -> OrderOutcomeUnknownError:
    """Return that nobody can say now whether an order was taken."""
    return OrderOutcomeUnknownError(
        f"it is not known whether Alpaca took the order {order.order_id}",
        why=f"{why} "
        + (
            "Alpaca has no order of this id so far; it may still be under way."
            if cause is None
            else f"Asked for the order, it did not answer either: {cause.what}."
        ),
        next_step="Ask for its status until it is known; never send it again by hand.",
        context=_facts(order),
    )


def _facts(order: orders.Order) -> dict[str, object]:
    return {
        "broker": order.broker,
        "order_id": order.order_id,
        "symbol": order.symbol,
        "side": order.side,
        "quantity": order.quantity,
    }
