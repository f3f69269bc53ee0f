"""Version 4: the heads of audit trails are anchored."""

import sqlalchemy as sa
from alembic import op

revision = "4"
down_revision = "3"


def upgrade() -> None:
    """Make the table of anchors."""
    op.create_table(
        "audit_anchor",
        sa.Column("trail", sa.String(128), primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("at_ns", sa.BigInteger, nullable=False),
    )
