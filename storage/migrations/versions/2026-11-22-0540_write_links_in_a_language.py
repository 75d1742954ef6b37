"""Keep in which language a sign-in link was asked for.

Revises: 202611220530
"""

import sqlalchemy as sa
from alembic import op

revision = "202611220540"
down_revision = "202611220530"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sign_in_links", sa.Column("language", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("sign_in_links", "language")
