"""Tolerances: whether what a probe returned is what the hypothesis allows.

Source: https://chaostoolkit.org/reference/tutorials/tolerance/
"""

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["is_within", "tolerance_problem"]

_REFUSED = {
    "jsonpath": "name the value by a probe of its own",
    "probe": "write the second probe into the hypothesis",
}


def is_within(tolerance: Any, value: Any) -> bool:
    """Tell whether ``value`` is what ``tolerance`` allows.

    A plain value allows itself, a list each of its values. ``{"type": "range", "range": [a, b]}``
    allows numbers from a to b, ``{"type": "regex", "pattern": p}`` a text in which p is found; both
    look at the part of ``value`` that ``target`` names, where it is given. The ``body`` and
    ``status`` of a web page are such parts, and a number alone is held to its status.
    """
    if isinstance(tolerance, Mapping):
        seen = _part(value, tolerance.get("target"))
        if tolerance.get("type") == "range":
            low, high = tolerance["range"]
            return isinstance(seen, int | float) and low <= seen <= high
        return isinstance(seen, str) and re.search(tolerance["pattern"], seen) is not None
    if isinstance(value, Mapping) and "status" in value and isinstance(tolerance, int | list):
        value = value["status"]
    if isinstance(tolerance, list):
        return any(_same(one, value) for one in tolerance)
    return _same(tolerance, value)


def tolerance_problem(tolerance: Any) -> str | None:
    """Return why ``tolerance`` cannot be held, or None."""
    if not isinstance(tolerance, Mapping):
        return None
    kind = tolerance.get("type")
    if kind in _REFUSED:
        return f"a tolerance of type {kind} is not supported: {_REFUSED[kind]}"
    if kind == "range":
        return _range_problem(tolerance.get("range"))
    if kind == "regex":
        return _regex_problem(tolerance.get("pattern"))
    return f"{kind!r} is no type of a tolerance; known are range and regex"


def _range_problem(limits: Any) -> str | None:
    if (
        isinstance(limits, list)
        and len(limits) == 2
        and all(isinstance(one, int | float) and not isinstance(one, bool) for one in limits)
        and limits[0] <= limits[1]
    ):
        return None
    return "a range is a list of two numbers, the smaller one first"


def _regex_problem(pattern: Any) -> str | None:
    if not isinstance(pattern, str):
        return "a regex needs its pattern"
    try:
        re.compile(pattern)
    except re.error as error:
        return f"the pattern is no regular expression: {error}"
    return None


def _part(value: Any, target: Any) -> Any:
    return value.get(target) if isinstance(value, Mapping) and isinstance(target, str) else value


def _same(one: Any, other: Any) -> bool:
    """Compare without taking 1 for true."""
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)
