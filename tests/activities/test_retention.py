"""What is too old is removed on somebody's authority, and nothing else is; the erased leave no trace in time."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from activities.contract import ClaimRef, CorrectionAttention, CorrectionResolution
from domain.claims import Attention, Stage
from domain.corrections import Reissue
from domain.identities import new_id
from domain.retention import Standing
from storage import claim_notes, erasure, legal_holds
from storage.acts import Actor
from storage.corrections import PurgedError
from storage.erasure import NotErasableError, UnknownLearnerError
from storage.legal_holds import UnknownSubjectError
from storage.replay import replay_claim
from storage.retention import Count, Order, purge
from tests.activities.test_ledger_twice import brought_to
from tests.audit import entries_of
from tests.claims import TestClaim
from tests.corrections import asked, row_of
from tests.ways import enrol
from worker import Activities

NewClaim = Callable[..., TestClaim]
LONG_AGO = datetime.fromisoformat("2009-05-01T12:00:00+00:00")
ARCHIVIST = Actor("cli:archivist")
# The longest retention that any credit type asks for is over by then, and no other test's claim is so old.
BEFORE = date(2018, 1, 1)


def order(before: date = BEFORE) -> Order:
    return Order(before=before, authority="records schedule 7", actor=ARCHIVIST)


def completed(new_claim: NewClaim, activities: Activities) -> TestClaim:
    claim = brought_to(new_claim(), activities, Stage.COMPLETED)
    activities.certificates.issue_certificate(ClaimRef(claim.claim_id))
    activities.mail.send_award_email(ClaimRef(claim.claim_id))
    assert claim.row()["stage"] == Stage.COMPLETED
    return claim


def aged(claim: TestClaim, owner: Engine) -> TestClaim:
    """As if all of it had happened long ago."""
    with owner.begin() as connection:
        for statement in (
            "UPDATE claims SET opened_at = :at, closed_at = :at WHERE id = :id",
            "UPDATE awards SET completed_on = CAST(:at AS timestamptz)::date WHERE claim_id = :id",
        ):
            connection.execute(text(statement.replace("::", r"\:\:")), {"at": LONG_AGO, "id": claim.claim_id})
    return claim


@pytest.fixture
def old_claim(new_claim: NewClaim, activities: Activities, owner_engine: Engine) -> TestClaim:
    return aged(completed(new_claim, activities), owner_engine)


def purged(owner: Engine, before: date = BEFORE) -> Count:
    return purge(owner, order(before), is_applied=True)


def one(engine: Engine, query: str, claim: TestClaim) -> Any:
    with engine.connect() as connection:
        values = {"id": claim.claim_id, "learner": claim.learner_id, "account": claim.account_id}
        return connection.execute(text(query), values).scalar_one()


SAID = """
    SELECT count(*) FROM submissions s LEFT JOIN attempts t ON t.claim_id = s.claim_id
      LEFT JOIN evaluations e ON e.claim_id = s.claim_id
     WHERE s.claim_id = :id AND (s.body <> '{}' OR t.answers IS NOT NULL OR e.responses <> '{}')
"""
HASHES = r"SELECT array_agg(hash ORDER BY seq) FROM audit_events WHERE stream = 'claim\:' || :id"
BODIES = r"SELECT count(body) FROM audit_events WHERE stream = 'claim\:' || :id"
CERTIFICATE = """
    SELECT json_build_array(c.state, c.data ->> 'learner_name', length(d.content), k.jwt,
                            c.data ->> 'ce_activity_title')
      FROM certificates c JOIN awards w ON w.id = c.award_id JOIN documents d ON d.sha256 = c.sha256
      JOIN credentials k ON k.certificate_id = c.id WHERE w.claim_id = :id
