"""Reading the audit trail in tests."""

from typing import Any

from sqlalchemy import Engine, text

from storage.sealing import open_entries


def entries_of(engine: Engine, stream: str) -> list[dict[str, Any]]:
    """The entries of a stream, in order; what is sealed in them stands beside the rest."""
    query = text("SELECT body FROM audit_events WHERE stream = :stream AND body IS NOT NULL ORDER BY seq")
    with engine.connect() as connection:
        entries = open_entries(connection, connection.execute(query, {"stream": stream}).scalars())
    return [{**entry, "reason": None, **(entry.get("private") or {})} for entry in entries]
