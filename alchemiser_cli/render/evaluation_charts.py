"""Inline SVG charts of an evaluation: lines over time, and the positions of ten contracts."""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from itertools import groupby
from math import floor, log10

__all__ = ["legend", "line_chart", "position_chart"]

WIDTH, HEIGHT = 480, 170
LEFT, RIGHT, TOP, BOTTOM = 48, 6, 8, 22
ROW, TIME_LABELS = 16, 4

Value = Callable[[float], str]


def line_chart(
    title: str,
    times: Sequence[str],
    lines: Mapping[str, Sequence[float]],
    value: Value,
    folds: Sequence[str] = (),
    beyond: str = "",
) -> str:
    """Draw one line for each of ``lines``, the first of them on top of the others.

    ``times`` are ISO 8601, one a point; ``folds`` are times at which a new fold begins. ``value``
    writes the numbers beside the grid. The line named ``beyond`` does not widen the scale, and
    runs along the chart's edge where it leaves it.
    """
    marks = _marks([point for name, line in lines.items() if name != beyond for point in line])
    low, high = marks[0], marks[-1]

    def down(point: float) -> float:
        within = min(max(point, low), high)
        return TOP + (high - within) / (high - low) * (HEIGHT - TOP - BOTTOM)

    parts: list[str] = []
    for mark in marks:
        y = down(mark)
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>'
            f'<text x="{LEFT - 6}" y="{y + 2.5:.1f}" class="tick end">{escape(value(mark))}</text>'
        )
    parts += _folds(times, folds, HEIGHT - BOTTOM)
    for at, (name, line) in reversed(list(enumerate(lines.items()))):
        points = " ".join(
            f"{_across(i, len(times)):.1f},{down(point):.1f}" for i, point in enumerate(line)
        )
        told = f"{name}: {value(line[-1])} at the end" if line else name
        parts.append(
            f'<g><title>{escape(told)}</title><polyline points="{points}" class="line s{at}"/></g>'
        )
    return _svg(HEIGHT, title, [*parts, *_times(times, HEIGHT)])


def position_chart(
    title: str, times: Sequence[str], positions: Sequence[Sequence[int]], folds: Sequence[str] = ()
) -> str:
    """Draw a row a contract, calls above puts, strikes ascending: coloured by side and size."""
    most = max((abs(held) for row in positions for held in row), default=0) or 1
    rows = list(zip(*positions, strict=True))
    height = ROW * len(rows) + TOP + BOTTOM
    parts = []
    for at, row in enumerate(rows):
        side = "call" if at < len(rows) // 2 else "put"
        name = f"{side} {at % (len(rows) // 2) + 1}"
        y = TOP + at * ROW
        parts.append(f'<text x="{LEFT - 6}" y="{y + 11}" class="tick end">{name}</text>')
        parts += _stretches(name, row, y, most)
    parts += _folds(times, folds, height - BOTTOM)
    return _svg(height, title, [*parts, *_times(times, height)])


def legend(names: Sequence[str]) -> str:
    """Return the names of the lines, in their order and colours."""
    keys = (f'<span><i class="s{at}"></i>{escape(name)}</span>' for at, name in enumerate(names))
    return f'<p class="legend">{"".join(keys)}</p>'


def _stretches(name: str, row: Sequence[int], y: int, most: int) -> list[str]:
    """Return a rectangle for each stretch of time with the same position."""
    width = (WIDTH - LEFT - RIGHT) / len(row)
    parts, at = [], 0
    for held, stretch in groupby(row):
        steps = len(list(stretch))
        if held:
            shade = 0.2 + 0.8 * abs(held) / most
            parts.append(
                f"<g><title>{name}: {held:+d} contracts</title>"
                f'<rect x="{LEFT + at * width:.1f}" y="{y}" width="{steps * width:.1f}" '
                f'height="{ROW - 2}" class="{"long" if held > 0 else "short"}" '
                f'fill-opacity="{shade:.2f}"/></g>'
            )
        at += steps
    return parts


def _marks(points: Sequence[float]) -> list[float]:
    """Return three to seven round numbers, evenly apart, from below all points to above them."""
    low, high = min(points, default=0.0), max(points, default=0.0)
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-9):
        margin = max(abs(low) * 0.01, 0.01)
        low, high = low - margin, high + margin
    rough = (high - low) / 4
    scale = 10.0 ** floor(log10(rough))
    step = next(round_one * scale for round_one in (1, 2, 5, 10) if rough <= round_one * scale)
    first, last = floor(low / step + 1e-9), -floor(-high / step + 1e-9)
    return [at * step for at in range(first, last + 1)]


def _folds(times: Sequence[str], folds: Sequence[str], floor_y: int) -> list[str]:
    found = []
    for fold in folds:
        at = next((i for i, time in enumerate(times) if time >= fold), None)
        if at:  # the first fold begins at the chart's edge
            x = _across(at, len(times))
            found.append(
                f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{floor_y}" class="fold"/>'
            )
    return found


def _times(times: Sequence[str], height: int) -> list[str]:
    """Return the dates below a chart: the first, the last, and some evenly between."""
    count = min(TIME_LABELS, len(times))
    places = {round(i * (len(times) - 1) / max(1, count - 1)) for i in range(count)}
    long = bool(times) and times[0][:7] != times[-1][:7]
    parts = []
    for at in sorted(places):
        side = "start" if at == 0 else "end" if at == len(times) - 1 else "mid"
        label = times[at][:7] if long else times[at][:10]
        parts.append(
            f'<text x="{_across(at, len(times)):.1f}" y="{height - 5}" class="tick {side}">'
            f"{escape(label)}</text>"
        )
    return parts


def _across(at: int, count: int) -> float:
    return LEFT + at / max(1, count - 1) * (WIDTH - LEFT - RIGHT)


def _svg(height: int, title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(title)}">{"".join(parts)}</svg>'
    )
