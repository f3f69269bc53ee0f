"""Runbooks: one Markdown file a code, shipped inside the package."""

import difflib
from importlib import resources

import msgspec

from alchemiser_cli.errors.base import (
    AlchemiserError,
    RetrySafety,
    Severity,
    error_class,
    error_classes,
)
from alchemiser_cli.errors.runtime import RunbookNotFoundError
from alchemiser_cli.exits import ExitCode

__all__ = ["CodeEntry", "Runbook", "error_codes", "runbook"]


class CodeEntry(msgspec.Struct, frozen=True):
    """One row of the table of error codes."""

    code: str
    error: str
    summary: str
    severity: Severity
    recoverable: bool
    retry_safety: RetrySafety
    exit_code: int


class Runbook(msgspec.Struct, frozen=True):
    """What an operator does about one code; ``text`` is Markdown."""

    entry: CodeEntry
    text: str


def error_codes() -> list[CodeEntry]:
    """Return every code the system can raise, sorted by code."""
    return [_entry(kind) for kind in error_classes()]


def runbook(code: str) -> Runbook:
    """Return the runbook of ``code``.

    Raises:
        RunbookNotFoundError: ``runbook-not-found``, naming the nearest codes.
    """
    kind = error_class(code)
    if kind is None:
        known = [entry.code for entry in error_codes()]
        near = difflib.get_close_matches(code, known, n=3)
        hint = f"Did you mean {', '.join(near)}? " if near else ""
        raise RunbookNotFoundError(
            f"no error has the code {code!r}",
            why="Runbooks are kept by error code, and this is not one of them.",
            next_step=f"{hint}`alchemiser errors codes` lists them all.",
            context={"code": code},
        )
    path = resources.files(__package__) / "runbook_pages" / f"{code}.md"
    return Runbook(entry=_entry(kind), text=path.read_text(encoding="utf-8"))


def _entry(kind: type[AlchemiserError]) -> CodeEntry:
    return CodeEntry(
        code=kind.code,
        error=kind.__name__,
        summary=(kind.__doc__ or "").strip().splitlines()[0],
        severity=kind.severity,
        recoverable=kind.recoverable,
        retry_safety=kind.retry_safety,
        exit_code=ExitCode(kind.exit_code),
    )
