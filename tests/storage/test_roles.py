"""The account that processes use: it can do its work, can rewrite nothing append-only, and can become nobody else."""

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from storage.roles import APPEND_ONLY, APPLICATION_ROLE, grant_application, owns_the_record
from storage.tables import Base

RIGHTS = text(
    """
    SELECT t.name, array_agg(r.name ORDER BY r.name) FROM unnest(CAST(:tables AS text[])) AS t(name),
           unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER', 'REFERENCES']) AS r(name)
     WHERE has_table_privilege(current_user, t.name, r.name) GROUP BY 1
    """
)


def test_processes_may_read_and_write_every_table_but_not_rewrite_what_is_append_only(engine: Engine) -> None:
    with engine.connect() as connection:
        rights = {row[0]: row[1] for row in connection.execute(RIGHTS, {"tables": list(Base.metadata.tables)})}
    only_added_to = {*APPEND_ONLY, "audit_checkpoints"}
    for table in Base.metadata.tables:
        changing = [] if table in only_added_to else ["DELETE", "UPDATE"]
        assert sorted(rights[table]) == sorted(["INSERT", "SELECT", *changing]), table


@pytest.mark.parametrize(
    "attempt",
    [
        "UPDATE audit_events SET body = NULL",
        "UPDATE audit_checkpoints SET root = root",
        "DELETE FROM audit_checkpoints",
        "TRUNCATE audit_leaves",
        "ALTER TABLE audit_events DISABLE TRIGGER ALL",
        "ALTER TABLE audit_events RENAME TO audit_entries",
        "DROP TRIGGER audit_events_checked ON audit_events",
        "CREATE OR REPLACE FUNCTION check_audit_event() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "SET session_replication_role = replica",
        "SET ROLE laurel",
        "UPDATE alembic_version SET version_num = 'x'",
    ],
)
def test_what_a_process_may_not_do_the_database_refuses(engine: Engine, attempt: str) -> None:
    with pytest.raises(DBAPIError, match=r"permission denied|must be owner"), engine.begin() as connection:
        connection.execute(text(attempt))


def test_the_owner_owns_the_record_and_a_process_does_not(engine: Engine, owner_engine: Engine) -> None:
    with engine.connect() as process, owner_engine.connect() as owner:
        assert not owns_the_record(process)
        assert owns_the_record(owner)


def test_rights_are_granted_again_after_they_were_lost(owner_engine: Engine) -> None:
    with owner_engine.connect() as connection, connection.begin() as transaction:
        connection.execute(text(f"REVOKE ALL ON claims FROM {APPLICATION_ROLE}"))
        assert grant_application(connection)
        lost = connection.scalar(text(f"SELECT has_table_privilege('{APPLICATION_ROLE}', 'claims', 'UPDATE')"))
        transaction.rollback()
    assert lost is True
