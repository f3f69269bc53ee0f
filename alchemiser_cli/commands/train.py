"""``alchemiser train``: train policies, judge them, and search for better settings."""

from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Annotated

import typer

from alchemiser_cli.commands import train_judging, train_runs, train_strategy, train_sweep
from alchemiser_cli.commands.invocation import Invocation
from alchemiser_cli.commands.options import OutputOption
from alchemiser_cli.commands.run_names import ResumeOption
from alchemiser_cli.commands.signals import stop_on_signal
from alchemiser_cli.commands.train_options import (
    DatasetOption,
    Preset,
    SymbolOption,
    TimestepsOption,
    request_of,
    resumed_request,
)
from alchemiser_cli.render.output import show
from alchemiser_cli.render.progress import progress_bar

__all__ = ["app"]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Train policies, judge them, and search for better settings.",
)


@app.command(
    epilog="Examples: `alchemiser train td3 --timesteps 20000`, "
    "`alchemiser train td3 --env Pendulum-v1 --timesteps 20000`, "
    "`alchemiser train td3 --resume latest`."
)
def td3(
    context: typer.Context,
    dataset: DatasetOption = None,
    symbol: SymbolOption = None,
    env: Annotated[
        str | None,
        typer.Option(metavar="GYM_ID", help="Train in an environment of Gymnasium instead."),
    ] = None,
    timesteps: TimestepsOption = None,
    seed: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            help="Seed of everything random.",
            show_default="training.seed of the settings",
        ),
    ] = None,
    preset: Annotated[
        Preset | None,
        typer.Option(help="Size of the network.", show_default="training.preset of the settings"),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Name to save the model under.", show_default="td3-RUN"),
    ] = None,
    resume: ResumeOption = None,
    publish: Annotated[
        str | None,
        typer.Option(metavar="SEGMENT", help="Publish weights to this shared-memory segment."),
    ] = None,
    time_budget: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", min=0.1, help="End after this time, as if all steps were made."
        ),
    ] = None,
    output: OutputOption = None,
) -> None:
    """Train a TD3 policy with a transformer, judge it on held-out data, and save it.

    First the environment is held to its laws (see `train audit`); where one is broken, nothing is
    trained. The run's checkpoints lie in HOME/runs; one that was interrupted or killed goes on
    exactly with --resume. The model goes to HOME/models with its passport, verdict and report. A
    policy without an edge over the baselines is saved, and not promotable.
    """
    from alchemiser_cli.pipeline.training import audit_market, publisher
    from alchemiser_cli.render.evaluation_html import evaluation_html
    from alchemiser_cli.render.training import training_progress, training_view
    from alchemiser_cli.rl.audit import require
    from alchemiser_cli.rl.training import TrainingWatch, train

    invocation: Invocation = context.obj
    settings = invocation.start_logs()
    invocation.start_heartbeat(lasting=False)
    if resume is None:
        request = request_of(
            settings,
            dataset=dataset,
            symbol=symbol,
            timesteps=timesteps,
            seed=seed,
            preset=preset,
            env=env,
        )
    else:
        given = {"--dataset": dataset, "--symbol": symbol, "--env": env, "--seed": seed}
        request = resumed_request(settings, resume, timesteps, given | {"--preset": preset})
    clock = invocation.clock
    if resume is None and request.gym_id is None:
        with progress_bar("auditing") as advance:
            require(audit_market(request, clock, on_progress=advance))
    with ExitStack() as stack:
        stop = stack.enter_context(stop_on_signal())
        watch = TrainingWatch(
            on_update=stack.enter_context(training_progress("training")),
            stop=stop,
            time_budget_s=time_budget,
            on_outage=partial(invocation.journal.capture, recovered=True),
        )
        if publish is not None:
            bus = stack.enter_context(publisher(settings, publish, clock))
            watch = replace(watch, on_begin=bus.began, on_weights=bus.publish)
        result = train(
            settings,
            request,
            clock,
            watch=watch,
            resume=resume,
            model=name,
            report_html=evaluation_html,
        )
    show(training_view(result, wanted=name), output)
    stop.exit_if_requested()


for group in (train_strategy, train_judging, train_sweep, train_runs):
    app.add_typer(group.app)
