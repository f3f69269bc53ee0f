"""Writing failures into the journal's tables, with their groups and minutes brought up to date."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, insert, select, text

from alchemiser_cli.errors.journal.lifecycle import GroupRow, minute_counts
from alchemiser_cli.errors.journal.records import Captured
from alchemiser_cli.state import error_group, error_occurrence

__all__ = ["append", "group_rows", "put_groups"]

# What a column takes; SQLite would take more, a server refuses the row.
CODE, COMPONENT, OPERATION, RUN_ID = 64, 64, 128, 64

_UPSERT_GROUP = text(
    "INSERT INTO error_group (fingerprint, code, component, template, severity, state,"
    " state_changed_ns, opened_ns, first_seen_ns, last_seen_ns, count, injected, recovered)"
    " VALUES (:fingerprint, :code, :component, :template, :severity, :state,"
    " :state_changed_ns, :opened_ns, :first_seen_ns, :last_seen_ns, :count, :injected, :recovered)"
    " ON CONFLICT (fingerprint) DO UPDATE SET severity = excluded.severity,"
    " state = excluded.state, state_changed_ns = excluded.state_changed_ns,"
    " opened_ns = excluded.opened_ns, first_seen_ns = excluded.first_seen_ns,"
    " last_seen_ns = excluded.last_seen_ns, count = excluded.count,"
    " injected = excluded.injected, recovered = excluded.recovered"
)
_UPSERT_MINUTE = text(
    "INSERT INTO error_minute (minute, code, component, injected, count, criticals, recovered)"
    " VALUES (:minute, :code, :component, :injected, :count, :criticals, :recovered)"
    " ON CONFLICT (minute, code, component, injected) DO UPDATE SET"
    " count = error_minute.count + excluded.count,"
    " criticals = error_minute.criticals + excluded.criticals,"
    " recovered = error_minute.recovered + excluded.recovered"
)
_GROUP_ROWS = select(*(error_group.c[name] for name in GroupRow.__struct_fields__)).where(
    error_group.c.fingerprint.in_(bindparam("fingerprints", expanding=True))
)
_STORED_IDS = select(error_occurrence.c.id).where(
    error_occurrence.c.id.in_(bindparam("ids", expanding=True))
)


def append(connection: Connection, captures: Sequence[Captured]) -> None:
    """Store those of ``captures`` whose id is not stored yet; the caller's hold is exclusive."""
    fresh: dict[str, Captured] = {}
    for capture in captures:
        fresh.setdefault(capture.id, capture)
    for known in connection.execute(_STORED_IDS, {"ids": list(fresh)}).scalars():
        del fresh[known]
    if not fresh:
        return
    fitting = [_fitting(capture) for capture in fresh.values()]
    groups = group_rows(connection, {capture.fingerprint for capture in fitting})
    for capture in fitting:
        if capture.fingerprint not in groups:
            groups[capture.fingerprint] = GroupRow.opened_by(capture)
        groups[capture.fingerprint].add(capture)
    minutes = minute_counts(fitting)
    _insert_occurrences(connection, [_occurrence_row(one) for one in fitting])
    put_groups(connection, groups.values())
    connection.execute(_UPSERT_MINUTE, [msgspec.structs.asdict(one) for one in minutes])


def _insert_occurrences(connection: Connection, rows: list[dict[str, Any]]) -> None:
    statement = insert(error_occurrence)
    if connection.dialect.name != "sqlite":
        connection.execute(statement, rows)
        return
    # Straight to the driver: to bind each value by itself takes as long as to write it.
    names = [column.name for column in error_occurrence.columns]
    values = [tuple([row[name] for name in names]) for row in rows]
    connection.exec_driver_sql(str(statement.compile(dialect=connection.dialect)), values)


def _fitting(capture: Captured) -> Captured:
    fits = (
        len(capture.code) <= CODE
        and len(capture.component) <= COMPONENT
        and len(capture.operation) <= OPERATION
        and len(capture.run_id) <= RUN_ID
    )
    if fits:
        return capture
    return msgspec.structs.replace(
        capture,
        code=capture.code[:CODE],
        component=capture.component[:COMPONENT],
        operation=capture.operation[:OPERATION],
        run_id=capture.run_id[:RUN_ID],
    )


def _occurrence_row(capture: Captured) -> dict[str, Any]:
    row = msgspec.structs.asdict(capture)
    del row["template"]
    row["context"] = msgspec.json.encode(capture.context, enc_hook=str).decode()
    row["causes"] = msgspec.json.encode(capture.causes).decode()
    return row


def group_rows(connection: Connection, fingerprints: Iterable[str]) -> dict[str, GroupRow]:
    """Return the groups that exist, by fingerprint."""
    rows = connection.execute(_GROUP_ROWS, {"fingerprints": list(fingerprints)})
    return {row.fingerprint: GroupRow(*row) for row in rows}


def put_groups(connection: Connection, groups: Iterable[GroupRow]) -> None:
    """Insert the groups, or bring their rows up to date."""
    connection.execute(_UPSERT_GROUP, [msgspec.structs.asdict(one) for one in groups])
