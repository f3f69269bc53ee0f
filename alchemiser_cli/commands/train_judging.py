"""``alchemiser train evaluate``, ``compare`` and ``audit``: what a policy is worth, and where."""

from pathlib import Path
from typing import Annotated

import typer

from alchemiser_cli.commands.invocation import Invocation
from alchemiser_cli.commands.model_names import ModelArgument, ModelsArgument
from alchemiser_cli.commands.options import OutputOption
from alchemiser_cli.commands.train_options import DatasetOption, SymbolOption, request_of
from alchemiser_cli.render.output import show
from alchemiser_cli.render.progress import progress_bar, progress_status

__all__ = ["app"]

app = typer.Typer(add_completion=False)


@app.command(
    epilog="Examples: `alchemiser train evaluate first`, "
    "`alchemiser train evaluate first --folds 8 --html report.html`."
)
def evaluate(
    context: typer.Context,
    model: ModelArgument,
    dataset: DatasetOption = None,
    folds: Annotated[
        int, typer.Option(min=1, max=100, help="Consecutive folds, each beginning flat.")
    ] = 4,
    trials: Annotated[
        int, typer.Option(min=1, help="Policies that were tried before this one was chosen.")
    ] = 1,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the report with its charts there.")
    ] = None,
    output: OutputOption = None,
) -> None:
    """Judge a model on data that it never saw, beside four baselines at the same costs.

    On the model's own data the new verdict and report replace those in its artefact; on another
    dataset nothing is kept.
    """
    from alchemiser_cli.health.report_file import write_report
    from alchemiser_cli.pipeline.training import evaluate_model
    from alchemiser_cli.render.evaluation import evaluation_view
    from alchemiser_cli.render.evaluation_html import evaluation_html
    from alchemiser_cli.rl.artefacts import set_evaluation

    invocation: Invocation = context.obj
    settings = invocation.start_logs()
    with progress_status("evaluating"):
        artefact, report = evaluate_model(
            settings, model, dataset=dataset, folds=folds, trials=trials
        )
    page = evaluation_html(report)
    if report.judged.trained_rows is not None:
        set_evaluation(settings.models_folder, artefact.folder.name, report, page)
    if html is not None:
        write_report(html, page)
    show(evaluation_view(report), output)


@app.command(epilog="Example: `alchemiser train compare first second third`.")
def compare(context: typer.Context, models: ModelsArgument, output: OutputOption = None) -> None:
    """Rank models by their evaluations; those that differ in their seeds only are pooled.

    Scores are interquartile means over seeds and folds with bootstrap intervals. A model without
    an evaluation is judged first.
    """
    from alchemiser_cli.pipeline.training import stored_evaluation
    from alchemiser_cli.render.evaluation import comparison_view
    from alchemiser_cli.rl.evaluation import compare as ranked

    invocation: Invocation = context.obj
    settings = invocation.start_logs()
    with progress_status("evaluating") as doing:
        reports = {}
        for model in models:
            doing(model)
            reports[model] = stored_evaluation(settings, model)
    show(comparison_view(ranked(reports)), output)


@app.command(
    epilog="Examples: `alchemiser train audit`, `alchemiser train audit --dataset heston:7`."
)
def audit(
    context: typer.Context,
    dataset: DatasetOption = None,
    symbol: SymbolOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of what is tried.")] = 1,
    output: OutputOption = None,
) -> None:
    """Hold the training environment to its laws: no look-ahead, conserved cash, honest endings.

    Exits with 1 and says what broke where a law is broken.
    """
    from alchemiser_cli.pipeline.training import audit_market
    from alchemiser_cli.render.environment_audit import environment_audit_view
    from alchemiser_cli.rl.audit import require

    invocation: Invocation = context.obj
    settings = invocation.start_logs()
    request = request_of(settings, dataset=dataset, symbol=symbol)
    with progress_bar("auditing") as advance:
        report = audit_market(request, invocation.clock, seed=seed, on_progress=advance)
    show(environment_audit_view(report), output)
    require(report)
