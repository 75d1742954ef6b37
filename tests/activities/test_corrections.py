"""Each step of a correction, by the activities alone: what it leaves in the record, also when it runs twice."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, select, text

from activities.contract import ClaimRef, CorrectionAttention, CorrectionRef, CorrectionResolution, CorrectionStatus
from documents.wording import credit_word
from domain.claims import Attention, Stage
from domain.corrections import (
    Change,
    CorrectionState,
    CreditChange,
    NameChange,
    Reissue,
    Revocation,
    RevocationClass,
)
from domain.identities import new_id
from domain.policy import CertificateIssue
from domain.refusals import RefusalCode
from storage.audit import learner_stream
from storage.catalog import publish
from storage.definitions import Definition, DefinitionStatus
from storage.replay import replay_claim
from storage.sealing import keys_of, unseal
from storage.tables import AuditEventRow, LearnerRow
from tests.activities.test_ledger_twice import NewClaim, Run, brought_to, run_together
from tests.claims import KeptMail, TestClaim, example_policy
from tests.corrections import STAFF, asked, decided, row_of, versions_of
from worker import Activities

HALF = CreditChange(units=Decimal("0.50"))
RENAMED = NameChange(family_name="Moreau-Lind", credentials="MD, PhD")
IN_ERROR = Revocation(RevocationClass.ISSUED_IN_ERROR)


def completed(new_claim: NewClaim, activities: Activities, **changes: Any) -> TestClaim:
    """A claim with its certificate, whose learner was told."""
    claim = brought_to(new_claim(**changes), activities, Stage.COMPLETED)
    activities.certificates.issue_certificate(ClaimRef(claim.claim_id))
    activities.mail.send_award_email(ClaimRef(claim.claim_id))
    return claim


def applied(activities: Activities, claim: TestClaim, change: Change) -> CorrectionRef:
    ref = asked(claim, change)
    activities.corrections.load_correction(ref)
    activities.corrections.apply_correction(ref)
    return ref


def made(activities: Activities, claim: TestClaim, change: Change) -> CorrectionRef:
    """A correction that went all its way."""
    ref = applied(activities, claim, change)
    if not isinstance(change, Revocation):
        activities.certificates.issue_certificate(ClaimRef(claim.claim_id))
        activities.mail.send_award_email(ClaimRef(claim.claim_id))
    activities.corrections.complete_correction(ref)
    return ref


def bodies_of(engine: Engine, stream: str) -> str:
    """A stream's entries as they are stored."""
    query = select(AuditEventRow.body).where(AuditEventRow.stream == stream)
    with engine.connect() as connection:
        return "".join(body.decode() for body in connection.execute(query).scalars() if body)


def private_of(engine: Engine, stream: str) -> list[dict[str, Any]]:
    """What is sealed in a stream's entries."""
    query = select(AuditEventRow.body).where(AuditEventRow.stream == stream).order_by(AuditEventRow.seq)
    with engine.connect() as connection:
        bodies = [json.loads(body) for body in connection.execute(query).scalars() if body]
        sealed = [body["sealed"] for body in bodies if "sealed" in body]
        keys = keys_of(connection, {each["key"] for each in sealed})
    return [unseal(keys[each["key"]], each) for each in sealed]


def test_corrected_credit_is_a_new_award_with_a_new_version_of_the_certificate(
    new_claim: NewClaim, activities: Activities, engine: Engine
) -> None:
    claim = completed(new_claim, activities)
    ref = made(activities, claim, HALF)
    first, second = versions_of(claim)
    assert (first["state"], first["is_ended"], first["superseded_by"], first["is_stored"]) == (
        "superseded", True, 2, True,
    )  # fmt: skip
    assert (second["state"], second["is_stored"], second["email"]) == ("issued", True, "sent")
    assert (first["award_state"], first["units"]) == ("superseded", Decimal("1.00"))
    assert (second["award_state"], second["award"], second["units"]) == ("active", 2, Decimal("0.50"))
    assert second["data"]["credit"]["awarded_units"] == "0.50"
    same = ("completed_on", "ce_activity_title", "provider", "designation_statement")
    assert {name: first["data"][name] for name in same} == {name: second["data"][name] for name in same}
    row = row_of(engine, ref)
    assert (row["state"], row["outcome"]["certificate"], row["outcome"]["version"]) == ("completed", second["id"], 2)
    assert row["requested_at"] < row["applied_at"] < row["finished_at"]
    assert claim.row()["claimed_units"] == Decimal("0.50")
    assert claim.row()["stage"] == Stage.COMPLETED
    told = ["correction.requested", "credit.corrected", "certificate.issued", "email.sent", "correction.completed"]
    assert claim.events()[-5:] == told
    entry = next(each for each in claim.entries() if each["event"] == "credit.corrected")
    assert (entry["actor"], entry["before"]["claimed_units"], entry["after"]["units"]) == (STAFF, "1.00", "0.50")
    claim.assert_audited()


