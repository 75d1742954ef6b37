"""Keep drafts, transcript links, reminder choices and problem reports of learners.

Revises: 202611220510
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "202611220520"
down_revision = "202611220510"
branch_labels = None
depends_on = None

_NOW = sa.text("clock_timestamp()")


def upgrade() -> None:
    op.create_table(
        "drafts",
        sa.Column("claim_id", sa.Text(), nullable=False),
        sa.Column("form", sa.Text(), nullable=False),
        sa.Column("responses", postgresql.JSONB(), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.ForeignKeyConstraint(["claim_id"], ["claims.id"], name=op.f("fk_drafts_claim_id_claims")),
        sa.PrimaryKeyConstraint("claim_id", "form", name=op.f("pk_drafts")),
    )
    op.create_table(
        "transcript_links",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("learner_id", sa.Text(), nullable=False),
        sa.Column("from_on", sa.Date(), nullable=True),
        sa.Column("until_on", sa.Date(), nullable=True),
        sa.Column("year", sa.Integer(), nullable=True),
        sa.Column("credit_type", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["learner_id"], ["learners.id"], name=op.f("fk_transcript_links_learner_id_learners")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transcript_links")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_transcript_links_token_hash")),
    )
    op.create_index(op.f("ix_transcript_links_learner_id"), "transcript_links", ["learner_id"])
    op.create_table(
        "reminder_links",
        sa.Column("learner_id", sa.Text(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.ForeignKeyConstraint(["learner_id"], ["learners.id"], name=op.f("fk_reminder_links_learner_id_learners")),
        sa.PrimaryKeyConstraint("learner_id", name=op.f("pk_reminder_links")),
        sa.UniqueConstraint("token", name=op.f("uq_reminder_links_token")),
    )
    op.create_table(
        "problem_reports",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("claim_id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("reported_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("settled_by", sa.Text(), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(state = 'open') = (settled_at IS NULL)", name=op.f("ck_problem_reports_settled")),
        sa.ForeignKeyConstraint(["claim_id"], ["claims.id"], name=op.f("fk_problem_reports_claim_id_claims")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_problem_reports_account_id_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_problem_reports")),
    )
    op.create_index(op.f("ix_problem_reports_claim_id"), "problem_reports", ["claim_id"])
    op.create_index(
        op.f("ix_problem_reports_state_problem_reports_reported_at"), "problem_reports", ["state", "reported_at"]
    )


def downgrade() -> None:
    for table in ("problem_reports", "reminder_links", "transcript_links", "drafts"):
        op.drop_table(table)
