"""The area chart fits its width and never lies about order."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alchemiser_cli.render.chart import area_chart

VALUES = st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=200)
SIZES = st.tuples(st.integers(1, 60), st.integers(1, 12))
LEVELS = {character: level for level, character in enumerate(" ▁▂▃▄▅▆▇█")}


def _drawn(values, width=20, height=4, first="a", last="z"):
    return area_chart(
        values, title="price", width=width, height=height, first=first, last=last
    ).split("\n")


def _columns(lines, width, height):
    """Return the height of each column in eighths."""
    margin = max(len(label) for label in _labels(lines, height)) + 1
    rows = [line[margin:].ljust(width) for line in lines[1 : height + 1]]
    return [sum(LEVELS[row[column]] for row in rows) for column in range(width)], margin


def _labels(lines, height):
    return [line.rstrip("▁▂▃▄▅▆▇█ ") for line in lines[1 : height + 1]]


@settings(deadline=None)
@given(VALUES, SIZES)
def test_every_line_fits_its_width_and_margin(values, size):
    width, height = size
    lines = _drawn(values, width, height)
    assert len(lines) == height + 2
    _, margin = _columns(lines, width, height)
    assert all(len(line) <= margin + max(width, len("a z")) for line in lines[1:])


@settings(deadline=None)
@given(VALUES, SIZES)
def test_each_column_shows_at_least_an_eighth_and_no_hole(values, size):
    width, height = size
    columns, _ = _columns(_drawn(values, width, height), width, height)
    drawn = min(width, len(values))
    assert all(1 <= level <= 8 * height for level in columns[:drawn])
    assert all(level == 0 for level in columns[drawn:])


@settings(deadline=None)
@given(VALUES, SIZES)
def test_a_rising_series_never_falls_in_the_chart(values, size):
    width, height = size
    columns, _ = _columns(_drawn(sorted(values), width, height), width, height)
    drawn = columns[: min(width, len(values))]
    assert drawn == sorted(drawn)


@settings(deadline=None)
@given(VALUES.filter(lambda values: max(values) - min(values) > 1e-3), st.integers(1, 12))
def test_the_largest_and_least_values_reach_the_top_and_the_bottom(values, height):
    columns, _ = _columns(_drawn(values, len(values), height), len(values), height)
    assert columns[values.index(max(values))] == 8 * height
    assert columns[values.index(min(values))] == 1


@pytest.mark.parametrize("values", [[5.0], [5.0] * 7, [0.0], [-3.0, -3.0]])
def test_a_constant_series_is_one_level_area(values):
    columns, _ = _columns(_drawn(values), 20, 4)
    assert len(set(columns[: len(values)])) == 1
    assert columns[0] > 1


def test_the_margin_shows_the_extremes_and_the_line_below_the_ends():
    assert _drawn([1, 2, 3, 4000], 4, 2, first="'99", last="'18") == [
        "price",
        "4,000    █",
        "    1 ▁▁▁█",
        "      '99 '18",
    ]


def test_short_series_keep_their_two_labels_apart():
    assert _drawn([1.0], first="1999-01-04", last="2018-12-31")[-1].strip() == (
        "1999-01-04 2018-12-31"
    )


def test_the_last_label_ends_under_the_last_column():
    assert _drawn(list(range(40)), 20)[-1].endswith("a" + " " * 18 + "z")