def test_a_corrected_name_is_on_the_certificate_in_the_profile_and_sealed_in_the_audit_trail(
    new_claim: NewClaim, activities: Activities, engine: Engine
) -> None:
    claim = completed(new_claim, activities)
    made(activities, claim, RENAMED)
    first, second = versions_of(claim)
    assert (first["data"]["learner_name"], second["data"]["learner_name"]) == ("Alice Moreau", "Alice Moreau-Lind")
    assert second["data"]["learner_credentials"] == "MD, PhD"
    assert (second["award"], second["award_state"], second["state"]) == (1, "active", "issued")
    with engine.connect() as connection:
        profile = connection.execute(select(*LearnerRow.__table__.columns).where(LearnerRow.id == claim.learner_id))
        person = profile.mappings().one()
    assert (person["given_name"], person["family_name"], person["credentials"]) == ("Alice", "Moreau-Lind", "MD, PhD")
    assert person["name_key"] is not None
    assert "moreaulind" in person["name_key"].replace(" ", "").replace("-", "")
    assert "Moreau" not in bodies_of(engine, f"claim:{claim.claim_id}")
    private = private_of(engine, f"claim:{claim.claim_id}")
    assert {"reason": "Told by telephone."} in private
    names = next(each for each in private if "before" in each)
    assert names["before"]["learner_name"] == "Alice Moreau"
    assert names["after"]["learner_name"] == "Alice Moreau-Lind"
    (profile_entry,) = private_of(engine, learner_stream(claim.learner_id))
    assert profile_entry["after"] == {"family_name": "Moreau-Lind", "credentials": "MD, PhD"}


def test_a_name_that_the_profile_has_already_is_printed_and_the_profile_left(
    new_claim: NewClaim, activities: Activities, engine: Engine
) -> None:
    claim = completed(new_claim, activities)
    claim.change_learner(family_name="Lind", credentials=None)
    made(activities, claim, NameChange(family_name="Lind"))
    data = versions_of(claim)[-1]["data"]
    assert (data["learner_name"], data["learner_credentials"]) == ("Alice Lind", "")
    assert private_of(engine, learner_stream(claim.learner_id)) == []


def test_a_reissued_certificate_says_what_is_true_today(new_claim: NewClaim, activities: Activities) -> None:
    claim = completed(new_claim, activities)
    today = example_policy(title="Managing Hypertension, Revised")
    with claim.engine.begin() as connection:
        publish(connection, Definition(claim.slug, DefinitionStatus.PUBLISHED, today), None)
    claim.change_learner(family_name="Moreau-Lind")
    made(activities, claim, Reissue())
    first, second = versions_of(claim)
    assert second["data"]["ce_activity_title"] == "Managing Hypertension, Revised"
    assert second["data"]["learner_name"] == "Alice Moreau-Lind"
    assert second["data"]["completed_on"] == first["data"]["completed_on"]
    assert (second["award"], second["state"]) == (1, "issued")
    made(activities, claim, NameChange(family_name="Lind"))
    third = versions_of(claim)[-1]
    assert third["data"] == second["data"] | {
        name: third["data"][name]
        for name in ("certificate_id", "version", "verification_code", "verification_url", "learner_name")
    }


