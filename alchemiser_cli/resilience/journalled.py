"""Recovery whose every result stands in the journal."""

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors import AlchemiserError
from alchemiser_cli.errors.journal import ErrorJournal
from alchemiser_cli.resilience.recovery import Recovery, RecoveryGuard, RecoveryResult

__all__ = ["journalled_recovery"]


def journalled_recovery(
    journal: ErrorJournal, clock: Clock, *, guard: RecoveryGuard | None = None
) -> Recovery:
    """Return a recovery without strategies that captures each failure with what became of it.

    The failure is journalled as recovered or not, with the strategy, its outcome and its advice
    among its facts. Without a ``guard`` the default one stops loops.
    """

    def capture(error: Exception, result: RecoveryResult) -> None:
        if isinstance(error, AlchemiserError):
            error.context |= {
                "recovery": result.strategy or "none",
                "outcome": result.outcome,
                "advice": result.advice,
                "recovery_detail": result.detail,
                "recovery_seconds": result.duration_s,
            }
        journal.capture(error, recovered=result.outcome == "recovered")

    return Recovery(clock, guard=guard or RecoveryGuard(clock), on_result=capture)
