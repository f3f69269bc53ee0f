"""Tolerances: a value, one of a list, a range, a pattern; 1 is not true."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.chaos.experiments.tolerance import is_within, tolerance_problem

PLAIN = st.one_of(st.none(), st.booleans(), st.integers(), st.text())


@given(PLAIN)
def test_a_plain_value_allows_itself(value):
    assert is_within(value, value)
    assert is_within([value, "another"], value)


@given(st.floats(allow_nan=False), st.floats(allow_nan=False), st.floats())
def test_a_range_allows_what_lies_between(one, other, value):
    low, high = sorted((one, other))
    tolerance = {"type": "range", "range": [low, high]}
    assert tolerance_problem(tolerance) is None
    assert is_within(tolerance, value) is (low <= value <= high)


@pytest.mark.parametrize(
    ("tolerance", "value", "within"),
    [
        (True, 1, False),
        (1, True, False),
        (1, 1.0, True),
        ([200, 204], {"status": 204, "body": ""}, True),
        (200, {"status": 500}, False),
        ({"type": "regex", "pattern": "^ok"}, "ok, all of it", True),
        ({"type": "regex", "pattern": "^ok"}, "not ok", False),
        ({"type": "regex", "pattern": "ok", "target": "body"}, {"body": "ok", "status": 1}, True),
        ({"type": "range", "range": [1, 2], "target": "status"}, {"status": 2}, True),
        ({"type": "range", "range": [1, 2]}, "1", False),
    ],
)
def test_tolerances(tolerance, value, within):
    assert tolerance_problem(tolerance) is None
    assert is_within(tolerance, value) is within


def test_other_types_are_refused():
    assert "no type of a tolerance" in tolerance_problem({"type": "exact"})
    assert "not supported" in tolerance_problem({"type": "probe"})
