"""The name of a run on the command line, completed with the ids of those that there are."""

from contextlib import suppress
from typing import Annotated

import typer

from alchemiser_cli.commands.model_names import models_folder

__all__ = ["ResumeOption", "RunArgument"]

_LATEST = "latest"


def _ids(context: typer.Context, incomplete: str) -> list[str]:
    from alchemiser_cli.errors import AlchemiserError
    from alchemiser_cli.rl.runs import list_runs

    ids: list[str] = []
    with suppress(AlchemiserError):  # settings that cannot be resolved complete nothing
        models_folder(context)  # takes the home that was given
        ids = [record.id for record in list_runs(context.obj.settings.runs_folder)]
    return [name for name in (*ids, *([_LATEST] if ids else ())) if name.startswith(incomplete)]


RunArgument = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="Id of a run, the begin of one, or `latest`; see `alchemiser train runs`.",
        autocompletion=_ids,
    ),
]

ResumeOption = Annotated[
    str | None,
    typer.Option(
        metavar="RUN",
        help="Go on with a run: its id, the begin of one, or `latest`.",
        autocompletion=_ids,
    ),
]
