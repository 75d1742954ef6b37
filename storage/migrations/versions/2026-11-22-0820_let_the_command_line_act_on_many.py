"""Let the command line act on many claims, which is no account.

Revises: 202611220800
"""

from alembic import op

revision = "202611220820"
down_revision = "202611220800"
branch_labels = None
depends_on = None

_CONSTRAINT = "fk_bulk_actions_account_id_accounts"


def upgrade() -> None:
    op.drop_constraint(_CONSTRAINT, "bulk_actions", type_="foreignkey")


def downgrade() -> None:
    op.create_foreign_key(_CONSTRAINT, "bulk_actions", "accounts", ["account_id"], ["id"], postgresql_not_valid=True)
