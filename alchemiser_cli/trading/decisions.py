"""What the risk gate says to a signal: approved, resized or refused, with every limit's reading."""

from typing import Literal

import msgspec

from alchemiser_cli.trading.signals import Signal

__all__ = ["REASONS", "Decision", "LimitReading", "Reason", "Side", "decision_id", "order_id"]

Side = Literal["buy", "sell"]

Reason = Literal[
    "approved",
    "resized",
    "flatten",
    "kill_switch_active",
    "trading_halted",
    "reduce_only",
    "daily_loss_limit_exceeded",
    "per_trade_loss_limit_exceeded",
    "max_position_limit_reached",
    "duplicate_position",
    "cool_down_active",
    "circuit_breaker_open",
    "notional_limit_exceeded",
    "unknown_symbol",
    "stale_market_data",
    "policy_expired",
]

REASONS: dict[Reason, str] = {
    "approved": "within every limit",
    "resized": "within every limit at a smaller size",
    "flatten": "an operator closes the position",
    "kill_switch_active": "the kill switch is set",
    "trading_halted": "trading is halted",
    "reduce_only": "only what makes a position smaller may pass",
    "daily_loss_limit_exceeded": "the day has lost too much, from its start or from its peak",
    "per_trade_loss_limit_exceeded": "the trade could lose too much",
    "max_position_limit_reached": "as many positions are open as may be",
    "duplicate_position": "the position is there, or ordered, already",
    "cool_down_active": "the last trade of the symbol is too fresh",
    "circuit_breaker_open": "calls to the broker fail; its breaker is open",
    "notional_limit_exceeded": "the symbol's notional or the account's leverage would be too large",
    "unknown_symbol": "no price of the symbol was ever seen",
    "stale_market_data": "the price that the signal rests on is too old",
    "policy_expired": "the policy's weights are too old to act on",
}
"""Every reason of a decision, and what it says."""


class LimitReading(msgspec.Struct, frozen=True, gc=False):
    """One limit when a signal was judged: its value against its threshold.

    ``value`` and ``threshold`` share a unit, which ``name`` tells; None where the limit is not
    set or could not be read. ``passed`` is whether the signal may go on.
    """

    name: str
    value: float | None
    threshold: float | None
    passed: bool


class Decision(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The one answer to a signal.

    ``quantity`` is what may be traded, in units or contracts and without sign; 0 where refused.
    ``limits`` are those that were looked at, in the gate's order: a refusal is the last one's.
    """

    decision_id: str
    signal: Signal
    approved: bool
    reason: Reason
    side: Side | None
    quantity: int
    limits: tuple[LimitReading, ...]
    decided_at_ns: int


def decision_id(signal: str) -> str:
    """Return the id of the one decision about the signal of this id."""
    return f"d-{signal}"


def order_id(signal: str) -> str:
    """Return the id of the one order that the signal of this id can lead to.

    It is the order's idempotency key at the broker, too.
    """
    return f"o-{signal}"
