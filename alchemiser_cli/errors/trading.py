"""Errors of trading: orders, positions, strategies, indicators and validated input."""

from typing import ClassVar

from alchemiser_cli.errors.base import AlchemiserError, RetrySafety, Severity
from alchemiser_cli.exits import ExitCode

__all__ = [
    "AuditCorruptError",
    "AuditLockedError",
    "AuditLostError",
    "AuditTrailNotFoundError",
    "BrokerInactiveError",
    "IndicatorCalculationError",
    "InsufficientFundsError",
    "KillSwitchActiveError",
    "KillSwitchUnreadableError",
    "MarketClosedError",
    "OrderExecutionError",
    "OrderNotFoundError",
    "OrderOutcomeUnknownError",
    "OrderRejectedError",
    "PositionValidationError",
    "StageSilentError",
    "StrategyExecutionError",
    "StrategyMalformedError",
    "StrategyModelError",
    "StrategyNotFoundError",
    "TradingClientError",
    "TradingNotRunningError",
    "TradingRunNotFoundError",
    "TradingRunningError",
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


class StrategyNotFoundError(AlchemiserError):
    """No strategy is defined under this name."""

    code = "strategy-not-found"
    severity = Severity.MEDIUM
    exit_code = ExitCode.NOT_FOUND


class StrategyMalformedError(AlchemiserError):
    """A strategy's definition cannot be used."""

    code = "strategy-malformed"
    exit_code = ExitCode.CONFIG


class StrategyModelError(AlchemiserError):
    """A strategy's model is missing, or fails its verification: the strategy is disabled."""

    code = "strategy-model-unusable"


class BrokerInactiveError(AlchemiserError):
    """A broker that trading needs is not enabled, not known, or cannot be loaded."""

    code = "broker-inactive"
    exit_code = ExitCode.CONFIG


class KillSwitchActiveError(AlchemiserError):
    """The kill switch is set: nothing is traded."""

    code = "kill-switch-active"
    exit_code = ExitCode.REFUSED


class KillSwitchUnreadableError(AlchemiserError):
    """The kill switch cannot be read or written; it counts as set."""

    code = "kill-switch-unreadable"
    severity = Severity.CRITICAL
    exit_code = ExitCode.REFUSED


class AuditLostError(AlchemiserError):
    """The audit trail cannot be written: trading stops."""

    code = "audit-lost"
    severity = Severity.CRITICAL


class AuditCorruptError(AlchemiserError):
    """The audit trail was edited, has a gap, or ends too early."""

    code = "audit-corrupt"
    severity = Severity.CRITICAL
    exit_code = ExitCode.CORRUPT


class AuditLockedError(AlchemiserError):
    """Another process writes this audit trail."""

    code = "audit-locked"
    exit_code = ExitCode.REFUSED


class AuditTrailNotFoundError(AlchemiserError):
    """There is no audit trail of this name."""

    code = "audit-trail-not-found"
    severity = Severity.LOW
    exit_code = ExitCode.NOT_FOUND


class OrderNotFoundError(AlchemiserError):
    """No audit trail knows this order."""

    code = "order-not-found"
    severity = Severity.LOW
    exit_code = ExitCode.NOT_FOUND


class TradingRunNotFoundError(AlchemiserError):
    """There is no trading run of this name."""

    code = "trading-run-not-found"
    severity = Severity.LOW
    exit_code = ExitCode.NOT_FOUND


class TradingNotRunningError(AlchemiserError):
    """No process trades for this broker, so nobody can do what is asked."""

    code = "trading-not-running"
    severity = Severity.MEDIUM
    exit_code = ExitCode.UNREACHABLE


class TradingRunningError(AlchemiserError):
    """A process trades for this broker already."""

    code = "trading-running"
    severity = Severity.MEDIUM
    exit_code = ExitCode.REFUSED


class StageSilentError(AlchemiserError):
    """A stage of trading has work and does none."""

    code = "stage-silent"
    recoverable = True
    retry_safety = RetrySafety.SAFE
