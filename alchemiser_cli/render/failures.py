"""An error as the operator sees it: what, why, the next step, and where to read more."""

import traceback as tracebacks
from typing import TextIO

from alchemiser_cli.errors import AlchemiserError

__all__ = ["failure_lines", "show_failure"]


def failure_lines(failure: AlchemiserError) -> list[str]:
    """Return the four lines that the contract promises."""
    return [
        f"error[{failure.code}]: {failure.what}",
        f"  why: {failure.why}",
        f"  next: {failure.next_step}",
        f"  more: alchemiser errors runbook {failure.code}",
    ]


def show_failure(failure: AlchemiserError, stream: TextIO, *, traceback: bool) -> None:
    """Write the failure to ``stream``, in colour on a terminal, on request with its traceback."""
    if traceback:
        stream.write("".join(tracebacks.format_exception(failure)))
    lines = failure_lines(failure)
    if not stream.isatty():
        stream.write("\n".join(lines) + "\n")
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(file=stream)
    first = Text(lines[0])
    first.stylize("bold red", 0, lines[0].index(":"))
    console.print(first, soft_wrap=True)
    for line in lines[1:]:
        label, _, rest = line.partition(": ")
        console.print(Text.assemble((f"{label}: ", "dim"), rest), soft_wrap=True)
