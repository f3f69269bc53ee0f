"""An evaluation and a comparison of models as tables."""

from collections.abc import Sequence
from typing import Any

import msgspec

from alchemiser_cli.render.blocks import Block, Cell, TableBlock, TextBlock, View
from alchemiser_cli.render.evaluation_words import (
    PERFORMANCE_COLUMNS,
    bound_text,
    interval_text,
    percent,
    performance_row,
    ratio,
    value_text,
    verdict_text,
)
from alchemiser_cli.render.foreign_text import printable
from alchemiser_cli.rl.evaluation import POLICY, Comparison, EvaluationReport, Verdict

__all__ = ["comparison_view", "evaluation_document", "evaluation_view"]

# So that the table fits into a hundred columns; its title says that they are those of a year.
_SHORT = {"return a year": "return", "costs a year": "costs"}


def evaluation_document(report: EvaluationReport) -> dict[str, Any]:
    """Return the evaluation as a part of another document: all of it but its long curves."""
    whole: dict[str, Any] = msgspec.to_builtins(report)
    return {name: part for name, part in whole.items() if name != "curves"}


def evaluation_view(report: EvaluationReport) -> View:
    """Return the verdict, the figures beside the baselines', the folds and the leads."""
    judged = report.judged
    title = (
        f"{judged.steps:,} held-out steps, {judged.begins[:10]} to {judged.ends[:10]}, "
        f"{len(report.folds)} folds"
    )
    columns = [_SHORT.get(name, name) for name in PERFORMANCE_COLUMNS]
    totals = [performance_row(name, one) for name, one in report.total.items()]
    names = list(report.total)
    folds = [
        (
            fold.begins[:10],
            fold.ends[:10],
            percent(fold.performance[POLICY].total_return),
            *(ratio(fold.performance[name].sharpe) for name in names),
        )
        for fold in report.folds
    ]
    leads = [
        (
            one.baseline,
            interval_text(one.annual_return, percent),
            interval_text(one.sharpe, ratio),
            percent(one.better_share),
        )
        for one in report.differences
    ]
    confidence = f"{report.thresholds.confidence:.0%}"
    blocks: list[Block] = [
        _table(("account", *columns), totals, f"{title}; return and costs a year"),
        _table(("from", "to", "return", *names), folds, "Sharpe ratio by fold", left=2),
        _table(
            ("baseline", "return a year", "Sharpe", "ahead"),
            leads,
            f"Lead of the policy (interval of {confidence})",
        ),
        *_verdict_blocks(report.verdict),
    ]
    return View(msgspec.to_builtins(report), blocks)


def comparison_view(comparison: Comparison) -> View:
    """Return the ranking, the best first, and the notes beneath."""
    rows = [
        (
            str(one.rank),
            printable(", ".join(one.models)),
            interval_text(one.sharpe, ratio),
            percent(one.annual_return),
            percent(one.max_drawdown),
            percent(one.deflated_sharpe),
            "-" if one.ahead_share is None else percent(one.ahead_share),
            f"{len(one.promotable)} of {len(one.models)}",
        )
        for one in comparison.ranking
    ]
    columns = ("#", "models", "Sharpe", "return a year", "drawdown", "skill")
    table = TableBlock(
        (*columns, "ahead of next", "promotable"), rows, right=frozenset({"#", *columns[2:]})
    )
    notes = [TextBlock("\n".join(comparison.notes), style="yellow")] if comparison.notes else []
    return View(msgspec.to_builtins(comparison), [table, *notes])


def _verdict_blocks(verdict: Verdict) -> list[Block]:
    word = verdict_text(verdict)
    if verdict.promotable:
        return [TextBlock(f"Verdict: {word}.", style="bold green")]
    rows = [
        (Cell(one.reason, "bold red"), one.meaning, value_text(one), bound_text(one))
        for one in verdict.findings
        if not one.passed
    ]
    return [
        TextBlock(f"Verdict: {word}.", style="bold red"),
        TableBlock(("reason", "what", "value", "needed"), rows, right=frozenset({"value"})),
    ]


def _table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], title: str, left: int = 1
) -> TableBlock:
    return TableBlock(columns, rows, title=title, right=frozenset(columns[left:]))
