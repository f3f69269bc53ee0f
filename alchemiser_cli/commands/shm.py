"""``alchemiser shm``: show, repair and drill the weights in shared memory."""

from typing import Annotated

import typer

from alchemiser_cli.commands.invocation import Invocation
from alchemiser_cli.commands.options import FailOn, FailOnOption, OutputOption
from alchemiser_cli.commands.signals import stop_on_signal
from alchemiser_cli.exits import ExitCode
from alchemiser_cli.render.output import show
from alchemiser_cli.render.progress import progress_bar
from alchemiser_cli.render.shm import (
    drill_view,
    inspect_view,
    repair_view,
    rollback_view,
    status_view,
)
from alchemiser_cli.shm import apply_repair, diagnose, diagnose_all, segment_plan
from alchemiser_cli.shm import rollback as roll_back

__all__ = ["app"]

MEGABYTE = 1_000_000

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Show, repair and drill the weights in shared memory.",
)

NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of a segment, as `shm status` shows it.")
]


@app.command(epilog="Examples: `alchemiser shm status`, `alchemiser shm status --fail-on warning`.")
def status(
    context: typer.Context,
    fail_on: FailOnOption = FailOn.ERROR,
    output: OutputOption = None,
) -> None:
    """Show every segment: verdict, generation, age, writer, readers, size and mode.

    Exits with 7 where one is corrupt. A degraded, orphaned or expired one is a warning:
    --fail-on warning turns it into exit code 3.
    """
    invocation: Invocation = context.obj
    settings = invocation.settings.shm
    found = diagnose_all(settings, invocation.clock)
    show(status_view(found, settings.directory), output)
    _exit_by({one.judgement.verdict for one in found}, {one.freshness for one in found}, fail_on)


@app.command(
    epilog="Examples: `alchemiser shm inspect policy`, `alchemiser shm inspect policy -o json`."
)
def inspect(
    context: typer.Context,
    name: NameArgument,
    fail_on: FailOnOption = FailOn.ERROR,
    output: OutputOption = None,
) -> None:
    """Show all that is known of one segment, and what to do; takes and changes nothing.

    Exit codes as for `shm status`, and 8 where there is no such segment.
    """
    invocation: Invocation = context.obj
    found = diagnose(invocation.settings.shm, name, invocation.clock)
    show(inspect_view(found), output)
    _exit_by({found.judgement.verdict}, {found.freshness}, fail_on)


@app.command(
    epilog="Examples: `alchemiser shm repair policy`, `alchemiser shm repair policy --apply`, "
    "`alchemiser shm repair policy --prune --apply`."
)
def repair(
    context: typer.Context,
    name: NameArgument,
    apply: Annotated[
        bool, typer.Option("--apply", help="Do it; without this, only say what would be done.")
    ] = False,
    adopt: Annotated[
        bool,
        typer.Option(
            "--adopt", help="Publish a whole generation whose writer was killed before it could."
        ),
    ] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove a segment that nobody uses.")
    ] = False,
    output: OutputOption = None,
) -> None:
    """Say how a segment would be repaired, and with --apply repair it.

    A copy of the file as it was found goes into HOME/forensics first. While the writer lives, or
    may live in another pid namespace, nothing is touched: exit code 6.
    """
    invocation: Invocation = context.obj
    settings, clock = invocation.settings, invocation.clock
    plan = segment_plan(settings.shm, name, clock, adopt=adopt, prune=prune)
    outcome = None
    if apply and plan.steps:
        copies = invocation.start_logs().home / "forensics"
        outcome = apply_repair(settings.shm, name, clock, copies, adopt=adopt, prune=prune)
    show(repair_view(plan, outcome, adopt=adopt, prune=prune), output)
    plan.refuse()


@app.command(
    epilog="Examples: `alchemiser shm rollback policy`, `alchemiser shm rollback policy --to 41`."
)
def rollback(
    context: typer.Context,
    name: NameArgument,
    to: Annotated[
        int | None,
        typer.Option(
            metavar="GENERATION",
            min=1,
            help="Which; a segment holds three at most.",
            show_default="the one before the published",
        ),
    ] = None,
    output: OutputOption = None,
) -> None:
    """Publish an earlier generation again, under a higher number and as of now.

    Needs the writer's lease: exit code 6 while the writer lives, 8 where no slot holds such a
    generation. A writer that starts afterwards publishes over it.
    """
    invocation: Invocation = context.obj
    settings = invocation.start_logs()
    show(rollback_view(roll_back(settings.shm, name, invocation.clock, to=to)), output)


@app.command(
    epilog="Examples: `alchemiser shm drill`, `alchemiser shm drill --kills 200 --size 12`."
)
def drill(
    context: typer.Context,
    kills: Annotated[int, typer.Option(min=1, max=100_000, help="Writers to kill.")] = 20,
    size: Annotated[
        float, typer.Option(metavar="MB", min=0.001, max=10_000.0, help="Megabytes of weights.")
    ] = 4.0,
    output: OutputOption = None,
) -> None:
    """Kill writers of a scratch segment in the middle of their work, and verify what a reader sees.

    Your segments are not touched, and nothing is left behind. Exits with 1 if a reader was handed
    anything torn or old.
    """
    from alchemiser_cli.shm.drill import run_drill

    invocation: Invocation = context.obj
    settings = invocation.start_logs()
    with stop_on_signal() as stop, progress_bar("killing writers") as advance:
        result = run_drill(
            settings.shm,
            invocation.clock,
            kills=kills,
            size=round(size * MEGABYTE),
            stop=stop,
            on_kill=advance,
        )
    show(drill_view(result), output)
    if not result.passed:
        raise typer.Exit(ExitCode.FAILED)
    stop.exit_if_requested()


def _exit_by(verdicts: set[str], states: set[str], fail_on: FailOn) -> None:
    if "corrupt" in verdicts:
        raise typer.Exit(ExitCode.CORRUPT)
    warned = bool(verdicts - {"healthy"}) or bool(states - {"fresh"})
    if warned and fail_on is FailOn.WARNING:
        raise typer.Exit(ExitCode.DEGRADED)
