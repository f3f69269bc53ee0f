"""The audit of a training environment: each law in a row, and what to make of the whole."""

import msgspec

from alchemiser_cli.render.blocks import Block, Cell, TableBlock, TextBlock, View
from alchemiser_cli.render.foreign_text import printable
from alchemiser_cli.rl.audit import AuditReport

__all__ = ["environment_audit_view"]

_KEPT = Cell("kept", "green")
_BROKEN = Cell("BROKEN", "bold red")


def environment_audit_view(report: AuditReport) -> View:
    """Return every law with its outcome; what broke one stands beneath in full."""
    rows = [
        (
            outcome.name,
            outcome.law,
            _KEPT if outcome.passed else _BROKEN,
            f"{outcome.seconds:.2f} s",
        )
        for outcome in report.outcomes
    ]
    blocks: list[Block] = [
        TableBlock(("audit", "law", "result", "time"), rows, right=frozenset({"time"}))
    ]
    if report.failures:
        broken = [(Cell(one.name, "bold"), printable(one.detail)) for one in report.failures]
        blocks.append(TableBlock(("audit", "what was seen"), broken, title="Broken"))
    document = {
        **msgspec.to_builtins(report),
        "passed": report.passed,
        "seconds": round(report.seconds, 3),
    }
    return View(document, [*blocks, _verdict(report)])


def _verdict(report: AuditReport) -> TextBlock:
    count, kept = len(report.outcomes), len(report.outcomes) - len(report.failures)
    words = "fit for training" if report.passed else "NOT fit for training"
    text = (
        f"{words}: {kept} of {count} laws kept on {report.rows:,} rows "
        f"(seed {report.seed}, {report.seconds:.1f} s)"
    )
    return TextBlock(text, style="bold green" if report.passed else "bold red")
