"""``alchemiser trade status``, ``halt``, ``resume``, ``flatten``, ``drill``: who is in control."""

import getpass
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from alchemiser_cli.commands.invocation import Invocation
from alchemiser_cli.commands.options import FailOn, FailOnOption, OutputOption
from alchemiser_cli.commands.signals import stop_on_signal
from alchemiser_cli.commands.trade_names import BrokerOption
from alchemiser_cli.exits import ExitCode
from alchemiser_cli.render.output import show
from alchemiser_cli.render.progress import progress_bar

if TYPE_CHECKING:
    from alchemiser_cli.trading.kill_switch import KillSwitch

__all__ = ["app"]

app = typer.Typer(add_completion=False)

ReasonOption = Annotated[
    str, typer.Option("--reason", "-r", metavar="TEXT", help="Why; it goes on record.")
]
WaitOption = Annotated[
    float, typer.Option(metavar="SECONDS", min=0.0, help="How long to wait for the desk's answer.")
]


@app.command(epilog="Examples: `alchemiser trade status`, `alchemiser trade status -o json`.")
def status(
    context: typer.Context,
    broker: BrokerOption = "paper",
    fail_on: FailOnOption = FailOn.ERROR,
    output: OutputOption = None,
) -> None:
    """Show the kill switch, the desk, its account, and each limit's value against its threshold.

    Works without Kafka and without the state database. A set kill switch, a state other than
    active, and a disabled strategy are warnings: --fail-on warning turns them into exit code 3.
    """
    from alchemiser_cli.render.trade_status import status_view
    from alchemiser_cli.trading.control import desk_status, service_statuses

    invocation: Invocation = context.obj
    settings = invocation.settings
    with closing(_kill_switch(invocation)) as kill_switch:
        state = kill_switch.state()
    desk, running = desk_status(settings.run_folder, broker)
    view, warned = status_view(
        broker,
        state,
        desk,
        running=running,
        now_ns=invocation.clock.now_ns(),
        services=service_statuses(settings.run_folder, broker),
    )
    show(view, output)
    if warned and fail_on is FailOn.WARNING:
        raise typer.Exit(ExitCode.DEGRADED)


@app.command(epilog="Example: `alchemiser trade halt --reason 'prices look wrong'`.")
def halt(
    context: typer.Context,
    reason: ReasonOption = "halted by hand",
    output: OutputOption = None,
) -> None:
    """Set the kill switch: from here on no order goes out, on any broker of this home.

    It needs neither Kafka nor the state database, and it holds after a restart. Positions stay as
    they are; `trade flatten` closes them.
    """
    from alchemiser_cli.render.trade_status import kill_switch_view

    invocation: Invocation = context.obj
    with closing(_kill_switch(invocation)) as kill_switch:
        state = kill_switch.set(reason, _user())
    show(kill_switch_view(state), output)


@app.command(epilog="Example: `alchemiser trade resume --reason 'the feed is back'`.")
def resume(
    context: typer.Context,
    reason: ReasonOption,
    broker: BrokerOption = "paper",
    output: OutputOption = None,
) -> None:
    """Clear the kill switch and let the desk trade again; the reason goes on record."""
    from alchemiser_cli.errors import TradingNotRunningError
    from alchemiser_cli.render.trade_status import kill_switch_view
    from alchemiser_cli.trading.control import ask, leave_resume, who_decides

    invocation: Invocation = context.obj
    run_folder = invocation.settings.run_folder
    with closing(_kill_switch(invocation)) as kill_switch:
        state = kill_switch.clear(reason, _user())
    try:
        answer = ask(
            run_folder,
            who_decides(run_folder, broker),
            "resume",
            by=_user(),
            reason=reason,
            wait_s=5.0,
            clock=invocation.clock,
        )
    except TradingNotRunningError:
        name = leave_resume(run_folder, broker, by=_user(), reason=reason)
        answer = f"no desk runs; the next one of {name} begins active"
    show(kill_switch_view(state, answer), output)


@app.command(
    epilog="Examples: `alchemiser trade flatten --reason 'end of the test'`, "
    "`alchemiser trade flatten --wait 60`."
)
def flatten(
    context: typer.Context,
    broker: BrokerOption = "paper",
    reason: ReasonOption = "flattened by hand",
    wait: WaitOption = 10.0,
    output: OutputOption = None,
) -> None:
    """Ask the running desk, or the risk service, to cancel orders and close every position.

    It works while the kill switch is set. From there on only reductions pass, until `trade
    resume`. Exits with 5 where no desk runs: start one with `trade run --halted`.
    """
    from alchemiser_cli.render.trade_status import flatten_view
    from alchemiser_cli.trading.control import ask, who_decides

    invocation: Invocation = context.obj
    run_folder = invocation.settings.run_folder
    answer = ask(
        run_folder,
        who_decides(run_folder, broker),
        "flatten",
        by=_user(),
        reason=reason,
        wait_s=wait,
        clock=invocation.clock,
    )
    show(flatten_view(broker, answer), output)
    if answer is None:
        raise typer.Exit(ExitCode.FAILED)


@app.command(epilog="Examples: `alchemiser trade drill`, `alchemiser trade drill --rounds 50`.")
def drill(
    context: typer.Context,
    rounds: Annotated[int, typer.Option(min=1, max=10_000, help="How often to halt.")] = 10,
    output: OutputOption = None,
) -> None:
    """Halt a scratch desk that sends orders as fast as it can, and time its last order.

    Your kill switch is not touched. Exits with 1 if an order went out after the switch was seen.
    """
    from alchemiser_cli.render.trade_status import drill_view
    from alchemiser_cli.trading.kill_switch import drill as run_drill

    invocation: Invocation = context.obj
    settings = invocation.start_logs()
    with stop_on_signal() as stop, progress_bar("halting") as advance:
        result = run_drill(
            settings, rounds, invocation.clock, lambda done, _result: advance(done, rounds)
        )
    show(drill_view(result), output)
    if not result.passed:
        raise typer.Exit(ExitCode.FAILED)
    stop.exit_if_requested()


def _kill_switch(invocation: Invocation) -> "KillSwitch":
    from alchemiser_cli.trading.kill_switch import KillSwitch

    settings = invocation.start_logs()
    return KillSwitch(settings.shm.directory, settings.kill_switch_file, invocation.clock)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name
        return "operator"
