"""Version 6: things are broken on purpose: leases of faults, their strikes, experiments."""

import sqlalchemy as sa
from alembic import op

revision = "6"
down_revision = "5"


def upgrade() -> None:
    """Make the tables of chaos."""
    op.create_table(
        "fault_lease",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("target", sa.String(96), nullable=False),
        sa.Column("environment", sa.String(16), nullable=False),
        sa.Column("owner", sa.String(128), nullable=False),
        sa.Column("fault", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("drill", sa.Boolean, nullable=False),
        sa.Column("run", sa.String(32), nullable=True),
        sa.Column("at_ns", sa.BigInteger, nullable=False),
        sa.Column("begins_ns", sa.BigInteger, nullable=False),
        sa.Column("ends_ns", sa.BigInteger, nullable=False),
        sa.Column("ended_ns", sa.BigInteger, nullable=True),
        sa.Column("ended_by", sa.String(128), nullable=True),
    )
    op.create_index("fault_lease_by_time", "fault_lease", ["at_ns"])
    op.create_index(
        "fault_lease_in_force",
        "fault_lease",
        ["target"],
        unique=True,
        sqlite_where=sa.text("ended_ns IS NULL"),
        postgresql_where=sa.text("ended_ns IS NULL"),
    )
    op.create_table(
        "fault_strike",
        sa.Column("lease", sa.String(32), primary_key=True),
        sa.Column("process", sa.String(128), primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("first_ns", sa.BigInteger, nullable=False),
        sa.Column("last_ns", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "chaos_run",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("owner", sa.String(128), nullable=False),
        sa.Column("process", sa.String(128), nullable=False),
        sa.Column("folder", sa.Text, nullable=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("started_ns", sa.BigInteger, nullable=False),
        sa.Column("seen_ns", sa.BigInteger, nullable=False),
        sa.Column("ended_ns", sa.BigInteger, nullable=True),
        sa.Column("journal", sa.Text, nullable=True),
    )
    op.create_index("chaos_run_by_state", "chaos_run", ["state", "started_ns"])
