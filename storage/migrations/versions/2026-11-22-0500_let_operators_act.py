"""Let operators hold, release, waive, deny and reopen claims, one by one or many at once.

Revises: 202611220400
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "202611220500"
down_revision = "202611220400"
branch_labels = None
depends_on = None

_NEW = ("held_at", "held_by", "hold_reason", "waived", "attempts_added")


def upgrade() -> None:
    op.add_column("claims", sa.Column("held_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("claims", sa.Column("held_by", sa.Text(), nullable=True))
    op.add_column("claims", sa.Column("hold_reason", sa.Text(), nullable=True))
    op.add_column("claims", sa.Column("waived", sa.ARRAY(sa.Text()), nullable=True))
    op.add_column("claims", sa.Column("attempts_added", sa.Integer(), nullable=True))
    op.create_check_constraint(
        op.f("ck_claims_hold"),
        "claims",
        "(held_at IS NOT NULL) = (attention = 'on_hold' AND attention IS NOT NULL)",
    )
    op.create_table(
        "bulk_actions",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("body", postgresql.JSONB(), nullable=False),
        sa.Column("filter", postgresql.JSONB(), nullable=False),
        sa.Column(
            "previewed_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_bulk_actions_account_id_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bulk_actions")),
    )
    op.create_table(
        "bulk_claims",
        sa.Column("bulk_id", sa.Text(), nullable=False),
        sa.Column("claim_id", sa.Text(), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("submission_id", sa.Text(), nullable=True),
        sa.Column("skipped", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["bulk_id"], ["bulk_actions.id"], name=op.f("fk_bulk_claims_bulk_id_bulk_actions")),
        sa.ForeignKeyConstraint(["claim_id"], ["claims.id"], name=op.f("fk_bulk_claims_claim_id_claims")),
        sa.PrimaryKeyConstraint("bulk_id", "claim_id", name=op.f("pk_bulk_claims")),
    )


def downgrade() -> None:
    op.drop_table("bulk_claims")
    op.drop_table("bulk_actions")
    op.drop_constraint(op.f("ck_claims_hold"), "claims")
    for name in _NEW:
        op.drop_column("claims", name)
