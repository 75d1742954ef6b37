"""Keep personal data in the audit trail under keys that can be destroyed; let learners hide their name.

Revises: 202611220110
"""

import sqlalchemy as sa
from alembic import op

revision = "202611220120"
down_revision = "202611220110"
branch_labels = None
depends_on = None


# The one change that stored bytes may undergo is their end, and only for the tables' owner: the purge.
_REFUSE_CHANGE = """
CREATE FUNCTION refuse_change_of_document() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    purged {schema}.documents;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        purged := OLD;
        purged.content := '';
        IF NEW IS NOT DISTINCT FROM purged
           AND pg_has_role(current_user, (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'USAGE') THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'documents is append-only' USING ERRCODE = 'restrict_violation';
END $$
"""


def _let_documents_end(function: str) -> None:
    op.execute("DROP TRIGGER documents_append_only ON documents")
    op.execute(
        "CREATE TRIGGER documents_append_only BEFORE UPDATE OR DELETE ON documents "
        f"FOR EACH ROW EXECUTE FUNCTION {function}()"
    )


def upgrade() -> None:
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    op.execute(_REFUSE_CHANGE.replace("{schema}", schema))
    _let_documents_end("refuse_change_of_document")
    op.add_column("learners", sa.Column("shows_name", sa.Boolean(), server_default=sa.text("true"), nullable=False))
    op.create_table(
        "learner_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("learner_id", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("destroyed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_learner_keys")),
        sa.UniqueConstraint("learner_id", "purpose", name=op.f("uq_learner_keys_learner_id_purpose")),
    )
    op.add_column("learners", sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("claims", sa.Column("purged_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "legal_holds",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("placed_by", sa.Text(), nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("lifted_by", sa.Text(), nullable=True),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lift_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_legal_holds")),
    )
    op.create_index("ix_legal_holds_subject", "legal_holds", ["subject"], postgresql_where=sa.text("lifted_at IS NULL"))


def downgrade() -> None:
    _let_documents_end("refuse_change")
    op.execute("DROP FUNCTION refuse_change_of_document()")
    op.drop_table("legal_holds")
    op.drop_column("claims", "purged_at")
    op.drop_column("learners", "erased_at")
    op.drop_table("learner_keys")
    op.drop_column("learners", "shows_name")
