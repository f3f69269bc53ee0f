"""``alchemiser notify``: who was told of what, and is it sure to arrive?"""

import getpass
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from alchemiser_cli.commands import notify_silence
from alchemiser_cli.commands.invocation import Invocation
from alchemiser_cli.commands.options import MetricsOption, OutputOption
from alchemiser_cli.exits import ExitCode
from alchemiser_cli.render.output import show

if TYPE_CHECKING:
    from alchemiser_cli.notifications.courier import Courier
    from alchemiser_cli.settings import Settings

__all__ = ["app"]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Tell people of incidents, and show what they were told.",
)

ChannelOption = Annotated[str | None, typer.Option(metavar="NAME", help="Only this channel.")]
StateName = Literal["queued", "sending", "sent", "failed", "held", "digested", "cancelled"]


@app.command(
    epilog="Examples: `alchemiser notify run`, and for cron `alchemiser notify run --once`."
)
def run(
    context: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="Make one pass and end.")] = False,
    injected: Annotated[
        bool, typer.Option("--injected", help="Also tell of errors caused on purpose: in a drill.")
    ] = False,
    metrics: MetricsOption = None,
    output: OutputOption = None,
) -> None:
    """Read the journal, escalate incidents, and send what is due; until interrupted.

    Long-running commands do the same beside their work wherever a channel is enabled. Several may
    run at once. A pass that could not do all of its work exits with 3 under --once.
    """
    from alchemiser_cli.commands.signals import stop_on_signal
    from alchemiser_cli.health.streams import courier_readiness, stream_telemetry
    from alchemiser_cli.notifications.courier import delivering
    from alchemiser_cli.pipeline.alerting import open_courier
    from alchemiser_cli.render.notify import passes_view

    invocation: Invocation = context.obj
    settings = invocation.start_logs()
    invocation.start_heartbeat(lasting=not once)
    with ExitStack() as stack:
        stop = stack.enter_context(stop_on_signal())
        courier: Courier | None = None
        telemetry = stack.enter_context(
            stream_telemetry(
                settings,
                invocation.clock,
                lambda: courier_readiness(courier),
                invocation.journal.capture,
                metrics,
            )
        )
        courier = open_courier(
            invocation.resolved,
            invocation.state,
            invocation.clock,
            injected=injected,
            telemetry=telemetry,
            on_failure=invocation.journal.capture,
        )
        if once:
            courier.pass_once()
        else:
            with delivering(courier):
                stop.wait()
    show(passes_view(courier.total), output)
    stop.exit_if_requested()
    if once and courier.total.troubles:
        raise typer.Exit(ExitCode.DEGRADED)


@app.command(
    "test", epilog="Examples: `alchemiser notify test`, `alchemiser notify test --channel pager`."
)
def prove_channels(
    context: typer.Context, channel: ChannelOption = None, output: OutputOption = None
) -> None:
    """Send a test through each enabled channel now, and wait for the answers.

    Exits with 1 where one was not taken.
    """
    from alchemiser_cli.notifications.channels import channels_of
    from alchemiser_cli.notifications.ledger import Ledger
    from alchemiser_cli.notifications.proving import prove
    from alchemiser_cli.render.notify import proofs_view

    invocation: Invocation = context.obj
    settings = invocation.start_logs()
    _known(settings, channel)
    channels = {
        name: one
        for name, one in channels_of(settings, invocation.clock).items()
        if channel in (None, name)
    }
    ledger = Ledger(invocation.state, invocation.clock, settings.alerts)
    found = prove(channels, ledger, invocation.clock)
    show(proofs_view(found), output)
    if not found or any(not one.taken for one in found):
        raise typer.Exit(ExitCode.FAILED)


@app.command(epilog="Example: `alchemiser notify outbox --state failed`.")
def outbox(
    context: typer.Context,
    state: Annotated[StateName | None, typer.Option(help="Only messages in this state.")] = None,
    channel: ChannelOption = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most messages to show.")] = 50,
    output: OutputOption = None,
) -> None:
    """Show the messages that are to be sent, were sent, held or given up, the newest first."""
    from alchemiser_cli.notifications.ledger import Ledger
    from alchemiser_cli.render.notify import outbox_view

    invocation: Invocation = context.obj
    settings = invocation.settings
    ledger = Ledger(invocation.state, invocation.clock, settings.alerts)
    rows = ledger.list(state, channel, limit)
    counts = {key: count for key, count in ledger.counts().items() if channel in (None, key[0])}
    if not counts:
        _known(settings, channel)  # of a channel that is gone the past is still shown
    show(outbox_view(rows, counts), output)


@app.command(epilog="Examples: `alchemiser notify incidents`, `alchemiser notify incidents --all`.")
def incidents(
    context: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most incidents to show.")] = 50,
    output: OutputOption = None,
) -> None:
    """Show the open incidents, the worst first: since when, how often, and who took them on."""
    from alchemiser_cli.pipeline.alerting import open_office
    from alchemiser_cli.render.notify import incidents_view

    invocation: Invocation = context.obj
    store = open_office(invocation.settings, invocation.state, invocation.clock).store
    found = store.recent(limit) if every else store.open()[:limit]
    show(incidents_view(found, invocation.clock.now_ns()), output)


@app.command(epilog="Example: `alchemiser notify ack 3f2a9c`.")
def ack(
    context: typer.Context,
    identity: Annotated[
        str, typer.Argument(metavar="ID", help="Id of the incident, or its begin.")
    ],
    author: Annotated[
        str | None, typer.Option("--by", help="Who takes it on.", show_default="you")
    ] = None,
    output: OutputOption = None,
) -> None:
    """Acknowledge an incident: nobody is told of it any more, but that it is over.

    It stops at once, on every channel.
    """
    from alchemiser_cli.pipeline.alerting import open_office
    from alchemiser_cli.render.notify import acknowledged_view

    invocation: Invocation = context.obj
    store = open_office(invocation.settings, invocation.state, invocation.clock).store
    found = store.acknowledge(identity, author or getpass.getuser())
    show(acknowledged_view(found), output)


@app.command(epilog="Example: `alchemiser notify channels -o json`.")
def channels(context: typer.Context, output: OutputOption = None) -> None:
    """Show the channels: what each takes, when it last delivered, and what is wrong with it."""
    from alchemiser_cli.notifications.ledger import Ledger
    from alchemiser_cli.notifications.proving import standing
    from alchemiser_cli.render.notify import channels_view

    invocation: Invocation = context.obj
    settings = invocation.settings
    ledger = Ledger(invocation.state, invocation.clock, settings.alerts)
    found = standing(settings, ledger, invocation.clock.now_ns())
    show(channels_view(found), output)


app.add_typer(notify_silence.app, name="silence")


def _known(settings: "Settings", channel: str | None) -> None:
    """Refuse a name that no channel has.

    Raises:
        ChannelNotFoundError: ``channel-not-found``.
    """
    if channel is None or channel in settings.notifications:
        return
    from alchemiser_cli.errors import ChannelNotFoundError

    names = ", ".join(settings.notifications)
    raise ChannelNotFoundError(
        f"no channel is named {channel!r}",
        why=f"The settings have {names}." if names else "The settings have no channel at all.",
        next_step="Choose one that `alchemiser notify channels` shows, or add it: "
        f"notifications.{channel}.url",
        context={"channel": channel},
    )
