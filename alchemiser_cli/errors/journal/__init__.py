"""The journal: every failure of the system, grouped, kept in the state database."""

from alchemiser_cli.errors.journal.journal import ErrorJournal, JournalRow
from alchemiser_cli.errors.journal.records import (
    Captured,
    Cause,
    ErrorGroup,
    GroupState,
    MinuteCount,
    Resolution,
)

__all__ = [
    "Captured",
    "Cause",
    "ErrorGroup",
    "ErrorJournal",
    "GroupState",
    "JournalRow",
    "MinuteCount",
    "Resolution",
]
