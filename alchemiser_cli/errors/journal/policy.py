"""Whether the caller goes on after a failure."""

import msgspec

from alchemiser_cli.errors.base import Severity

__all__ = ["ContinuePolicy"]


class ContinuePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Go on after failures below ``stop_at`` that are recoverable.

    With ``needs_recoverable`` off, only the severity decides.
    """

    stop_at: Severity = Severity.CRITICAL
    needs_recoverable: bool = True

    def should_continue(self, severity: Severity, *, recoverable: bool) -> bool:
        """Decide by the severity of a failure and whether it heals."""
        if self.needs_recoverable and not recoverable:
            return False
        return severity.rank < self.stop_at.rank
