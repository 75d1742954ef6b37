"""Find entries of the audit trail by who did what, however many there are.

Revises: 202611220120
"""

from alembic import op

revision = "202611220400"
down_revision = "202611220120"
branch_labels = None
depends_on = None

# The trail is only what was hashed: these read it out of the bytes, for an index, and never fail, whatever is there.
# Members of canonical JSON are sorted: the actor is first, and what follows the event begins with one of three names.
_MEMBERS = {
    "audit_actor": r'^\{"actor":"(([^"\\]|\\[0-7]{3}|\\\\(\\\\|[^\\]))*)"',
    "audit_event": r'"event":"([^"\\]*)","(evidence|reason|recorded_at)":',
}


def upgrade() -> None:
    for name, pattern in _MEMBERS.items():
        op.execute(
            f"CREATE FUNCTION {name}(body bytea) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE "
            f"AS $$ SELECT pg_catalog.substring(pg_catalog.encode(body, 'escape'), '{pattern}') $$"
        )
        op.execute(f"CREATE INDEX ix_audit_events_{name.removeprefix('audit_')} ON audit_events ({name}(body))")


def downgrade() -> None:
    for name in _MEMBERS:
        op.execute(f"DROP INDEX ix_audit_events_{name.removeprefix('audit_')}")
        op.execute(f"DROP FUNCTION {name}(bytea)")
