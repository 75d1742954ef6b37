"""Keep personal data in the audit trail under keys that can be destroyed; let learners hide their name.

Revises: 202611220110
"""

import sqlalchemy as sa
from alembic import op

revision = "202611220120"
down_revision = "202611220110"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("learners", sa.Column("shows_name", sa.Boolean(), server_default=sa.text("true"), nullable=False))
    op.create_table(
        "learner_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("learner_id", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("destroyed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_learner_keys")),
        sa.UniqueConstraint("learner_id", "purpose", name=op.f("uq_learner_keys_learner_id_purpose")),
    )


def downgrade() -> None:
    op.drop_table("learner_keys")
    op.drop_column("learners", "shows_name")
