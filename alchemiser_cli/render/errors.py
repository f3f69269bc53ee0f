"""Error codes and runbooks."""

import msgspec

from alchemiser_cli.errors import CodeEntry, Runbook, Severity
from alchemiser_cli.render.blocks import Cell, TableBlock, TextBlock, View

__all__ = ["codes_view", "runbook_view"]

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
            str(entry.exit_code),
            entry.summary,
        )
        for entry in entries
    ]
    columns = ("code", "severity", "recoverable", "exit", "meaning")
    document = {"codes": [msgspec.to_builtins(entry) for entry in entries]}
    return View(document, [TableBlock(columns, rows, right=frozenset({"exit"}))])


def runbook_view(runbook: Runbook) -> View:
    """Return one runbook as Markdown."""
    return View(
        {**msgspec.to_builtins(runbook.entry), "text": runbook.text},
        [TextBlock(runbook.text, markdown=True)],
    )