def test_a_revoked_award_counts_no_more_and_keeps_its_bytes(
    new_claim: NewClaim, activities: Activities, engine: Engine
) -> None:
    claim = completed(new_claim, activities)
    ref = made(activities, claim, IN_ERROR)
    (only,) = versions_of(claim)
    assert (only["state"], only["award_state"], only["revocation_class"]) == ("revoked", "revoked", "issued_in_error")
    assert (only["is_stored"], only["is_ended"], only["superseded_by"]) == (True, True, None)
    assert row_of(engine, ref)["state"] == "completed"
    assert claim.events()[-2:] == ["correction.requested", "credit.revoked"]
    revoked = claim.entries()[-1]
    assert revoked["after"]["reason_class"] == "issued_in_error"
    states = ("award_state", "certificate_state")
    assert [revoked["before"][name] for name in states] == ["active", "issued"]
    assert [revoked["after"][name] for name in states] == ["revoked", "revoked"]
    assert claim.row()["stage"] == Stage.COMPLETED
    query = text("SELECT purpose, subject_id FROM outgoing_emails WHERE claim_id = :id AND purpose = 'award_revoked'")
    with engine.connect() as connection:
        (notice,) = connection.execute(query, {"id": claim.claim_id})
    assert notice.subject_id == f"{claim.claim_id}:{ref.correction_id}"


def test_a_revocation_in_error_is_taken_back_by_a_new_award(new_claim: NewClaim, activities: Activities) -> None:
    claim = completed(new_claim, activities)
    made(activities, claim, IN_ERROR)
    made(activities, claim, Reissue())
    first, second = versions_of(claim)
    assert (first["state"], first["award_state"], first["superseded_by"]) == ("revoked", "revoked", 2)
    assert (second["state"], second["award_state"], second["award"]) == ("issued", "active", 2)
    assert (second["units"], second["data"]["completed_on"]) == (first["units"], first["data"]["completed_on"])
    entry = next(each for each in claim.entries() if each["event"] == "certificate.reissued")
    assert entry["after"]["number"] == 2
    assert (entry["before"]["award_state"], entry["after"]["award_state"]) == ("revoked", "active")
    granted = next(each for each in claim.entries() if each["event"] == "credit.awarded")
    assert entry["rule"] == granted["rule"]
    claim.assert_audited()


def test_the_mail_after_a_revocation_was_taken_back_says_that_the_credit_counts_again(
    new_claim: NewClaim, activities: Activities, mail: KeptMail
) -> None:
    claim = completed(new_claim, activities)
    for change in (RENAMED, IN_ERROR, Reissue(), HALF):
        made(activities, claim, change)
    word = credit_word(claim.policy.provider.acronym)
    assert [message["Subject"].partition(word)[0::2] for message in mail.to(claim.email)] == [
        ("Your ", f" for {claim.policy.title}"),
        ("Your corrected ", f" for {claim.policy.title}"),
        ("Your ", f" counts again: {claim.policy.title}"),
        ("Your corrected ", f" for {claim.policy.title}"),
    ]


def test_credit_that_the_person_holds_meanwhile_is_not_granted_again(
    new_claim: NewClaim, activities: Activities, engine: Engine
) -> None:
    claim = completed(new_claim, activities)
    made(activities, claim, IN_ERROR)
    other = TestClaim(engine, claim.client, claim.policy, slug=claim.slug)
    brought_to(other, activities, Stage.COMPLETED)
    with engine.begin() as connection:
        moved = text("UPDATE awards SET learner_id = :kept WHERE claim_id = :claim")
        connection.execute(moved, {"kept": claim.learner_id, "claim": other.claim_id})
    ref = applied(activities, claim, Reissue())
    row = row_of(engine, ref)
    assert (row["state"], row["outcome"]["refusal"]) == ("refused", RefusalCode.ALREADY_CLAIMED)
    assert len(versions_of(claim)) == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (CreditChange(units=Decimal("99.00")), RefusalCode.CREDIT_MAXIMUM),
        (CreditChange(units=Decimal("0.60")), RefusalCode.CREDIT_INCREMENT),
        (CreditChange(units=Decimal("1.00")), RefusalCode.NOTHING_TO_CORRECT),
        (CreditChange(sessions={"keynote": Decimal("1.00")}), RefusalCode.SESSION_UNKNOWN),
        (NameChange(family_name="Moreau"), RefusalCode.NOTHING_TO_CORRECT),
    ],
)
def test_what_the_rules_forbid_is_refused_and_changes_nothing(
    new_claim: NewClaim, activities: Activities, engine: Engine, change: Change, code: RefusalCode
) -> None:
    claim = completed(new_claim, activities)
    before = claim.row(), versions_of(claim), claim.awards()
    ref = applied(activities, claim, change)
    row = row_of(engine, ref)
    assert (row["state"], row["outcome"]["refusal"]) == ("refused", code)
    assert row["finished_at"] is not None
    assert (claim.row(), versions_of(claim), claim.awards()) == before
    assert claim.events()[-2:] == ["correction.requested", "correction.refused"]


