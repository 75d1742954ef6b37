"""Take on the four ways of claiming: rosters, platforms' events, sessions, statements, merges, historical awards.

Revises: 202611211900
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "202611212140"
down_revision = "202611211900"
branch_labels = None
depends_on = None


def upgrade() -> None:  # noqa: PLR0915  # one statement for each change
    op.create_table(
        "employees",
        sa.Column("employee_id", sa.Text(), nullable=False),
        sa.Column("given_name", sa.Text(), nullable=True),
        sa.Column("family_name", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("loaded_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.PrimaryKeyConstraint("employee_id", name=op.f("pk_employees")),
    )
    op.create_table(
        "integrations",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("previous_secret", sa.Text(), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_integrations")),
    )
    op.create_table(
        "content_progress",
        sa.Column("learner_id", sa.Text(), nullable=False),
        sa.Column("ce_activity_id", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("intervals", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["ce_activity_id"], ["ce_activities.id"], name=op.f("fk_content_progress_ce_activity_id_ce_activities")
        ),
        sa.ForeignKeyConstraint(["learner_id"], ["learners.id"], name=op.f("fk_content_progress_learner_id_learners")),
        sa.PrimaryKeyConstraint("learner_id", "ce_activity_id", "content", name=op.f("pk_content_progress")),
    )
    op.create_table(
        "historical_awards",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("learner_id", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("credit_type", sa.Text(), nullable=False),
        sa.Column("units", sa.Numeric(precision=6, scale=2), nullable=False),
        sa.Column("completed_on", sa.Date(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("entered_by", sa.Text(), nullable=False),
        sa.Column(
            "entered_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("voided_by", sa.Text(), nullable=True),
        sa.Column("voided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("void_reason", sa.Text(), nullable=True),
        sa.CheckConstraint("units > 0 AND units <= 200 AND scale(units) <= 2", name=op.f("ck_historical_awards_units")),
        sa.ForeignKeyConstraint(["learner_id"], ["learners.id"], name=op.f("fk_historical_awards_learner_id_learners")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_historical_awards")),
    )
    op.create_index(
        op.f("ix_historical_awards_learner_id_historical_awards_completed_on"),
        "historical_awards",
        ["learner_id", "completed_on"],
        unique=False,
    )
    op.create_table(
        "integration_events",
        sa.Column("integration", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("learner_id", sa.Text(), nullable=True),
        sa.Column(
            "received_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["integration"], ["integrations.name"], name=op.f("fk_integration_events_integration_integrations")
        ),
        sa.ForeignKeyConstraint(
            ["learner_id"], ["learners.id"], name=op.f("fk_integration_events_learner_id_learners")
        ),
        sa.PrimaryKeyConstraint("integration", "id", name=op.f("pk_integration_events")),
    )
    op.create_index(
        op.f("ix_integration_events_state_integration_events_received_at"),
        "integration_events",
        ["state", "received_at"],
        unique=False,
    )
    op.create_table(
        "learner_merges",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("learner_id", sa.Text(), nullable=False),
        sa.Column("duplicate_id", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column(
            "requested_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("merged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.ForeignKeyConstraint(
            ["duplicate_id"], ["learners.id"], name=op.f("fk_learner_merges_duplicate_id_learners")
        ),
        sa.ForeignKeyConstraint(["learner_id"], ["learners.id"], name=op.f("fk_learner_merges_learner_id_learners")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_learner_merges")),
        sa.UniqueConstraint("duplicate_id", name=op.f("uq_learner_merges_duplicate_id")),
    )
    op.create_index(op.f("ix_learner_merges_learner_id"), "learner_merges", ["learner_id"], unique=False)
    op.create_index(
        "ix_learner_merges_unfinished",
        "learner_merges",
        ["requested_at"],
        unique=False,
        postgresql_where=sa.text("merged_at IS NULL"),
    )
    op.create_table(
        "rosters",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("ce_activity_id", sa.Text(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("reading", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("is_replacement", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("row_count", sa.Integer(), nullable=False),
        sa.Column("problem_count", sa.Integer(), nullable=False),
        sa.Column("applied_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("uploaded_by", sa.Text(), nullable=False),
        sa.Column(
            "uploaded_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("applied_by", sa.Text(), nullable=True),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["ce_activity_id"], ["ce_activities.id"], name=op.f("fk_rosters_ce_activity_id_ce_activities")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rosters")),
    )
    op.create_index(
        op.f("ix_rosters_ce_activity_id_rosters_uploaded_at"),
        "rosters",
        ["ce_activity_id", "uploaded_at"],
        unique=False,
    )
    op.create_table(
        "roster_entries",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("ce_activity_id", sa.Text(), nullable=False),
        sa.Column("roster_id", sa.Text(), nullable=False),
        sa.Column("is_group", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("given_name", sa.Text(), nullable=True),
        sa.Column("family_name", sa.Text(), nullable=True),
        sa.Column("claim_id", sa.Text(), nullable=True),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["ce_activity_id"], ["ce_activities.id"], name=op.f("fk_roster_entries_ce_activity_id_ce_activities")
        ),
        sa.ForeignKeyConstraint(["roster_id"], ["rosters.id"], name=op.f("fk_roster_entries_roster_id_rosters")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_roster_entries")),
    )
    op.create_index(
        "ix_roster_entries_claim_id",
        "roster_entries",
        ["claim_id"],
        unique=False,
        postgresql_where=sa.text("claim_id IS NOT NULL"),
    )
    op.create_table(
        "roster_lines",
        sa.Column("roster_id", sa.Text(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("values", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("problems", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["roster_id"], ["rosters.id"], name=op.f("fk_roster_lines_roster_id_rosters")),
        sa.PrimaryKeyConstraint("roster_id", "line", name=op.f("pk_roster_lines")),
    )
    op.create_table(
        "claim_sessions",
        sa.Column("claim_id", sa.Text(), nullable=False),
        sa.Column("session", sa.Text(), nullable=False),
        sa.Column("units", sa.Numeric(precision=6, scale=2), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("units > 0 AND units <= 200 AND scale(units) <= 2", name=op.f("ck_claim_sessions_units")),
        sa.ForeignKeyConstraint(["claim_id"], ["claims.id"], name=op.f("fk_claim_sessions_claim_id_claims")),
        sa.PrimaryKeyConstraint("claim_id", "session", name=op.f("pk_claim_sessions")),
    )
    op.create_table(
        "roster_keys",
        sa.Column("ce_activity_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("entry_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["ce_activity_id"], ["ce_activities.id"], name=op.f("fk_roster_keys_ce_activity_id_ce_activities")
        ),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["roster_entries.id"], name=op.f("fk_roster_keys_entry_id_roster_entries")
        ),
        sa.PrimaryKeyConstraint("ce_activity_id", "kind", "value", name=op.f("pk_roster_keys")),
    )
    op.create_index(op.f("ix_roster_keys_entry_id"), "roster_keys", ["entry_id"], unique=False)
    op.add_column("award_lines", sa.Column("session", sa.Text(), nullable=True))
    op.add_column("award_lines", sa.Column("held_on", sa.Date(), nullable=True))
    op.add_column("awards", sa.Column("number", sa.Integer(), server_default="1", nullable=False))
    op.drop_constraint(op.f("uq_awards_claim_id"), "awards", type_="unique")
    op.create_index("ix_awards_learner_id", "awards", ["learner_id", "completed_on"], unique=False)
    op.create_index(
        "uq_awards_active_claim", "awards", ["claim_id"], unique=True, postgresql_where=sa.text("state = 'active'")
    )
    op.create_unique_constraint(op.f("uq_awards_claim_id_number"), "awards", ["claim_id", "number"])
    op.add_column("ce_activities", sa.Column("activity_code", sa.Text(), nullable=True))
    op.create_index(
        "uq_ce_activities_activity_code",
        "ce_activities",
        ["provider_slug", "activity_code"],
        unique=True,
        postgresql_where=sa.text("activity_code IS NOT NULL"),
    )
    op.add_column("claims", sa.Column("participation_method", sa.Text(), nullable=True))
    op.add_column("claims", sa.Column("statement", sa.Text(), nullable=True))
    op.add_column("claims", sa.Column("disclosures_version", sa.Text(), nullable=True))
    op.add_column("claims", sa.Column("disclosures_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("claims", sa.Column("finalized_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("claims", sa.Column("reminded_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("claims", sa.Column("reminds_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("claims", sa.Column("extension_requested_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_claims_extension_requested_at",
        "claims",
        ["extension_requested_at"],
        unique=False,
        postgresql_where=sa.text("extension_requested_at IS NOT NULL"),
    )
    op.add_column("evaluations", sa.Column("session", sa.Text(), server_default="", nullable=False))
    op.create_index(
        op.f("ix_learner_identifiers_kind_learner_identifiers_value"),
        "learner_identifiers",
        ["kind", "value"],
        unique=False,
    )
    op.add_column(
        "learners", sa.Column("wants_reminders", sa.Boolean(), server_default=sa.text("true"), nullable=False)
    )
    op.add_column("learners", sa.Column("merged_into", sa.Text(), nullable=True))
    op.create_index(
        "ix_learners_merged_into",
        "learners",
        ["merged_into"],
        unique=False,
        postgresql_where=sa.text("merged_into IS NOT NULL"),
    )
    op.add_column("learners", sa.Column("name_key", sa.Text(), nullable=True))
    # Nearly what domain/people.py writes; a changed profile is written exactly.
    op.execute(
        r"""
        UPDATE learners
           SET name_key = btrim(regexp_replace(regexp_replace(
                   lower(normalize(given_name || ' ' || family_name, NFKD)), '[\u0300-\u036f]', '', 'g'),
                   '[^[:alnum:]]+', ' ', 'g'))
         WHERE given_name IS NOT NULL AND family_name IS NOT NULL
        """
    )
    op.create_index(op.f("ix_learners_name_key"), "learners", ["name_key"], unique=False)
    op.create_foreign_key(op.f("fk_learners_merged_into_learners"), "learners", "learners", ["merged_into"], ["id"])
    op.add_column("sign_in_links", sa.Column("asked_by", sa.Text(), nullable=True))
    op.add_column("outgoing_emails", sa.Column("claim_id", sa.Text(), nullable=True))
    op.drop_index("ix_outgoing_emails_queued", table_name="outgoing_emails")
    op.create_index(
        "ix_outgoing_emails_claim_id",
        "outgoing_emails",
        ["claim_id"],
        unique=False,
        postgresql_where=sa.text("claim_id IS NOT NULL"),
    )
    op.create_index(
        "ix_outgoing_emails_to_send",
        "outgoing_emails",
        [sa.literal_column("(purpose <> 'sign_in_link')"), "send_after"],
        unique=False,
        postgresql_where=sa.text("state IN ('queued', 'sending')"),
    )
    op.create_index(
        "ix_submissions_wrong_identifiers",
        "submissions",
        ["learner_id", "received_at"],
        unique=False,
        postgresql_where=sa.text("refusal IN ('identifier_not_found', 'identifier_taken')"),
    )
    # The session, empty for the whole activity, becomes part of the key; the release before writes no session.
    op.drop_constraint("pk_evaluations", "evaluations", type_="primary")
    op.create_primary_key("pk_evaluations", "evaluations", ["claim_id", "session"])
