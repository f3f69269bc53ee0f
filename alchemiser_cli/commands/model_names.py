"""The argument that names a model, completed with those that there are."""

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from alchemiser_cli.commands.invocation import Invocation

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ModelArgument", "ModelsArgument", "models_folder"]


def _names(context: typer.Context, incomplete: str) -> list[str]:
    from alchemiser_cli.errors import AlchemiserError
    from alchemiser_cli.rl.artefacts import model_names

    names: list[str] = []
    with suppress(AlchemiserError):  # settings that cannot be resolved complete nothing
        names = model_names(models_folder(context))
    prefix = "models/" if incomplete.startswith("models/") else ""
    return [prefix + name for name in names if (prefix + name).startswith(incomplete)]


def models_folder(context: typer.Context) -> "Path":
    """Return where models live, also while a command line is being completed."""
    invocation: Invocation = context.obj
    home = context.find_root().params.get("home")
    if home is not None and invocation.assume_home is None:  # in completion no command has run
        invocation.assume_home = home
    return invocation.settings.models_folder


ModelArgument = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="NAME or models/NAME; `promoted` is the one that was promoted last.",
        autocompletion=_names,
    ),
]

ModelsArgument = Annotated[
    list[str],
    typer.Argument(metavar="MODEL...", help="Models to compare.", autocompletion=_names),
]
