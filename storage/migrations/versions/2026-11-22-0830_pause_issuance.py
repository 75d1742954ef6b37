"""Keep when issuance is paused, by whom and why.

Revises: 202611220820
"""

import sqlalchemy as sa
from alembic import op

revision = "202611220830"
down_revision = "202611220820"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "issuance_pauses",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=True),
        sa.Column("reason_code", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("placed_by", sa.Text(), nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("lifted_by", sa.Text(), nullable=True),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lift_reason_code", sa.Text(), nullable=True),
        sa.Column("lift_reason", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "num_nulls(lifted_at, lifted_by, lift_reason_code, lift_reason) IN (0, 4)",
            name=op.f("ck_issuance_pauses_lifted"),
        ),
        sa.ForeignKeyConstraint(["provider"], ["providers.slug"], name=op.f("fk_issuance_pauses_provider_providers")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_issuance_pauses")),
    )
    op.create_index(
        "uq_issuance_pauses_in_force",
        "issuance_pauses",
        [sa.text("coalesce(provider, '')")],
        unique=True,
        postgresql_where=sa.text("lifted_at IS NULL"),
    )
    op.create_index(
        "ix_corrections_attention",
        "corrections",
        ["attention"],
        unique=False,
        postgresql_where=sa.text("attention IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_corrections_attention", table_name="corrections")
    op.drop_table("issuance_pauses")
