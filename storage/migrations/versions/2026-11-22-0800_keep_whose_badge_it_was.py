"""Keep which entry of a roster a submission was refused for, because it names somebody else.

Revises: 202611220540
"""

import sqlalchemy as sa
from alembic import op

revision = "202611220800"
down_revision = "202611220540"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("submissions", sa.Column("roster_entry", sa.Text(), nullable=True))
    op.create_index(
        "ix_submissions_roster_entry",
        "submissions",
        ["claim_id"],
        postgresql_where=sa.text("roster_entry IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_submissions_roster_entry", table_name="submissions")
    op.drop_column("submissions", "roster_entry")
