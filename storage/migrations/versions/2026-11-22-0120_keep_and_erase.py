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
    op.add_column("learners", sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("claims", sa.Column("purged_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "legal_holds",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("placed_by", sa.Text(), nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("lifted_by", sa.Text(), nullable=True),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lift_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_legal_holds")),
    )
    op.create_index("ix_legal_holds_subject", "legal_holds", ["subject"], postgresql_where=sa.text("lifted_at IS NULL"))


def downgrade() -> None:
    op.drop_table("legal_holds")
    op.drop_column("claims", "purged_at")
    op.drop_column("learners", "erased_at")
    op.drop_table("learner_keys")
    op.drop_column("learners", "shows_name")
