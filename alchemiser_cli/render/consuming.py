"""A consumer while it runs: drawn on standard error, anew a few times a second."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.market import Tick
from alchemiser_cli.streaming import ConsumerSnapshot, Received

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["consuming", "consuming_screen", "print_tick"]

_REDRAW_NS = NS_PER_SECOND // 4
_STALE_SHOWN = 5
_ACROSS = 3


@contextmanager
def consuming(
    clock: Clock, group: str, topic: str, *, visible: bool = True
) -> Iterator[Callable[[ConsumerSnapshot], None]]:
    """Show how a consumer goes; the yielded function takes how it is now.

    Nothing is shown where standard error is no terminal.
    """
    if not visible or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.live import Live

    drawn_ns = 0
    with Live(console=Console(stderr=True), auto_refresh=False, transient=True) as live:

        def draw(snapshot: ConsumerSnapshot) -> None:
            nonlocal drawn_ns
            now_ns = clock.monotonic_ns()
            if now_ns - drawn_ns >= _REDRAW_NS:
                drawn_ns = now_ns
                live.update(consuming_screen(group, topic, snapshot), refresh=True)

        yield draw


def print_tick(tick: Tick, received: Received) -> None:
    """Write one tick and where it lies as a line of JSON on standard output.

    Raises:
        OSError: nobody reads standard output any more.
    """
    place = {"partition": received.partition, "offset": received.offset}
    line = msgspec.json.encode({**place, **msgspec.structs.asdict(tick)})
    try:
        sys.stdout.write(line.decode() + "\n")
        sys.stdout.flush()
    except OSError:
        # Python flushes again at its end, and would complain there too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


def consuming_screen(group: str, topic: str, now: ConsumerSnapshot) -> "RenderableType":
    """Return one drawing: what was read, how fast, how late, and what went wrong."""
    from rich.table import Table
    from rich.text import Text

    state, style = _state(now)
    title = (("consuming ", "bold"), topic, (f"  group {group}  ", "dim"), (state, style))
    table = Table(
        box=None,
        show_header=False,
        padding=(0, 2),
        title=Text.assemble(*title),
        title_justify="left",
    )
    of = f" of {now.limit:,}" if now.limit is not None else ""
    cells = (
        ("consumed", f"{now.consumed:,}{of}"),
        ("rate", f"{now.rate_per_s:,.0f}/s"),
        ("lag", _count(now.lag)),
        ("latency p50", _ms(now.latency_ms.p50)),
        ("p99", _ms(now.latency_ms.p99)),
        ("under way", f"{now.under_way:,}"),
        ("gaps", _bad(now.gaps)),
        ("duplicates", _bad(now.duplicates)),
        ("reordered", f"{now.reordered:,}"),
        ("dead letters", _bad(now.dead_lettered)),
        ("quarantined", _bad(now.quarantined)),
        ("conflated", f"{now.conflated:,}"),
    )
    for column in range(_ACROSS * 2):
        number = column % 2 == 1
        table.add_column(justify="right" if number else "left", style="" if number else "dim")
    for first in range(0, len(cells), _ACROSS):
        table.add_row(*(part for cell in cells[first : first + _ACROSS] for part in cell))
    if now.stale:
        shown = ", ".join(now.stale[:_STALE_SHOWN])
        more = len(now.stale) - _STALE_SHOWN
        table.add_row("stale", Text(shown + (f" and {more:,} more" if more > 0 else ""), "yellow"))
    return table


def _state(now: ConsumerSnapshot) -> tuple[str, str]:
    if now.waiting_for:
        return f"waiting for {now.waiting_for}", "bold red"
    if not now.partitions:
        return "joining the group", "yellow"
    if now.paused:
        return "paused: callbacks are slower than the topic", "yellow"
    return f"{now.partitions} partitions", "green"


def _bad(number: int) -> "RenderableType":
    from rich.text import Text

    return Text(f"{number:,}", "yellow" if number else "")


def _count(number: int | None) -> str:
    return "-" if number is None else f"{number:,}"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} ms"
