"""``alchemiser errors forecast``: how probable each error is in the next window."""

import re
from typing import Annotated

import typer

from alchemiser_cli.commands.invocation import Invocation
from alchemiser_cli.commands.options import OutputOption
from alchemiser_cli.commands.parsing import since_ns
from alchemiser_cli.errors import UsageError, error_codes
from alchemiser_cli.render.output import show

__all__ = ["WindowOption", "app", "window_minutes"]

LONGEST_MINUTES = 7 * 1_440

_WINDOW = re.compile(r"(\d{1,5})(m|h|d)", re.ASCII)
_UNIT_MINUTES = {"m": 1, "h": 60, "d": 1_440}

app = typer.Typer(add_completion=False)

WindowOption = Annotated[
    str, typer.Option("--window", metavar="LENGTH", help="Window: 15m, 1h, 1d; 7d at most.")
]


def window_minutes(text: str) -> int:
    """Read the length of a window, such as 15m, 1h or 1d, in minutes.

    Raises:
        UsageError: ``usage``.
    """
    match = _WINDOW.fullmatch(text)
    minutes = int(match[1]) * _UNIT_MINUTES[match[2]] if match else 0
    if not 0 < minutes <= LONGEST_MINUTES:
        raise UsageError(
            f"{text!r} is not a window",
            why="A window is from one minute to seven days: a number with m, h or d.",
            next_step="For example: --window 15m, --window 1h or --window 1d.",
        )
    return minutes


def _codes(incomplete: str) -> list[str]:
    names = ["any-critical", *(entry.code for entry in error_codes())]
    return [name for name in names if name.startswith(incomplete)]


@app.command(epilog="Examples: `alchemiser errors forecast`, `... --window 1d --since 30d`.")
def forecast(
    context: typer.Context,
    window: WindowOption = "1h",
    since: Annotated[
        str | None,
        typer.Option(
            metavar="AGE|TIME",
            help="Learn from what came since then: 7d, 90d or an ISO time.",
            show_default="400d",
        ),
    ] = None,
    code: Annotated[
        str | None,
        typer.Option(
            metavar="CODE", help="Only this code, or any-critical.", autocompletion=_codes
        ),
    ] = None,
    output: OutputOption = None,
) -> None:
    """Show how probable each error is in the next window, where the journal can tell it.

    A probability is shown only where forecasts of past windows were better than the base rate;
    elsewhere it abstains and shows the base rate.
    """
    from alchemiser_cli.errors.forecast import forecast as forecast_journal
    from alchemiser_cli.render.forecast import forecast_view

    invocation: Invocation = context.obj
    now_ns = invocation.clock.now_ns()
    outlook = forecast_journal(
        invocation.state,
        now_ns,
        window_minutes=window_minutes(window),
        since_ns=since_ns(since, now_ns) if since else None,
        code=code,
    )
    show(forecast_view(outlook), output)
