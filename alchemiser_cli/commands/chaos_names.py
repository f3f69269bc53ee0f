"""Names on the command line of chaos: targets and their faults, completed with what there is."""

from contextlib import suppress
from typing import Annotated

import typer

from alchemiser_cli.commands.invocation import Invocation
from alchemiser_cli.commands.model_names import models_folder

__all__ = ["ConfirmOption", "OptionalTargetArgument", "TargetArgument", "WordArgument"]


def _targets(context: typer.Context, incomplete: str) -> list[str]:
    from alchemiser_cli.faults import fault_points

    _declare_plugins(context)
    return [name for name in sorted(fault_points()) if name.startswith(incomplete)]


def _words(context: typer.Context, incomplete: str) -> list[str]:
    from alchemiser_cli.chaos.asking import find_target
    from alchemiser_cli.errors import AlchemiserError

    _declare_plugins(context)
    words: tuple[str, ...] = ()
    with suppress(AlchemiserError):  # an unknown target completes nothing
        words = find_target(context.params.get("target") or "").words
    return [word for word in words if word.startswith(incomplete)]


def _declare_plugins(context: typer.Context) -> None:
    from alchemiser_cli.errors import AlchemiserError
    from alchemiser_cli.hooks import plugin_fault_points

    with suppress(AlchemiserError):  # settings that cannot be resolved add nothing
        models_folder(context)  # takes the home that was given
        invocation: Invocation = context.obj
        plugin_fault_points(invocation.settings)


def _dangers(incomplete: str) -> list[str]:
    from typing import get_args

    from alchemiser_cli.settings.chaos import Danger

    return [name for name in get_args(Danger) if name.startswith(incomplete)]


TargetArgument = Annotated[
    str,
    typer.Argument(
        metavar="TARGET",
        help="What is to break, as `alchemiser chaos list` shows it.",
        autocompletion=_targets,
    ),
]

OptionalTargetArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="TARGET", help="Only this one.", show_default="all", autocompletion=_targets
    ),
]

WordArgument = Annotated[
    str,
    typer.Argument(
        metavar="ERROR",
        help="How: an error code, a resource to deny, or a kind such as delay, hang or kill.",
        autocompletion=_words,
    ),
]

ConfirmOption = Annotated[
    list[str] | None,
    typer.Option(
        "--confirm",
        metavar="DANGER",
        help="Do it in spite of this danger, which chaos.allow must name; may be repeated.",
        autocompletion=_dangers,
    ),
]