"""


def test_a_preview_counts_and_removes_nothing(old_claim: TestClaim, engine: Engine, owner_engine: Engine) -> None:
    said = one(engine, SAID, old_claim)
    count = purge(owner_engine, order(), is_applied=False)
    assert (count.claims[Standing.DUE] > 0, count.removed) == (True, {})
    assert one(engine, SAID, old_claim) == said > 0


def test_what_people_said_goes_and_what_was_granted_stays(
    old_claim: TestClaim, engine: Engine, owner_engine: Engine
) -> None:
    hashes, title = one(engine, HASHES, old_claim), old_claim.policy.title
    count = purged(owner_engine)
    assert count.claims[Standing.DUE] > 0
    assert {"submissions", "attempts", "evaluations", "documents", "audit_events"} <= count.removed.keys()
    assert one(engine, SAID, old_claim) == 0
    assert one(engine, CERTIFICATE, old_claim) == ["issued", "(removed)", 0, None, title]
    assert [(award["state"], award["units"]) for award in old_claim.awards()] == [("active", award_units(old_claim))]
    assert one(engine, HASHES, old_claim)[: len(hashes)] == hashes
    [entry] = entries_of(engine, f"claim:{old_claim.claim_id}")
    assert (entry["event"], entry["actor"], entry["rule"]) == ("retention.purged", "cli:archivist", "R-ACC-3 6 years")
    assert entry["after"]["authority"] == "records schedule 7"
    assert entry["after"]["removed"]["audit_events"] == len(hashes)


def test_what_staff_noted_goes_with_the_claim_and_nothing_is_noted_afterwards(
    old_claim: TestClaim, engine: Engine, owner_engine: Engine
) -> None:
    staff, notes = Actor(old_claim.account_id), "SELECT count(*) FROM claim_notes WHERE claim_id = :id"
    with engine.connect() as connection:
        before = replay_claim(connection, old_claim.claim_id)
    with engine.begin() as connection:
        claim_notes.write(connection, old_claim.claim_id, old_claim.learner_id, "Telephoned.", staff)
    with engine.connect() as connection:
        assert replay_claim(connection, old_claim.claim_id) == before
    assert one(engine, notes, old_claim) == 1
    purged(owner_engine)
    assert one(engine, notes, old_claim) == 0
    with pytest.raises(PurgedError), engine.begin() as connection:
        claim_notes.write(connection, old_claim.claim_id, old_claim.learner_id, "Late.", staff)


def test_why_staff_corrected_and_ended_it_goes_whatever_was_asked_for(
    old_claim: TestClaim, activities: Activities, engine: Engine, owner_engine: Engine
) -> None:
    ref = asked(old_claim, Reissue())
    activities.corrections.load_correction(ref)
    activities.corrections.apply_correction(ref)
    parked = CorrectionAttention(ref.correction_id, "run", 1, Attention.EMAIL_FAILED)
    activities.corrections.record_correction_attention(parked)
    activities.corrections.resolve_correction(CorrectionResolution(ref.correction_id, "j.doe", "Told by telephone."))
    aged(old_claim, owner_engine)
    with owner_engine.begin() as connection:
        connection.execute(text("UPDATE corrections SET finished_at = :at WHERE id = :id"),
                           {"at": LONG_AGO, "id": ref.correction_id})  # fmt: skip
    assert purged(owner_engine).removed["corrections"] >= 1
    row = row_of(engine, ref)
    assert (row["reason"], row["resolution"], row["resolved_by"]) == ("", None, "operator:j.doe")


def award_units(claim: TestClaim) -> Any:
    return claim.row()["claimed_units"]


def test_purging_again_changes_nothing(old_claim: TestClaim, engine: Engine, owner_engine: Engine) -> None:
    purged(owner_engine)
    hashes = one(engine, HASHES, old_claim)
    purged(owner_engine)
    assert one(engine, HASHES, old_claim) == hashes
    with engine.connect() as connection:
        assert not replay_claim(connection, old_claim.claim_id).is_whole


def test_nothing_younger_than_its_retention_goes_whatever_day_is_given(
    new_claim: NewClaim, activities: Activities, old_claim: TestClaim, engine: Engine, owner_engine: Engine
) -> None:
    young = completed(new_claim, activities)
    said = one(engine, SAID, old_claim)
    purged(owner_engine, date(2015, 5, 1))
    assert one(engine, SAID, old_claim) == said, "six years are over at the end of that day"
    purged(owner_engine, date(2015, 5, 2))
    assert (one(engine, SAID, old_claim), one(engine, SAID, young) > 0) == (0, True)
    with pytest.raises(ValueError, match="--before must not lie in the future"):
        purged(owner_engine, date(2999, 1, 1))


def test_an_open_claim_stays_however_old_it_is(
    new_claim: NewClaim, activities: Activities, engine: Engine, owner_engine: Engine
) -> None:
    claim = brought_to(new_claim(), activities, Stage.AWAITING_EVALUATION)
    with owner_engine.begin() as connection:
        old = {"at": LONG_AGO, "id": claim.claim_id}
        connection.execute(text("UPDATE claims SET opened_at = :at WHERE id = :id"), old)
    assert purged(owner_engine).claims[Standing.OPEN] > 0
    assert one(engine, SAID, claim) > 0


@pytest.mark.parametrize("name", ["claim_id", "learner_id", "slug"])
def test_what_is_held_stays_until_the_hold_is_released(
    old_claim: TestClaim, engine: Engine, owner_engine: Engine, name: str
) -> None:
    with engine.begin() as connection:
        hold = legal_holds.place(connection, getattr(old_claim, name), "A lawsuit.", ARCHIVIST)
    assert purged(owner_engine).claims[Standing.HELD] > 0
    assert one(engine, SAID, old_claim) > 0
    for _ in range(2):
        with engine.begin() as connection:
            released = legal_holds.release(connection, hold.id, "It was settled.", ARCHIVIST)
            assert hold.id not in [each.id for each in legal_holds.listed(connection)]
            assert hold.id in [each.id for each in legal_holds.listed(connection, with_lifted=True)]
    assert (released.lifted_by, released.lift_reason) == ("cli:archivist", "It was settled.")
    told = [entry for entry in entries_of(engine, hold.subject) if entry["event"].startswith("legal_hold.")]
    assert [(each["event"], each["reason"]) for each in told] == [
        ("legal_hold.placed", "A lawsuit."),
        ("legal_hold.released", "It was settled."),
    ]
    purged(owner_engine)
    assert one(engine, SAID, old_claim) == 0


def test_only_what_exists_is_held(engine: Engine) -> None:
    for name in ("clm_none", "lrn_none", "no-such-activity"):
        with engine.begin() as connection, pytest.raises(UnknownSubjectError):
            legal_holds.place(connection, name, "A lawsuit.", ARCHIVIST)


def test_the_role_that_processes_use_cannot_purge(old_claim: TestClaim, engine: Engine) -> None:
    with pytest.raises(DBAPIError):
        purged(engine)
    assert one(engine, SAID, old_claim) > 0


ROSTERED = """
    SELECT count(*) FROM roster_entries e JOIN roster_keys k ON k.entry_id = e.id
     WHERE e.ce_activity_id = (SELECT ce_activity_id FROM claims WHERE id = :id)
