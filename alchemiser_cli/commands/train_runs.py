"""``alchemiser train runs`` and ``verify-resume``: which runs there are, and that they resume."""

import typer

from alchemiser_cli.commands.invocation import Invocation
from alchemiser_cli.commands.options import OutputOption
from alchemiser_cli.commands.run_names import RunArgument
from alchemiser_cli.commands.signals import stop_on_signal
from alchemiser_cli.render.output import show

__all__ = ["app"]

app = typer.Typer(add_completion=False)


@app.command(epilog="Examples: `alchemiser train runs`, `alchemiser train runs -o json`.")
def runs(context: typer.Context, output: OutputOption = None) -> None:
    """List the runs, the newest first: how far each came, and its model.

    One that is interrupted or failed goes on with `alchemiser train td3 --resume RUN`.
    """
    from alchemiser_cli.render.runs import runs_view
    from alchemiser_cli.rl.runs import summaries

    invocation: Invocation = context.obj
    folder = invocation.settings.runs_folder
    show(runs_view(summaries(folder), folder), output)


@app.command(
    "verify-resume",
    epilog="Examples: `alchemiser train verify-resume latest`, "
    "`alchemiser train verify-resume 20260105 -o json`.",
)
def verify_resume(context: typer.Context, run: RunArgument, output: OutputOption = None) -> None:
    """Make the last stretch of a run again from the checkpoint before, and compare every bit.

    Exits with 7 if networks, optimizers, replay buffer, environments or random states differ.
    Nothing of the run is changed.
    """
    from alchemiser_cli.render.training import resume_view, training_progress
    from alchemiser_cli.rl.training import TrainingWatch
    from alchemiser_cli.rl.training import verify_resume as verified

    invocation: Invocation = context.obj
    settings = invocation.start_logs()
    with stop_on_signal() as stop, training_progress("making it again") as on_update:
        watch = TrainingWatch(on_update=on_update, stop=stop)
        proof = verified(settings.runs_folder, run, invocation.clock, watch=watch)
    if proof is not None:
        show(resume_view(proof), output)
    stop.exit_if_requested()
