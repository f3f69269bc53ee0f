"""``alchemiser notify silence``: alerts that nobody is told of for a while."""

import getpass
from typing import Annotated

import typer

from alchemiser_cli.commands.invocation import Invocation
from alchemiser_cli.commands.options import OutputOption
from alchemiser_cli.commands.parsing import until_ns
from alchemiser_cli.render.output import show

__all__ = ["app"]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Keep alerts quiet for a while, with an author and a reason.",
    epilog="Example: `alchemiser notify silence list`.",
)

Names = list[str]


@app.command(
    epilog="Example: `alchemiser notify silence add --code feed-silent --until 2h "
    '--reason "the exchange is closed for maintenance"`.'
)
def add(
    context: typer.Context,
    until: Annotated[
        str, typer.Option(metavar="AGE|TIME", help="Its end: in 30m, 2h or 7d, or an ISO time.")
    ],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why nobody needs to be told.")],
    code: Annotated[
        Names | None, typer.Option(metavar="CODE", help="Alerts of this code; may be repeated.")
    ] = None,
    component: Annotated[
        Names | None, typer.Option(metavar="NAME", help="Of this component; feed:* is every feed.")
    ] = None,
    severity: Annotated[
        Names | None, typer.Option(metavar="LEVEL", help="low, medium, high or critical.")
    ] = None,
    kind: Annotated[
        Names | None, typer.Option(metavar="KIND", help="error, threshold, trading or drill.")
    ] = None,
    fingerprint: Annotated[
        Names | None, typer.Option(metavar="F", help="Of this one fingerprint.")
    ] = None,
    author: Annotated[
        str | None, typer.Option("--by", help="Who says so.", show_default="you")
    ] = None,
    output: OutputOption = None,
) -> None:
    """Add a silence: what it matches is counted and told in the digest, but wakes nobody."""
    import msgspec

    from alchemiser_cli.errors import UsageError
    from alchemiser_cli.notifications.matching import Matcher
    from alchemiser_cli.notifications.silences import Silences
    from alchemiser_cli.render.notify import silence_view

    invocation: Invocation = context.obj
    given = {
        "code": code,
        "component": component,
        "severity": severity,
        "kind": kind,
        "fingerprint": fingerprint,
    }
    try:
        matcher = msgspec.convert({name: one or [] for name, one in given.items()}, Matcher)
    except msgspec.ValidationError as error:
        raise UsageError(
            "this silence cannot be added",
            why=f"{error}.",
            next_step="Severities are low, medium, high and critical; kinds error, threshold, "
            "trading and drill.",
        ) from None
    silences = Silences(invocation.state, invocation.clock)
    ends_ns = until_ns(until, invocation.clock.now_ns())
    added = silences.add(matcher, ends_ns, author or getpass.getuser(), reason)
    show(silence_view(added, "added"), output)


@app.command("list", epilog="Example: `alchemiser notify silence list --all`.")
def list_silences(
    context: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
    output: OutputOption = None,
) -> None:
    """Show the silences that hold now, the one that ends first at the top."""
    from alchemiser_cli.notifications.silences import Silences
    from alchemiser_cli.render.notify import silences_view

    invocation: Invocation = context.obj
    found = Silences(invocation.state, invocation.clock).list(ended=every)
    show(silences_view(found, invocation.clock.now_ns()), output)


@app.command(epilog="Example: `alchemiser notify silence end 3f2a9c`.")
def end(
    context: typer.Context,
    identity: Annotated[str, typer.Argument(metavar="ID", help="Id of the silence, or its begin.")],
    output: OutputOption = None,
) -> None:
    """End a silence now; what it kept quiet and is still wrong is told."""
    from alchemiser_cli.notifications.silences import Silences
    from alchemiser_cli.render.notify import silence_view

    invocation: Invocation = context.obj
    ended = Silences(invocation.state, invocation.clock).end(identity)
    show(silence_view(ended, "ended"), output)
