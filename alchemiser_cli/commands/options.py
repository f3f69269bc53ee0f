"""Options that several commands share."""

from enum import StrEnum
from typing import Annotated

import typer

from alchemiser_cli.render.output import Format

__all__ = ["FailOn", "FailOnOption", "OutputOption", "TopicOption"]


class FailOn(StrEnum):
    """The least outcome that makes the exit code other than 0."""

    WARNING = "warning"
    ERROR = "error"


FailOnOption = Annotated[
    FailOn, typer.Option(help="warning: exit with 3 where there are only warnings.")
]

OutputOption = Annotated[
    Format | None,
    typer.Option(
        "--output",
        "-o",
        help="How to show the result.",
        show_default="table on a terminal, plain in a pipe",
    ),
]

TopicOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Topic.", show_default="topics.ticks of the settings"),
]
