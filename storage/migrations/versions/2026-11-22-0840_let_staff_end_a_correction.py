"""Keep who ended a correction that was parked, and why.

Revises: 202611220830
"""

import sqlalchemy as sa
from alembic import op

revision = "202611220840"
down_revision = "202611220830"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("resolved_by", "resolution_code", "resolution", "resolution_request_id"):
        op.add_column("corrections", sa.Column(name, sa.Text(), nullable=True))
    op.add_column("corrections", sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    for name in ("resolved_at", "resolution_request_id", "resolution", "resolution_code", "resolved_by"):
        op.drop_column("corrections", name)
