"""Errors of the services around trading, and of the guards that protect against them."""

from collections.abc import Mapping
from typing import ClassVar

from alchemiser_cli.errors.base import AlchemiserError, RetrySafety, Severity
from alchemiser_cli.exits import ExitCode

__all__ = [
    "AcknowledgementInvalidError",
    "ChannelNotFoundError",
    "CircuitOpenError",
    "EscalationMalformedError",
    "LoggingError",
    "NotificationError",
    "ObjectStoreError",
    "RateLimitError",
    "RecoveryExhaustedError",
    "ResilienceError",
    "RetryExhaustedError",
    "SecurityError",
    "ServiceUnreachableError",
]


class ServiceUnreachableError(AlchemiserError):
    """A service did not answer, or the connection to it was lost.

    Whether it carried out the request is not known, so only what may be done twice is retried;
    an order in this state is ``OrderOutcomeUnknownError``.
    """

    code = "service-unreachable"
    recoverable = True
    retry_safety = RetrySafety.IF_IDEMPOTENT
    exit_code = ExitCode.UNREACHABLE


class RateLimitError(AlchemiserError):
    """A service asked us to slow down."""

    code = "rate-limited"
    severity = Severity.MEDIUM
    recoverable = True
    retry_safety = RetrySafety.SAFE  # a refused request was not carried out

    def __init__(
        self,
        what: str,
        *,
        why: str,
        next_step: str,
        context: Mapping[str, object] | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        """Keep the seconds after which the service wants to be asked again, if it said so."""
        super().__init__(what, why=why, next_step=next_step, context=context)
        self.retry_after_s = retry_after_s


class NotificationError(AlchemiserError):
    """A message to a person was not accepted by its channel."""

    code = "notification-failed"
    recoverable = True
    retry_safety = RetrySafety.SAFE


class EscalationMalformedError(AlchemiserError):
    """The escalation policies cannot be read, or do not say who is told of what."""

    code = "escalation-malformed"
    exit_code = ExitCode.CONFIG


class AcknowledgementInvalidError(AlchemiserError):
    """A link that acknowledges an incident is not one of ours, or has expired."""

    code = "acknowledgement-invalid"
    severity = Severity.LOW
    exit_code = ExitCode.REFUSED


class ChannelNotFoundError(AlchemiserError):
    """No channel of the settings has this name."""

    code = "channel-not-found"
    severity = Severity.LOW
    exit_code = ExitCode.NOT_FOUND


class ObjectStoreError(AlchemiserError):
    """An object store did not take or give an object."""

    code = "object-store-failed"
    recoverable = True
    retry_safety = RetrySafety.IF_IDEMPOTENT
    exit_code = ExitCode.UNREACHABLE


class LoggingError(AlchemiserError):
    """A log file cannot be written."""

    code = "logging-failed"
    recoverable = True
    retry_safety = RetrySafety.SAFE


class SecurityError(AlchemiserError):
    """A signature, permission or credential is not what it must be."""

    code = "security-violation"
    severity = Severity.CRITICAL
    exit_code = ExitCode.REFUSED


class ResilienceError(AlchemiserError):
    """Family: a guard gave up or stands in the way."""

    recoverable: ClassVar[bool] = True


class CircuitOpenError(ResilienceError):
    """A circuit breaker is open: the call was not made."""

    code = "circuit-open"
    retry_safety = RetrySafety.SAFE
    exit_code = ExitCode.UNREACHABLE


class RetryExhaustedError(ResilienceError):
    """Every attempt that a retry policy allows has failed."""

    code = "retry-exhausted"
    recoverable = False


class RecoveryExhaustedError(ResilienceError):
    """Recovery of the same failure was tried too often and was stopped."""

    code = "recovery-loop"
    severity = Severity.CRITICAL
    recoverable = False
