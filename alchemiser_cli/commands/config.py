"""``alchemiser config``: show, check and describe the settings."""

from typing import Annotated

import typer

from alchemiser_cli.commands.invocation import Invocation
from alchemiser_cli.commands.options import OutputOption
from alchemiser_cli.exits import ExitCode
from alchemiser_cli.render.output import show as show_view
from alchemiser_cli.render.settings import problems_view, schema_view, settings_view
from alchemiser_cli.settings import Settings
from alchemiser_cli.settings.resolve import inspect
from alchemiser_cli.settings.show import setting_rows

__all__ = ["app"]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Show, check and describe the settings.",
)


@app.command(epilog="Example: `alchemiser --profile paper config show --sources`.")
def show(
    context: typer.Context,
    sources: Annotated[
        bool, typer.Option("--sources", help="Show where each value came from.")
    ] = False,
    output: OutputOption = None,
) -> None:
    """Show every setting, with secrets masked.

    Flags win over environment variables, these over .env, that over the profile, and the
    profile over the defaults.
    """
    invocation: Invocation = context.obj
    resolved = invocation.resolved
    show_view(settings_view(resolved.profile, setting_rows(resolved), sources=sources), output)


@app.command(epilog="Example: `alchemiser --profile production config check`.")
def check(context: typer.Context, output: OutputOption = None) -> None:
    """Name every problem of the configuration at once; exits with 4 if there is one."""
    invocation: Invocation = context.obj
    inspection = inspect(invocation.request)
    resolved = inspection.resolved
    environment = resolved.settings.environment if resolved else None
    show_view(problems_view(inspection.profile, environment, inspection.problems), output)
    if inspection.problems:
        raise typer.Exit(ExitCode.CONFIG)


@app.command(epilog="Example: `alchemiser config schema > settings.schema.json`.")
def schema(output: OutputOption = None) -> None:
    """Print the JSON schema of a profile, for editors and checks."""
    show_view(schema_view(Settings.model_json_schema()), output)