def test_a_learner_without_a_whole_name_cannot_be_named(
    new_claim: NewClaim, activities: Activities, engine: Engine
) -> None:
    claim = completed(new_claim, activities)
    claim.change_learner(given_name=None)
    ref = applied(activities, claim, NameChange(family_name="Lind"))
    assert row_of(engine, ref)["outcome"]["refusal"] == RefusalCode.PROFILE_INCOMPLETE


def test_nothing_is_corrected_before_there_is_an_award_or_after_it_was_revoked(
    new_claim: NewClaim, activities: Activities, engine: Engine
) -> None:
    early = brought_to(new_claim(), activities, Stage.READY_TO_CLAIM)
    revoked = completed(new_claim, activities)
    made(activities, revoked, IN_ERROR)
    for change in (HALF, RENAMED, IN_ERROR):
        assert row_of(engine, applied(activities, early, change))["outcome"]["refusal"] == RefusalCode.WRONG_STATE
        outcome = row_of(engine, applied(activities, revoked, change))["outcome"]
        assert outcome == {"refusal": RefusalCode.NO_ACTIVE_AWARD, "details": {"award": "revoked"}}


def test_a_claim_whose_certificate_cannot_be_made_is_freed_by_another_name(
    new_claim: NewClaim, activities: Activities
) -> None:
    claim = brought_to(new_claim(), activities, Stage.COMPLETED)
    assert claim.row()["stage"] == Stage.ISSUING
    made(activities, claim, RENAMED)
    first, second = versions_of(claim)
    assert (first["state"], first["is_stored"], first["email"]) == ("superseded", False, "dropped")
    assert (second["state"], second["email"]) == ("issued", "sent")
    assert claim.row()["stage"] == Stage.COMPLETED
    claim.assert_audited()


def test_a_certificate_of_another_system_is_corrected_without_one_of_ours(
    new_claim: NewClaim, activities: Activities
) -> None:
    elsewhere = CertificateIssue(issued="elsewhere", system="The Hub", url="https://hub.example/")
    claim = brought_to(new_claim(certificate=elsewhere), activities, Stage.COMPLETED)
    activities.mail.send_award_email(ClaimRef(claim.claim_id))
    ref = asked(claim, HALF)
    activities.corrections.load_correction(ref)
    assert activities.corrections.apply_correction(ref).is_issued_here is False
    activities.mail.send_award_email(ClaimRef(claim.claim_id))
    activities.corrections.complete_correction(ref)
    first, second = versions_of(claim)
    assert (first["state"], second["state"], second["email"]) == ("superseded", "elsewhere", "sent")
    made(activities, claim, IN_ERROR)
    assert [each["state"] for each in versions_of(claim)] == ["superseded", "elsewhere"]
    assert versions_of(claim)[-1]["award_state"] == "revoked"


def test_a_correction_of_a_claim_whose_learner_was_merged_is_for_the_person(
    new_claim: NewClaim, activities: Activities, engine: Engine
) -> None:
    claim, kept = completed(new_claim, activities), new_claim()
    kept.change_learner(given_name="Alicia", family_name="Kept")
    with engine.begin() as connection:
        both = {"kept": kept.learner_id, "gone": claim.learner_id}
        connection.execute(text("UPDATE learners SET merged_into = :kept WHERE id = :gone"), both)
        connection.execute(text("UPDATE awards SET learner_id = :kept WHERE learner_id = :gone"), both)
    made(activities, claim, HALF)
    newest = versions_of(claim)[-1]
    assert (newest["data"]["learner_name"], newest["award_state"]) == ("Alicia Kept", "active")
    assert {award["learner_id"] for award in claim.awards()} == {kept.learner_id}
    with engine.begin() as connection:
        connection.execute(text("UPDATE awards SET state = 'merged' WHERE claim_id = :id AND state = 'active'"),
                           {"id": claim.claim_id})  # fmt: skip
    outcome = row_of(engine, applied(activities, claim, RENAMED))["outcome"]
    assert outcome == {"refusal": RefusalCode.NO_ACTIVE_AWARD, "details": {"award": "merged"}}


