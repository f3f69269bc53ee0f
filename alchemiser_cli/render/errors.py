"""Error codes and runbooks."""

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from alchemiser_cli.errors import AlchemiserError, CodeEntry, Runbook, Severity
from alchemiser_cli.render.blocks import Block, Cell, TableBlock, TextBlock, View
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

__all__ = ["codes_view", "exported_view", "runbook_view"]

_STYLES = {
    Severity.LOW: "dim",
    Severity.MEDIUM: "yellow",
    Severity.HIGH: "red",
    Severity.CRITICAL: "bold red",
}


def codes_view(entries: list[CodeEntry]) -> View:
    """Return the table of all codes."""
    rows = [
        (
            Cell(entry.code, "bold"),
            Cell(entry.severity, _STYLES[entry.severity]),
            "yes" if entry.recoverable else "no",
            entry.retry_safety,
            str(entry.exit_code),
            entry.summary,
        )
        for entry in entries
    ]
    columns = ("code", "severity", "recoverable", "retry", "exit", "meaning")
    document = {"codes": [msgspec.to_builtins(entry) for entry in entries]}
    return View(document, [TableBlock(columns, rows, right=frozenset({"exit"}))])


def runbook_view(runbook: Runbook, history: "CodeHistory | AlchemiserError") -> View:
    """Return one runbook as Markdown, and what the journal knows of its code."""
    document = {**msgspec.to_builtins(runbook.entry), "text": runbook.text}
    page = TextBlock(runbook.text, markdown=True)
    if isinstance(history, AlchemiserError):
        note = TextBlock(unread_words(history), style="yellow")
        return View({**document, "history": None}, [page, note])
    return View(
        {**document, "history": msgspec.to_builtins(history)}, [page, *_history_blocks(history)]
    )


def exported_view(code: str, file: Path) -> View:
    """Return where a runbook was written."""
    said = f"The runbook of {code} is in {file}; only you may read it."
    return View({"code": code, "file": str(file)}, [TextBlock(said, style="green")])


def _history_blocks(history: "CodeHistory") -> list[Block]:
    blocks: list[Block] = [TextBlock(NEVER_SEEN, style="dim")]
    if history.count:
        blocks = [TableBlock(("the journal knows", ""), fact_rows(history))]
    if history.resolutions:
        rows: list[list[Cell | str]] = [
            [Cell(row[0], "dim" if one.stale or not one.worked else ""), *row[1:]]
            for one, row in zip(history.resolutions, remedy_rows(history), strict=True)
        ]
        blocks.append(TableBlock(REMEDY_COLUMNS, rows))
    if history.draft:
        blocks += [
            TextBlock(DRAFT_WORDS, style="yellow"),
            TableBlock(STEP_COLUMNS, step_rows(history.draft)),
            TableBlock(SIMILAR_COLUMNS, similar_rows(history.draft)),
        ]
    return blocks