"""


@pytest.mark.parametrize("ends_on", [None, date(2009, 5, 1)])
def test_rosters_stay_as_long_as_the_ce_activity_is_young_or_a_claim_that_they_may_prove_is_kept(
    new_claim: NewClaim,
    activities: Activities,
    engine: Engine,
    owner_engine: Engine,
    ends_on: date | None,
) -> None:
    standing = Standing.DUE if ends_on else Standing.TOO_YOUNG
    days = {"starts_on": ends_on, "ends_on": ends_on} if ends_on else {}
    claim = aged(completed(lambda: new_claim(**days), activities), owner_engine)
    enrol(claim, {"badge_id": new_id("b")})
    with owner_engine.begin() as connection:
        old = {"at": LONG_AGO, "id": claim.published.ce_activity_id}
        connection.execute(text("UPDATE ce_activities SET created_at = :at WHERE id = :id"), old)
        hold = legal_holds.place(connection, claim.claim_id, "A lawsuit.", ARCHIVIST)
    assert purged(owner_engine).rosters[Standing.OPEN] == 1
    assert one(engine, ROSTERED, claim) == 1
    with owner_engine.begin() as connection:
        legal_holds.release(connection, hold.id, "It was settled.", ARCHIVIST)
    assert purged(owner_engine).rosters[standing] == 1
    assert one(engine, ROSTERED, claim) == (0 if standing is Standing.DUE else 1)
    with owner_engine.begin() as connection:
        connection.execute(text("UPDATE ce_activities SET created_at = clock_timestamp() WHERE id = :id"), old)


def erase(engine: Engine, claim: TestClaim) -> erasure.Erased:
    with engine.begin() as connection:
        return erasure.erase_contact(connection, claim.learner_id, "Asked by letter.", ARCHIVIST)


def add_identifiers(engine: Engine, claim: TestClaim) -> None:
    with engine.begin() as connection:
        for kind in ("npi", "nabp_eprofile_id"):
            values = {"learner": claim.learner_id, "kind": kind, "value": new_id("i")}
            connection.execute(text("INSERT INTO learner_identifiers VALUES (:learner, :kind, :value)"), values)


CONTACT = """
    SELECT json_build_array(a.email = l.account_id || '@erased.invalid', a.deactivated_at IS NOT NULL, l.time_zone,
                            l.wants_reminders, l.shows_name, l.given_name)
      FROM learners l JOIN accounts a ON a.id = l.account_id WHERE l.id = :learner
