"""The report: what went wrong over a window, what mends itself, and what to do next."""

import msgspec

from alchemiser_cli.clock import iso_from_ns
from alchemiser_cli.errors import AlchemiserError
from alchemiser_cli.errors.journal.records import ErrorGroup
from alchemiser_cli.errors.thresholds import ThresholdState
from alchemiser_cli.health.advice import Recommendation, recommendations
from alchemiser_cli.health.feeds import Feed, feeds
from alchemiser_cli.health.readings import (
    NS_PER_MINUTE,
    BreakerReading,
    Bucket,
    ErrorSum,
    breakers,
    error_series,
    error_sums,
    open_groups,
)
from alchemiser_cli.health.segments import Segment, segments
from alchemiser_cli.health.spill import SpillFile, spilled
from alchemiser_cli.health.status import HealthStatus, health_status
from alchemiser_cli.health.strategies import Readiness, readiness
from alchemiser_cli.health.surroundings import Surroundings

__all__ = ["ErrorTotals", "HealthReport", "bucket_minutes", "health_report"]

TOP_GROUPS = 10
MOST_BUCKETS = 96
# The widths that a reader takes in at a glance, in minutes.
BUCKET_WIDTHS = (1, 5, 15, 30, 60, 180, 360, 1_440, 10_080)


class ErrorTotals(msgspec.Struct, frozen=True):
    """Failures over the window, without injected ones; ``recovery_rate`` None without any."""

    count: int
    criticals: int
    recovered: int
    recovery_rate: float | None
    injected: int


class HealthReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that an operator asks of the last hours; times are ISO 8601 in UTC or ``_ns``.

    ``unreadable`` says why the database's part is missing; empty where nothing is.
    """

    since: str
    until: str
    status: HealthStatus
    unreadable: str
    totals: ErrorTotals
    errors: list[ErrorSum]
    bucket_minutes: int
    series: list[Bucket]
    groups: list[ErrorGroup]
    breakers: list[BreakerReading]
    thresholds: list[ThresholdState]
    feeds: list[Feed]
    strategies: list[Readiness]
    segments: list[Segment]
    spill: list[SpillFile]
    recommendations: list[Recommendation]


class _Stored(msgspec.Struct):
    """The part of the report that the database gives."""

    errors: list[ErrorSum] = []
    series: list[Bucket] = []
    groups: list[ErrorGroup] = []
    breakers: list[BreakerReading] = []
    thresholds: list[ThresholdState] = []
    feeds: list[Feed] = []
    strategies: list[Readiness] = []


def health_report(surroundings: Surroundings, since_ns: int) -> HealthReport:
    """Report on the time from ``since_ns`` (UTC nanoseconds, to the minute) until now.

    A database that does not answer costs its part of the report, not the report.
    """
    now_ns = surroundings.clock.now_ns()
    until = now_ns // NS_PER_MINUTE
    since = min(since_ns // NS_PER_MINUTE, until)
    width = bucket_minutes(until - since + 1)
    status = health_status(surroundings)
    stored, unreadable = _Stored(), ""
    try:
        stored = _read(surroundings, since, until, width)
    except AlchemiserError as error:
        unreadable = f"{error.what}: {error.why}"
    spill = spilled(surroundings.settings.logs_folder)
    return HealthReport(
        since=iso_from_ns(since * NS_PER_MINUTE),
        until=iso_from_ns(now_ns),
        status=status,
        unreadable=unreadable,
        totals=_totals(stored.errors),
        errors=stored.errors,
        bucket_minutes=width,
        series=stored.series,
        groups=stored.groups,
        breakers=stored.breakers,
        thresholds=stored.thresholds,
        feeds=stored.feeds,
        strategies=stored.strategies,
        segments=segments(surroundings.settings.shm, surroundings.clock),
        spill=spill,
        recommendations=recommendations(status, stored.errors, stored.groups),
    )


def bucket_minutes(minutes: int) -> int:
    """Return the least width, in minutes, that cuts a window into few enough buckets."""
    for width in BUCKET_WIDTHS:
        if minutes <= MOST_BUCKETS * width:
            return width
    return -(-minutes // MOST_BUCKETS)


def _read(surroundings: Surroundings, since: int, until: int, width: int) -> _Stored:
    database, now_ns = surroundings.database, surroundings.clock.now_ns()
    return _Stored(
        errors=error_sums(database, since),
        series=error_series(database, since, until, width),
        groups=open_groups(database, TOP_GROUPS),
        breakers=breakers(database, now_ns),
        thresholds=surroundings.thresholds(),
        feeds=feeds(database, surroundings.settings, now_ns),
        strategies=readiness(surroundings),
    )


def _totals(errors: list[ErrorSum]) -> ErrorTotals:
    real = [one for one in errors if not one.injected]
    count = sum(one.count for one in real)
    recovered = sum(one.recovered for one in real)
    return ErrorTotals(
        count=count,
        criticals=sum(one.criticals for one in real),
        recovered=recovered,
        recovery_rate=round(recovered / count, 4) if count else None,
        injected=sum(one.count for one in errors if one.injected),
    )
