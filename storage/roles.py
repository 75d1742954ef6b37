"""Who may do what in the database: processes work as members of ``laurel_app``, which owns no table.

Rights are granted anew after every migration, so that new tables have theirs and a restored database gets them back.
"""

from typing import Final

from sqlalchemy import Connection, text

from storage.tables import Base

APPLICATION_ROLE: Final = "laurel_app"

# What was written once is never changed, so nobody but the owner has the right to.
APPEND_ONLY: Final = ("audit_events", "audit_leaves", "ce_activity_versions", "certificate_templates", "documents")
_SIGNED_LATER: Final = "audit_checkpoints"

# A role belongs to the whole server, so that another database's migration may have made it, or may make it just now.
_CREATE: Final = text(
    f"""
    DO $$ BEGIN
        CREATE ROLE {APPLICATION_ROLE} NOLOGIN;
    EXCEPTION WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN NULL;
    END $$
    """
)
_EXISTS: Final = text("SELECT 1 FROM pg_roles WHERE rolname = :role")
# Of each table's owner, whether whoever is signed in has the rights; a superuser has those of everyone.
_OWNS: Final = text(
    "SELECT pg_has_role(current_user, relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass('audit_events')"
)


def grant_application(connection: Connection) -> bool:
    """Let members of ``laurel_app`` read and write the record, but not rewrite what is append-only.

    False when there is no such role and this account may not create it: an administrator creates it, and then the
    schema is upgraded once more.
    """
    connection.execute(_CREATE)
    if connection.execute(_EXISTS, {"role": APPLICATION_ROLE}).one_or_none() is None:
        return False
    tables = sorted(Base.metadata.tables)
    changing = [table for table in tables if table not in (*APPEND_ONLY, _SIGNED_LATER)]
    for right in (
        f"USAGE ON SCHEMA {connection.scalar(text('SELECT quote_ident(current_schema())'))}",
        f"SELECT, INSERT ON {', '.join(tables)}",
        f"UPDATE, DELETE ON {', '.join(changing)}",
        f"UPDATE (note, key_id, signed_at) ON {_SIGNED_LATER}",
        "SELECT ON alembic_version",
    ):
        connection.execute(text(f"GRANT {right} TO {APPLICATION_ROLE}"))
    return True


def owns_the_record(connection: Connection) -> bool:
    """Whether this account could change what is append-only, as the owner of the tables or a superuser can."""
    return bool(connection.scalar(_OWNS))
