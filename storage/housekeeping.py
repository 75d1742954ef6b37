"""What lives shortly and goes by itself: answers kept for repeated requests, links, sessions, addresses of old mail."""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, Engine, text

_AT_ONCE: Final = 5_000
# Several workers may want to tidy up; one of them is enough.
_ALONE: Final = text("SELECT pg_try_advisory_xact_lock(hashtext('laurel housekeeping'))")

# How long each is kept stands in ``storage.tables.privacy`` as well, where a test compares it with the page.
_STATEMENTS: Final[Mapping[str, str]] = {
    "idempotency_keys": """
        DELETE FROM idempotency_keys WHERE (principal, key) IN (
            SELECT principal, key FROM idempotency_keys
             WHERE created_at < clock_timestamp() - interval '30 days' LIMIT :limit)
    """,
    # What a bulk action did stands in the claims' own submissions and entries.
    "bulk_claims": """
        DELETE FROM bulk_claims WHERE (bulk_id, claim_id) IN (
            SELECT c.bulk_id, c.claim_id FROM bulk_claims c JOIN bulk_actions b ON b.id = c.bulk_id
             WHERE b.previewed_at < clock_timestamp() - interval '30 days' LIMIT :limit)
    """,
    "bulk_actions": """
        DELETE FROM bulk_actions WHERE id IN (
            SELECT b.id FROM bulk_actions b
             WHERE b.previewed_at < clock_timestamp() - interval '30 days'
               AND NOT EXISTS (SELECT 1 FROM bulk_claims c WHERE c.bulk_id = b.id) LIMIT :limit)
    """,
    "sign_in_links": """
        DELETE FROM sign_in_links WHERE id IN (
            SELECT id FROM sign_in_links WHERE requested_at < clock_timestamp() - interval '1 day' LIMIT :limit)
    """,
    "login_sessions": """
        DELETE FROM login_sessions WHERE token_hash IN (
            SELECT token_hash FROM login_sessions
             WHERE expires_at < clock_timestamp() OR revoked_at < clock_timestamp() LIMIT :limit)
    """,
    "transcript_links": """
        DELETE FROM transcript_links WHERE id IN (
            SELECT id FROM transcript_links
             WHERE least(expires_at, revoked_at) < clock_timestamp() - interval '1 month' LIMIT :limit)
    """,
    "drafts": """
        DELETE FROM drafts WHERE (claim_id, form) IN (
            SELECT claim_id, form FROM drafts
             WHERE saved_at < clock_timestamp() - interval '1 month' LIMIT :limit)
    """,
    # The row of an e-mail about a claim keeps it from being sent twice; without its address it says nothing of anybody.
    "outgoing_emails": """
        UPDATE outgoing_emails SET recipient = '' WHERE id IN (
            SELECT id FROM outgoing_emails
             WHERE recipient <> '' AND state IN ('sent', 'failed', 'dropped')
               AND created_at < clock_timestamp() - interval '1 year' LIMIT :limit)
    """,
}


def tidy_up(engine: Engine) -> dict[str, int]:
    """Remove what has lived long enough, some thousand rows at a time; answers how many rows of each table."""
    removed = dict.fromkeys(_STATEMENTS, 0)
    for table, statement in _STATEMENTS.items():
        while count := _remove_some(engine, statement):
            removed[table] += count
    return removed


def _remove_some(engine: Engine, statement: str) -> int:
    with engine.begin() as connection:
        return _remove_alone(connection, statement)


def _remove_alone(connection: Connection, statement: str) -> int:
    if not connection.execute(_ALONE).scalar_one():
        return 0
    return connection.execute(text(statement), {"limit": _AT_ONCE}).rowcount
