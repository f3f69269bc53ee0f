"""Values of options that Typer has no type for."""

import datetime as dt
import re
from typing import TYPE_CHECKING

from alchemiser_cli.clock import NS_PER_SECOND, ns_from_datetime
from alchemiser_cli.errors import UsageError

if TYPE_CHECKING:
    from alchemiser_cli.streaming import Start

__all__ = ["column_mapping", "moment_ns", "replay_speed", "since_ns", "start_position", "until_ns"]

_NAMED_POSITIONS = ("earliest", "latest", "committed")
_AGE = re.compile(r"^(\d+)(s|m|h|d)$")
_AGE_UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def since_ns(text: str, now_ns: int) -> int:
    """Read an age before ``now_ns``, such as 30m, 2h or 7d, or an ISO 8601 time.

    Raises:
        UsageError: ``usage``.
    """
    if match := _AGE.match(text):
        return now_ns - int(match[1]) * _AGE_UNITS_S[match[2]] * NS_PER_SECOND
    return moment_ns(text)


def until_ns(text: str, now_ns: int) -> int:
    """Read a time from now on, such as 30m, 2h or 7d, or an ISO 8601 time.

    Raises:
        UsageError: ``usage``.
    """
    if match := _AGE.match(text):
        return now_ns + int(match[1]) * _AGE_UNITS_S[match[2]] * NS_PER_SECOND
    return moment_ns(text)


def replay_speed(text: str) -> float | None:
    """Read ``max`` as None and a positive number as the multiple of real time.

    Raises:
        UsageError: ``usage``.
    """
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise UsageError(
            f"{text!r} is not a speed",
            why="A speed is `max`, or how many times faster than real time to replay.",
            next_step="For example: --speed max, or --speed 3600 for an hour a second.",
        )
    return speed


def column_mapping(pairs: list[str]) -> dict[str, str]:
    """Read ``FIELD=COLUMN`` pairs.

    Raises:
        UsageError: ``usage``.
    """
    mapping = {}
    for pair in pairs:
        name, equals, column = pair.partition("=")
        if not equals or not name:
            raise UsageError(
                f"--column {pair!r} is not FIELD=COLUMN",
                why="A column is mapped by the field that it holds.",
                next_step="For example: --column price=Last --column time=Stamp",
            )
        mapping[name] = column
    return mapping


def start_position(text: str) -> "Start":
    """Read ``earliest``, ``latest``, ``committed`` or an ISO 8601 time.

    Raises:
        UsageError: ``usage``.
    """
    if text in _NAMED_POSITIONS:
        return text  # type: ignore[return-value]  # one of the literals, as was just checked
    return moment_ns(text)


def moment_ns(text: str) -> int:
    """Read an ISO 8601 date or time as UTC nanoseconds; without an offset it is UTC.

    Raises:
        UsageError: ``usage``.
    """
    try:
        return ns_from_datetime(dt.datetime.fromisoformat(text))
    except ValueError:
        raise UsageError(
            f"{text!r} is not a time",
            why="Times are written in ISO 8601, in UTC unless they carry an offset.",
            next_step="For example: 2018-02-05, or 2018-02-05T16:00:00-05:00.",
        ) from None