def test_an_enduring_activity_keeps_its_day_of_completion_whenever_it_is_corrected(
    new_claim: NewClaim, activities: Activities, engine: Engine
) -> None:
    claim = completed(new_claim, activities)
    long_ago = date(2026, 2, 3)
    with engine.begin() as connection:
        query = text("UPDATE awards SET completed_on = :day, awarded_at = :at WHERE claim_id = :id")
        at = datetime(2026, 2, 3, 18, tzinfo=UTC)
        connection.execute(query, {"day": long_ago, "at": at, "id": claim.claim_id})
    made(activities, claim, HALF)
    assert claim.awards()[-1]["completed_on"] == long_ago
    assert versions_of(claim)[-1]["data"]["completed_on"] == "2026-02-03"


def test_a_correction_that_the_record_does_not_know_is_named_as_such(activities: Activities) -> None:
    with pytest.raises(Exception, match=r"^CorrectionNotInRecord: CorrectionNotInRecord$"):
        activities.corrections.load_correction(CorrectionRef(new_id("cor")))


def test_one_claim_has_one_unfinished_correction(new_claim: NewClaim, activities: Activities) -> None:
    claim = completed(new_claim, activities)
    asked(claim, HALF)
    with pytest.raises(Exception, match="uq_corrections_unfinished"):
        asked(claim, RENAMED)


def test_nobody_decides_about_what_they_asked_for(new_claim: NewClaim, activities: Activities, engine: Engine) -> None:
    claim = completed(new_claim, activities)
    ref = asked(claim, HALF, CorrectionState.AWAITING_APPROVAL)
    with pytest.raises(Exception, match="second_person"):
        decided(engine, ref, is_approved=True, by=STAFF)


def awaiting(claim: TestClaim, activities: Activities) -> CorrectionRef:
    ref = asked(claim, HALF, CorrectionState.AWAITING_APPROVAL)
    assert activities.corrections.load_correction(ref).state is CorrectionState.AWAITING_APPROVAL
    return ref


def test_until_a_second_person_agrees_nothing_is_changed(
    new_claim: NewClaim, activities: Activities, engine: Engine
) -> None:
    claim = completed(new_claim, activities)
    ref = awaiting(claim, activities)
    assert activities.corrections.apply_correction(ref).state is CorrectionState.AWAITING_APPROVAL
    assert len(versions_of(claim)) == 1
    decided(engine, ref, is_approved=True)
    assert activities.corrections.load_correction(ref).state is CorrectionState.APPROVED
    assert activities.corrections.apply_correction(ref).state is CorrectionState.APPLIED
    requested, approved, corrected = claim.entries()[-3:]
    assert [each["event"] for each in (requested, approved, corrected)] == [
        "correction.requested", "correction.approved", "credit.corrected",
    ]  # fmt: skip
    assert (requested["actor"], approved["actor"], corrected["actor"]) == (STAFF, "acc_second", STAFF)
    assert requested["after"]["needs_approval"] is True


def test_what_is_pointless_waits_for_no_second_person(
    new_claim: NewClaim, activities: Activities, engine: Engine
) -> None:
    claim = completed(new_claim, activities)
    ref = asked(claim, CreditChange(units=Decimal("1.00")), CorrectionState.AWAITING_APPROVAL)
    assert activities.corrections.load_correction(ref).state is CorrectionState.REFUSED


Scene = Callable[[TestClaim, Activities], Run]


def loading(claim: TestClaim, activities: Activities) -> Run:
    ref = asked(claim, HALF)
    return lambda: activities.corrections.load_correction(ref)


def refusing(claim: TestClaim, activities: Activities) -> Run:
    ref = asked(claim, CreditChange(units=Decimal("99.00")))
    return lambda: activities.corrections.load_correction(ref)


def hearing_yes(claim: TestClaim, activities: Activities) -> Run:
    ref = awaiting(claim, activities)
    decided(claim.engine, ref, is_approved=True)
    return lambda: activities.corrections.load_correction(ref)


def hearing_no(claim: TestClaim, activities: Activities) -> Run:
    ref = awaiting(claim, activities)
    decided(claim.engine, ref, is_approved=False)
    return lambda: activities.corrections.load_correction(ref)


