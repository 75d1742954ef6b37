"""Every change of a state column beside the entries of its transaction, as the database itself saw both."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection, Engine, RowMapping, text

from domain.replay import COLUMNS

# What a change looks like is told by triggers, which know nothing of Laurel's code.
_SEEN: Final = """
CREATE TABLE IF NOT EXISTS mirror (
    number bigint GENERATED ALWAYS AS IDENTITY, xid bigint, "table" text, claim_id text, before jsonb, after jsonb);
GRANT INSERT, SELECT ON mirror TO PUBLIC;
CREATE OR REPLACE FUNCTION mirror() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before jsonb := CASE WHEN TG_OP = 'INSERT' THEN '{}' ELSE to_jsonb(OLD) END;
    after jsonb := to_jsonb(NEW);
    claim text := CASE TG_TABLE_NAME WHEN 'claims' THEN after ->> 'id' WHEN 'awards' THEN after ->> 'claim_id'
                  ELSE (SELECT w.claim_id FROM awards w WHERE w.id = after ->> 'award_id') END;
BEGIN
    INSERT INTO mirror (xid, "table", claim_id, before, after)
    VALUES (pg_current_xact_id()::text::bigint, TG_TABLE_NAME, claim, before, after);
    RETURN NEW;
END $$;
"""
TABLES: Final = ("claims", "awards", "certificates")
_CHANGES: Final = text('SELECT xid, "table", before, after FROM mirror WHERE claim_id = :claim_id ORDER BY number')
_ENTRIES: Final = text(
    """
    SELECT xid, convert_from(body, 'UTF8')::jsonb AS entry FROM audit_events
     WHERE stream = 'claim\\:' || :claim_id ORDER BY seq
    """
)
# Which entries tell that an award, or a certificate, is in another state.
STATES: Final = {
    "awards": {"credit.awarded", "credit.corrected", "credit.revoked", "certificate.reissued", "award.merged"},
    "certificates": {
        "credit.awarded", "credit.corrected", "name.corrected", "certificate.reissued", "certificate.issued",
        "credit.revoked",
    },
}  # fmt: skip


@contextmanager
def mirrored(owner: Engine) -> Iterator[None]:
    """Watch the tables; triggers and what they saw are gone afterwards."""
    with owner.begin() as connection:
        connection.execute(text(_SEEN.replace(":=", r"\:=").replace("::", r"\:\:")))
        for table in TABLES:
            when = f"AFTER INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION mirror()"
            connection.execute(text(f"CREATE OR REPLACE TRIGGER mirror {when}"))
    try:
        yield
    finally:
        with owner.begin() as connection:
            for table in TABLES:
                connection.execute(text(f"DROP TRIGGER mirror ON {table}"))
            connection.execute(text("DROP TABLE mirror"))
            connection.execute(text("DROP FUNCTION mirror()"))


def assert_mirrored(engine: Engine, claim_ids: Collection[str]) -> None:
    """Each transaction's changes of the claims are what its entries say, and its entries say nothing else."""
    with engine.connect() as connection:
        for claim_id in claim_ids:
            _assert_claim(connection, {"claim_id": claim_id})


def _assert_claim(connection: Connection, of_claim: dict[str, str]) -> None:
    changes = connection.execute(_CHANGES, of_claim).mappings().all()
    entries = connection.execute(_ENTRIES, of_claim).mappings().all()
    assert changes, "the mirror saw nothing"
    for xid in {row["xid"] for row in (*changes, *entries)}:
        seen = [row for row in changes if row["xid"] == xid]
        told = [row["entry"] for row in entries if row["xid"] == xid]
        assert _columns_told(told) == _columns_changed([row for row in seen if row["table"] == "claims"]), of_claim
        for table, events in STATES.items():
            moved = [row for row in seen if row["table"] == table and _state(row["before"]) != _state(row["after"])]
            telling = [entry for entry in told if entry["event"] in events]
            # A correction ends one row and begins another, and that is one act.
            assert len(telling) <= len(moved) <= 2 * len(telling), (of_claim, table, told)


def _state(row: dict[str, Any]) -> Any:
    return row.get("state")


def _columns_changed(rows: Sequence[RowMapping]) -> set[str]:
    """The state columns that a transaction changed, in all."""
    if not rows:
        return set()
    before, after = rows[0]["before"], rows[-1]["after"]
    return {name for name in COLUMNS if before.get(name) != after.get(name)}


def _columns_told(entries: Sequence[dict[str, Any]]) -> set[str]:
    """The columns that the entries of a transaction say are otherwise at its end."""
    first: dict[str, Any] = {}
    last: dict[str, Any] = {}
    for entry in entries:
        before, after = entry.get("before", {}), entry.get("after", {})
        first = {**{name: before[name] for name in before if name in COLUMNS}, **first}
        last |= {name: after[name] for name in before if name in COLUMNS}
    return {name for name in first if first[name] != last[name]}
