"""An award is granted once, whole or not at all; and what was written once can't be changed."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, delete, insert, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from activities.contract import ClaimRef, ClaimStep
from domain.claims import Stage
from domain.identities import derived_id, new_id
from domain.refusals import RefusalCode
from storage.audit import claim_stream, first_break
from storage.tables import AwardRow, OutgoingEmailRow
from tests.activities.test_ledger_twice import brought_to, run_together, step
from tests.claims import TestClaim
from worker import Activities

NewClaim = Callable[..., TestClaim]
CREDIT = "ama_pra_category_1"


def award_of(claim: TestClaim, via: TestClaim, **changes: Any) -> dict[str, Any]:
    """An active award of this claim's credit that hangs on another claim, as a historical one does."""
    now = datetime.now(UTC)
    return {
        "id": new_id("awd"),
        "claim_id": via.claim_id,
        "learner_id": claim.learner_id,
        "ce_activity_id": claim.published.ce_activity_id,
        "version_id": claim.published.version_id,
        "credit_type": CREDIT,
        "rule_version": "1",
        "units": Decimal("0.50"),
        "state": "active",
        "completed_on": date(2026, 1, 31),
        "attestation_version": "1",
        "attested_at": now,
        "awarded_at": now,
    } | changes


def test_fifty_claims_of_one_credit_at_once_leave_one_award(
    new_claim: NewClaim, activities: Activities, engine: Engine
) -> None:
    claim = brought_to(new_claim(), activities, Stage.READY_TO_CLAIM)
    for _ in range(50):
        claim.receive(claim.credit())
    run_together(lambda: activities.claims.decide_submissions(step(claim)), times=10)
    with engine.connect() as connection:
        query = text(
            "SELECT coalesce(refusal, outcome), count(*) FROM submissions "
            "WHERE claim_id = :id AND kind = 'credit' GROUP BY 1"
        )
        outcomes = {row[0]: row[1] for row in connection.execute(query, {"id": claim.claim_id})}
    assert outcomes == {"accepted": 1, RefusalCode.ALREADY_CLAIMED: 49}
    assert claim.count("awards") == claim.count("certificates") == claim.count("outgoing_emails") == 1
    claim.assert_audited()


def test_fifty_decisions_at_once_grant_one_award(new_claim: NewClaim, activities: Activities) -> None:
    claim = brought_to(new_claim(), activities, Stage.READY_TO_CLAIM)
    claim.receive(claim.credit())
    states = run_together(lambda: activities.claims.decide_submissions(step(claim)), times=50)
    assert {state.stage for state in states} == {Stage.ISSUING}
    assert claim.events().count("credit.awarded") == 1
    assert claim.count("award_lines") == 1


def test_the_database_refuses_a_second_active_award_of_the_same_credit(
    new_claim: NewClaim, activities: Activities, engine: Engine
) -> None:
    claim = brought_to(new_claim(), activities, Stage.COMPLETED)
    other = brought_to(new_claim(), activities, Stage.READY_TO_CLAIM)
    with pytest.raises(IntegrityError, match="uq_awards_active"), engine.begin() as connection:
        connection.execute(insert(AwardRow).values(award_of(claim, via=other)))
    with engine.begin() as connection:
        connection.execute(insert(AwardRow).values(award_of(claim, via=other, state="revoked")))


def test_a_learner_who_holds_the_credit_already_is_refused_and_nothing_is_left_behind(
    new_claim: NewClaim, activities: Activities, engine: Engine
) -> None:
    claim = brought_to(new_claim(), activities, Stage.READY_TO_CLAIM)
    other = brought_to(new_claim(), activities, Stage.READY_TO_CLAIM)
    with engine.begin() as connection:
        connection.execute(insert(AwardRow).values(award_of(claim, via=other)))
    claim.receive(claim.credit())
    state = activities.claims.decide_submissions(step(claim))
    assert state.stage is Stage.READY_TO_CLAIM
    assert claim.entries()[-1]["after"]["refusal"] == RefusalCode.ALREADY_CLAIMED
    assert claim.row()["credit_type"] is None
    assert claim.awards() == []
    claim.assert_audited()


