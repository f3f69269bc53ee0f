"""A sweep with the verdict on its best model."""

from alchemiser_cli.pipeline.sweeping import SweepOutcome
from alchemiser_cli.render.blocks import Block, TextBlock, View
from alchemiser_cli.render.evaluation import evaluation_document, evaluation_view
from alchemiser_cli.render.foreign_text import printable
from alchemiser_cli.render.sweep import sweep_view

__all__ = ["sweep_outcome_view"]


def sweep_outcome_view(outcome: SweepOutcome) -> View:
    """Return the trials, and what the best one's model is worth given all of them."""
    searched = sweep_view(outcome.result)
    judged: list[Block] = []
    if outcome.interrupted:
        text = "Interrupted. The same command goes on where the search was."
        judged.append(TextBlock(text, style="yellow"))
    elif outcome.report is not None:
        text = f"Model {printable(outcome.model or '')}, judged as the best of all trials:"
        judged += [TextBlock(text, style="bold"), *evaluation_view(outcome.report).blocks]
    elif outcome.result.best is not None:
        judged.append(TextBlock("The best model is not on this machine: it is not judged here."))
    report = outcome.report
    document = {
        **searched.document,
        "interrupted": outcome.interrupted,
        "model": outcome.model,
        "evaluation": None if report is None else evaluation_document(report),
    }
    return View(document, [*searched.blocks, *judged])
