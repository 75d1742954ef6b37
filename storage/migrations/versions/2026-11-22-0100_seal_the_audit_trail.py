"""Let an entry of the audit trail outlive its body: the hash of the body stands beside it.

Revises: 202611212140
"""

import sqlalchemy as sa
from alembic import op

revision = "202611220100"
down_revision = "202611212140"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("audit_events", sa.Column("body_hash", sa.LargeBinary(), nullable=True))
    op.alter_column("audit_events", "body", nullable=True)
    op.execute("ALTER TABLE audit_events DISABLE TRIGGER audit_events_append_only")
    op.execute("UPDATE audit_events SET body_hash = sha256(body)")
    op.execute("ALTER TABLE audit_events ENABLE TRIGGER audit_events_append_only")
    op.alter_column("audit_events", "body_hash", nullable=False)


def downgrade() -> None:
    op.alter_column("audit_events", "body", nullable=False)
    op.drop_column("audit_events", "body_hash")
