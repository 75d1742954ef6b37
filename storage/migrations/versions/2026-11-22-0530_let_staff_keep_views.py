"""Keep the notes and saved views of staff, and find claims and failing e-mails in the order of their lists.

Revises: 202611220520
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "202611220530"
down_revision = "202611220520"
branch_labels = None
depends_on = None

_CLAIMS = (("opened_at", "id"), ("stage", "opened_at", "id"), ("ce_activity_id", "opened_at", "id"))


def _name_of(columns: tuple[str, ...]) -> str:
    first, *others = columns
    return "_".join([f"ix_claims_{first}", *(f"claims_{each}" for each in others)])


def upgrade() -> None:
    op.create_table(
        "claim_notes",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("claim_id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column(
            "written_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_claim_notes_account_id_accounts")),
        sa.ForeignKeyConstraint(["claim_id"], ["claims.id"], name=op.f("fk_claim_notes_claim_id_claims")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_claim_notes")),
    )
    op.create_index(op.f("ix_claim_notes_claim_id_claim_notes_id"), "claim_notes", ["claim_id", "id"])
    op.create_index(op.f("ix_submissions_claim_id_submissions_id"), "submissions", ["claim_id", "id"])
    op.create_table(
        "saved_views",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("query", postgresql.JSONB(), nullable=False),
        sa.Column("is_shared", sa.Boolean(), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_saved_views_account_id_accounts")),
        sa.PrimaryKeyConstraint("account_id", "name", name=op.f("pk_saved_views")),
    )
    op.create_index("ix_saved_views_shared", "saved_views", ["name"], postgresql_where=sa.text("is_shared"))
    for columns in _CLAIMS:
        op.create_index(_name_of(columns), "claims", list(columns))
    op.create_index(
        "ix_claims_awarded_at", "claims", ["awarded_at"], postgresql_where=sa.text("awarded_at IS NOT NULL")
    )
    op.create_index(
        "ix_outgoing_emails_failing",
        "outgoing_emails",
        ["created_at", "id"],
        postgresql_where=sa.text(
            "state = 'failed' OR state IN ('queued', 'sending') AND (last_error IS NOT NULL OR tries > 1)"
        ),
    )


def downgrade() -> None:
    op.drop_index("ix_outgoing_emails_failing", "outgoing_emails")
    op.drop_index("ix_claims_awarded_at", "claims")
    for columns in _CLAIMS:
        op.drop_index(_name_of(columns), "claims")
    op.drop_table("saved_views")
    op.drop_index(op.f("ix_submissions_claim_id_submissions_id"), "submissions")
    op.drop_table("claim_notes")
