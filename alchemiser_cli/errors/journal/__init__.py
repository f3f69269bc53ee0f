"""The journal: every failure of the system, grouped, kept in the state database."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

# Names are imported when they are first used: who only reads the journal loads no log library.
_HOMES = {
    "Captured": "records",
    "Cause": "records",
    "ContinuePolicy": "policy",
    "ErrorGroup": "records",
    "ErrorJournal": "journal",
    "GroupState": "records",
    "JournalStore": "store",
    "JournalSummary": "journal",
    "MinuteCount": "records",
    "Recorded": "once",
    "Resolution": "records",
    "TemplateGroup": "templates",
    "TemplateMiner": "templates",
    "record_once": "once",
    "skeleton": "templates",
}

if not TYPE_CHECKING:  # a checker would take any name for one of ours

    def __getattr__(name: str) -> Any:
        """Import a public name from its module (PEP 562)."""
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{home}"), name)
