"""Keep drafts, transcript links, reminder choices and problem reports of learners.

Revises: 202611220510
"""

revision = "202611220520"
down_revision = "202611220510"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
