"""Seal the audit trail: entries checked as they arrive, leaves of the Merkle tree, checkpoints; bodies that may end.

Revises: 202611212140
"""

import sqlalchemy as sa
from alembic import op

revision = "202611220100"
down_revision = "202611212140"
branch_labels = None
depends_on = None

_HASHES = "octet_length(body_hash) = 32 AND octet_length(prev_hash) = 32 AND octet_length(hash) = 32"

# What the application computed is computed again, from the entry before as the table has it, and the entry says of
# itself which transaction of which cluster wrote it. The names are qualified, so that no search path leads elsewhere.
_CHECK_ENTRY = """
CREATE FUNCTION check_audit_event() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    head bytea;
BEGIN
    IF NEW.seq = 1 THEN
        head := decode(repeat('00', 32), 'hex');
    ELSE
        SELECT hash INTO head FROM {schema}.audit_events WHERE stream = NEW.stream AND seq = NEW.seq - 1;
    END IF;
    IF NEW.prev_hash IS DISTINCT FROM head
       OR NEW.body_hash IS DISTINCT FROM sha256(NEW.body)
       OR NEW.hash IS DISTINCT FROM sha256(
              '\\x6c617572656c2d61756469742f763100'::bytea || convert_to(NEW.stream, 'UTF8') || '\\x00'::bytea
              || int8send(NEW.seq) || head || NEW.body_hash)
    THEN
        RAISE EXCEPTION 'entry % of % does not follow from the one before', NEW.seq, NEW.stream
              USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    NEW.xid := pg_current_xact_id()::text::bigint;
    SELECT system_identifier INTO NEW.cluster FROM pg_control_system();
    RETURN NEW;
END $$
"""

# The one change that an entry may undergo is the end of its body, and only for the tables' owner: the purge.
_REFUSE_CHANGE = """
CREATE FUNCTION refuse_change_of_audit_event() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    purged {schema}.audit_events;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        purged := OLD;
        purged.body := NULL;
        IF NEW IS NOT DISTINCT FROM purged
           AND pg_has_role(current_user, (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'USAGE') THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'audit_events is append-only' USING ERRCODE = 'restrict_violation';
END $$
"""

# A checkpoint is stored first and signed afterwards, once.
_SIGN_ONCE = """
CREATE FUNCTION sign_checkpoint_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.note IS NULL AND NEW.note IS NOT NULL
       AND (NEW.tree_size, NEW.root, NEW.stored_at) = (OLD.tree_size, OLD.root, OLD.stored_at) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'audit_checkpoints is append-only' USING ERRCODE = 'restrict_violation';
END $$
"""


def upgrade() -> None:
    _seal_events()
    _create_tree()
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    for function in (_CHECK_ENTRY, _REFUSE_CHANGE, _SIGN_ONCE):
        op.execute(function.replace("{schema}", schema))
    op.execute("DROP TRIGGER audit_events_append_only ON audit_events")
    for table, event, function in (
        ("audit_events", "append_only BEFORE UPDATE OR DELETE", "refuse_change_of_audit_event"),
        ("audit_events", "checked BEFORE INSERT", "check_audit_event"),
        ("audit_leaves", "append_only BEFORE UPDATE OR DELETE", "refuse_change"),
        ("audit_checkpoints", "append_only BEFORE UPDATE OR DELETE", "sign_checkpoint_once"),
    ):
        name, _, when = event.partition(" ")
        op.execute(f"CREATE TRIGGER {table}_{name} {when} ON {table} FOR EACH ROW EXECUTE FUNCTION {function}()")
    for table in ("audit_leaves", "audit_checkpoints"):
        op.execute(
            f"CREATE TRIGGER {table}_never_emptied BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def _seal_events() -> None:
    op.add_column("audit_events", sa.Column("body_hash", sa.LargeBinary(), nullable=True))
    # What is older than this migration lies before every horizon.
    op.add_column("audit_events", sa.Column("xid", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("audit_events", sa.Column("cluster", sa.BigInteger(), nullable=True))
    op.alter_column("audit_events", "xid", server_default=None)
    op.alter_column("audit_events", "body", nullable=True)
    op.execute("ALTER TABLE audit_events DISABLE TRIGGER audit_events_append_only")
    op.execute(
        "UPDATE audit_events SET body_hash = sha256(body), "
        "cluster = (SELECT system_identifier FROM pg_control_system())"
    )
    op.execute("ALTER TABLE audit_events ENABLE TRIGGER audit_events_append_only")
    op.alter_column("audit_events", "body_hash", nullable=False)
    op.alter_column("audit_events", "cluster", nullable=False)
    op.create_check_constraint(op.f("ck_audit_events_hashes"), "audit_events", _HASHES)
    op.create_check_constraint(op.f("ck_audit_events_seq"), "audit_events", "seq > 0")
    op.create_index(op.f("ix_audit_events_xid"), "audit_events", ["xid"])
    op.create_index(op.f("ix_audit_events_recorded_at"), "audit_events", ["recorded_at"])


def _create_tree() -> None:
    op.create_table(
        "audit_leaves",
        sa.Column("leaf_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("leaf_index >= 0", name=op.f("ck_audit_leaves_leaf_index")),
        sa.CheckConstraint(
            "octet_length(hashes) >= 32 AND octet_length(hashes) % 32 = 0", name=op.f("ck_audit_leaves_hashes")
        ),
        sa.PrimaryKeyConstraint("leaf_index", name=op.f("pk_audit_leaves")),
        sa.UniqueConstraint("stream", "seq", name=op.f("uq_audit_leaves_stream_seq")),
    )
    op.create_table(
        "audit_checkpoints",
        sa.Column("tree_size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("stored_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("key_id", sa.Text(), nullable=True),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("octet_length(root) = 32 AND tree_size > 0", name=op.f("ck_audit_checkpoints_root")),
        sa.CheckConstraint(
            "(note IS NULL) = (key_id IS NULL) AND (note IS NULL) = (signed_at IS NULL)",
            name=op.f("ck_audit_checkpoints_signed"),
        ),
        sa.PrimaryKeyConstraint("tree_size", name=op.f("pk_audit_checkpoints")),
    )


def downgrade() -> None:
    op.drop_table("audit_checkpoints")
    op.drop_table("audit_leaves")
    op.drop_index(op.f("ix_audit_events_recorded_at"), table_name="audit_events")
    op.drop_index(op.f("ix_audit_events_xid"), table_name="audit_events")
    op.execute("DROP TRIGGER audit_events_checked ON audit_events")
    op.execute("DROP TRIGGER audit_events_append_only ON audit_events")
    op.execute(
        "CREATE TRIGGER audit_events_append_only BEFORE UPDATE OR DELETE ON audit_events "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    for function in ("check_audit_event", "refuse_change_of_audit_event", "sign_checkpoint_once"):
        op.execute(f"DROP FUNCTION {function}()")
    op.alter_column("audit_events", "body", nullable=False)
    for column in ("cluster", "xid", "body_hash"):
        op.drop_column("audit_events", column)
