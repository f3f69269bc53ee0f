"""The history as the state database has it; what was injected on purpose is left out."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, String, cast, func, literal_column, or_, select

from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.errors.patterns.history import (
    DAY_S,
    MINUTE_S,
    History,
    MetricSeries,
    Subject,
    history_of,
)
from alchemiser_cli.state import (
    StateDatabase,
    error_minute,
    error_occurrence,
    threshold_sample,
)

__all__ = ["read_history"]

MINUTE_NS = MINUTE_S * NS_PER_SECOND
MINUTES_AT_ONCE = 100
MOST_CLOSE = 2_000  # minutes that are looked up

Ints = NDArray[np.int64]
Name = tuple[str, str]


def read_history(database: StateDatabase, *, since_ns: int, until_ns: int) -> History:
    """Read the whole days from that of ``since_ns`` to that of ``until_ns`` (UTC nanoseconds).

    The days begin with the first error where that is later. Episodes come from the counts by the
    minute, which are never dropped. Where one begins in the same minute as another, or in the next,
    their seconds come from the failures that are still kept, for their order rests on that; this
    is looked up for the newest two thousand such minutes.

    Raises:
        DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
    """
    with database.begin() as connection:
        since_minute = since_ns // NS_PER_SECOND // DAY_S * DAY_S // MINUTE_S
        minutes, errors = _minutes(connection, since_minute, until_ns // MINUTE_NS)
        first_minute = min((int(one[0]) for one in minutes.values()), default=until_ns // MINUTE_NS)
        first_day = first_minute * MINUTE_S // DAY_S
        history = history_of(
            minutes,
            errors=errors,
            first_day=first_day,
            days=until_ns // NS_PER_SECOND // DAY_S - first_day + 1,
            metrics=_metrics(connection, since_ns, until_ns),
        )
        return _with_seconds(connection, history)


def _minutes(
    connection: Connection, since_minute: int, until_minute: int
) -> tuple[dict[Name, Ints], dict[Name, int]]:
    """Return each code's and component's minutes, rising, and its number of errors.

    The database strings the minutes together: a million rows of Python would cost most of the
    time of a search.
    """
    minute = error_minute.c
    same = (minute.code, minute.component)
    strung = func.aggregate_strings(cast(minute.minute, String), ",")
    query = (
        select(*same, func.sum(minute.count), strung)
        .where(
            minute.minute >= since_minute, minute.minute <= until_minute, minute.injected.is_(False)
        )
        .group_by(*same)
        .order_by(*same)
    )
    minutes, errors = {}, {}
    for code, component, count, text in connection.execute(query):
        minutes[code, component] = np.sort(np.fromstring(text, np.int64, sep=","))
        errors[code, component] = int(count)
    return minutes, errors


def _metrics(connection: Connection, since_ns: int, until_ns: int) -> dict[str, MetricSeries]:
    sample = threshold_sample.c
    query = (
        select(sample.metric, sample.at_ns, sample.value)
        .where(sample.at_ns >= since_ns, sample.at_ns <= until_ns, sample.injected.is_(False))
        .order_by(sample.metric, sample.at_ns)
    )
    found: dict[str, list[tuple[float, float]]] = {}
    for metric, at_ns, value in connection.execute(query):
        found.setdefault(metric, []).append((at_ns / NS_PER_SECOND, value))
    series = {metric: np.array(rows) for metric, rows in found.items()}
    return {metric: MetricSeries(rows[:, 0], rows[:, 1]) for metric, rows in series.items()}


def _with_seconds(connection: Connection, history: History) -> History:
    """Return the history with the second of each start that has another in or beside its minute."""
    if not history.subjects:
        return history
    starts = np.sort(np.concatenate([one.starts_s for one in history.subjects]))
    near = np.diff(starts) <= MINUTE_S
    close = np.unique(starts[np.append(near, False) | np.append(False, near)])[-MOST_CLOSE:]
    minutes_ns = [int(start) * NS_PER_SECOND for start in close.tolist()]
    exact: dict[tuple[str, str], dict[int, float]] = {}
    for first in range(0, len(minutes_ns), MINUTES_AT_ONCE):
        chunk = minutes_ns[first : first + MINUTES_AT_ONCE]
        for code, component, start_ns, at_ns in _first_failures(connection, chunk):
            seconds = exact.setdefault((code, component), {})
            seconds[start_ns // NS_PER_SECOND] = at_ns / NS_PER_SECOND
    return replace(history, subjects=tuple(_moved(one, exact) for one in history.subjects))


def _first_failures(
    connection: Connection, starts_ns: Sequence[int]
) -> list[tuple[str, str, int, int]]:
    """Return the first genuine failure of each code and component in each of these minutes."""
    occurrence = error_occurrence.c
    # Written out: a server takes two parameters for two different expressions to group by.
    start_ns = occurrence.at_ns - occurrence.at_ns % literal_column(str(MINUTE_NS))
    same = (occurrence.code, occurrence.component, start_ns)
    within = [
        (occurrence.at_ns >= start) & (occurrence.at_ns < start + MINUTE_NS) for start in starts_ns
    ]
    query = (
        select(*same, func.min(occurrence.at_ns))
        .where(or_(*within), occurrence.injected.is_(False))
        .group_by(*same)
    )
    return [(row[0], row[1], row[2], row[3]) for row in connection.execute(query)]


def _moved(subject: Subject, exact: dict[tuple[str, str], dict[int, float]]) -> Subject:
    seconds = exact.get((subject.code, subject.component))
    if not seconds:
        return subject
    starts = [seconds.get(int(start), start) for start in subject.starts_s.tolist()]
    return replace(subject, starts_s=np.array(starts))
