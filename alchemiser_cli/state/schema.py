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
    "alert_cursor",
    "audit_anchor",
    "chaos_run",
    "circuit_breaker",
    "delivery",
    "error_group",
    "error_minute",
    "error_occurrence",
    "error_resolution",
    "fault_lease",
    "fault_strike",
    "incident",
    "metadata",
    "progress",
    "redriven",
    "schema_version",
    "silence",
    "strategy_status",
    "threshold_sample",
]

SCHEMA_VERSION = 6

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

# One row a fingerprint that ever fired. `policy` is the escalation policy it began with, as JSON.
incident = Table(
    "incident",
    metadata,
    Column("id", String(32), primary_key=True),  # of this opening; a later one has another
    Column("fingerprint", String(32), nullable=False),
    Column("state", String(12), nullable=False),  # pending, firing, resolved
    Column("kind", String(12), nullable=False),
    Column("severity", String(8), nullable=False),
    Column("code", String(64), nullable=False),
    Column("component", String(64), nullable=False),
    Column("grouping", String(96), nullable=False),
    Column("alert", Text, nullable=False),  # JSON: the newest alert
    Column("injected", Boolean, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("opened_ns", BigInteger, nullable=False),
    Column("last_ns", BigInteger, nullable=False),  # of the newest firing alert
    Column("clear_ns", BigInteger, nullable=True),  # when its source said that it is over
    Column("resolved_ns", BigInteger, nullable=True),
    Column("policy", Text, nullable=False),
    Column("step", Integer, nullable=False),  # steps of the policy that were taken
    Column("due_ns", BigInteger, nullable=True),  # when the next step or repeat is due
    Column("acknowledged_ns", BigInteger, nullable=True),
    Column("acknowledged_by", String(64), nullable=True),
    Index("incident_by_state", "state", "due_ns"),
    Index("incident_by_fingerprint", "fingerprint", "opened_ns"),
)

# What is to be sent through one channel: the ledger. Stored before it is sent.
delivery = Table(
    "delivery",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("incident", String(32), nullable=True),  # None: a digest, a test
    Column("channel", String(64), nullable=False),
    # alert, repeat, escalation, resolved, digest or test
    Column("kind", String(12), nullable=False),
    Column("severity", String(8), nullable=False),
    Column("code", String(64), nullable=False),
    Column("subject", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("html", Text, nullable=False),
    # queued, sending, sent, failed, held, digested or cancelled
    Column("state", String(12), nullable=False),
    Column("queued_ns", BigInteger, nullable=False),
    Column("due_ns", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("leased_until_ns", BigInteger, nullable=True),  # who is sending it, until when
    Column("sent_ns", BigInteger, nullable=True),
    Column("error", Text, nullable=False),
    Column("digest", String(32), nullable=True),  # the delivery that told of it in the end
    Index("delivery_by_state", "state", "due_ns"),
    Index("delivery_by_channel", "channel", "sent_ns"),
    Index("delivery_by_incident", "incident"),
)

silence = Table(
    "silence",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("matcher", Text, nullable=False),  # JSON: code, component, severity, fingerprint
    Column("until_ns", BigInteger, nullable=False),
    Column("author", String(64), nullable=False),
    Column("reason", Text, nullable=False),
    Column("at_ns", BigInteger, nullable=False),
    Column("ended_ns", BigInteger, nullable=True),
)

# How far sources of alerts were read: journal.
alert_cursor = Table(
    "alert_cursor",
    metadata,
    Column("source", String(64), primary_key=True),
    Column("position", Text, nullable=False),
    Column("at_ns", BigInteger, nullable=False),
)

# A fault that somebody asked for. Processes read the rows without ``ended_ns``; a target takes part
# until ``ends_ns`` whatever becomes of its owner.
fault_lease = Table(
    "fault_lease",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("target", String(96), nullable=False),
    Column("environment", String(16), nullable=False),
    Column("owner", String(128), nullable=False),
    Column("fault", Text, nullable=False),  # JSON
    Column("reason", Text, nullable=False),
    Column("drill", Boolean, nullable=False),  # whether thresholds and people count its errors
    Column("run", String(32), nullable=True),  # the experiment that it belongs to
    Column("at_ns", BigInteger, nullable=False),
    Column("begins_ns", BigInteger, nullable=False),
    Column("ends_ns", BigInteger, nullable=False),
    Column("ended_ns", BigInteger, nullable=True),
    Column("ended_by", String(128), nullable=True),
    Index("fault_lease_by_time", "at_ns"),
)


# One lease a target: what is over is marked so before another is written. Written out as above.
@event.listens_for(fault_lease, "after_create")
def _index_leases(_table: Table, connection: Connection, **_: object) -> None:
    connection.execute(
        text(
            "CREATE UNIQUE INDEX fault_lease_in_force ON fault_lease (target) "
            "WHERE ended_ns IS NULL"
        )
    )


fault_strike = Table(
    "fault_strike",
    metadata,
    Column("lease", String(32), primary_key=True),
    Column("process", String(128), primary_key=True),  # HOST:PID
    Column("count", BigInteger, nullable=False),
    Column("first_ns", BigInteger, nullable=False),
    Column("last_ns", BigInteger, nullable=False),
)

# An experiment under way or over; the document is kept so that its rollbacks can be run by whoever
# finds its runner dead.
chaos_run = Table(
    "chaos_run",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("title", Text, nullable=False),
    Column("document", Text, nullable=False),  # JSON
    Column("owner", String(128), nullable=False),
    Column("process", String(128), nullable=False),  # HOST:PID
    Column("folder", Text, nullable=True),  # its scratch home
    Column("state", String(16), nullable=False),  # running, rolling-back, over, abandoned
    Column("started_ns", BigInteger, nullable=False),
    Column("seen_ns", BigInteger, nullable=False),
    Column("ended_ns", BigInteger, nullable=True),
    Column("journal", Text, nullable=True),  # JSON
    Index("chaos_run_by_state", "state", "started_ns"),
)
