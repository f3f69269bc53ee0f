"""Version 1: failures of commands are kept, one row each."""

import sqlalchemy as sa
from alembic import op

revision = "1"
down_revision = None


def upgrade() -> None:
    """Make the tables of version 1."""
    op.create_table(
        "schema_version",
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("applied_at_ns", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "error_journal",
        sa.Column("id", sa.String(32), primary_key=True),
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
        sa.Column("traceback", sa.Text, nullable=False),
        sa.Column("recovered", sa.Boolean, nullable=False),
        sa.Column("injected", sa.Boolean, nullable=False),
    )
    op.create_index("error_journal_by_code", "error_journal", ["code", "at_ns"])
