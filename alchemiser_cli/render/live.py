"""The live view: drawn anew a few times a second from what the lookout knows."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from alchemiser_cli.checks import CheckResult
from alchemiser_cli.clock import iso_from_ns
from alchemiser_cli.health.readings import Bucket
from alchemiser_cli.health.surroundings import duration_text
from alchemiser_cli.health.watching import Sight, WatchFrame
from alchemiser_cli.render.health import SIGNS, STATE_STYLES, STATUS_STYLES

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

__all__ = ["live_view", "sparkline", "watch_screen"]

REDRAW_S = 0.2
# From so many lines on, there is room for checks that succeeded too.
TALL = 34
_EIGHTHS = "▁▂▃▄▅▆▇█"


def live_view(
    sight: Callable[[], Sight[WatchFrame]],
    stopped: Callable[[], bool],
    pause: Callable[[float], None],
) -> None:
    """Show what ``sight`` returns on the terminal's alternate screen until ``stopped``.

    ``pause`` waits for so many seconds. The terminal's size is asked anew for every drawing.
    """
    from rich.console import Console
    from rich.live import Live

    console = Console()
    # Drawn from this thread only: no second one that a signal could meet in the middle.
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while not stopped():
            width, height = console.size
            live.update(watch_screen(sight(), width=width, height=height), refresh=True)
            pause(REDRAW_S)


def watch_screen(sight: Sight[WatchFrame], *, width: int, height: int) -> "RenderableType":
    """Return one screen: a headline, the errors of the last hour, checks, breakers, feeds, groups.

    What does not fit into ``height`` lines is left out from the bottom of each part.
    """
    from rich.console import Group
    from rich.text import Text

    frame = sight.seen
    if frame is None:
        problem = Text(_printable(sight.problem), style="bold red")
        return Group(_headline(sight), problem if sight.problem else Text("looking …", "dim"))
    parts: list[RenderableType] = [_headline(sight)]
    if sight.problem:
        parts.append(
            Text(
                f"! {_printable(sight.problem)}",
                style="bold white on red",
                no_wrap=True,
                overflow="ellipsis",
            )
        )
    shown = frame.status.checks
    if height < TALL:  # No room for what is well.
        shown = [check for check in shown if check.result in ("error", "warning")]
    parts += [_errors(frame, width), _checks(shown)]
    # Headline, errors and their spaces; the tables below have a heading each.
    left = height - len(shown) - 7 - bool(sight.problem)
    small = max(0, min(6, left // 3))
    if frame.breakers and small:
        parts.append(_breakers(frame, small))
        left -= min(small, len(frame.breakers)) + 2
    if frame.feeds and small:
        parts.append(_feeds(frame, small))
        left -= min(small, len(frame.feeds)) + 2
    if frame.groups and left > 2:
        parts.append(_groups(frame, left - 2))
    return Group(*parts)


def sparkline(values: list[int]) -> str:
    """Draw one character a value, from nothing (a dot) to the largest (a full block)."""
    most = max(values, default=0)
    return "".join(
        _EIGHTHS[(value * len(_EIGHTHS) - 1) // most] if value else "·" for value in values
    )


def _headline(sight: Sight[WatchFrame]) -> "Text":
    from rich.text import Text

    text = Text(no_wrap=True, overflow="ellipsis")
    text.append("alchemiser health  ", style="bold")
    if sight.seen is not None:
        status = sight.seen.status
        text.append(status.status.upper(), style=STATUS_STYLES[status.status] + " reverse")
        text.append(f"  as of {status.started_at[11:19]} UTC", style="dim")
    if sight.age_s is not None:
        stale = bool(sight.problem)
        age = f"  {duration_text(sight.age_s)} old"
        text.append(age, style="bold red" if stale else "dim")
    text.append("  Ctrl-C ends", style="dim")
    return text


def _errors(frame: WatchFrame, width: int) -> "Text":
    from rich.text import Text

    errors = frame.status.errors
    shown = frame.series[-max(10, min(len(frame.series), width - 30)) :]
    text = Text("\n", no_wrap=True, overflow="ellipsis")
    for name, pick, style in (
        ("errors", _total, "yellow"),
        ("critical", _critical, "red"),
    ):
        values = [pick(bucket) for bucket in shown]
        text.append(f"{name:<9}")
        text.append(sparkline(values), style=style)
        text.append(f"  {sum(values):,} in {len(values)} min\n", style="dim")
    if errors.rate_per_min is not None:
        worst = ", ".join(f"{name or '-'} {n}" for name, n in list(errors.by_component.items())[:4])
        worst = _printable(worst)
        text.append(f"{errors.rate_per_min:g} a minute now", style="bold")
        text.append(f"  {worst}\n" if worst else "\n", style="dim")
    return text


def _checks(checks: list[CheckResult]) -> "Table":
    rows = []
    for check in checks:
        sign = SIGNS[check.result]
        told = check.skipped_because or check.detail
        rows.append(((sign.text, sign.style), (check.name, ""), (told, "dim")))
    return _grid(("result", "check", "detail"), rows, headed=False)


def _breakers(frame: WatchFrame, most: int) -> "Table":
    urgent = sorted(frame.breakers, key=lambda one: one.state == "closed")
    rows = [
        (
            (one.name, ""),
            (one.state, STATE_STYLES.get(one.state, "")),
            (duration_text(one.open_s), ""),
            (one.reason, "dim"),
        )
        for one in urgent[:most]
    ]
    return _grid(("breaker", "state", "open for", "reason"), rows)


def _feeds(frame: WatchFrame, most: int) -> "Table":
    order = ("mute", "disconnected", "gone", "flowing", "quiet", "ended")
    urgent = sorted(frame.feeds, key=lambda one: order.index(one.state))
    rows = [
        (
            (one.name, ""),
            (one.state, STATE_STYLES.get(one.state, "dim")),
            (duration_text(one.silent_s), ""),
            (f"{one.count:,}", ""),
        )
        for one in urgent[:most]
    ]
    return _grid(("feed", "state", "silent for", "events"), rows)


def _groups(frame: WatchFrame, most: int) -> "Table":
    rows = [
        (
            (iso_from_ns(one.last_seen_ns)[11:19], "dim"),
            (one.code, "bold"),
            (one.component or "-", ""),
            (one.state, STATE_STYLES.get(one.state, "")),
            (f"{one.count:,}", ""),
            (one.template, "dim"),
        )
        for one in frame.groups[:most]
    ]
    return _grid(("last seen", "code", "component", "state", "count", "message"), rows)


def _grid(
    columns: tuple[str, ...],
    rows: Sequence[tuple[tuple[str, str], ...]],
    *,
    headed: bool = True,
) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=None, show_header=headed, header_style="dim underline", pad_edge=False, expand=True
    )
    for position, name in enumerate(columns):
        last = position == len(columns) - 1
        table.add_column(
            f"\n{name}" if headed else name,
            no_wrap=True,
            overflow="ellipsis",
            ratio=1 if last else None,
        )
    for row in rows:
        # As Text, for brackets in data are not markup; one line each.
        table.add_row(*(Text(_printable(text), style=style) for text, style in row))
    return table


def _printable(text: str) -> str:
    """Keep escape sequences of foreign messages away from the terminal."""
    return "".join(character if character.isprintable() else " " for character in text)


def _total(bucket: Bucket) -> int:
    return bucket.total


def _critical(bucket: Bucket) -> int:
    return bucket.critical
