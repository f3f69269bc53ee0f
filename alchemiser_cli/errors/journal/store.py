"""Where the journal is kept: occurrences, their groups and minutes, in the state database.

Counts are kept beside the rows, so that what a command shows at a million rows is read from a few
hundred groups and minutes.
"""

import uuid
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    Select,
    delete,
    func,
    insert,
    select,
    text,
)

from alchemiser_cli.errors.journal.lookup import named_group, only_key
from alchemiser_cli.errors.journal.records import (
    Captured,
    Cause,
    ErrorGroup,
    GroupState,
    MinuteCount,
    Resolution,
)
from alchemiser_cli.errors.journal.rows import append, group_rows, put_groups
from alchemiser_cli.state import (
    StateDatabase,
    error_group,
    error_minute,
    error_occurrence,
    error_resolution,
)

__all__ = ["ErrorTotal", "JournalStore"]

NS_PER_SECOND = 1_000_000_000
ROWS_AT_ONCE = 500
AUTHOR_LENGTH = 64

_GROUP_COLUMNS = [error_group.c[name] for name in ErrorGroup.__struct_fields__]
_OCCURRENCES = select(error_occurrence, error_group.c.template).join(
    error_group, error_group.c.fingerprint == error_occurrence.c.fingerprint
)
_IS_CRITICAL = text("severity = 'critical'")  # word for word the condition of the partial index


class ErrorTotal(msgspec.Struct, frozen=True):
    """Failures of one code in one component over a span of minutes."""

    code: str
    component: str
    count: int
    criticals: int
    recovered: int
    injected: int


