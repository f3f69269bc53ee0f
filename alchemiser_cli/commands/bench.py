"""``alchemiser bench``: measure what the system promises, on this machine."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from alchemiser_cli.commands.invocation import Invocation
from alchemiser_cli.commands.options import OutputOption
from alchemiser_cli.render.output import show

__all__ = ["app"]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Measure what the system promises, on this machine.",
)


@app.callback()
def _group() -> None:
    """Measure what the system promises, on this machine."""


@app.command(epilog="Example: `alchemiser bench templates messages.csv`.")
def templates(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(help="CSV file with a message and a ground-truth column.")
    ],
    output: OutputOption = None,
) -> None:
    """Group the messages of a labelled file by template, and say how many are right."""
    from alchemiser_cli.errors.journal.accuracy import score_templates
    from alchemiser_cli.render.bench import template_score_view

    invocation: Invocation = context.obj
    show(template_score_view(score_templates(file, invocation.clock)), output)


@app.command(epilog="Example: `alchemiser bench errors -o json`.")
def errors(
    context: typer.Context,
    rounds: Annotated[int, typer.Option(min=100, help="Failures to capture.")] = 2_000,
    output: OutputOption = None,
) -> None:
    """Measure what capturing a failure costs its caller, beside logging it to a file."""
    from alchemiser_cli.errors.journal.measure import measure_capture
    from alchemiser_cli.render.bench import capture_cost_view

    invocation: Invocation = context.obj
    with tempfile.TemporaryDirectory(prefix="alchemiser-bench-") as folder:
        cost = measure_capture(Path(folder), invocation.clock, rounds)
    show(capture_cost_view(cost), output)
