"""``alchemiser preflight``: check the system before a start."""

from contextlib import suppress
from enum import StrEnum
from typing import Annotated

import typer

from alchemiser_cli.commands.invocation import Invocation
from alchemiser_cli.commands.options import FailOn, FailOnOption
from alchemiser_cli.errors import HomeNotWritableError
from alchemiser_cli.exits import ExitCode
from alchemiser_cli.preflight.report import CATEGORIES, blocked, checks_of, run_preflight
from alchemiser_cli.preflight.setup import Setup
from alchemiser_cli.render.output import Format, show
from alchemiser_cli.render.preflight import check_list_view, preflight_view, short_view
from alchemiser_cli.render.progress import progress_status

__all__ = ["app"]

app = typer.Typer(add_completion=False)


class ReportFormat(StrEnum):
    """How the report is written."""

    TABLE = "table"
    PLAIN = "plain"
    SHORT = "short"
    JSON = "json"


def _categories(incomplete: str) -> list[str]:
    return [name for name in CATEGORIES if name.startswith(incomplete)]


@app.command(
    epilog="Examples: `alchemiser preflight`, `alchemiser preflight --only kafka --wait 60`, "
    "`alchemiser --profile production preflight -o json`."
)
def preflight(
    context: typer.Context,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CATEGORY",
            help="Run one category; may be repeated.",
            autocompletion=_categories,
        ),
    ] = None,
    list_checks: Annotated[
        bool, typer.Option("--list", help="List the checks without running them.")
    ] = False,
    wait: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", min=0, help="Repeat checks that waiting can help, up to so long."
        ),
    ] = 0.0,
    fail_on: FailOnOption = FailOn.ERROR,
    output: Annotated[
        ReportFormat | None,
        typer.Option(
            "--output",
            "-o",
            help="How to show the report; short shows only what did not succeed.",
            show_default="table on a terminal, plain in a pipe",
        ),
    ] = None,
) -> None:
    """Check the system before a start.

    Each failing check names its error code and the next step. Exits with 0 when the
    environment's policy lets the system start, with 1 when it does not.
    """
    invocation: Invocation = context.obj
    form = Format(output) if output and output is not ReportFormat.SHORT else None
    setup = Setup(invocation.resolved, invocation.clock)
    checks = checks_of(setup, only or ())
    if list_checks:
        show(check_list_view(checks), form)
        return
    with suppress(HomeNotWritableError):  # one of the checks says so
        invocation.start_logs()
    invocation.start_heartbeat(lasting=False)
    with progress_status("checking", visible=output is not ReportFormat.JSON) as status:
        report = run_preflight(
            setup, checks, wait_s=wait, on_result=lambda result: status(result.name)
        )
    view = short_view if output is ReportFormat.SHORT else preflight_view
    show(view(report), form)
    if not report.success:
        raise blocked(report)
    if fail_on is FailOn.WARNING and report.results("warning"):
        raise typer.Exit(ExitCode.DEGRADED)
