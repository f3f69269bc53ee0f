"""Version 5: people are told: incidents, deliveries, silences, and what was read for them."""

import sqlalchemy as sa
from alembic import op

revision = "5"
down_revision = "4"


def upgrade() -> None:
    """Make the tables of notifications."""
    op.create_table(
        "incident",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("fingerprint", sa.String(32), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("severity", sa.String(8), nullable=False),
        sa.Column("code", sa.String(64), nullable=False),
        sa.Column("component", sa.String(64), nullable=False),
        sa.Column("grouping", sa.String(96), nullable=False),
        sa.Column("alert", sa.Text, nullable=False),
        sa.Column("injected", sa.Boolean, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("opened_ns", sa.BigInteger, nullable=False),
        sa.Column("last_ns", sa.BigInteger, nullable=False),
        sa.Column("clear_ns", sa.BigInteger, nullable=True),
        sa.Column("resolved_ns", sa.BigInteger, nullable=True),
        sa.Column("policy", sa.Text, nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("due_ns", sa.BigInteger, nullable=True),
        sa.Column("acknowledged_ns", sa.BigInteger, nullable=True),
        sa.Column("acknowledged_by", sa.String(64), nullable=True),
    )
    op.create_index("incident_by_state", "incident", ["state", "due_ns"])
    op.create_index("incident_by_fingerprint", "incident", ["fingerprint", "opened_ns"])
    op.create_table(
        "delivery",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("incident", sa.String(32), nullable=True),
        sa.Column("channel", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("severity", sa.String(8), nullable=False),
        sa.Column("code", sa.String(64), nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("html", sa.Text, nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("queued_ns", sa.BigInteger, nullable=False),
        sa.Column("due_ns", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("leased_until_ns", sa.BigInteger, nullable=True),
        sa.Column("sent_ns", sa.BigInteger, nullable=True),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("digest", sa.String(32), nullable=True),
    )
    op.create_index("delivery_by_state", "delivery", ["state", "due_ns"])
    op.create_index("delivery_by_channel", "delivery", ["channel", "sent_ns"])
    op.create_index("delivery_by_incident", "delivery", ["incident"])
    op.create_table(
        "silence",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("matcher", sa.Text, nullable=False),
        sa.Column("until_ns", sa.BigInteger, nullable=False),
        sa.Column("author", sa.String(64), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at_ns", sa.BigInteger, nullable=False),
        sa.Column("ended_ns", sa.BigInteger, nullable=True),
    )
    op.create_table(
        "alert_cursor",
        sa.Column("source", sa.String(64), primary_key=True),
        sa.Column("position", sa.Text, nullable=False),
        sa.Column("at_ns", sa.BigInteger, nullable=False),
    )
