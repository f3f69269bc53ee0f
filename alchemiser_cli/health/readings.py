"""What the state database says of the running system, in few and aggregated queries."""

from typing import Any

import msgspec
from sqlalchemy import Row, func, select

from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.errors import error_class
from alchemiser_cli.errors.journal.records import ErrorGroup, GroupState
from alchemiser_cli.errors.journal.store import JournalStore
from alchemiser_cli.state import (
    StateDatabase,
    circuit_breaker,
    error_minute,
    strategy_status,
)

__all__ = [
    "NS_PER_MINUTE",
    "BreakerReading",
    "Bucket",
    "ErrorSum",
    "LoadedStrategies",
    "breakers",
    "error_series",
    "error_sums",
    "loaded_strategies",
    "open_groups",
]

NS_PER_MINUTE = 60 * NS_PER_SECOND

_counts = error_minute.c


class ErrorSum(msgspec.Struct, frozen=True):
    """Failures of one code in one component over a window."""

    code: str
    component: str
    injected: bool
    count: int
    criticals: int
    recovered: int


class Bucket(msgspec.Struct, frozen=True):
    """Failures of some minutes by severity; those caused on purpose count only as injected.

    ``start_ns`` is the bucket's beginning, in UTC nanoseconds.
    """

    start_ns: int
    critical: int = 0
    high: int = 0
    medium: int = 0
    low: int = 0
    injected: int = 0

    @property
    def total(self) -> int:
        """Sum up all severities, without the injected ones."""
        return self.critical + self.high + self.medium + self.low


class BreakerReading(msgspec.Struct, frozen=True, kw_only=True):
    """One circuit breaker; ``open_s`` is how long it refused calls in all, until now."""

    name: str
    state: str
    since_ns: int
    open_until_ns: int
    opened_count: int
    open_s: float
    reason: str


class LoadedStrategies(msgspec.Struct, frozen=True):
    """How many strategies one broker's process was asked to load, and has loaded.

    ``reasons`` says why a strategy is missing; ``at_ns`` is when the process last said so.
    """

    broker: str
    configured: int
    loaded: int
    reasons: dict[str, str]
    at_ns: int


def error_sums(database: StateDatabase, since_minute: int) -> list[ErrorSum]:
    """Sum up failures by code and component since a minute (of those since 1970), inclusively.

    Raises:
        DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
    """
    keys = (_counts.code, _counts.component, _counts.injected)
    query = (
        select(
            *keys,
            func.sum(_counts.count),
            func.sum(_counts.criticals),
            func.sum(_counts.recovered),
        )
        .where(_counts.minute >= since_minute)
        .group_by(*keys)
        .order_by(func.sum(_counts.count).desc(), *keys)
    )
    with database.begin() as connection:
        rows = connection.execute(query).all()
    return [
        ErrorSum(code, component, bool(injected), int(count), int(criticals), int(recovered))
        for code, component, injected, count, criticals, recovered in rows
    ]


def error_series(
    database: StateDatabase, since_minute: int, until_minute: int, bucket_minutes: int
) -> list[Bucket]:
    """Return failures by severity, one bucket after the other, also where there were none.

    Raises:
        DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
    """
    start = _counts.minute - _counts.minute % bucket_minutes
    keys = (start, _counts.code, _counts.injected)
    query = (
        select(*keys, func.sum(_counts.count), func.sum(_counts.criticals))
        .where(_counts.minute >= since_minute, _counts.minute <= until_minute)
        .group_by(*keys)
    )
    with database.begin() as connection:
        rows = [tuple(row) for row in connection.execute(query)]
    first = since_minute - since_minute % bucket_minutes
    sums: dict[int, dict[str, int]] = {
        minute: {} for minute in range(first, until_minute + 1, bucket_minutes)
    }
    for minute, code, injected, count, criticals in rows:
        sums_then = sums[minute]
        if injected:
            _add(sums_then, "injected", int(count))
        else:
            _add(sums_then, "critical", int(criticals))
            _add(sums_then, _severity_below_critical(code), int(count) - int(criticals))
    return [Bucket(minute * NS_PER_MINUTE, **found) for minute, found in sums.items()]


def breakers(database: StateDatabase, now_ns: int) -> list[BreakerReading]:
    """Return every circuit breaker by name; the open stretch under way counts until ``now_ns``.

    Raises:
        DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
    """
    with database.begin() as connection:
        rows = connection.execute(select(circuit_breaker).order_by(circuit_breaker.c.name))
        return [
            BreakerReading(
                name=row.name,
                state=row.state,
                since_ns=row.changed_at_ns,
                open_until_ns=row.open_until_ns,
                opened_count=row.opened_count,
                open_s=round(_open_ns(row, now_ns) / NS_PER_SECOND, 3),
                reason=row.reason,
            )
            for row in rows
        ]


def loaded_strategies(database: StateDatabase) -> list[LoadedStrategies]:
    """Return what each broker's process says that it has loaded.

    Raises:
        DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
    """
    with database.begin() as connection:
        rows = connection.execute(select(strategy_status).order_by(strategy_status.c.broker)).all()
    return [
        LoadedStrategies(row.broker, row.configured, row.loaded, _reasons(row.detail), row.at_ns)
        for row in rows
    ]


def open_groups(database: StateDatabase, limit: int) -> list[ErrorGroup]:
    """Return the groups that nobody resolved and that were not all injected, the latest first.

    Raises:
        DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
    """
    store = JournalStore(database)
    states: tuple[GroupState, ...] = ("open", "recovering", "regressed")
    found = [
        group
        for state in states
        for group in store.groups(state=state, injected=False, limit=limit)
    ]
    return sorted(found, key=lambda group: -group.last_seen_ns)[:limit]


def _severity_below_critical(code: str) -> str:
    kind = error_class(code)
    # Failures that were critical are counted as such; a code of the past or of a plugin is high.
    return kind.severity if kind is not None and kind.severity != "critical" else "high"


def _add(sums: dict[str, int], severity: str, count: int) -> None:
    sums[severity] = sums.get(severity, 0) + count


def _open_ns(row: Row[Any], now_ns: int) -> int:
    total = int(row.open_total_ns)
    if row.state in ("open", "isolated"):
        total += max(0, now_ns - row.changed_at_ns)
    return total


def _reasons(detail: str) -> dict[str, str]:
    """Keep the strategies that have a reason; a row that cannot be read has none."""
    try:
        found = msgspec.json.decode(detail)
    except msgspec.DecodeError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {str(name): str(reason) for name, reason in found.items() if reason}
