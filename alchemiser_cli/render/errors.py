"""Error codes and runbooks."""

from typing import TYPE_CHECKING

import msgspec

from alchemiser_cli.clock import duration_text, iso_from_ns
from alchemiser_cli.errors import AlchemiserError, CodeEntry, Runbook, Severity
from alchemiser_cli.render.blocks import Block, Cell, TableBlock, TextBlock, View

if TYPE_CHECKING:
    from alchemiser_cli.errors.journal.history import CodeHistory

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
        note = f"The journal cannot be read now ({history.code}), so what it knows is missing."
        return View({**document, "history": None}, [page, TextBlock(note, style="yellow")])
    return View(
        {**document, "history": msgspec.to_builtins(history)}, [page, *_history_blocks(history)]
    )


def _history_blocks(history: "CodeHistory") -> list[Block]:
    if not history.count:
        return [TextBlock("The journal has never seen it.", style="dim")]
    facts = [
        ("seen", f"{history.count:,} (of these on purpose: {history.injected:,})"),
        ("first", _moment(history.first_seen_ns)),
        ("last", _moment(history.last_seen_ns)),
        ("last drilled", _moment(history.last_drilled_ns)),
        ("not resolved", f"{history.open_groups:,} of its groups"),
    ]
    blocks: list[Block] = [TableBlock(("the journal knows", ""), facts)]
    if history.resolutions:
        rows = [
            (
                one.text,
                f"{one.worked} of {one.tried}",
                "-" if one.median_seconds is None else duration_text(one.median_seconds),
                _moment(one.last_at_ns),
            )
            for one in history.resolutions
        ]
        blocks.append(TableBlock(("what helped", "worked", "median", "last"), rows))
    return blocks


def _moment(at_ns: int | None) -> str:
    return "never" if at_ns is None else iso_from_ns(at_ns)[:19] + "Z"
