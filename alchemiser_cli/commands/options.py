"""Options that several commands share."""

from enum import StrEnum
from typing import Annotated

import typer

from alchemiser_cli.render.output import Format

__all__ = ["FailOn", "FailOnOption", "MetricsOption", "OutputOption", "TopicOption"]


class FailOn(StrEnum):
    """The least outcome that makes the exit code other than 0."""

    WARNING = "warning"
    ERROR = "error"


FailOnOption = Annotated[
    FailOn, typer.Option(help="warning: exit with 3 where there are only warnings.")
]

MetricsOption = Annotated[
    int | None,
    typer.Option(
        "--metrics",
        metavar="PORT",
        min=0,
        max=65_535,
        help="Serve /metrics, /readyz and /healthz on this port of health.host.",
    ),
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