def applying(change: Change, before: Change | None = None) -> Scene:
    def scene(claim: TestClaim, activities: Activities) -> Run:
        if before is not None:
            made(activities, claim, before)
        ref = asked(claim, change)
        activities.corrections.load_correction(ref)
        return lambda: activities.corrections.apply_correction(ref)

    return scene


def issuing(claim: TestClaim, activities: Activities) -> Run:
    applied(activities, claim, RENAMED)
    return lambda: activities.certificates.issue_certificate(ClaimRef(claim.claim_id))


def completing(claim: TestClaim, activities: Activities) -> Run:
    ref = applied(activities, claim, RENAMED)
    return lambda: activities.corrections.complete_correction(ref)


def parking(claim: TestClaim, activities: Activities) -> Run:
    ref = applied(activities, claim, RENAMED)
    change = CorrectionAttention(ref.correction_id, "run", 1, Attention.EMAIL_FAILED, "SMTPServerDisconnected")
    return lambda: activities.corrections.record_correction_attention(change)


def ending(claim: TestClaim, activities: Activities) -> Run:
    parking(claim, activities)()
    ref = claim.entries()[-1]["after"]["correction"]
    resolution = CorrectionResolution(ref, "j.doe", "Told by telephone.", "told_otherwise")
    return lambda: activities.corrections.resolve_correction(resolution)


SCENES: dict[str, Scene] = {
    "loading": loading,
    "refusing": refusing,
    "hearing_yes": hearing_yes,
    "hearing_no": hearing_no,
    "correcting_credit": applying(HALF),
    "correcting_a_name": applying(RENAMED),
    "reissuing": applying(Reissue()),
    "revoking": applying(IN_ERROR),
    "taking_a_revocation_back": applying(Reissue(), IN_ERROR),
    "issuing": issuing,
    "completing": completing,
    "parking": parking,
    "ending": ending,
}


def left_by(claim: TestClaim) -> tuple[Any, ...]:
    """What is in the record, apart from ids and times."""
    named = ("version", "state", "superseded_by", "revocation_class", "award", "award_state", "units", "email")
    versions = [[each[name] for name in named] for each in versions_of(claim)]
    with claim.engine.connect() as connection:
        query = text("SELECT state, attention FROM corrections WHERE claim_id = :id ORDER BY id")
        states = [tuple(row) for row in connection.execute(query, {"id": claim.claim_id})]
        query = text("SELECT count(*) FROM outgoing_emails WHERE claim_id = :id")
        mails = connection.execute(query, {"id": claim.claim_id}).scalar_one()
    return claim.events(), claim.row()["stage"], versions, states, mails


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
def test_a_step_of_a_correction_that_runs_twice_or_in_two_places_at_once_has_one_effect(
    new_claim: NewClaim, activities: Activities, scene: Scene
) -> None:
    once, twice, together = (completed(new_claim, activities) for _ in range(3))
    run_once = scene(once, activities)
    before = len(once.events())
    run_once()
    expected = left_by(once)
    assert len(once.events()) > before, "the scene does something"

    run_twice = scene(twice, activities)
    assert run_twice() == run_twice()
    assert left_by(twice) == expected

    run = scene(together, activities)
    assert len({str(status) for status in run_together(run)}) == 1
    assert left_by(together) == expected
    for claim in (once, twice, together):
        claim.assert_audited()
        with claim.engine.connect() as connection:
            assert replay_claim(connection, claim.claim_id).differences == ()


def test_an_operators_retry_is_entered_with_who_and_why(
    new_claim: NewClaim, activities: Activities, engine: Engine
) -> None:
    claim = completed(new_claim, activities)
    run = parking(claim, activities)
    parked: CorrectionStatus = run()
    assert parked.attention is Attention.EMAIL_FAILED
    ref = claim.entries()[-1]["after"]["correction"]
    on = CorrectionAttention(ref, "run", 2, None, operator="j.doe", reason="Mail server repaired.")
    assert activities.corrections.record_correction_attention(on).attention is None
    assert (claim.events()[-1], claim.entries()[-1]["actor"]) == ("correction.continued", "operator:j.doe")
    assert private_of(engine, f"claim:{claim.claim_id}")[-1] == {"reason": "Mail server repaired."}
    assert timedelta() < datetime.now(UTC) - row_of(engine, CorrectionRef(ref))["applied_at"]


