"""``alchemiser health``: say how the running system is."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alchemiser_cli.commands.invocation import Invocation
from alchemiser_cli.commands.options import OutputOption
from alchemiser_cli.exits import ExitCode
from alchemiser_cli.render.output import Format, show

if TYPE_CHECKING:
    from alchemiser_cli.health.status import HealthStatus
    from alchemiser_cli.health.surroundings import Surroundings

__all__ = ["app"]

app = typer.Typer(add_completion=False, help="Say how the running system is.")

EXITS = {
    "healthy": ExitCode.OK,
    "degraded": ExitCode.DEGRADED,
    "critical": ExitCode.FAILED,
}

# A watch would rather say that the database does not answer than wait for it.
WATCH_LIMIT_S = 2.0


@app.callback(
    invoke_without_command=True,
    epilog="Without a command: `alchemiser health status`.",
)
def _health(context: typer.Context, output: OutputOption = None) -> None:
    """Say how the running system is."""
    if context.invoked_subcommand is None:
        status(context, output)


@app.command(epilog="Examples: `alchemiser health status`, `alchemiser health status -o json`.")
def status(context: typer.Context, output: OutputOption = None) -> None:
    """Say in one word how the system is, and by which checks.

    Exits with 0 when it is healthy, 3 when it is degraded, 1 when it is critical. Where
    telemetry.textfile is set, the metrics go there for node_exporter.
    """
    from alchemiser_cli.health.status import health_status
    from alchemiser_cli.render.health import status_view

    invocation: Invocation = context.obj
    result = health_status(_surroundings(invocation))
    show(status_view(result), output)
    _write_metrics(invocation, result)
    if result.status != "healthy":
        raise typer.Exit(EXITS[result.status])


@app.command(
    epilog="Examples: `alchemiser health report --since 7d`, "
    "`alchemiser health report --html report.html`."
)
def report(
    context: typer.Context,
    since: Annotated[
        str, typer.Option(metavar="AGE|TIME", help="From then on: 30m, 2h, 7d or an ISO time.")
    ] = "24h",
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write one self-contained HTML file instead."),
    ] = None,
    output: OutputOption = None,
) -> None:
    """Report errors, recovery, breakers, thresholds, feeds and strategies, and what to do."""
    from alchemiser_cli.commands.parsing import since_ns
    from alchemiser_cli.health.report import health_report
    from alchemiser_cli.render.health import report_view

    invocation: Invocation = context.obj
    start_ns = since_ns(since, invocation.clock.now_ns())
    result = health_report(_surroundings(invocation), start_ns)
    if html is not None:
        from alchemiser_cli.health.report_file import write_report
        from alchemiser_cli.render.health_html import report_html

        write_report(html, report_html(result))
    if html is None or output is Format.JSON:
        show(report_view(result), output)


@app.command(epilog="Example: `alchemiser health watch --interval 5`.")
def watch(
    context: typer.Context,
    interval: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.5, help="Wait so long between two looks.")
    ] = 2.0,
) -> None:
    """Watch the system live, until Ctrl-C."""
    from alchemiser_cli.commands.signals import stop_on_signal
    from alchemiser_cli.errors import UsageError
    from alchemiser_cli.health.watching import Lookout, watch_frame
    from alchemiser_cli.render.live import live_view

    if not sys.stdout.isatty():
        raise UsageError(
            "health watch needs a terminal",
            why="It draws a live view, and standard output is not a terminal.",
            next_step="Use `alchemiser health status`, with `-o json` for a program.",
        )
    invocation: Invocation = context.obj
    surroundings = _surroundings(invocation)
    with (
        stop_on_signal() as stop,
        Lookout(
            lambda: watch_frame(surroundings),
            invocation.clock,
            interval_s=interval,
            limit_s=WATCH_LIMIT_S,
        ) as lookout,
    ):
        live_view(lookout.sight, stop, invocation.clock.sleep)
    stop.exit_if_requested()


@app.command(
    epilog="Examples: `alchemiser health serve`, then `curl http://127.0.0.1:8000/readyz`; "
    "`alchemiser --set health.port=9100 health serve`."
)
def serve(context: typer.Context, output: OutputOption = None) -> None:
    """Serve /healthz, /readyz and /metrics over HTTP, until interrupted.

    Address and port are those of the settings (health.host, health.port). Beyond loopback only
    with a token, which everything but /healthz then asks for. With a lasting signing key, also
    /ack/TOKEN, the links of messages.
    """
    from alchemiser_cli.commands.signals import stop_on_signal
    from alchemiser_cli.errors.journal.once import record_once
    from alchemiser_cli.health.serve import serve_health
    from alchemiser_cli.health.status import health_status
    from alchemiser_cli.notifications.acknowledging import Acknowledger, acknowledging_key
    from alchemiser_cli.notifications.incidents import IncidentStore
    from alchemiser_cli.notifications.policies import Policies
    from alchemiser_cli.render.health import serving_view
    from alchemiser_cli.settings import Environment
    from alchemiser_cli.telemetry import open_system_telemetry

    invocation: Invocation = context.obj
    settings = invocation.start_logs()
    surroundings = _surroundings(invocation)
    telemetry = open_system_telemetry(invocation.state, invocation.clock)

    def look() -> "HealthStatus":
        result = health_status(surroundings)
        telemetry.set_health(result.status)
        return result

    def capture(error: BaseException) -> str:
        return record_once(
            invocation.state,
            invocation.clock,
            settings.logs_folder,
            error,
            component="health",
            operation="health serve",
            run_id=invocation.run_id,
        ).id

    key = acknowledging_key(invocation.resolved)
    # To find and to acknowledge chooses no policy.
    incidents = IncidentStore(invocation.state, settings.alerts, invocation.clock, Policies(()))
    acknowledger = None if key is None else Acknowledger(incidents, key, invocation.clock)
    with (
        stop_on_signal() as stop,
        serve_health(
            settings.health,
            look,
            capture,
            telemetry.registry,
            production=settings.environment is Environment.PRODUCTION,
            acknowledger=acknowledger,
        ) as address,
    ):
        show(serving_view(address.url), output)
        stop.wait()
    stop.exit_if_requested()


def _surroundings(invocation: Invocation) -> "Surroundings":
    from alchemiser_cli.health.surroundings import Surroundings

    return Surroundings(invocation.resolved, invocation.clock, invocation.state)


def _write_metrics(invocation: Invocation, result: "HealthStatus") -> None:
    """Leave the metrics where node_exporter reads them, if the settings name such a file."""
    textfile = invocation.settings.telemetry.textfile
    if textfile is None:
        return
    from alchemiser_cli.telemetry import open_system_telemetry, write_textfile

    telemetry = open_system_telemetry(invocation.state, invocation.clock)
    telemetry.set_health(result.status)
    write_textfile(telemetry.registry, textfile)
