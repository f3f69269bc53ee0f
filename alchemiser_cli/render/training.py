"""Training runs: their progress, their outcome, and the proof that they resume."""

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from alchemiser_cli.clock import duration_text
from alchemiser_cli.render.blocks import Block, Cell, TableBlock, TextBlock, View
from alchemiser_cli.render.evaluation import evaluation_document, evaluation_view
from alchemiser_cli.rl.training import ResumeProof, TrainingResult, Update

__all__ = ["resume_view", "training_progress", "training_view"]

_ENDS = {
    "steps": "all steps made",
    "time-budget": "the time budget is used up",
    "signal": "interrupted; it can go on",
    "pruned": "not worth going on with",
}
_SCORES = {  # of the last evaluation, on rows or in episodes that were not trained on
    "score": "held-out reward",
    "return": "held-out return",
    "deviation": "its deviation",
}


@contextmanager
def training_progress(text: str) -> Iterator[Callable[[Update], None]]:
    """Show a bar with steps a second, returns and the time left; silent without a terminal."""
    if not sys.stderr.isatty():
        yield lambda _update: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("[dim]{task.fields[figures]}[/dim]"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(text, total=None, figures="getting ready")

        def advance(update: Update) -> None:
            figures = [
                f"{update.steps:,} of {update.total:,} steps",
                f"{update.steps_per_s:,.0f}/s",
                f"{duration_text(update.seconds_left)} left",
                *_known("return", update.episode_return),
                *_known("held-out", update.score),
            ]
            progress.update(
                task, completed=update.steps, total=update.total, figures=" · ".join(figures)
            )

        yield advance


def training_view(result: TrainingResult, *, wanted: str | None = None) -> View:
    """Return the run, the model that came of it, and its verdict.

    ``wanted`` is the name that was asked for, which an interrupted run must be given again.
    """
    rows: list[tuple[Cell | str, ...]] = [
        ("run", result.run_id),
        ("ended", _ENDS[result.stopped_by]),
        ("steps", _steps(result)),
        ("speed", f"{result.steps_per_s:,.1f} steps/s, {result.updates:,} updates in all"),
        ("weights", result.weights_hash[:16]),
        *((_SCORES.get(name, name), _score(name, value)) for name, value in result.scores.items()),
        ("model", result.model or "none: only a checkpoint was written"),
    ]
    if result.published:
        plural = "s" if result.published > 1 else ""
        rows.append(("published", f"{result.published} generation{plural}"))
    rows += _tracked(result)
    blocks: list[Block] = [TableBlock(("training", f"TD3 on {result.dataset}"), rows)]
    document = msgspec.to_builtins(result)
    if result.evaluation is not None:
        view = evaluation_view(result.evaluation)
        blocks += view.blocks
        document["evaluation"] = evaluation_document(result.evaluation)
    elif result.model is not None:
        blocks.append(TextBlock("No verdict: only policies of the options market are evaluated."))
    if result.stopped_by == "signal":
        named = "" if wanted is None else f" --name {wanted}"
        next_step = f"To go on: alchemiser train td3 --resume {result.run_id}{named}"
        blocks.append(TextBlock(next_step, style="yellow"))
    return View(document, blocks)


def resume_view(proof: ResumeProof) -> View:
    """Return what was made again, and the fingerprint that both have."""
    rows = [
        ("run", proof.run_id),
        ("made again", f"steps {proof.begins_at:,} to {proof.ends_at:,}"),
        ("compared", f"{proof.arrays} arrays, equal in every bit"),
        ("fingerprint", proof.fingerprint),
        ("time", f"{proof.seconds:.1f} s"),
    ]
    document: dict[str, Any] = {"equal": True, **msgspec.to_builtins(proof)}
    said = TextBlock("The run resumes exactly.", style="bold green")
    return View(document, [TableBlock(("resumption", ""), rows), said])


def _steps(result: TrainingResult) -> str:
    begun = "" if result.resumed_at is None else f", resumed at {result.resumed_at:,}"
    return f"{result.steps:,} in {duration_text(result.seconds)}{begun}"


def _score(name: str, value: float) -> str:
    return f"{value:.1%}" if name == "return" else f"{value:.4g}"


def _known(name: str, value: float) -> list[str]:
    return [] if math.isnan(value) else [f"{name} {value:.3g}"]


def _tracked(result: TrainingResult) -> list[tuple[Cell | str, ...]]:
    rows: list[tuple[Cell | str, ...]] = []
    if result.registered is not None:
        known = result.registered.startswith("version ")
        said, _, _ = result.registered.partition(": ")  # the rest is in the log
        rows.append(("MLflow model", Cell(said, "" if known else "yellow")))
    if result.tracking is not None and not result.tracking.complete:
        lost = result.tracking.dropped + result.tracking.undelivered
        rows.append(("MLflow", Cell(f"{lost} values not delivered", "yellow")))
    return rows
