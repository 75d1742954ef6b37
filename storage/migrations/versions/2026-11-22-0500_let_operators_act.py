"""Let operators hold, release, waive, deny and reopen claims.

Revises: 202611220400
"""

revision = "202611220500"
down_revision = "202611220400"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
