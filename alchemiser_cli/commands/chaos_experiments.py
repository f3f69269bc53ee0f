"""``alchemiser chaos run``, ``validate`` and ``drill``: experiments, and their verdicts."""

import getpass
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alchemiser_cli.commands.chaos_names import ConfirmOption
from alchemiser_cli.commands.invocation import Invocation
from alchemiser_cli.commands.model_names import models_folder
from alchemiser_cli.commands.options import OutputOption
from alchemiser_cli.commands.signals import stop_on_signal
from alchemiser_cli.exits import ExitCode
from alchemiser_cli.render.output import show

if TYPE_CHECKING:
    from alchemiser_cli.chaos.experiments.conducting import Conductor

__all__ = ["app", "taken_back"]

app = typer.Typer(add_completion=False)


def _experiments(context: typer.Context, incomplete: str) -> list[str]:
    from alchemiser_cli.chaos.experiments.finding import experiment_names

    home = models_folder(context).parent
    return [name for name in experiment_names(home) if name.startswith(incomplete)]


ExperimentArgument = Annotated[
    str,
    typer.Argument(
        metavar="EXPERIMENT",
        help="Name of an experiment in configs/experiments, or its file (.json or .toml).",
        autocompletion=_experiments,
    ),
]


@app.command(
    epilog="Examples: `alchemiser chaos run registry-outage`, "
    "`alchemiser chaos run mine.toml -o json --journal journal.json`."
)
def run(
    context: typer.Context,
    experiment: ExperimentArgument,
    journal: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the journal there, in Chaos Toolkit's format.",
            show_default="",
        ),
    ] = None,
    confirm: ConfirmOption = None,
    output: OutputOption = None,
) -> None:
    """Run an experiment, and judge what became of each fault.

    With a laboratory it works in a scratch home and touches nothing else; without one it breaks
    this home, if that is permitted. Rollbacks always run. Exits with 1 where anything is not as
    expected, or a safeguard stopped it.
    """
    from alchemiser_cli.chaos.experiments.finding import find_experiment
    from alchemiser_cli.chaos.experiments.providers import plugin_modules
    from alchemiser_cli.chaos.experiments.reading import read_experiment
    from alchemiser_cli.chaos.experiments.runs import only_one
    from alchemiser_cli.health.report_file import write_report
    from alchemiser_cli.render.chaos_run import run_view
    from alchemiser_cli.render.output import json_document

    invocation: Invocation = context.obj
    settings = invocation.start_logs()
    file = find_experiment(experiment, settings.home)
    read = read_experiment(file, plugin_modules(invocation.settings))
    with only_one(settings.run_folder), stop_on_signal() as stop:
        taken_back(invocation, holds_lock=True)
        done = _conductor(invocation, stop, tuple(confirm or ())).conduct(read)
        view = run_view(done)
        if journal is not None:
            write_report(journal, json_document(view.document))
        show(view, output)
    done.refuse()
    stop.exit_if_requested()
    if not done.passed:
        raise typer.Exit(ExitCode.FAILED)


@app.command(epilog="Example: `alchemiser chaos validate mine.json`.")
def validate(
    context: typer.Context, experiment: ExperimentArgument, output: OutputOption = None
) -> None:
    """Check an experiment's file without running it; exits with 4 and names all that is wrong."""
    from alchemiser_cli.chaos.experiments.finding import find_experiment
    from alchemiser_cli.chaos.experiments.providers import plugin_modules
    from alchemiser_cli.chaos.experiments.reading import read_experiment
    from alchemiser_cli.render.chaos_run import experiment_view

    invocation: Invocation = context.obj
    file = find_experiment(experiment, invocation.settings.home)
    show(experiment_view(read_experiment(file, plugin_modules(invocation.settings))), output)


@app.command(
    epilog="Examples: `alchemiser chaos drill`, `alchemiser chaos drill --short`, "
    "`alchemiser chaos drill --only registry-outage --only disk-full-audit`."
)
def drill(
    context: typer.Context,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="EXPERIMENT",
            help="Only this one; may be repeated.",
            show_default="all that are shipped",
            autocompletion=_experiments,
        ),
    ] = None,
    short: Annotated[bool, typer.Option("--short", help="Leave out what is tagged long.")] = False,
    output: OutputOption = None,
) -> None:
    """Run every shipped experiment, each in a scratch home, and show the score card.

    It is what a release must pass. Exits with 1 where one of them fails.
    """
    from alchemiser_cli.chaos.drill import chosen_experiments, run_chaos_drill
    from alchemiser_cli.chaos.experiments.providers import plugin_modules
    from alchemiser_cli.chaos.experiments.runs import only_one
    from alchemiser_cli.render.chaos_drill import chaos_drill_view

    invocation: Invocation = context.obj
    settings = invocation.start_logs()
    chosen = chosen_experiments(
        only or (), settings.home, plugin_modules(invocation.settings), short=short
    )
    say = _say(invocation)
    with only_one(settings.run_folder), stop_on_signal() as stop:
        taken_back(invocation, holds_lock=True)
        done = run_chaos_drill(
            _conductor(invocation, stop, ()),
            chosen,
            invocation.clock,
            begin=lambda one: say(f"== {one.name}: {one.title}"),
        )
        show(chaos_drill_view(done), output)
    stop.exit_if_requested()
    if not done.passed:
        raise typer.Exit(ExitCode.FAILED)


def taken_back(invocation: Invocation, *, holds_lock: bool = False) -> list[str]:
    """Take back what killed runners left, and say on standard error what was done."""
    from alchemiser_cli.chaos.experiments.abandoned import take_back_abandoned

    lines = take_back_abandoned(
        invocation.resolved, invocation.state, by=getpass.getuser(), holds_lock=holds_lock
    )
    for line in lines:
        typer.echo(line, err=True)
    return lines


def _conductor(
    invocation: Invocation, stop: Callable[[], bool], confirmed: tuple[str, ...]
) -> "Conductor":
    from alchemiser_cli.chaos.announcing import Announcer
    from alchemiser_cli.chaos.experiments.conducting import Conductor
    from alchemiser_cli.chaos.permission import demand_permission
    from alchemiser_cli.pipeline.alerting import open_office
    from alchemiser_cli.settings.signing_key import lasting_signing_key

    settings, state, clock = invocation.settings, invocation.state, invocation.clock
    return Conductor(
        resolved=invocation.resolved,
        database=state,
        owner=getpass.getuser(),
        permit=lambda: demand_permission(settings, confirmed),
        announcer=Announcer(
            settings,
            open_office(settings, state, clock).store,
            clock,
            run_id=invocation.run_id,
            key=lasting_signing_key(invocation.resolved),
        ),
        stop=stop,
        say=_say(invocation),
        environ=invocation.request.environ,
    )


def _say(invocation: Invocation) -> Callable[[str], None]:
    """Return what writes a line of progress, with the seconds since the start before it."""
    began_ns, clock = invocation.clock.monotonic_ns(), invocation.clock

    def say(line: str) -> None:
        if not invocation.quiet:
            typer.echo(f"{(clock.monotonic_ns() - began_ns) / 1e9:6.1f} s  {line}", err=True)

    return say