"""
MAILED = "SELECT count(*) FROM outgoing_emails WHERE claim_id = :id AND recipient <> ''"
IDENTIFIERS = "SELECT count(*) FROM learner_identifiers WHERE learner_id = :learner"
KEYS = "SELECT json_object_agg(purpose, key IS NOT NULL) FROM learner_keys WHERE learner_id = :learner"


def test_contact_data_goes_at_once_and_the_record_stays(
    new_claim: NewClaim, activities: Activities, engine: Engine
) -> None:
    claim = completed(new_claim, activities)
    add_identifiers(engine, claim)
    assert one(engine, MAILED, claim) == 1
    assert (erase(engine, claim).is_new, erase(engine, claim).is_new) == (True, False)
    assert one(engine, CONTACT, claim) == [True, True, None, False, False, "Alice"]
    assert (one(engine, MAILED, claim), one(engine, IDENTIFIERS, claim)) == (0, 0)
    assert one(engine, CERTIFICATE, claim)[1] == "Alice Moreau"
    [entry] = [
        each for each in entries_of(engine, f"learner:{claim.learner_id}") if each["event"].startswith("erasure")
    ]
    assert (entry["event"], entry["actor"], entry["reason"]) == ("erasure.contact", ARCHIVIST.id, "Asked by letter.")
    assert one(engine, KEYS, claim) == {"contact": False, "record": True}
    claim.assert_audited()


def test_the_record_of_the_erased_goes_with_its_retention(
    new_claim: NewClaim, activities: Activities, engine: Engine, owner_engine: Engine
) -> None:
    claim = completed(new_claim, activities)
    erase(engine, claim)
    aged(claim, owner_engine)
    purged(owner_engine)
    assert one(engine, CONTACT, claim)[-1] is None
    assert one(engine, KEYS, claim) == {"contact": False, "record": False}
    told = entries_of(engine, f"learner:{claim.learner_id}")
    assert [entry["event"] for entry in told] == ["erasure.contact", "erasure.record"]
    assert told[0]["reason"] is None, "nobody can read it any more"
    hashes = one(engine, HASHES.replace("claim", "learner").replace(":id", ":learner"), claim)
    purged(owner_engine)
    assert one(engine, HASHES.replace("claim", "learner").replace(":id", ":learner"), claim) == hashes


def test_somebody_without_any_record_is_erased_whole(new_claim: NewClaim, engine: Engine) -> None:
    claim = new_claim()
    add_identifiers(engine, claim)
    erased = erase(engine, claim)
    assert (erased.is_whole, one(engine, CONTACT, claim)[-1], one(engine, IDENTIFIERS, claim)) == (True, None, 0)


def test_no_identity_provider_leads_to_somebody_who_was_erased(new_claim: NewClaim, engine: Engine) -> None:
    claim = new_claim()
    link = (
        "INSERT INTO account_identities SELECT 'https://id.example', id, account_id FROM learners WHERE id = :learner"
    )
    with engine.begin() as connection:
        connection.execute(text(link), {"learner": claim.learner_id})
    linked = "SELECT count(*) FROM account_identities WHERE subject = :learner"
    assert one(engine, linked, claim) == 1
    erase(engine, claim)
    assert one(engine, linked, claim) == 0


def test_nobody_is_erased_with_an_open_claim_or_under_a_hold(
    new_claim: NewClaim, activities: Activities, engine: Engine
) -> None:
    claim = brought_to(new_claim(), activities, Stage.AWAITING_EVALUATION)
    with pytest.raises(NotErasableError, match="open_claim"):
        erase(engine, claim)
    with engine.begin() as connection:
        legal_holds.place(connection, claim.slug, "A lawsuit.", ARCHIVIST)
    with pytest.raises(NotErasableError, match="legal_hold"):
        erase(engine, claim)
    assert one(engine, CONTACT, claim)[1] is False
    with engine.begin() as connection, pytest.raises(UnknownLearnerError):
        erasure.erase_contact(connection, "lrn_none", "Asked by letter.", ARCHIVIST)
