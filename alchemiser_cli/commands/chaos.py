"""``alchemiser chaos``: break things on purpose, for a while, and see what comes of it."""

import getpass
from typing import TYPE_CHECKING, Annotated

import typer

from alchemiser_cli.commands import chaos_experiments, chaos_proxy
from alchemiser_cli.commands.chaos_names import (
    ConfirmOption,
    OptionalTargetArgument,
    TargetArgument,
    WordArgument,
)
from alchemiser_cli.commands.invocation import Invocation
from alchemiser_cli.commands.options import OutputOption
from alchemiser_cli.render.output import show

if TYPE_CHECKING:
    from alchemiser_cli.chaos.control import ChaosControl

__all__ = ["app"]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Break things on purpose, for a while, and see what comes of it.",
)

app.add_typer(chaos_experiments.app)
app.add_typer(chaos_proxy.app)

PAST_SHOWN = 20

AuthorOption = Annotated[
    str | None, typer.Option("--by", help="Who asks for it.", show_default="you")
]


@app.command("list", epilog="Examples: `alchemiser chaos list`, `alchemiser chaos list shm.read`.")
def list_targets(
    context: typer.Context, target: OptionalTargetArgument = None, output: OutputOption = None
) -> None:
    """Show what can be broken, and how."""
    from alchemiser_cli.chaos.asking import find_target
    from alchemiser_cli.faults import fault_points
    from alchemiser_cli.hooks import plugin_fault_points
    from alchemiser_cli.render.chaos import target_view, targets_view

    invocation: Invocation = context.obj
    plugin_fault_points(invocation.settings)
    if target is None:
        show(targets_view([point.target for point in fault_points().values()]), output)
    else:
        show(target_view(find_target(target)), output)


@app.command(
    epilog="Examples: `alchemiser chaos inject registry.get registry-unreachable --duration 60`, "
    "`alchemiser chaos inject streaming.handle delay --amount 0.2 --probability 0.1 --duration 300`"
)
def inject(
    context: typer.Context,
    target: TargetArgument,
    error: WordArgument,
    duration: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="How long; needed, at most chaos.max_duration_s.",
            show_default="",
        ),
    ] = None,
    probability: Annotated[
        float,
        typer.Option("--probability", "-p", metavar="P", help="Share that is struck, 0 to 1."),
    ] = 1.0,
    amount: Annotated[
        float,
        typer.Option(help="Seconds of a delay or skew, bytes a second of a throttle."),
    ] = 0.0,
    count: Annotated[
        int | None,
        typer.Option(metavar="N", help="Most strikes in each process.", show_default="no limit"),
    ] = None,
    every: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Only in a part of each such period: see --active."),
    ] = None,
    active: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="How long that part is.")
    ] = None,
    begins_in: Annotated[
        float,
        typer.Option(metavar="SECONDS", help="Begin only then; --duration counts from there."),
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="What chance begins with, in each process.")] = 0,
    reason: Annotated[
        str, typer.Option("--reason", "-r", metavar="TEXT", help="Why; it goes on record.")
    ] = "",
    drill: Annotated[
        bool, typer.Option("--drill", help="Tell people of the errors that come of it, as a drill.")
    ] = False,
    confirm: ConfirmOption = None,
    author: AuthorOption = None,
    output: OutputOption = None,
) -> None:
    """Put a fault in force in every running process of this environment, for a while.

    It ends by itself, whatever becomes of this command. It is refused in production, with a live
    broker or with open positions (exit code 6), unless chaos.allow names that and it is confirmed.
    """
    from alchemiser_cli.chaos.asking import asked, checked_begin, checked_duration
    from alchemiser_cli.hooks import plugin_fault_points
    from alchemiser_cli.render.chaos import injected_view

    invocation: Invocation = context.obj
    settings = invocation.settings
    plugin_fault_points(settings)
    fault = asked(
        target,
        error,
        probability=probability,
        amount=amount,
        count=count,
        every_s=every,
        active_s=active,
        seed=seed,
    )
    duration_s = checked_duration(settings, duration)
    begins_in_s = checked_begin(settings, begins_in)
    lease = _control(invocation).inject(
        target,
        fault,
        duration_s=duration_s,
        begins_in_s=begins_in_s,
        owner=author or getpass.getuser(),
        reason=reason,
        drill=drill,
        confirmed=confirm or (),
    )
    show(injected_view(lease, settings.chaos.poll_s), output)


@app.command(epilog="Examples: `alchemiser chaos status`, `alchemiser chaos status --all -o json`.")
def status(
    context: typer.Context,
    every: Annotated[
        bool, typer.Option("--all", help="Also the last faults that are over.")
    ] = False,
    output: OutputOption = None,
) -> None:
    """Show the faults in force: until when, by whom, and how often each struck in which process.

    What a killed runner of an experiment left behind is taken back first.
    """
    from alchemiser_cli.render.chaos import standing_view

    invocation: Invocation = context.obj
    control, past = _control(invocation), PAST_SHOWN if every else 0
    found, taken_back = control.standing(past), []
    if found.runs:
        taken_back = chaos_experiments.taken_back(invocation)
        found = control.standing(past)
    show(standing_view(found, taken_back), output)


@app.command(
    epilog="Examples: `alchemiser chaos stop registry.get`, `alchemiser chaos stop --all`."
)
def stop(
    context: typer.Context,
    fault: Annotated[
        str | None,
        typer.Argument(
            metavar="TARGET|ID", help="Target of the fault, or its id.", show_default=""
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="End all of them.")] = False,
    author: AuthorOption = None,
    output: OutputOption = None,
) -> None:
    """End a fault, or all of them, now; every process heals within the second."""
    from alchemiser_cli.errors import UsageError
    from alchemiser_cli.render.chaos import stopped_view

    if (fault is None) is not every:
        raise UsageError(
            "which fault is to end is not clear",
            why="Give one target or id, or --all, and not both.",
            next_step="See what is in force: alchemiser chaos status",
        )
    invocation: Invocation = context.obj
    ended = _control(invocation).stop(fault, author or getpass.getuser())
    show(stopped_view(ended), output)


def _control(invocation: Invocation) -> "ChaosControl":
    from alchemiser_cli.chaos.announcing import Announcer
    from alchemiser_cli.chaos.control import ChaosControl
    from alchemiser_cli.chaos.leases import LeaseStore
    from alchemiser_cli.notifications.incidents import IncidentStore
    from alchemiser_cli.notifications.policies import Policies
    from alchemiser_cli.settings.signing_key import lasting_signing_key

    settings, state, clock = invocation.settings, invocation.state, invocation.clock
    policies = Policies.load(settings.home, settings.notifications)
    announcer = Announcer(
        settings,
        IncidentStore(state, settings.alerts, clock, policies),
        clock,
        run_id=invocation.run_id,
        key=lasting_signing_key(invocation.resolved),
    )
    return ChaosControl(settings, state, LeaseStore(state, clock), announcer)
