"""The root command: global options, lazily loaded commands, and errors mapped to exit codes."""

import gc
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.core
import typer.main

from alchemiser_cli import __version__
from alchemiser_cli.commands.invocation import Invocation

__all__ = ["app", "main"]

GC_THRESHOLD = 50_000

_GUARD = "Before the open"
_FEED = "Market data"
_LEARN = "Models"
_TRADE = "Trading"
_UNDERSTAND = "Understand"

# name: (panel, one-line help). The module commands/NAME.py is imported when the command runs.
COMMANDS = {
    "demo": (_GUARD, "Show the whole story on real data, with nothing installed beside it."),
    "preflight": (_GUARD, "Check the system before a start."),
    "config": (_GUARD, "Show, check and describe the settings."),
    "broker": (_FEED, "Serve an embedded Kafka to other terminals."),
    "feed": (_FEED, "Run live feeds of market data into Kafka."),
    "replay": (_FEED, "Replay a dataset as ticks into Kafka."),
    "consume": (_FEED, "Consume ticks and say what was seen."),
    "dlq": (_FEED, "List, show and redrive dead letters."),
    "train": (_LEARN, "Train policies, judge them, and search for better settings."),
    "model": (_LEARN, "List, inspect, verify and promote trained models."),
    "shm": (_LEARN, "Show, repair and drill the weights in shared memory."),
    "trade": (_TRADE, "Trade on paper under risk control, stop it, and explain it."),
    "audit": (_TRADE, "Show and verify the audit trails."),
    "health": (_UNDERSTAND, "Say how the running system is."),
    "bench": (_UNDERSTAND, "Measure what the system promises, on this machine."),
    "errors": (_UNDERSTAND, "Show what went wrong, what it means, and what helped."),
    "notify": (_UNDERSTAND, "Tell people of incidents, and show what they were told."),
    "chaos": (_UNDERSTAND, "Break things on purpose, and judge what comes of it."),
}


class RootGroup(typer.core.TyperGroup):
    """A group that imports a command's module only when the command is resolved."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the real command in the place of its stub."""
        name, command, rest = super().resolve_command(ctx, args)
        if command is not None and command.name in COMMANDS:
            module = importlib.import_module(f"alchemiser_cli.commands.{command.name}")
            real = typer.main.get_command(module.app)
            real.name = command.name
            command = real
        return name, command, rest

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run one command line; the only place where an error becomes an exit code."""
        with Invocation(os.environ) as invocation:
            try:
                return super().main(
                    args,
                    prog_name,
                    complete_var,
                    standalone_mode,
                    windows_expand_args,
                    obj=invocation,
                    **extra,
                )
            except Exception as error:  # noqa: BLE001  every failure gets its code here
                from alchemiser_cli.commands.failure import end_run

                sys.exit(end_run(invocation, error))


app = typer.Typer(
    name="alchemiser",
    cls=RootGroup,
    help="Operator's toolkit for a trading system driven by reinforcement learning.",
    epilog="Start with `alchemiser demo`. Every error names its runbook.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(requested: bool) -> None:
    if requested:
        typer.echo(f"alchemiser {__version__}")
        raise typer.Exit


def _profile_names(incomplete: str) -> list[str]:
    from alchemiser_cli.settings.layers import profile_names

    return [name for name in profile_names() if name.startswith(incomplete)]


@app.callback()
def _root(
    context: typer.Context,
    profile: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Profile of settings: a name in configs/ or a TOML file.",
            show_default="development",
            autocompletion=_profile_names,
        ),
    ] = None,
    home: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder of everything written at run time.",
            show_default="the user's state folder",
        ),
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Override a setting, as section.key=value."
        ),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Log only errors to standard error.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Log more to standard error, with tracebacks.")
    ] = False,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and exit.", is_eager=True, callback=_show_version
        ),
    ] = False,
) -> None:
    invocation: Invocation = context.obj
    invocation.configure(
        command=context.invoked_subcommand or "",
        profile=profile,
        home=home,
        assignments=tuple(assignments or ()),
        quiet=quiet,
        verbose=verbose,
    )


def _register_stubs() -> None:
    for name, (panel, summary) in COMMANDS.items():
        app.command(name, help=summary, rich_help_panel=panel)(lambda: None)


_register_stubs()


def main() -> None:
    """Run the command line of this process."""
    # Start-up makes many objects and little garbage; looking for it every 700 objects takes a
    # fourteenth of a short command's time.
    gc.set_threshold(GC_THRESHOLD)
    app(prog_name="alchemiser")
