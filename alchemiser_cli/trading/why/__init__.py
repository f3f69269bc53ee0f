"""Why: what led to an order, and what kept one from being made, read out of the audit trail."""

from alchemiser_cli.trading.why.holds import Held, HeldDetail
from alchemiser_cli.trading.why.order import Moment, OrderState, OrderStory, explain_order
from alchemiser_cli.trading.why.records import merged
from alchemiser_cli.trading.why.refusals import Refusal, RefusalStory, explain_refusals
from alchemiser_cli.trading.why.surroundings import Circumstance

__all__ = [
    "Circumstance",
    "Held",
    "HeldDetail",
    "Moment",
    "OrderState",
    "OrderStory",
    "Refusal",
    "RefusalStory",
    "explain_order",
    "explain_refusals",
    "merged",
]
