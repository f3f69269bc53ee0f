"""Forecasting from the error journal: the probability of each code in the next window."""

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Select, String, case, cast, func, select

from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.errors.forecast.excitation import History
from alchemiser_cli.errors.forecast.outlook import CodeScore, Outlook, judged, probability
from alchemiser_cli.errors.forecast.rolling import Windows
from alchemiser_cli.state import StateDatabase, error_minute

__all__ = ["ANY_CRITICAL", "LONGEST_HISTORY", "forecast"]

ANY_CRITICAL = "any-critical"
"""Stands for every code in the minutes in which it was critical."""

LONGEST_HISTORY = 400 * 1_440  # minutes

_MINUTE_NS = 60 * NS_PER_SECOND

Events = dict[str, NDArray[np.int64]]


def forecast(
    database: StateDatabase,
    now_ns: int,
    *,
    window_minutes: int = 60,
    since_ns: int | None = None,
    code: str | None = None,
) -> Outlook:
    """Forecast each code that the journal knows, and any critical, for the next window.

    What was injected on purpose does not count. Failures are read as minutes with at least one
    of the code, of 400 days at most; the minute under way counts as past. The likeliest comes
    first, any critical before all. ``code`` asks for one, of which there may be none.

    Raises:
        DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
    """
    end = now_ns // _MINUTE_NS + 1
    since = max(end - LONGEST_HISTORY, 0 if since_ns is None else since_ns // _MINUTE_NS)
    with database.begin() as connection:
        begun = connection.execute(select(func.min(error_minute.c.minute))).scalar()
        events = _read(connection, since, end, code) if begun is not None else {}
    if begun is None or begun >= end:
        return Outlook(
            window_minutes=window_minutes, at_minute=end, since_minute=None, windows=0, codes=[]
        )
    since = max(since, int(begun))
    fitting = (end - since) // window_minutes
    windows = Windows(end - fitting * window_minutes, end, window_minutes)
    found = []
    for name, minutes in events.items():
        history = History(minutes, since)
        one, _ = judged(name, history, windows)
        if one.abstained is None:
            chance = probability(history, at=end, minutes=window_minutes)
            one = msgspec.structs.replace(one, probability=chance)
        found.append(one)
    return Outlook(
        window_minutes=window_minutes,
        at_minute=end,
        since_minute=since,
        windows=windows.count,
        codes=sorted(found, key=_likeliest_first),
    )


def _likeliest_first(one: CodeScore) -> tuple[bool, float, str]:
    shown = one.base_rate if one.probability is None else one.probability
    return one.code != ANY_CRITICAL, -(shown or 0.0), one.code


def _read(connection: Connection, since: int, end: int, code: str | None) -> Events:
    """Return the minutes of each code, rising and each once."""
    found: Events = {} if code is None else {code: np.empty(0, np.int64)}
    criticals = []
    for name, minutes, critical in connection.execute(_minutes(since, end, code)):
        found[name] = _numbers(minutes)
        if critical:
            criticals.append(_numbers(critical))
    if code in (None, ANY_CRITICAL):
        every = np.concatenate(criticals) if criticals else np.empty(0, np.int64)
        found = {**({} if code else found), ANY_CRITICAL: _each_once(every)}
    return found


def _numbers(strung: str) -> NDArray[np.int64]:
    return _each_once(np.fromstring(strung, np.int64, sep=","))


def _each_once(minutes: NDArray[np.int64]) -> NDArray[np.int64]:
    rising = np.sort(minutes)
    return rising[np.diff(rising, prepend=-1) > 0]


def _minutes(since: int, end: int, code: str | None) -> Select[Any]:
    """Ask for the minutes of each code, and for those in which it was critical.

    The database strings them together: a million rows of Python would cost most of the time of a
    forecast.
    """
    one = error_minute.c
    minute = cast(one.minute, String)
    critical = case((one.criticals > 0, minute))  # null, which is left out, where it was not
    query = (
        select(one.code, func.aggregate_strings(minute, ","), func.aggregate_strings(critical, ","))
        .where(one.minute >= since, one.minute < end, one.injected.is_(False))
        .group_by(one.code)
        .order_by(one.code)
    )
    if code == ANY_CRITICAL:
        return query.where(one.criticals > 0)
    return query if code is None else query.where(one.code == code)
