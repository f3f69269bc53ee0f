"""``alchemiser errors``: explain error codes and show their runbooks."""

from typing import Annotated

import typer

from alchemiser_cli.commands.options import OutputOption
from alchemiser_cli.errors import error_codes
from alchemiser_cli.errors import runbook as find_runbook
from alchemiser_cli.render.errors import codes_view, runbook_view
from alchemiser_cli.render.output import show

__all__ = ["app"]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Explain error codes and show their runbooks.",
)


def _codes(incomplete: str) -> list[str]:
    return [entry.code for entry in error_codes() if entry.code.startswith(incomplete)]


@app.command(epilog="Example: `alchemiser errors codes -o json`.")
def codes(output: OutputOption = None) -> None:
    """List every error code with its severity and exit code."""
    show(codes_view(error_codes()), output)


@app.command(epilog="Example: `alchemiser errors runbook broker-unreachable`.")
def runbook(
    code: Annotated[
        str, typer.Argument(help="Error code, as an error shows it.", autocompletion=_codes)
    ],
    output: OutputOption = None,
) -> None:
    """Show what to do about an error code."""
    show(runbook_view(find_runbook(code)), output)
