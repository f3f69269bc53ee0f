"""A small area chart in block characters, for terminals of any width."""

from collections.abc import Sequence
from itertools import pairwise

__all__ = ["area_chart"]

_EIGHTHS = " ▁▂▃▄▅▆▇█"


def area_chart(
    values: Sequence[float],
    *,
    title: str,
    width: int,
    height: int,
    first: str,
    last: str,
    number: str = "{:,.0f}",
) -> str:
    """Draw ``values`` from left to right as an area of ``width`` by ``height`` characters.

    Each column shows the mean of its share of the values; the left margin shows the largest
    and the least of these through ``number``, the line below ``first`` and ``last``.
    """
    columns = _means(values, width)
    low, high = min(columns), max(columns)
    labels = [number.format(high), number.format(low)]
    margin = max(map(len, labels))
    # The least column still shows one eighth, so that the area has no hole.
    steps = [_steps(value, low, high, height * 8) for value in columns]
    lines = [title]
    for row in range(height):
        floor = (height - 1 - row) * 8
        label = labels[0] if row == 0 else labels[1] if row == height - 1 else ""
        cells = "".join(_EIGHTHS[max(0, min(8, step - floor))] for step in steps)
        lines.append(f"{label:>{margin}} {cells}".rstrip())
    below = f"{first} {last:>{max(1, len(columns) - len(first) - 1)}}"
    return "\n".join([*lines, f"{'':>{margin}} {below}"])


def _means(values: Sequence[float], width: int) -> list[float]:
    columns = min(width, len(values))
    edges = [round(i * len(values) / columns) for i in range(columns + 1)]
    return [sum(values[start:stop]) / (stop - start) for start, stop in pairwise(edges)]


def _steps(value: float, low: float, high: float, most: int) -> int:
    share = (value - low) / (high - low) if high > low else 0.5
    return 1 + round(share * (most - 1))
