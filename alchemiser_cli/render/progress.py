"""Progress on standard error while something takes long; silent without a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["progress_bar", "progress_status"]


@contextmanager
def progress_status(text: str, *, visible: bool = True) -> Iterator[Callable[[str], None]]:
    """Show a spinner with ``text``; the yielded function names what was done last."""
    if not visible or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console

    with Console(stderr=True).status(text) as status:
        yield lambda step: status.update(f"{text} [dim]· {step}[/dim]")


@contextmanager
def progress_bar(text: str, *, visible: bool = True) -> Iterator[Callable[[int, int | None], None]]:
    """Show a bar with ``text``; the yielded function takes how much is done, and of how much."""
    if not visible or not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("[dim]{task.fields[rate]}[/dim]"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(text, total=None, rate="")

        def advance(done: int, total: int | None) -> None:
            speed = progress.tasks[task].speed
            rate = f"{speed:,.0f}/s" if speed else ""
            progress.update(task, completed=done, total=total, rate=rate)

        yield advance
