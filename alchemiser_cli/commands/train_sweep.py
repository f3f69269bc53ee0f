"""``alchemiser train sweep``: the search for settings, and the judgement of what it found."""

from typing import Annotated

import typer

from alchemiser_cli.commands.invocation import Invocation
from alchemiser_cli.commands.options import OutputOption
from alchemiser_cli.commands.signals import stop_on_signal
from alchemiser_cli.commands.train_options import (
    DatasetOption,
    SymbolOption,
    TimestepsOption,
    request_of,
)
from alchemiser_cli.render.output import show
from alchemiser_cli.render.progress import progress_status

__all__ = ["app"]

app = typer.Typer(add_completion=False)


@app.command(
    epilog="Examples: `alchemiser train sweep --trials 20 --timesteps 20000`, "
    "`alchemiser train sweep --study desk --storage postgresql://host/sweeps`."
)
def sweep(
    context: typer.Context,
    dataset: DatasetOption = None,
    symbol: SymbolOption = None,
    timesteps: TimestepsOption = None,
    trials: Annotated[
        int, typer.Option(metavar="N", min=1, help="Trials that the study is to have in all.")
    ] = 20,
    study: Annotated[str, typer.Option(metavar="NAME", help="Name of the study.")] = "td3",
    storage: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="SQLAlchemy URL.", show_default="sqlite:///HOME/sweeps.db"
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the search and of each run.")] = 1,
    output: OutputOption = None,
) -> None:
    """Search for settings of training; each trial is a run that can be resumed.

    Machines that give the same --storage and --study share the search. The best model is judged
    again with the number of trials: the more were tried, the more its Sharpe ratio is deflated.
    After Ctrl-C the same command goes on where the search was.
    """
    from alchemiser_cli.pipeline.sweeping import sweep_training
    from alchemiser_cli.render.evaluation_html import evaluation_html
    from alchemiser_cli.render.sweep_outcome import sweep_outcome_view
    from alchemiser_cli.rl.sweep import SweepRequest, default_storage

    invocation: Invocation = context.obj
    settings = invocation.start_logs()
    request = request_of(settings, dataset=dataset, symbol=symbol, timesteps=timesteps, seed=seed)
    wanted = SweepRequest(
        storage=storage or default_storage(settings.home), study=study, trials=trials, seed=seed
    )
    with stop_on_signal() as stop, progress_status("searching") as doing:
        outcome = sweep_training(
            settings,
            request,
            wanted,
            invocation.clock,
            stop=stop,
            on_update=lambda number, update: doing(
                f"trial {number}: {update.steps:,} of {update.total:,} steps"
            ),
            report_html=evaluation_html,
        )
    show(sweep_outcome_view(outcome), output)
    stop.exit_if_requested()
