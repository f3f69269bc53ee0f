"""Errors of trading: orders, positions, strategies, indicators and validated input."""

from typing import ClassVar

from alchemiser_cli.errors.base import AlchemiserError, RetrySafety, Severity

__all__ = [
    "IndicatorCalculationError",
    "InsufficientFundsError",
    "MarketClosedError",
    "OrderExecutionError",
    "OrderOutcomeUnknownError",
    "OrderRejectedError",
    "PositionValidationError",
    "StrategyExecutionError",
    "TradingClientError",
    "ValidationError",
]


class TradingClientError(AlchemiserError):
    """Family: the broker's side of trading fails."""

    severity: ClassVar[Severity] = Severity.CRITICAL


class OrderExecutionError(TradingClientError):
    """Family: an order was not executed as asked."""


class OrderRejectedError(OrderExecutionError):
    """The broker refused an order; nothing was executed."""

    code = "order-rejected"
    severity = Severity.HIGH


class OrderOutcomeUnknownError(OrderExecutionError):
    """It is not known whether an order was executed: reconcile, never send again."""

    code = "order-outcome-unknown"


class InsufficientFundsError(OrderExecutionError):
    """The account cannot pay for an order."""

    code = "insufficient-funds"
    severity = Severity.HIGH


class MarketClosedError(OrderExecutionError):
    """The exchange has no session now.

    No order can be executed; the calendar's check raises it too, before any order exists.
    """

    code = "market-closed"
    severity = Severity.LOW
    recoverable = True


class PositionValidationError(TradingClientError):
    """Our positions differ from the broker's, or an order does not fit them."""

    code = "position-mismatch"


class StrategyExecutionError(AlchemiserError):
    """A strategy raised, hung or returned nonsense."""

    code = "strategy-failed"
    recoverable = True
    retry_safety = RetrySafety.SAFE


class IndicatorCalculationError(AlchemiserError):
    """An indicator cannot be computed from the data at hand."""

    code = "indicator-failed"
    severity = Severity.MEDIUM
    recoverable = True
    retry_safety = RetrySafety.SAFE


class ValidationError(AlchemiserError):
    """Data from outside does not have the form or range that it must have."""

    code = "validation-failed"
    severity = Severity.MEDIUM