class JournalStore:
    """Appends failures to the state database and answers what is known of them.

    Safe to share between threads. Every method may raise ``state-unreachable``,
    ``state-corrupt``, ``state-schema`` or ``disk-full``; then nothing of the call was kept.
    """

    def __init__(self, database: StateDatabase) -> None:
        """Use an open-on-demand database; nothing is opened before the first call."""
        self._database = database

    def append(self, captures: Sequence[Captured]) -> None:
        """Store ``captures`` in one transaction, in their order; an id already stored is skipped.

        Texts hold no NUL and no lone surrogate; one too long for its column is cut.
        """
        if not captures:
            return
        with self._database.begin(exclusive=True) as connection:
            for start in range(0, len(captures), ROWS_AT_ONCE):
                append(connection, captures[start : start + ROWS_AT_ONCE])

    def groups(
        self,
        *,
        code: str | None = None,
        component: str | None = None,
        state: GroupState | None = None,
        since_ns: int | None = None,
        injected: bool | None = None,
        limit: int = 50,
    ) -> list[ErrorGroup]:
        """Return the groups that match every filter, the most recently seen first.

        ``since_ns`` asks for groups last seen then or later. ``injected`` asks for groups with at
        least one failure caused on purpose (True), or with at least one that was not (False).
        """
        group = error_group.c
        wanted: list[ColumnElement[bool]] = []
        if code is not None:
            wanted.append(group.code == code)
        if component is not None:
            wanted.append(group.component == component)
        if state is not None:
            wanted.append(group.state == state)
        if since_ns is not None:
            wanted.append(group.last_seen_ns >= since_ns)
        if injected is not None:
            wanted.append(group.injected > 0 if injected else group.count > group.injected)
        newest_first = (group.last_seen_ns.desc(), group.fingerprint)
        query = select(*_GROUP_COLUMNS).where(*wanted).order_by(*newest_first).limit(limit)
        return [ErrorGroup(**row) for row in self._rows(query)]

    def group(self, fingerprint_prefix: str) -> ErrorGroup:
        """Return the one group whose fingerprint begins so.

        Raises:
            ErrorNotFoundError: ``error-not-found`` where no group, or more than one, does.
        """
        with self._database.begin() as connection:
            fingerprint = only_key(connection, error_group, "fingerprint", fingerprint_prefix)
            query = select(*_GROUP_COLUMNS).where(error_group.c.fingerprint == fingerprint)
            return ErrorGroup(**connection.execute(query).mappings().one())

    def occurrence(self, id_prefix: str) -> Captured:
        """Return the one stored failure whose id begins so.

        Raises:
            ErrorNotFoundError: ``error-not-found`` where no failure, or more than one, does.
        """
        with self._database.begin() as connection:
            key = only_key(connection, error_occurrence, "id", id_prefix)
            query = _OCCURRENCES.where(error_occurrence.c.id == key)
            return _captured(dict(connection.execute(query).mappings().one()))

    def find(self, prefix: str) -> ErrorGroup:
        """Return the group whose fingerprint begins so, else that of the failure whose id does.

        Raises:
            ErrorNotFoundError: ``error-not-found`` where neither is found, or more than one.
        """
        with self._database.begin() as connection:
            fingerprint = named_group(connection, prefix)
        return self.group(fingerprint)

    def occurrences(self, fingerprint: str, limit: int = 50) -> list[Captured]:
        """Return the latest stored failures of one group, the newest first."""
        return [_captured(row) for row in self._rows(_newest(fingerprint, limit))]

    def latest(self, code: str) -> Captured | None:
        """Return the newest stored failure of ``code``, or None."""
        group = error_group.c
        query = select(group.fingerprint).where(group.code == code)
        for row in self._rows(query.order_by(group.last_seen_ns.desc())):
            for found in self.occurrences(row["fingerprint"], 1):
                return found
        return None

    def resolve(
        self, prefix: str, *, text: str, worked: bool | None, author: str, at_ns: int
    ) -> Resolution:
        """Record what was done about a group; it is resolved, unless that did not work.

        ``prefix`` begins the group's fingerprint or, where none begins so, the id of one of its
        failures.

        Raises:
            ErrorNotFoundError: ``error-not-found`` where neither is found, or more than one.
        """
        with self._database.begin(exclusive=True) as connection:
            fingerprint = named_group(connection, prefix)
            group = group_rows(connection, [fingerprint])[fingerprint]
            resolution = Resolution(
                id=uuid.uuid4().hex,
                fingerprint=fingerprint,
                code=group.code,
                at_ns=at_ns,
                text=text,
                worked=worked,
                author=author[:AUTHOR_LENGTH],
                seconds=max(0, at_ns - group.opened_ns) // NS_PER_SECOND,
            )
            connection.execute(insert(error_resolution), [msgspec.structs.asdict(resolution)])
            if worked is not False:
                group.resolve(at_ns)
                put_groups(connection, [group])
        return resolution

    def resolutions(self, code: str) -> list[Resolution]:
        """Return every record of what was done about errors of ``code``, the newest first."""
        resolution = error_resolution.c
        query = select(error_resolution).where(resolution.code == code)
        rows = self._rows(query.order_by(resolution.at_ns.desc(), resolution.id))
        return [Resolution(**row) for row in rows]

    def minutes(self, since_minute: int, until_minute: int | None = None) -> list[MinuteCount]:
        """Return the counts from ``since_minute`` to before ``until_minute``, the oldest first.

        Minutes are counted since 1970, UTC.
        """
        within = _within(since_minute, until_minute)
        query = select(error_minute).where(*within).order_by(*error_minute.primary_key)
        return [MinuteCount(**row) for row in self._rows(query)]

    def minutes_of(self, code: str, minutes: Collection[int]) -> list[MinuteCount]:
        """Return the counts of one code in each of ``minutes`` (since 1970, UTC)."""
        wanted = sorted(minutes)
        found: list[MinuteCount] = []
        for start in range(0, len(wanted), ROWS_AT_ONCE):
            within = error_minute.c.minute.in_(wanted[start : start + ROWS_AT_ONCE])
            query = select(error_minute).where(within, error_minute.c.code == code)
            found += [MinuteCount(**row) for row in self._rows(query)]
        return found

    def totals(self, since_minute: int, until_minute: int | None = None) -> list[ErrorTotal]:
        """Sum the counts of the span by code and component, the most frequent first."""
        minute = error_minute.c
        same = (minute.code, minute.component)
        count = func.sum(minute.count)
        on_purpose = func.sum(minute.count).filter(minute.injected)
        query = (
            select(*same, count, func.sum(minute.criticals), func.sum(minute.recovered), on_purpose)
            .where(*_within(since_minute, until_minute))
            .group_by(*same)
            .order_by(count.desc(), *same)
        )
        with self._database.begin() as connection:
            rows = connection.execute(query).all()
        # A server sums to its decimal type.
        return [ErrorTotal(*row[:2], *(int(number or 0) for number in row[2:])) for row in rows]

    def criticals_since(self, at_ns: int, *, injected: bool | None = None) -> int:
        """Count the critical failures at ``at_ns`` or later; ``injected`` asks for one kind."""
        occurrence = error_occurrence.c
        query = select(func.sum(occurrence.count)).where(_IS_CRITICAL, occurrence.at_ns >= at_ns)
        if injected is not None:
            query = query.where(occurrence.injected.is_(injected))
        with self._database.begin() as connection:
            return int(connection.execute(query).scalar_one() or 0)

    def prune(self, before_ns: int, keep_per_group: int) -> int:
        """Drop failures older than ``before_ns`` and return how many rows that were.

        The newest ``keep_per_group`` of each group stay, and so do all groups and minutes. Each
        group is a transaction of its own, so that writers need not wait for all.
        """
        occurrence = error_occurrence.c
        dropped = 0
        for row in self._rows(select(error_group.c.fingerprint)):
            same = occurrence.fingerprint == row["fingerprint"]
            newest_first = (occurrence.at_ns.desc(), occurrence.id.desc())
            kept = select(occurrence.id).where(same).order_by(*newest_first).limit(keep_per_group)
            old = delete(error_occurrence).where(
                same, occurrence.at_ns < before_ns, occurrence.id.not_in(kept)
            )
            with self._database.begin(exclusive=True) as connection:
                dropped += connection.execute(old).rowcount
        return dropped

    def _rows(self, query: Select[Any]) -> list[dict[str, Any]]:
        with self._database.begin() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]


def _captured(row: dict[str, Any]) -> Captured:
    row["context"] = msgspec.json.decode(row["context"])
    row["causes"] = msgspec.json.decode(row["causes"], type=list[Cause])
    return Captured(**row)


def _newest(fingerprint: str, limit: int) -> Select[Any]:
    occurrence = error_occurrence.c
    newest_first = (occurrence.at_ns.desc(), occurrence.id.desc())
    same = occurrence.fingerprint == fingerprint
    return _OCCURRENCES.where(same).order_by(*newest_first).limit(limit)


def _within(since_minute: int, until_minute: int | None) -> Iterator[ColumnElement[bool]]:
    yield error_minute.c.minute >= since_minute
    if until_minute is not None:
        yield error_minute.c.minute < until_minute