def test_an_award_whose_e_mail_cannot_be_reserved_is_not_granted_at_all(
    new_claim: NewClaim, activities: Activities, engine: Engine
) -> None:
    claim = brought_to(new_claim(), activities, Stage.READY_TO_CLAIM)
    before, events = claim.row(), claim.events()
    certificate_id = derived_id("crt", claim.claim_id, "1")
    blocking = {"id": new_id("eml"), "purpose": "award", "subject_id": certificate_id, "recipient": "x"}
    blocking["state"] = "reserved"
    with engine.begin() as connection:
        connection.execute(insert(OutgoingEmailRow).values(blocking))
    claim.receive(claim.credit())
    with pytest.raises(IntegrityError):
        activities.claims.decide_submissions(step(claim))
    assert claim.row() == before
    assert claim.events() == events
    tables = ("awards", "award_lines", "certificates", "outgoing_emails")
    assert [claim.count(table) for table in tables] == [0, 0, 0, 0]

    with engine.begin() as connection:
        connection.execute(delete(OutgoingEmailRow).where(OutgoingEmailRow.id == blocking["id"]))
    assert activities.claims.decide_submissions(step(claim)).stage is Stage.ISSUING
    assert [claim.count(table) for table in tables] == [1, 1, 1, 1]
    claim.assert_audited()


def test_an_award_names_its_rule_its_policy_and_the_local_date(
    new_claim: NewClaim, activities: Activities, engine: Engine
) -> None:
    claim = new_claim()
    # 03:00 UTC on the first of March is still the last of February in Chicago.
    claim.receive_steps(Stage.COMPLETED, datetime(2027, 3, 1, 2, 55, tzinfo=UTC))
    activities.claims.load_claim(ClaimStep(claim.claim_id, datetime.now(UTC)))
    [award] = claim.awards()
    assert award["completed_on"] == date(2027, 2, 28)
    assert award["version_id"] == claim.published.version_id
    [entry] = [entry for entry in claim.entries() if entry["event"] == "credit.awarded"]
    assert entry["after"]["rule_version"] == award["rule_version"]
    assert entry["after"]["units"] == "1.00"
    with engine.connect() as connection:
        query = text("SELECT sum(units) FROM award_lines WHERE award_id = :id")
        assert connection.execute(query, {"id": award["id"]}).scalar_one() == award["units"]


@pytest.mark.parametrize("table", ["audit_events", "ce_activity_versions", "documents"])
@pytest.mark.parametrize("change", ["UPDATE {table} SET {column} = {column}", "DELETE FROM {table}"])
def test_what_was_written_once_can_neither_be_changed_nor_deleted(
    new_claim: NewClaim, activities: Activities, owner_engine: Engine, table: str, change: str
) -> None:
    claim = brought_to(new_claim(), activities, Stage.COMPLETED)
    activities.certificates.issue_certificate(ClaimRef(claim.claim_id))
    column = {"audit_events": "body", "ce_activity_versions": "policy", "documents": "content"}[table]
    with pytest.raises(DBAPIError, match="is append-only"), owner_engine.begin() as connection:
        connection.execute(text(change.format(table=table, column=column)))


TAMPERING = {
    "another body": "SET body = replace(convert_from(body, 'UTF8'), 'in_person', 'recorded')::bytea",
    "another link": "SET prev_hash = hash",
    "another place": "SET seq = 100",
}


@pytest.mark.parametrize("change", TAMPERING)
def test_tampering_with_the_audit_trail_is_found(
    new_claim: NewClaim, activities: Activities, owner_engine: Engine, change: str
) -> None:
    claim = brought_to(new_claim(), activities, Stage.READY_TO_CLAIM)
    stream = claim_stream(claim.claim_id)
    assert break_after(
        owner_engine, f"UPDATE audit_events {TAMPERING[change]} WHERE seq = 2 AND stream = :stream", stream
    )
    assert break_after(owner_engine, "DELETE FROM audit_events WHERE seq = 2 AND stream = :stream", stream) == 3
    assert break_after(owner_engine, "SELECT :stream", stream) is None


def break_after(engine: Engine, tampering: str, stream: str) -> int | None:
    """Where the chain breaks after somebody who owns the tables did this; it is undone."""
    with engine.connect() as connection, connection.begin() as transaction:
        connection.execute(text("ALTER TABLE audit_events DISABLE TRIGGER ALL"))
        connection.execute(text(tampering), {"stream": stream})
        found = first_break(connection, stream)
        transaction.rollback()
        return found


def test_a_claim_that_was_expired_and_extended_has_a_trail_that_tells_it(
    new_claim: NewClaim, activities: Activities
) -> None:
    claim = brought_to(new_claim(), activities, Stage.AWAITING_TEST)
    due_at = claim.row()["due_at"]
    state = activities.claims.expire_claim(step(claim, due_at))
    assert state.stage is Stage.AWAITING_TEST, "the last microsecond is still in time"
    state = activities.claims.expire_claim(step(claim, due_at + timedelta(microseconds=1)))
    assert state.stage is Stage.EXPIRED
    assert claim.entries()[-1]["before"]["stage"] == "awaiting_test"
    claim.assert_audited()
