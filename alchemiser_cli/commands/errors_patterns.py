"""``alchemiser errors patterns``: regularities in the journal that are more than chance."""

import datetime as dt
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.commands.invocation import Invocation
from alchemiser_cli.commands.options import OutputOption
from alchemiser_cli.commands.parsing import since_ns
from alchemiser_cli.errors import error_codes
from alchemiser_cli.render.output import show

if TYPE_CHECKING:
    from alchemiser_cli.errors.patterns import History, Sessions

__all__ = ["app"]

app = typer.Typer(add_completion=False)


def _codes(incomplete: str) -> list[str]:
    return [entry.code for entry in error_codes() if entry.code.startswith(incomplete)]


@app.command(epilog="Example: `alchemiser errors patterns --since 90d --kind sequence`.")
def patterns(
    context: typer.Context,
    since: Annotated[
        str, typer.Option(metavar="AGE|TIME", help="Only since then: 30d, 12h or an ISO time.")
    ] = "90d",
    code: Annotated[
        str | None,
        typer.Option(
            metavar="CODE", help="Only what has to do with this code.", autocompletion=_codes
        ),
    ] = None,
    kind: Annotated[
        Literal["time", "sequence", "correlation"] | None,
        typer.Option(help="Only patterns of this kind."),
    ] = None,
    level: Annotated[
        float,
        typer.Option(
            metavar="Q", min=0.0001, max=0.5, help="Share of false ones among those shown."
        ),
    ] = 0.05,
    output: OutputOption = None,
) -> None:
    """Show when errors come, what follows what, and what moves together.

    Only what is more than chance is shown, after a correction for all tests that were made. Errors
    that were injected on purpose do not count. Hours and days are in UTC.
    """
    from alchemiser_cli.errors.patterns import find_patterns, read_history
    from alchemiser_cli.errors.patterns.search import KINDS
    from alchemiser_cli.render.patterns import patterns_view

    invocation: Invocation = context.obj
    now_ns = invocation.clock.now_ns()
    history = read_history(invocation.state, since_ns=since_ns(since, now_ns), until_ns=now_ns)
    sessions = None
    if history.subjects and kind in (None, "time"):
        sessions = _sessions(invocation.settings.market.calendar, history, now_ns)
    kinds = KINDS if kind is None else (kind,)
    show(
        patterns_view(find_patterns(history, sessions, kinds=kinds, code=code, level=level)), output
    )


def _sessions(calendar: str, history: "History", now_ns: int) -> "Sessions":
    """Return the openings and closes of the exchange over the days of the history."""
    from alchemiser_cli.errors.patterns import Sessions
    from alchemiser_cli.market.calendar import DAYS_AFTER, calendar_between

    start = dt.date.fromordinal(dt.date(1970, 1, 1).toordinal() + history.first_day)
    end = start + dt.timedelta(days=history.days + DAYS_AFTER)
    exchange = calendar_between(calendar, start, end, asked_ns=now_ns)
    return Sessions(
        opens_s=exchange.opens_nanos / NS_PER_SECOND, closes_s=exchange.closes_nanos / NS_PER_SECOND
    )
