"""Sign in through an identity provider, show where an account is signed in, keep its language.

Revises: 202611220500
"""

import sqlalchemy as sa
from alembic import op

revision = "202611220510"
down_revision = "202611220500"
branch_labels = None
depends_on = None


def _now(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False)


def upgrade() -> None:
    op.add_column("accounts", sa.Column("language", sa.Text(), nullable=True))
    # Sessions last for hours: whoever is signed in during the upgrade signs in again.
    op.execute("DELETE FROM login_sessions")
    op.add_column("login_sessions", sa.Column("id", sa.Text(), nullable=False))
    op.add_column("login_sessions", sa.Column("browser", sa.Text(), nullable=True))
    op.add_column("login_sessions", sa.Column("system", sa.Text(), nullable=True))
    op.add_column("login_sessions", _now("last_seen_at"))
    op.create_unique_constraint(op.f("uq_login_sessions_id"), "login_sessions", ["id"])
    op.create_table(
        "account_identities",
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        _now("linked_at"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_account_identities_account_id_accounts")
        ),
        sa.PrimaryKeyConstraint("issuer", "subject", name=op.f("pk_account_identities")),
        sa.UniqueConstraint("account_id", "issuer", name=op.f("uq_account_identities_account_id_issuer")),
    )


def downgrade() -> None:
    op.drop_table("account_identities")
    op.drop_constraint(op.f("uq_login_sessions_id"), "login_sessions")
    for column in ("last_seen_at", "system", "browser", "id"):
        op.drop_column("login_sessions", column)
    op.drop_column("accounts", "language")
