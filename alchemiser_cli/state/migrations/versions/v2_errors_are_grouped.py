"""Version 2: failures are grouped and counted; breakers, thresholds and progress are shared.

The rows of ``error_journal`` move to ``error_occurrence``. No template was mined for them, so the
words of each failure are its template: failures of the same words form a group.
"""

import hashlib
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "2"
down_revision = "1"

NS_PER_MINUTE = 60_000_000_000
ROWS_AT_ONCE = 1_000


def upgrade() -> None:
    """Make the new tables, move the journal's rows into them, and drop the old journal."""
    _create_error_tables()
    _create_shared_tables()
    _move_journal(op.get_bind())
    op.drop_table("error_journal")


def _create_error_tables() -> None:
    op.create_table(
        "error_group",
        sa.Column("fingerprint", sa.String(32), primary_key=True),
        sa.Column("code", sa.String(64), nullable=False),
        sa.Column("component", sa.String(64), nullable=False),
        sa.Column("template", sa.Text, nullable=False),
        sa.Column("severity", sa.String(8), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("state_changed_ns", sa.BigInteger, nullable=False),
        sa.Column("opened_ns", sa.BigInteger, nullable=False),
        sa.Column("first_seen_ns", sa.BigInteger, nullable=False),
        sa.Column("last_seen_ns", sa.BigInteger, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("injected", sa.BigInteger, nullable=False),
        sa.Column("recovered", sa.BigInteger, nullable=False),
    )
    op.create_index("error_group_by_code", "error_group", ["code"])
    op.create_table(
        "error_occurrence",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("fingerprint", sa.String(32), nullable=False),
        sa.Column("at_ns", sa.BigInteger, nullable=False),
        sa.Column("code", sa.String(64), nullable=False),
        sa.Column("severity", sa.String(8), nullable=False),
        sa.Column("component", sa.String(64), nullable=False),
        sa.Column("operation", sa.String(128), nullable=False),
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("next_step", sa.Text, nullable=False),
        sa.Column("context", sa.Text, nullable=False),
        sa.Column("causes", sa.Text, nullable=False),
        sa.Column("traceback", sa.Text, nullable=False),
        sa.Column("recovered", sa.Boolean, nullable=False),
        sa.Column("injected", sa.Boolean, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
    )
    op.create_index("error_occurrence_by_group", "error_occurrence", ["fingerprint", "at_ns"])
    op.create_index("error_occurrence_by_time", "error_occurrence", ["at_ns"])
    critical = sa.text("severity = 'critical'")
    op.create_index(
        "error_occurrence_criticals",
        "error_occurrence",
        ["at_ns"],
        sqlite_where=critical,
        postgresql_where=critical,
    )
    op.create_table(
        "error_minute",
        sa.Column("minute", sa.BigInteger, primary_key=True),
        sa.Column("code", sa.String(64), primary_key=True),
        sa.Column("component", sa.String(64), primary_key=True),
        sa.Column("injected", sa.Boolean, primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("criticals", sa.BigInteger, nullable=False),
        sa.Column("recovered", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "error_resolution",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("fingerprint", sa.String(32), nullable=False),
        sa.Column("code", sa.String(64), nullable=False),
        sa.Column("at_ns", sa.BigInteger, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("worked", sa.Boolean, nullable=True),
        sa.Column("author", sa.String(64), nullable=False),
        sa.Column("seconds", sa.BigInteger, nullable=True),
    )
    op.create_index("error_resolution_by_code", "error_resolution", ["code", "at_ns"])


def _create_shared_tables() -> None:
    op.create_table(
        "circuit_breaker",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("changed_at_ns", sa.BigInteger, nullable=False),
        sa.Column("open_until_ns", sa.BigInteger, nullable=False),
        sa.Column("opened_count", sa.BigInteger, nullable=False),
        sa.Column("open_total_ns", sa.BigInteger, nullable=False),
        sa.Column("probes", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "threshold_sample",
        sa.Column("metric", sa.String(96), primary_key=True),
        sa.Column("at_ns", sa.BigInteger, primary_key=True),
        sa.Column("value", sa.Float, nullable=False),
        sa.Column("injected", sa.Boolean, nullable=False),
    )
    op.create_table(
        "progress",
        sa.Column("name", sa.String(160), primary_key=True),
        sa.Column("connected", sa.Boolean, nullable=False),
        sa.Column("last_event_ns", sa.BigInteger, nullable=True),
        sa.Column("last_change_ns", sa.BigInteger, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("at_ns", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "strategy_status",
        sa.Column("broker", sa.String(64), primary_key=True),
        sa.Column("configured", sa.Integer, nullable=False),
        sa.Column("loaded", sa.Integer, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("at_ns", sa.BigInteger, nullable=False),
    )


def _move_journal(connection: sa.Connection) -> None:
    """Move row by row in the order of time, so that a group's last words are its newest."""
    tables = sa.MetaData()
    names = ("error_journal", "error_occurrence", "error_group", "error_minute")
    tables.reflect(connection, only=names)
    journal, occurrences, groups, minutes = (tables.tables[name] for name in names)
    by_fingerprint: dict[str, dict[str, Any]] = {}
    by_minute: dict[tuple[object, ...], dict[str, Any]] = {}
    oldest_first = sa.select(journal).order_by(journal.c.at_ns, journal.c.id)
    with connection.execute(oldest_first.execution_options(yield_per=ROWS_AT_ONCE)) as found:
        for part in found.mappings().partitions():
            moved = [_occurrence(dict(row)) for row in part]
            connection.execute(occurrences.insert(), moved)
            for row in moved:
                _count(row, by_fingerprint, by_minute)
    _insert(connection, groups, by_fingerprint.values())
    _insert(connection, minutes, by_minute.values())


def _occurrence(row: dict[str, Any]) -> dict[str, Any]:
    identity = "\0".join((row["code"], row["component"], row["what"])).encode()
    fingerprint = hashlib.blake2b(identity, digest_size=16).hexdigest()
    return row | {"fingerprint": fingerprint, "causes": "[]", "count": 1}


def _count(
    row: dict[str, Any],
    by_fingerprint: dict[str, dict[str, Any]],
    by_minute: dict[tuple[object, ...], dict[str, Any]],
) -> None:
    at_ns = row["at_ns"]
    opened = dict.fromkeys(("state_changed_ns", "opened_ns", "first_seen_ns"), at_ns)
    same = {name: row[name] for name in ("fingerprint", "code", "component")}
    group = by_fingerprint.setdefault(
        row["fingerprint"],
        same
        | opened
        | {"template": row["what"], "state": "open", "count": 0, "injected": 0, "recovered": 0},
    )
    group |= {"severity": row["severity"], "last_seen_ns": at_ns}
    key = (at_ns // NS_PER_MINUTE, row["code"], row["component"], row["injected"])
    counted = dict(zip(("minute", "code", "component", "injected"), key, strict=True))
    minute = by_minute.setdefault(key, counted | {"count": 0, "criticals": 0, "recovered": 0})
    for counts in (group, minute):
        counts["count"] += 1
        counts["recovered"] += row["recovered"]
    group["injected"] += row["injected"]
    minute["criticals"] += row["severity"] == "critical"


def _insert(connection: sa.Connection, table: sa.Table, rows: Iterable[dict[str, Any]]) -> None:
    if values := list(rows):
        connection.execute(table.insert(), values)
