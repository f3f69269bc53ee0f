"""Version 3: which dead letters were sent back is remembered."""

import sqlalchemy as sa
from alembic import op

revision = "3"
down_revision = "2"


def upgrade() -> None:
    """Make the table of redriven dead letters."""
    op.create_table(
        "redriven",
        sa.Column("topic", sa.String(249), primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("offset", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("fingerprint", sa.String(32), primary_key=True),
        sa.Column("sent_to", sa.String(300), nullable=False),
        sa.Column("at_ns", sa.BigInteger, nullable=False),
    )
