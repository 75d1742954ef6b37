"""Keep the saved views and notes of staff.

Revises: 202611220520
"""

revision = "202611220530"
down_revision = "202611220520"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
