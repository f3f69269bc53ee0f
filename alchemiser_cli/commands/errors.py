"""``alchemiser errors``: what went wrong, what it means, and what was done about it."""

import getpass
import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.commands import errors_forecast, errors_patterns
from alchemiser_cli.commands.invocation import Invocation
from alchemiser_cli.commands.options import OutputOption
from alchemiser_cli.commands.parsing import since_ns
from alchemiser_cli.errors import UsageError, error_codes
from alchemiser_cli.errors import runbook as find_runbook
from alchemiser_cli.render.errors import codes_view, exported_view, runbook_view
from alchemiser_cli.render.output import show as show_view

__all__ = ["app"]

MINUTE_NS = 60 * NS_PER_SECOND
DAY_MINUTES = 24 * 60
SHOWN_OCCURRENCES = 5

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Show what went wrong, what it means, and what was done about it.",
)


def _codes(incomplete: str) -> list[str]:
    return [entry.code for entry in error_codes() if entry.code.startswith(incomplete)]


CodeOption = Annotated[
    str | None, typer.Option(metavar="CODE", help="Only this code.", autocompletion=_codes)
]
StateName = Literal["open", "recovering", "resolved", "regressed"]


@app.command("list", epilog="Example: `alchemiser errors list --state open --since 2h`.")
def list_errors(
    context: typer.Context,
    code: CodeOption = None,
    component: Annotated[str | None, typer.Option(help="Only this component.")] = None,
    state: Annotated[StateName | None, typer.Option(help="Only groups in this state.")] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="AGE|TIME", help="Only since then: 30m, 2h, 7d or an ISO time."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most groups to show.")] = 50,
    output: OutputOption = None,
) -> None:
    """List the groups of errors in the journal, the latest first."""
    from alchemiser_cli.render.journal import errors_view

    invocation: Invocation = context.obj
    journal = invocation.journal_store
    after = since_ns(since, invocation.clock.now_ns()) if since else None
    groups = journal.groups(
        code=code, component=component, state=state, since_ns=after, limit=limit
    )
    latest = [next(iter(journal.occurrences(group.fingerprint, 1)), None) for group in groups]
    show_view(errors_view(list(zip(groups, latest, strict=True))), output)


@app.command(epilog="Example: `alchemiser errors show 3f2a9c`.")
def show(
    context: typer.Context,
    identity: Annotated[str, typer.Argument(metavar="ID", help="Id of a group or occurrence.")],
    output: OutputOption = None,
) -> None:
    """Show one error with its causes, its contexts and its traceback."""
    from alchemiser_cli.render.journal import occurrence_view

    invocation: Invocation = context.obj
    journal = invocation.journal_store
    group = journal.find(identity)
    occurrences = journal.occurrences(group.fingerprint, SHOWN_OCCURRENCES)
    resolutions = [
        one for one in journal.resolutions(group.code) if one.fingerprint == group.fingerprint
    ]
    show_view(occurrence_view(group, occurrences, resolutions), output)


@app.command(epilog="Example: `alchemiser errors stats -o json`.")
def stats(context: typer.Context, output: OutputOption = None) -> None:
    """Count errors by code and component over the last hour and day."""
    from alchemiser_cli.render.journal import stats_view

    invocation: Invocation = context.obj
    now = invocation.clock.now_ns() // MINUTE_NS
    show_view(stats_view(invocation.journal_store.minutes(now - DAY_MINUTES + 1), now), output)


@app.command(epilog='Example: `alchemiser errors resolve 3f2a9c --with "restarted broker 2"`.')
def resolve(
    context: typer.Context,
    identity: Annotated[str, typer.Argument(metavar="ID", help="Id of a group or occurrence.")],
    text: Annotated[str, typer.Option("--with", metavar="TEXT", help="What was done.")],
    failed: Annotated[bool, typer.Option("--failed", help="It did not help.")] = False,
    author: Annotated[
        str | None, typer.Option("--by", help="Who did it.", show_default="you")
    ] = None,
    output: OutputOption = None,
) -> None:
    """Record what was done about an error, and whether it helped; the runbook learns from it."""
    from alchemiser_cli.render.journal import resolution_view

    invocation: Invocation = context.obj
    resolution = invocation.journal_store.resolve(
        identity,
        text=text,
        worked=not failed,
        author=author or getpass.getuser(),
        at_ns=invocation.clock.now_ns(),
    )
    show_view(resolution_view(resolution), output)


@app.command(epilog="Example: `alchemiser errors codes -o json`.")
def codes(output: OutputOption = None) -> None:
    """List every error code with its severity and exit code."""
    show_view(codes_view(error_codes()), output)


@app.command(epilog="Example: `alchemiser errors runbook broker-unreachable`.")
def runbook(
    context: typer.Context,
    code: Annotated[
        str, typer.Argument(help="Error code, as an error shows it.", autocompletion=_codes)
    ],
    export: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Write it as Markdown to this new file; `-` is standard output."
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the file of --export where there is one.")
    ] = False,
    output: OutputOption = None,
) -> None:
    """Show what to do about an error code, and what the journal knows of it."""
    found = find_runbook(code)
    invocation: Invocation = context.obj
    history = invocation.code_history(code)
    if export is None:
        show_view(runbook_view(found, history), output)
        return
    from alchemiser_cli.render.runbook_markdown import runbook_markdown

    text = runbook_markdown(found, history, invocation.clock.now_ns())
    if export == "-":
        typer.echo(text, nl=False)
        return
    from alchemiser_cli.health.report_file import write_report

    write_report(_to_write(Path(export), replace=force), text)
    show_view(exported_view(code, Path(export)), output)


def _to_write(file: Path, *, replace: bool) -> Path:
    if replace or not os.path.lexists(file):
        return file
    raise UsageError(
        f"{file} exists already",
        why="A page that somebody may have edited is not replaced unasked.",
        next_step="Choose another file, or give --force to replace this one.",
    )


app.add_typer(errors_patterns.app)
app.add_typer(errors_forecast.app)
