"""Options that several commands share."""

from typing import Annotated

import typer

from alchemiser_cli.render.output import Format

__all__ = ["OutputOption", "TopicOption"]

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
