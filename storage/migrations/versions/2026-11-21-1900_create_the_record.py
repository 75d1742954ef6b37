"""Create the record.

A migration must run while the previous release still serves: add first, remove one release later. Locks are waited for
five seconds only (``storage.migrate``).

Revises: nothing
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

# What was written once is never changed: not a published policy, not an entry of the audit trail, not a document.
_APPEND_ONLY = ("audit_events", "ce_activity_versions", "documents")

revision = "202611211900"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("deactivated_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
    )
    op.create_index("uq_accounts_email", "accounts", [sa.literal_column("lower(email)")], unique=True)
    op.create_table(
        "audit_events",
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("step_key", sa.Text(), nullable=False),
        sa.Column(
            "recorded_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("prev_hash", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("stream", "seq", name=op.f("pk_audit_events")),
        sa.UniqueConstraint("stream", "step_key", name=op.f("uq_audit_events_stream_step_key")),
    )
    op.create_table(
        "documents",
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("stored_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_documents")),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("submission_id", sa.Text(), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("principal", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(op.f("ix_idempotency_keys_created_at"), "idempotency_keys", ["created_at"], unique=False)
    op.create_table(
        "outgoing_emails",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "send_after", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outgoing_emails")),
        sa.UniqueConstraint("purpose", "subject_id", name=op.f("uq_outgoing_emails_purpose_subject_id")),
    )
    op.create_index(
        "ix_outgoing_emails_queued",
        "outgoing_emails",
        ["created_at"],
        unique=False,
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_table(
        "providers",
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("acronym", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("slug", name=op.f("pk_providers")),
    )
    op.create_table(
        "sign_in_links",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("token", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column(
            "requested_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("used_key", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in_links")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_sign_in_links_token_hash")),
    )
    op.create_index(op.f("ix_sign_in_links_requested_at"), "sign_in_links", ["requested_at"], unique=False)
    op.create_table(
        "ce_activities",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("provider_slug", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("version_id", sa.Text(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["provider_slug"], ["providers.slug"], name=op.f("fk_ce_activities_provider_slug_providers")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ce_activities")),
        sa.UniqueConstraint("slug", name=op.f("uq_ce_activities_slug")),
    )
    op.create_table(
        "learners",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=True),
        sa.Column("given_name", sa.Text(), nullable=True),
        sa.Column("family_name", sa.Text(), nullable=True),
        sa.Column("credentials", sa.Text(), nullable=True),
        sa.Column("profession", sa.Text(), nullable=True),
        sa.Column("time_zone", sa.Text(), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_learners_account_id_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_learners")),
        sa.UniqueConstraint("account_id", name=op.f("uq_learners_account_id")),
    )
    op.create_table(
        "login_sessions",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_login_sessions_account_id_accounts")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_login_sessions")),
    )
    op.create_index(op.f("ix_login_sessions_account_id"), "login_sessions", ["account_id"], unique=False)
    op.create_table(
        "ce_activity_versions",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("ce_activity_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("policy", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["ce_activity_id"], ["ce_activities.id"], name=op.f("fk_ce_activity_versions_ce_activity_id_ce_activities")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ce_activity_versions")),
        sa.UniqueConstraint("ce_activity_id", "number", name=op.f("uq_ce_activity_versions_ce_activity_id_number")),
    )
    op.create_table(
        "learner_identifiers",
        sa.Column("learner_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["learner_id"], ["learners.id"], name=op.f("fk_learner_identifiers_learner_id_learners")
        ),
        sa.PrimaryKeyConstraint("learner_id", "kind", name=op.f("pk_learner_identifiers")),
    )
    op.create_table(
        "submissions",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("claim_id", sa.Text(), nullable=False),
        sa.Column("learner_id", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column(
            "received_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column(
            "deliver_after",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp() + interval '2 seconds'"),
            nullable=False,
        ),
        sa.Column("deliveries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("refusal", sa.Text(), nullable=True),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.ForeignKeyConstraint(["learner_id"], ["learners.id"], name=op.f("fk_submissions_learner_id_learners")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_submissions")),
    )
    op.create_index(
        "ix_submissions_deliver_after",
        "submissions",
        ["deliver_after"],
        unique=False,
        postgresql_where=sa.text("decided_at IS NULL"),
    )
    op.create_index(
        "ix_submissions_undecided",
        "submissions",
        ["claim_id"],
        unique=False,
        postgresql_where=sa.text("decided_at IS NULL"),
    )
    op.create_table(
        "claims",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("learner_id", sa.Text(), nullable=False),
        sa.Column("ce_activity_id", sa.Text(), nullable=False),
        sa.Column("version_id", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("stage_since_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attention", sa.Text(), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("wakes_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("participation", sa.Text(), nullable=True),
        sa.Column("participation_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("evaluated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("credit_type", sa.Text(), nullable=True),
        sa.Column("claimed_units", sa.Numeric(precision=6, scale=2), nullable=True),
        sa.Column("attestation_version", sa.Text(), nullable=True),
        sa.Column("attested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("awarded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("notified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_as", sa.Text(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "claimed_units > 0 AND claimed_units <= 200 AND scale(claimed_units) <= 2",
            name=op.f("ck_claims_claimed_units"),
        ),
        sa.ForeignKeyConstraint(
            ["ce_activity_id"], ["ce_activities.id"], name=op.f("fk_claims_ce_activity_id_ce_activities")
        ),
        sa.ForeignKeyConstraint(["learner_id"], ["learners.id"], name=op.f("fk_claims_learner_id_learners")),
        sa.ForeignKeyConstraint(
            ["version_id"], ["ce_activity_versions.id"], name=op.f("fk_claims_version_id_ce_activity_versions")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_claims")),
        sa.UniqueConstraint("learner_id", "ce_activity_id", name=op.f("uq_claims_learner_id_ce_activity_id")),
    )
    op.create_index(
        "ix_claims_attention", "claims", ["attention"], unique=False, postgresql_where=sa.text("attention IS NOT NULL")
    )
    op.create_index(op.f("ix_claims_ce_activity_id_claims_stage"), "claims", ["ce_activity_id", "stage"], unique=False)
    op.create_index(
        "ix_claims_due_at", "claims", ["due_at"], unique=False, postgresql_where=sa.text("closed_at IS NULL")
    )
    op.create_index(
        "ix_claims_wakes_at", "claims", ["wakes_at"], unique=False, postgresql_where=sa.text("wakes_at IS NOT NULL")
    )
    op.create_table(
        "attempts",
        sa.Column("claim_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answers", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("correct", sa.Integer(), nullable=True),
        sa.Column("total", sa.Integer(), nullable=True),
        sa.Column("has_passed", sa.Boolean(), nullable=True),
        sa.Column("graded_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["claim_id"], ["claims.id"], name=op.f("fk_attempts_claim_id_claims")),
        sa.PrimaryKeyConstraint("claim_id", "number", name=op.f("pk_attempts")),
    )
    op.create_table(
        "awards",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("claim_id", sa.Text(), nullable=False),
        sa.Column("learner_id", sa.Text(), nullable=False),
        sa.Column("ce_activity_id", sa.Text(), nullable=False),
        sa.Column("version_id", sa.Text(), nullable=False),
        sa.Column("credit_type", sa.Text(), nullable=False),
        sa.Column("rule_version", sa.Text(), nullable=False),
        sa.Column("units", sa.Numeric(precision=6, scale=2), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("completed_on", sa.Date(), nullable=False),
        sa.Column("attestation_version", sa.Text(), nullable=False),
        sa.Column("attested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("awarded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("units > 0 AND units <= 200 AND scale(units) <= 2", name=op.f("ck_awards_units")),
        sa.ForeignKeyConstraint(
            ["ce_activity_id"], ["ce_activities.id"], name=op.f("fk_awards_ce_activity_id_ce_activities")
        ),
        sa.ForeignKeyConstraint(["claim_id"], ["claims.id"], name=op.f("fk_awards_claim_id_claims")),
        sa.ForeignKeyConstraint(["learner_id"], ["learners.id"], name=op.f("fk_awards_learner_id_learners")),
        sa.ForeignKeyConstraint(
            ["version_id"], ["ce_activity_versions.id"], name=op.f("fk_awards_version_id_ce_activity_versions")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_awards")),
        sa.UniqueConstraint("claim_id", name=op.f("uq_awards_claim_id")),
    )
    op.create_index(
        "uq_awards_active",
        "awards",
        ["learner_id", "ce_activity_id", "credit_type"],
        unique=True,
        postgresql_where=sa.text("state = 'active'"),
    )
    op.create_table(
        "evaluations",
        sa.Column("claim_id", sa.Text(), nullable=False),
        sa.Column("responses", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["claim_id"], ["claims.id"], name=op.f("fk_evaluations_claim_id_claims")),
        sa.PrimaryKeyConstraint("claim_id", name=op.f("pk_evaluations")),
    )
    op.create_table(
        "award_lines",
        sa.Column("award_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("units", sa.Numeric(precision=6, scale=2), nullable=False),
        sa.CheckConstraint("units > 0 AND units <= 200 AND scale(units) <= 2", name=op.f("ck_award_lines_units")),
        sa.ForeignKeyConstraint(["award_id"], ["awards.id"], name=op.f("fk_award_lines_award_id_awards")),
        sa.PrimaryKeyConstraint("award_id", "number", name=op.f("pk_award_lines")),
    )
    op.create_table(
        "certificates",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("award_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("verification_code", sa.Text(), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("template_version", sa.Text(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=True),
        sa.Column("reserved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["award_id"], ["awards.id"], name=op.f("fk_certificates_award_id_awards")),
        sa.ForeignKeyConstraint(["sha256"], ["documents.sha256"], name=op.f("fk_certificates_sha256_documents")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificates")),
        sa.UniqueConstraint("award_id", "version", name=op.f("uq_certificates_award_id_version")),
        sa.UniqueConstraint("verification_code", name=op.f("uq_certificates_verification_code")),
    )
    op.create_index(
        "uq_certificates_current",
        "certificates",
        ["award_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('reserved', 'issued')"),
    )
    op.execute(
        """
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
        END $$
        """
    )
    for table in _APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_never_emptied BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def downgrade() -> None:
    op.drop_index(
        "uq_certificates_current",
        table_name="certificates",
        postgresql_where=sa.text("state IN ('reserved', 'issued')"),
    )
    op.drop_table("certificates")
    op.drop_table("award_lines")
    op.drop_table("evaluations")
    op.drop_index("uq_awards_active", table_name="awards", postgresql_where=sa.text("state = 'active'"))
    op.drop_table("awards")
    op.drop_table("attempts")
    op.drop_index("ix_claims_wakes_at", table_name="claims", postgresql_where=sa.text("wakes_at IS NOT NULL"))
    op.drop_index("ix_claims_due_at", table_name="claims", postgresql_where=sa.text("closed_at IS NULL"))
    op.drop_index(op.f("ix_claims_ce_activity_id_claims_stage"), table_name="claims")
    op.drop_index("ix_claims_attention", table_name="claims", postgresql_where=sa.text("attention IS NOT NULL"))
    op.drop_table("claims")
    op.drop_index("ix_submissions_undecided", table_name="submissions", postgresql_where=sa.text("decided_at IS NULL"))
    op.drop_index(
        "ix_submissions_deliver_after", table_name="submissions", postgresql_where=sa.text("decided_at IS NULL")
    )
    op.drop_table("submissions")
    op.drop_table("learner_identifiers")
    op.drop_table("ce_activity_versions")
    op.drop_index(op.f("ix_login_sessions_account_id"), table_name="login_sessions")
    op.drop_table("login_sessions")
    op.drop_table("learners")
    op.drop_table("ce_activities")
    op.drop_index(op.f("ix_sign_in_links_requested_at"), table_name="sign_in_links")
    op.drop_table("sign_in_links")
    op.drop_table("providers")
    op.drop_index(
        "ix_outgoing_emails_queued", table_name="outgoing_emails", postgresql_where=sa.text("state = 'queued'")
    )
    op.drop_table("outgoing_emails")
    op.drop_index(op.f("ix_idempotency_keys_created_at"), table_name="idempotency_keys")
    op.drop_table("idempotency_keys")
    op.drop_table("documents")
    op.drop_table("audit_events")
    op.drop_index("uq_accounts_email", table_name="accounts")
    op.drop_table("accounts")
    op.execute("DROP FUNCTION refuse_change()")
