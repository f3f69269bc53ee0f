"""What became of one failure: typed, so that callers and reports need no loose dictionaries."""

import msgspec

from alchemiser_cli.errors.base import RetrySafety, Severity
from alchemiser_cli.errors.context import ErrorContext

__all__ = ["ErrorDetails"]


class ErrorDetails(msgspec.Struct, frozen=True, kw_only=True):
    """One captured failure; ``at_ns`` is UTC nanoseconds.

    ``should_continue`` is the decision for the caller: go on, or let the operation end.
    """

    id: str
    code: str
    error: str
    severity: Severity
    what: str
    why: str
    next_step: str
    recoverable: bool
    retry_safety: RetrySafety
    should_continue: bool
    injected: bool
    at_ns: int
    context: ErrorContext
