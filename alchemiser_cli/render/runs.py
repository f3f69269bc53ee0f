"""Training runs in a table, the newest first."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from alchemiser_cli.render.blocks import Block, Cell, TableBlock, TextBlock, View
from alchemiser_cli.render.foreign_text import printable
from alchemiser_cli.rl.runs import RunSummary

__all__ = ["runs_view"]

SHOWN = 20
_STYLES = {"running": "cyan", "finished": "green", "interrupted": "yellow", "failed": "red"}


def runs_view(runs: Sequence[RunSummary], runs_folder: Path) -> View:
    """Return every run in a row, and how one that came to no end goes on."""
    document = {"folder": str(runs_folder), "runs": msgspec.to_builtins(runs)}
    if not runs:
        text = f"No run in {runs_folder}.\nTo start one: alchemiser train td3"
        return View(document, [TextBlock(text)])
    rows = [
        (
            Cell(printable(one.id), "bold"),
            printable(one.dataset),
            Cell(printable(_state(one)), _STYLES[one.state]),
            _steps(one),
            printable(one.model or "-"),
        )
        for one in runs[:SHOWN]
    ]
    columns = ("run, by its start (UTC)", "trained on", "state", "steps", "model")
    blocks: list[Block] = [TableBlock(columns, rows, right=frozenset({"steps"}))]
    if len(runs) > SHOWN:
        blocks.append(TextBlock(f"{len(runs) - SHOWN:,} older runs are not shown."))
    resumable = next((one for one in runs if one.state in {"interrupted", "failed"}), None)
    if resumable is not None:
        blocks.append(TextBlock(f"To go on: alchemiser train td3 --resume {resumable.id}"))
    return View(document, blocks)


def _state(run: RunSummary) -> str:
    return f"failed: {run.code}" if run.state == "failed" and run.code else run.state


def _steps(run: RunSummary) -> str:
    made, asked = run.step, run.timesteps or 0
    return f"{made:,}" if made >= asked else f"{made:,} of {asked:,}"
