"""The journal: every failure of the system, grouped, kept in the state database."""

from alchemiser_cli.errors.journal.journal import ErrorJournal, JournalSummary
from alchemiser_cli.errors.journal.once import Recorded, record_once
from alchemiser_cli.errors.journal.policy import ContinuePolicy
from alchemiser_cli.errors.journal.records import (
    Captured,
    Cause,
    ErrorGroup,
    GroupState,
    MinuteCount,
    Resolution,
)
from alchemiser_cli.errors.journal.store import JournalStore
from alchemiser_cli.errors.journal.templates import TemplateGroup, TemplateMiner, skeleton

__all__ = [
    "Captured",
    "Cause",
    "ContinuePolicy",
    "ErrorGroup",
    "ErrorJournal",
    "GroupState",
    "JournalStore",
    "JournalSummary",
    "MinuteCount",
    "Recorded",
    "Resolution",
    "TemplateGroup",
    "TemplateMiner",
    "record_once",
    "skeleton",
]
