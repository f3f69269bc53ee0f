"""A preflight report as a table, as a few lines, or as its document."""

import msgspec

from alchemiser_cli.checks import Check
from alchemiser_cli.preflight.report import PreflightReport
from alchemiser_cli.render.blocks import Cell, TableBlock, TextBlock, View

__all__ = ["check_list_view", "preflight_view", "short_view"]

_SIGNS = {
    "success": Cell("ok", "green"),
    "warning": Cell("warning", "yellow"),
    "error": Cell("error", "bold red"),
    "skipped": Cell("skipped", "dim"),
}


def preflight_view(report: PreflightReport) -> View:
    """Return every check with its outcome, then what to do about those that failed."""
    rows = [
        (
            category.name if position == 0 else "",
            result.name,
            _SIGNS[result.result],
            f"because {result.skipped_because}" if result.skipped_because else result.detail,
        )
        for category in report.categories
        for position, result in enumerate(category.checks)
    ]
    blocks: list[TableBlock | TextBlock] = [
        TableBlock(("category", "check", "result", "detail"), rows)
    ]
    if failing := report.results("error", "warning"):
        blocks.append(
            TableBlock(
                ("code", "next step"),
                [(Cell(result.code, "bold"), result.hint) for result in failing],
                title="What to do",
            )
        )
    blocks.append(_verdict(report))
    return View(_document(report), blocks)


def short_view(report: PreflightReport) -> View:
    """Return only the checks that did not succeed, and the verdict."""
    lines = [
        f"{result.result}[{result.code}] {result.name}: {result.detail}\n  next: {result.hint}"
        for result in report.results("error", "warning")
    ]
    blocks = [TextBlock("\n".join(lines))] if lines else []
    return View(_document(report), [*blocks, _verdict(report)])


def check_list_view(checks: list[Check]) -> View:
    """Return the checks that would run, without running them."""
    rows = [
        (check.category, check.name, check.code, "yes" if check.fatal else "no") for check in checks
    ]
    document = {
        "checks": [
            {"category": c.category, "name": c.name, "code": c.code, "blocks": c.fatal}
            for c in checks
        ]
    }
    return View(document, [TableBlock(("category", "check", "code", "blocks a start"), rows)])


def _document(report: PreflightReport) -> dict[str, object]:
    document: dict[str, object] = msgspec.to_builtins(report)
    return document


def _verdict(report: PreflightReport) -> TextBlock:
    counts = ", ".join(
        f"{len(found)} {one if len(found) == 1 else several}"
        for outcome, one, several in (
            ("success", "ok", "ok"),
            ("warning", "warning", "warnings"),
            ("error", "error", "errors"),
            ("skipped", "skipped", "skipped"),
        )
        if (found := report.results(outcome))
    )
    verdict = "ready to start" if report.success else "not ready"
    return TextBlock(
        f"{verdict}: {counts} (policy {report.policy}, {report.duration_ms / 1000:.1f} s)",
        style="bold green" if report.success else "bold red",
    )
