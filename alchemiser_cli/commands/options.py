"""Options that several commands share."""

from typing import Annotated

import typer

from alchemiser_cli.render.output import Format

__all__ = ["OutputOption"]

OutputOption = Annotated[
    Format | None,
    typer.Option(
        "--output",
        "-o",
        help="How to show the result.",
        show_default="table on a terminal, plain in a pipe",
    ),
]
