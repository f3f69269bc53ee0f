"""What goes on record of signals, decisions, orders and executions; details rebuild the state."""

from msgspec.structs import replace

from alchemiser_cli.trading.audit.record import AuditEntry, AuditEvent
from alchemiser_cli.trading.decisions import Decision
from alchemiser_cli.trading.orders import Execution, Order, OrderUpdate
from alchemiser_cli.trading.signals import Signal

__all__ = ["decision_entry", "execution_entry", "order_entry", "signal_entry", "update_entry"]


def signal_entry(signal: Signal) -> AuditEntry:
    """Return the line of a signal; ``quantity`` is its target."""
    return AuditEntry(
        event="SIGNAL",
        event_id=signal.signal_id,
        causation=str(signal.origin),
        strategy_id=signal.strategy_id,
        param_hash=signal.param_hash,
        model_hash="" if signal.model is None else signal.model.hash,
        reason=signal.reason,
        symbol=signal.symbol,
        quantity=signal.target,
        detail=signal,
    )


def decision_entry(decision: Decision) -> AuditEntry:
    """Return the line of a decision; ``quantity`` is the approved change, signed."""
    signal = decision.signal
    return AuditEntry(
        event="TRADE_APPROVED" if decision.approved else "TRADE_REJECTED",
        event_id=decision.decision_id,
        causation=signal.signal_id,
        strategy_id=signal.strategy_id,
        param_hash=signal.param_hash,
        model_hash="" if signal.model is None else signal.model.hash,
        reason=decision.reason,
        symbol=signal.symbol,
        side=decision.side or "",
        quantity=-decision.quantity if decision.side == "sell" else decision.quantity,
        limits=decision.limits,
        # The signal's own line has its features, and this one the limits.
        detail=replace(decision, signal=replace(signal, features={}), limits=()),
    )


def order_entry(order: Order) -> AuditEntry:
    """Return the line of an order that is about to go to its broker."""
    return AuditEntry(
        event="ORDER_SUBMITTED",
        event_id=order.order_id,
        causation=order.decision_id,
        strategy_id=order.strategy_id,
        symbol=order.symbol,
        side=order.side,
        quantity=order.change,
        detail=order,
    )


def update_entry(order: Order, update: OrderUpdate) -> AuditEntry:
    """Return the line of an order's end; executions have lines of their own."""
    event: AuditEvent = "ORDER_REJECTED" if update.state == "rejected" else "ORDER_CLOSED"
    return AuditEntry(
        event=event,
        event_id=order.order_id,
        causation=order.decision_id,
        strategy_id=order.strategy_id,
        reason=update.reason or update.state,
        symbol=order.symbol,
        side=order.side,
        quantity=order.change,
        detail=replace(update, executions=()),
    )


def execution_entry(execution: Execution) -> AuditEntry:
    """Return the line of a fill or a settlement."""
    return AuditEntry(
        event="EXECUTED",
        event_id=execution.execution_id,
        causation=execution.order_id,
        strategy_id=execution.strategy_id,
        reason=execution.kind,
        symbol=execution.symbol,
        side="buy" if execution.change > 0 else "sell",
        quantity=execution.change,
        detail=execution,
    )