def test_an_operators_end_of_a_correction_is_entered_with_who_and_why(
    new_claim: NewClaim, activities: Activities, engine: Engine
) -> None:
    claim = completed(new_claim, activities)
    ended: CorrectionStatus = ending(claim, activities)()
    assert (ended.state, ended.attention) == (CorrectionState.RESOLVED, None)
    entry = claim.entries()[-1]
    assert (entry["event"], entry["actor"]) == ("correction.resolved", "operator:j.doe")
    assert entry["after"]["reason_code"] == "told_otherwise"
    assert private_of(engine, f"claim:{claim.claim_id}")[-1] == {"reason": "Told by telephone."}
    assert versions_of(claim)[-1]["email"] == "dropped"


@pytest.mark.parametrize(("code", "recorded"), [(None, "other"), ("spite", "other"), ("not_wanted", "not_wanted")])
def test_a_code_that_is_not_known_is_another_reason(
    new_claim: NewClaim, activities: Activities, engine: Engine, code: str | None, recorded: str
) -> None:
    claim = completed(new_claim, activities)
    parking(claim, activities)()
    ref = claim.entries()[-1]["after"]["correction"]
    activities.corrections.resolve_correction(CorrectionResolution(ref, "j.doe", "Why.", code))
    assert row_of(engine, CorrectionRef(ref))["resolution_code"] == recorded


def test_what_is_not_parked_is_not_ended_and_nothing_without_who_and_why(
    new_claim: NewClaim, activities: Activities
) -> None:
    claim = completed(new_claim, activities)
    ref = applied(activities, claim, RENAMED)
    going_on = CorrectionResolution(ref.correction_id, "j.doe", "Why.")
    assert activities.corrections.resolve_correction(going_on).state is CorrectionState.APPLIED
    change = CorrectionAttention(ref.correction_id, "run", 1, Attention.EMAIL_FAILED, "SMTPServerDisconnected")
    activities.corrections.record_correction_attention(change)
    for operator, reason in (("", "Why."), ("j.doe", "\x00")):
        empty = CorrectionResolution(ref.correction_id, operator, reason)
        assert activities.corrections.resolve_correction(empty).state is CorrectionState.APPLIED
    assert "correction.resolved" not in claim.events()


def test_a_claim_that_is_not_complete_sends_its_e_mail_although_its_correction_was_ended(
    new_claim: NewClaim, activities: Activities
) -> None:
    claim = brought_to(new_claim(), activities, Stage.COMPLETED)
    ending(claim, activities)()
    assert versions_of(claim)[-1]["email"] == "reserved"
    activities.certificates.issue_certificate(ClaimRef(claim.claim_id))
    activities.mail.send_award_email(ClaimRef(claim.claim_id))
    assert claim.row()["stage"] == Stage.COMPLETED
    assert versions_of(claim)[-1]["email"] == "sent"
    claim.assert_audited()


@pytest.mark.parametrize("change", [NameChange(given_name="\U00013000"), NameChange(credentials="MD \U0001f600")])
def test_a_name_that_no_typeface_can_print_is_refused_before_anything_is_changed(
    new_claim: NewClaim, activities: Activities, engine: Engine, change: Change
) -> None:
    claim = completed(new_claim, activities)
    row = row_of(engine, applied(activities, claim, change))
    assert (row["state"], row["outcome"]["refusal"]) == ("refused", RefusalCode.NAME_NOT_PRINTABLE)
    characters = row["outcome"]["details"]["characters"]
    assert characters.startswith("U+1")
    # They are a part of the name, which an erasure must reach.
    refused = claim.entries()[-1]
    assert (refused["after"]["refusal"], refused["private"]) == (row["outcome"]["refusal"], {"characters": characters})
    assert characters not in str(refused["after"])
    assert [each["state"] for each in versions_of(claim)] == ["issued"]


def test_what_another_system_prints_is_not_judged_by_our_typefaces(new_claim: NewClaim, activities: Activities) -> None:
    elsewhere = CertificateIssue(issued="elsewhere", system="The Hub", url="https://hub.example/")
    claim = brought_to(new_claim(certificate=elsewhere), activities, Stage.COMPLETED)
    activities.mail.send_award_email(ClaimRef(claim.claim_id))
    ref = asked(claim, NameChange(given_name="\U00013000"))
    activities.corrections.load_correction(ref)
    assert activities.corrections.apply_correction(ref).state is CorrectionState.APPLIED
