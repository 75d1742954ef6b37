"""Give certificates a life after they are issued: templates, images, credentials with a status, corrections.

Revises: 202611220100
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "202611220110"
down_revision = "202611220100"
branch_labels = None
depends_on = None


def _now(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False)


def upgrade() -> None:
    _create_what_certificates_are_made_with()
    op.create_table(
        "signing_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("algorithm", sa.Text(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        _now("created_at"),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signing_keys")),
        sa.UniqueConstraint("public_key", name=op.f("uq_signing_keys_public_key")),
    )
    op.create_index(op.f("ix_signing_keys_purpose_signing_keys_created_at"), "signing_keys", ["purpose", "created_at"])
    op.create_table(
        "status_lists",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("credential", sa.Text(), nullable=True),
        sa.Column("jwt", sa.Text(), nullable=True),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=True),
        _now("created_at"),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_status_lists")),
    )
    op.add_column("certificates", sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("certificates", sa.Column("superseded_by", sa.Text(), nullable=True))
    op.add_column("certificates", sa.Column("revocation_class", sa.Text(), nullable=True))
    op.create_foreign_key(
        op.f("fk_certificates_superseded_by_certificates"), "certificates", "certificates", ["superseded_by"], ["id"]
    )
    op.create_index(op.f("ix_certificates_sha256"), "certificates", ["sha256"])
    _index_what_ended()
    _create_corrections()
    _create_request_counts()
    op.create_table(
        "credentials",
        sa.Column("certificate_id", sa.Text(), nullable=False),
        sa.Column("status_list", sa.Integer(), nullable=False),
        sa.Column("status_index", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=True),
        sa.Column("jwt", sa.Text(), nullable=True),
        sa.Column("key_id", sa.Text(), nullable=True),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["certificate_id"], ["certificates.id"], name=op.f("fk_credentials_certificate_id_certificates")
        ),
        sa.ForeignKeyConstraint(["key_id"], ["signing_keys.id"], name=op.f("fk_credentials_key_id_signing_keys")),
        sa.ForeignKeyConstraint(["sha256"], ["documents.sha256"], name=op.f("fk_credentials_sha256_documents")),
        sa.ForeignKeyConstraint(
            ["status_list"], ["status_lists.number"], name=op.f("fk_credentials_status_list_status_lists")
        ),
        sa.PrimaryKeyConstraint("certificate_id", name=op.f("pk_credentials")),
        sa.UniqueConstraint("status_list", "status_index", name=op.f("uq_credentials_status_list_status_index")),
    )


def _index_what_ended() -> None:
    """Status lists are built from the few certificates and awards that count no more."""
    ended = {"certificates": "state IN ('superseded', 'revoked')", "awards": "state <> 'active'"}
    for table, condition in ended.items():
        op.create_index(f"ix_{table}_ended", table, ["id"], postgresql_where=sa.text(condition))


def _create_what_certificates_are_made_with() -> None:
    op.create_table(
        "certificate_templates",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("provider_slug", sa.Text(), nullable=True),
        sa.Column("credit_type", sa.Text(), nullable=True),
        sa.Column("source", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("sha256", sa.LargeBinary(), nullable=True),
        sa.Column("published_by", sa.Text(), nullable=False),
        _now("published_at"),
        sa.ForeignKeyConstraint(
            ["provider_slug"], ["providers.slug"], name=op.f("fk_certificate_templates_provider_slug_providers")
        ),
        sa.PrimaryKeyConstraint("name", "version", name=op.f("pk_certificate_templates")),
    )
    op.create_table(
        "images",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("uploaded_by", sa.Text(), nullable=False),
        _now("uploaded_at"),
        sa.ForeignKeyConstraint(["sha256"], ["documents.sha256"], name=op.f("fk_images_sha256_documents")),
        sa.PrimaryKeyConstraint("name", "version", name=op.f("pk_images")),
    )
    op.execute(
        "CREATE TRIGGER certificate_templates_append_only BEFORE UPDATE OR DELETE ON certificate_templates "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )


def _create_corrections() -> None:
    op.create_table(
        "corrections",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("claim_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attention", sa.Text(), nullable=True),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("reason_class", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=True),
        _now("requested_at"),
        sa.Column("is_approved", sa.Boolean(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decision_request_id", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.CheckConstraint(
            "decided_by IS NULL OR decided_by <> requested_by", name=op.f("ck_corrections_second_person")
        ),
        sa.ForeignKeyConstraint(["claim_id"], ["claims.id"], name=op.f("fk_corrections_claim_id_claims")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_corrections")),
    )
    op.create_index(
        op.f("ix_corrections_claim_id_corrections_requested_at"), "corrections", ["claim_id", "requested_at"]
    )
    op.create_index(
        "uq_corrections_unfinished",
        "corrections",
        ["claim_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('awaiting_approval', 'approved', 'applied')"),
    )


def _create_request_counts() -> None:
    op.create_table(
        "request_counts",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("client", sa.LargeBinary(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", "client", name=op.f("pk_request_counts")),
        prefixes=["UNLOGGED"],
    )
    op.create_index(op.f("ix_request_counts_began_at"), "request_counts", ["began_at"])


def downgrade() -> None:
    for table in ("certificates", "awards"):
        op.drop_index(f"ix_{table}_ended", table)
    op.drop_table("request_counts")
    op.drop_index(op.f("ix_certificates_sha256"), "certificates")
    op.drop_table("credentials")
    op.drop_table("corrections")
    op.drop_constraint(op.f("fk_certificates_superseded_by_certificates"), "certificates")
    for column in ("revocation_class", "superseded_by", "ended_at"):
        op.drop_column("certificates", column)
    for table in ("status_lists", "signing_keys", "images", "certificate_templates"):
        op.drop_table(table)
