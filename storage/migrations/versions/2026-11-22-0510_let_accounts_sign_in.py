"""Sign in through an identity provider, show where an account is signed in, keep its language.

Revises: 202611220500
"""

revision = "202611220510"
down_revision = "202611220500"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
