"""A sweep: its trials in a table, the best first, and how many of them count."""

import msgspec

from alchemiser_cli.clock import duration_text
from alchemiser_cli.render.blocks import Block, Cell, TableBlock, TextBlock, View
from alchemiser_cli.render.foreign_text import printable
from alchemiser_cli.rl.sweep import SweepResult, TrialRow

__all__ = ["sweep_view"]

SHOWN = 20
RIVALS = 4
_STYLES = {"complete": "green", "pruned": "dim", "failed": "red", "running": "yellow"}


def sweep_view(result: SweepResult) -> View:
    """Return the trials of a study, and what its best one is."""
    blocks: list[Block] = []
    ranked = sorted(result.rows, key=_rank)
    if ranked:
        cells = [_cells(row, best=row == result.best) for row in ranked[:SHOWN]]
        blocks.append(
            TableBlock(
                ("trial", "state", "value", "time", "run"),
                cells,
                title=f"Study {printable(result.study)}",
                right=frozenset({"trial", "value", "time"}),
            )
        )
    if len(ranked) > SHOWN:
        blocks.append(TextBlock(f"{len(ranked) - SHOWN:,} more trials are not shown."))
    if result.best is not None:
        blocks.append(_settings(result, result.best))
    blocks.append(TextBlock(_counts(result)))
    return View(msgspec.to_builtins(result), blocks)


def _rank(row: TrialRow) -> tuple[bool, float, int]:
    """Order by value, the highest first; those that came to no end after those that did."""
    value = float("-inf") if row.value is None else row.value
    return row.state != "complete", -value, row.number


def _cells(row: TrialRow, *, best: bool) -> list[Cell | str]:
    state = row.state if row.state != "failed" else f"failed: {row.code or 'its process ended'}"
    if row.attempts > 1:
        state += f" (attempt {row.attempts})"
    return [
        str(row.number),
        Cell(printable(state), _STYLES.get(row.state, "")),
        Cell("-" if row.value is None else f"{row.value:.4g}", "bold green" if best else ""),
        "-" if row.seconds is None else duration_text(row.seconds),
        "-" if row.run_id is None else printable(row.run_id),
    ]


def _settings(result: SweepResult, best: TrialRow) -> TableBlock:
    """Return the settings of the best trial beside those of its nearest rivals."""
    rivals = [row for row in sorted(result.rows, key=_rank) if row.state == "complete"][1:RIVALS]
    columns = ("setting", "best", *(f"trial {row.number}" for row in rivals))
    rows: list[tuple[Cell | str, ...]] = [
        (
            printable(name),
            Cell(_setting(best.settings[name]), "bold"),
            *(_setting(row.settings.get(name)) for row in rivals),
        )
        for name in sorted(best.settings)
    ]
    return TableBlock(columns, rows, right=frozenset(columns[1:]))


def _setting(value: float | str | None) -> str:
    if value is None:
        return "-"
    return printable(value) if isinstance(value, str) else f"{value:.4g}"


def _counts(result: SweepResult) -> str:
    parts = [
        f"{number:,} {word}"
        for number, word in (
            (result.complete, "complete"),
            (result.pruned, "pruned"),
            (result.failed, "failed"),
            (result.running, "not at an end"),
        )
        if number
    ]
    word = "trial" if result.trials == 1 else "trials"
    counted = f"{result.trials:,} {word}: {', '.join(parts) or 'none'}."
    lines = [f"{counted} All of them count in the deflated Sharpe ratio."]
    if result.best is None:
        lines.append("No trial is complete yet: there is no best one.")
    else:
        run = printable(result.best.run_id or "-")
        lines.append(f"Best: trial {result.best.number} with {result.best.value:.6g}, run {run}.")
    return "\n".join(lines)
