"""The tables of the state database, and the version of their schema.

What a change here needs: a new ``SCHEMA_VERSION``, and a revision of that number in
``alchemiser_cli/state/migrations/versions`` that brings older databases to the same tables.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    event,
    text,
)

__all__ = [
    "SCHEMA_VERSION",
    "audit_anchor",
    "circuit_breaker",
    "error_group",
    "error_minute",
    "error_occurrence",
    "error_resolution",
    "metadata",
    "progress",
    "redriven",
    "schema_version",
    "strategy_status",
    "threshold_sample",
]

SCHEMA_VERSION = 4

metadata = MetaData()

# One row a version that this database has had; the highest is the one it has. It is this table, and
# not Alembic's, that is read at each opening: also an alchemiser of version 1 refuses by it.
schema_version = Table(
    "schema_version",
    metadata,
    Column("version", Integer, nullable=False),
    Column("applied_at_ns", BigInteger, nullable=False),
)

error_group = Table(
    "error_group",
    metadata,
    Column("fingerprint", String(32), primary_key=True),
    Column("code", String(64), nullable=False),
    Column("component", String(64), nullable=False),
    Column("template", Text, nullable=False),
    Column("severity", String(8), nullable=False),
    Column("state", String(12), nullable=False),  # open, recovering, resolved, regressed
    Column("state_changed_ns", BigInteger, nullable=False),
    Column("opened_ns", BigInteger, nullable=False),  # first seen, or failed again after resolved
    Column("first_seen_ns", BigInteger, nullable=False),
    Column("last_seen_ns", BigInteger, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("injected", BigInteger, nullable=False),
    Column("recovered", BigInteger, nullable=False),
    Index("error_group_by_code", "code"),
)

error_occurrence = Table(
    "error_occurrence",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("fingerprint", String(32), nullable=False),
    Column("at_ns", BigInteger, nullable=False),
    Column("code", String(64), nullable=False),
    Column("severity", String(8), nullable=False),
    Column("component", String(64), nullable=False),
    Column("operation", String(128), nullable=False),
    Column("run_id", String(64), nullable=False),
    Column("what", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("next_step", Text, nullable=False),
    Column("context", Text, nullable=False),  # JSON object
    Column("causes", Text, nullable=False),  # JSON list of {type, message}
    Column("traceback", Text, nullable=False),
    Column("recovered", Boolean, nullable=False),
    Column("injected", Boolean, nullable=False),
    Column("count", BigInteger, nullable=False),
    Index("error_occurrence_by_group", "fingerprint", "at_ns"),
    Index("error_occurrence_by_time", "at_ns"),
)


# A partial index for what health asks most. Written out, for the options
# of an Index would load PostgreSQL's dialect into every process.
@event.listens_for(error_occurrence, "after_create")
def _index_criticals(_table: Table, connection: Connection, **_: object) -> None:
    connection.execute(
        text(
            "CREATE INDEX error_occurrence_criticals ON error_occurrence (at_ns) "
            "WHERE severity = 'critical'"
        )
    )


error_minute = Table(
    "error_minute",
    metadata,
    Column("minute", BigInteger, primary_key=True),  # minutes since 1970
    Column("code", String(64), primary_key=True),
    Column("component", String(64), primary_key=True),
    Column("injected", Boolean, primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("criticals", BigInteger, nullable=False),
    Column("recovered", BigInteger, nullable=False),
    sqlite_with_rowid=False,  # rows lie in the order of the key, which is how they are read
)

error_resolution = Table(
    "error_resolution",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("fingerprint", String(32), nullable=False),
    Column("code", String(64), nullable=False),
    Column("at_ns", BigInteger, nullable=False),
    Column("text", Text, nullable=False),
    Column("worked", Boolean, nullable=True),
    Column("author", String(64), nullable=False),
    Column("seconds", BigInteger, nullable=True),
    Index("error_resolution_by_code", "code", "at_ns"),
)

circuit_breaker = Table(
    "circuit_breaker",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("state", String(12), nullable=False),  # closed, open, half-open, isolated
    Column("changed_at_ns", BigInteger, nullable=False),
    Column("open_until_ns", BigInteger, nullable=False),
    Column("opened_count", BigInteger, nullable=False),
    Column("open_total_ns", BigInteger, nullable=False),
    Column("probes", Integer, nullable=False),  # half-open probes under way
    Column("reason", Text, nullable=False),
    Column("version", BigInteger, nullable=False),  # optimistic lock
)

threshold_sample = Table(
    "threshold_sample",
    metadata,
    Column("metric", String(96), primary_key=True),
    Column("at_ns", BigInteger, primary_key=True),
    Column("value", Float, nullable=False),
    Column("injected", Boolean, nullable=False),
)

progress = Table(
    "progress",
    metadata,
    Column("name", String(160), primary_key=True),  # consumer:GROUP:TOPIC, feed:NAME
    Column("connected", Boolean, nullable=False),
    Column("last_event_ns", BigInteger, nullable=True),  # event time of the newest datum
    Column("last_change_ns", BigInteger, nullable=False),  # when the event time last moved on
    Column("count", BigInteger, nullable=False),
    Column("at_ns", BigInteger, nullable=False),  # when this row was written
)

strategy_status = Table(
    "strategy_status",
    metadata,
    Column("broker", String(64), primary_key=True),
    Column("configured", Integer, nullable=False),
    Column("loaded", Integer, nullable=False),
    Column("detail", Text, nullable=False),  # JSON: strategy to reason why not loaded, or null
    Column("at_ns", BigInteger, nullable=False),
)

# Dead letters that were sent back. The fingerprint is of the letter's content: a topic made anew
# has other letters at the same offsets.
redriven = Table(
    "redriven",
    metadata,
    Column("topic", String(249), primary_key=True),  # the dead-letter topic
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("offset", BigInteger, primary_key=True, autoincrement=False),
    Column("fingerprint", String(32), primary_key=True),
    Column("sent_to", String(300), nullable=False),  # TOPIC/PARTITION/OFFSET
    Column("at_ns", BigInteger, nullable=False),
)

# The newest line of each audit trail that is known to be on the disk.
audit_anchor = Table(
    "audit_anchor",
    metadata,
    Column("trail", String(128), primary_key=True),
    Column("sequence", BigInteger, nullable=False),  # counted from 0
    Column("hash", String(64), nullable=False),  # hexadecimal
    Column("at_ns", BigInteger, nullable=False),  # when that line was written
)
