"""What can be done about a failure, by its class: wait, ask the broker, take another source."""

from collections.abc import Callable
from typing import Literal, Protocol

import msgspec

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors import ErrorContext, OrderOutcomeUnknownError
from alchemiser_cli.resilience.wording import text_of

__all__ = [
    "Advice",
    "FallBackToSource",
    "Outcome",
    "ReconcileOrder",
    "Reconciled",
    "RecoveryStrategy",
    "Remedy",
    "Source",
    "WaitForRateLimit",
]

Outcome = Literal["recovered", "failed", "skipped"]
Advice = Literal["continue", "retry", "stop"]
Reconciled = Literal["executed", "absent", "unknown"]


class Remedy(msgspec.Struct, frozen=True):
    """What a strategy achieved, and what the caller may do now: go on, try again, or stop."""

    outcome: Outcome
    advice: Advice
    detail: str


class RecoveryStrategy(Protocol):
    """One way to recover; what it raises counts as failed."""

    name: str

    def attempt(self, error: Exception, context: ErrorContext) -> Remedy:
        """Try to recover from ``error``, which happened in ``context``."""
        ...


class Source(Protocol):
    """Sources of market data that can take one another's place."""

    def fall_back(self, error: Exception, context: ErrorContext) -> str | None:
        """Switch to the next source; return its name, None when there is no other."""
        ...

    def mark_stale(self, reason: str) -> None:
        """Mark the data at hand as older than it seems, until fresh data is there."""
        ...


class WaitForRateLimit:
    """Wait as long as the service asked, but never longer than ``longest_s``."""

    name = "wait for the rate limit"

    def __init__(self, clock: Clock, *, default_s: float = 1.0, longest_s: float = 60.0) -> None:
        """Wait ``default_s`` when the service did not say how long; all in seconds."""
        self._clock = clock
        self._default_s = default_s
        self._longest_s = longest_s

    def attempt(self, error: Exception, context: ErrorContext) -> Remedy:  # noqa: ARG002  protocol
        """Wait; the call may then be made again."""
        asked: float | None = getattr(error, "retry_after_s", None)
        wait_s = self._default_s if asked is None else max(0.0, asked)
        if wait_s > self._longest_s:
            detail = (
                f"the service asks for {wait_s:g} s, more than the {self._longest_s:g} s allowed"
            )
            return Remedy("failed", "stop", detail)
        self._clock.sleep(wait_s)
        return Remedy("recovered", "retry", f"waited {wait_s:g} s")


class ReconcileOrder:
    """Ask the broker what became of an order, and only then decide; never send it blindly."""

    name = "reconcile the order"

    def __init__(self, reconcile: Callable[[Exception, ErrorContext], Reconciled]) -> None:
        """Keep ``reconcile``, which looks the order up at the broker."""
        self._reconcile = reconcile

    def attempt(self, error: Exception, context: ErrorContext) -> Remedy:
        """Reconcile.

        An order that the broker never got may be sent again, but not one that it refused.
        """
        found = self._reconcile(error, context)
        if found == "executed":
            return Remedy("recovered", "continue", "the broker executed the order")
        if found == "unknown":
            return Remedy("failed", "stop", "the broker cannot say what became of the order")
        if isinstance(error, OrderOutcomeUnknownError):
            return Remedy("recovered", "retry", "the broker never got the order")
        return Remedy("recovered", "stop", f"nothing was executed: {text_of(error)}")


class FallBackToSource:
    """Mark the market data stale, then go on with another source."""

    name = "fall back to another source"

    def __init__(self, source: Source) -> None:
        """Keep the sources."""
        self._source = source

    def attempt(self, error: Exception, context: ErrorContext) -> Remedy:
        """Mark first: whatever becomes of the switch, the data at hand is old."""
        self._source.mark_stale(text_of(error))
        name = self._source.fall_back(error, context)
        if name is None:
            return Remedy("failed", "stop", "there is no other source; the data is marked stale")
        return Remedy("recovered", "continue", f"took {name}; the data is stale until it delivers")
