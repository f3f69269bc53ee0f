"""A runbook as a file of Markdown: the page, and behind it what helped on this system."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from alchemiser_cli.clock import iso_from_ns
from alchemiser_cli.errors import AlchemiserError, Runbook
from alchemiser_cli.render.runbook_words import (
    DRAFT_WORDS,
    NEVER_SEEN,
    REMEDY_COLUMNS,
    SIMILAR_COLUMNS,
    STEP_COLUMNS,
    fact_rows,
    remedy_rows,
    similar_rows,
    step_rows,
    unread_words,
)

if TYPE_CHECKING:
    from alchemiser_cli.errors.journal.history import CodeHistory

__all__ = ["runbook_markdown"]

_MARKUP = re.compile(r"([\\`*_\[\]<>|~&])")


def runbook_markdown(runbook: Runbook, history: "CodeHistory | AlchemiserError", at_ns: int) -> str:
    """Return the page, then "What helped here", as of ``at_ns`` (UTC nanoseconds)."""
    code = runbook.entry.code
    source = f"Written by `alchemiser errors runbook {code} --export`, {iso_from_ns(at_ns)[:19]}Z."
    parts = [runbook.text.rstrip(), "## What helped here", source]
    if isinstance(history, AlchemiserError):
        return "\n\n".join([*parts, unread_words(history)]) + "\n"
    if history.count:
        parts.append("\n".join(f"- {name}: {value}" for name, value in fact_rows(history)))
    else:
        parts.append(NEVER_SEEN)
    if history.resolutions:
        parts.append(_table(REMEDY_COLUMNS, remedy_rows(history)))
    elif history.count:
        parts.append("Nobody has recorded yet what was done about it.")
    if history.draft:
        parts += ["### Draft from similar codes", DRAFT_WORDS]
        parts.append(_table(STEP_COLUMNS, step_rows(history.draft)))
        parts.append(_table(SIMILAR_COLUMNS, similar_rows(history.draft)))
    return "\n\n".join(parts) + "\n"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns)]
    lines += [[_MARKUP.sub(r"\\\1", cell) for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
