"""What the four ways of claiming add to a claim's life: rosters, statements, sessions, content, other certificates."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import insert, text

from domain.claims import Stage
from domain.identities import new_id
from domain.policy import (
    CertificateIssue,
    ClaimWindow,
    Content,
    ContentItem,
    DisclosurePage,
    Disclosures,
    Evaluation,
    EvaluationTime,
    Finalization,
    LearningFormat,
    Participation,
    ParticipationMethod,
    ParticipationOption,
    Session,
    Statement,
)
from domain.refusals import RefusalCode
from domain.rosters import normalize_key
from domain.submissions import (
    CreditClaimed,
    CreditCorrected,
    DisclosuresAcknowledged,
    ParticipationStated,
    ProgressReported,
    SessionClaimed,
    StatementChosen,
    StatementFinalized,
)
from storage.tables import ContentProgressRow, RosterEntryRow, RosterKeyRow, RosterRow
from tests.claims import KeptMail, TestClaim, example_policy, responses_to

NewClaim = Callable[..., TestClaim]
pytestmark = pytest.mark.usefixtures("workers")

BADGE = "AB-1234"
TYPE = "ama_pra_category_1"
FIRST, SECOND, PARALLEL = "opening", "sepsis", "stewardship"
NO_DEADLINE = ClaimWindow()


def session(code: str, starts: int, ends: int) -> Session:
    """A session on the example's first day, in hours."""
    return Session(
        code=code,
        title=f"Session {code}",
        held_on=date(2026, 1, 15),
        starts_at=time(starts),
        ends_at=time(ends),
        maximum_units=Decimal(ends - starts),
    )


def evaluation(asked: EvaluationTime) -> Evaluation:
    kept = example_policy().evaluation
    assert kept is not None
    return Evaluation(asked=asked, questions=kept.questions)


def meeting(**changes: Any) -> dict[str, Any]:
    """The changes that make a meeting of the example: flow D."""
    requirements = (
        Statement(),
        Participation(methods=(ParticipationMethod.BADGE_ID,)),
        Disclosures(version="2026-1", pages=(DisclosurePage(title="Faculty", text="Nothing to disclose."),)),
        evaluation(EvaluationTime.PER_SESSION),
        Finalization(),
    )
    sessions = (session(FIRST, 8, 9), session(SECOND, 9, 10), session(PARALLEL, 9, 10))
    credit = tuple(
        offer if offer.credit_type != TYPE else _with_units(offer, Decimal("1.25")) for offer in example_policy().credit
    )
    return {
        "requirements": requirements,
        "sessions": sessions,
        "credit": credit,
        "claim_window": NO_DEADLINE,
    } | changes


def _with_units(offer: Any, units: Decimal) -> Any:
    return type(offer)(credit_type=TYPE, designated_units=units, designation_statement=offer.designation_statement)


def enrol(claim: TestClaim, keys: dict[str, str], *, is_group: bool = False) -> None:
    """Put somebody, or a group, on the roster of the claim's CE activity."""
    roster_id, entry_id = new_id("ros"), new_id("ent")
    ce_activity_id = claim.published.ce_activity_id
    with claim.engine.begin() as connection:
        connection.execute(
            insert(RosterRow).values(
                id=roster_id,
                ce_activity_id=ce_activity_id,
                file_name="roster.csv",
                sha256=b"",
                state="applied",
                row_count=1,
                problem_count=0,
                uploaded_by="acc_staff",
                reading={},
            )
        )
        entry = {"id": entry_id, "ce_activity_id": ce_activity_id, "roster_id": roster_id, "is_group": is_group}
        connection.execute(insert(RosterEntryRow).values(**entry))
        for kind, value in keys.items():
            key = {"ce_activity_id": ce_activity_id, "kind": kind, "value": normalize_key(kind, value)}
            connection.execute(insert(RosterKeyRow).values(**key, entry_id=entry_id))


def watched(claim: TestClaim, content: str, seconds: int) -> None:
    """Let a platform's progress be in the record."""
    with claim.engine.begin() as connection:
        connection.execute(
            insert(ContentProgressRow).values(
                learner_id=claim.learner_id,
                ce_activity_id=claim.published.ce_activity_id,
                content=content,
                intervals=[[0, seconds]],
                seconds=seconds,
            )
        )


async def accepted(claim: TestClaim, *bodies: Any) -> None:
    for body in bodies:
        result = await claim.submit(body)
        assert result["outcome"] == "accepted", result


def credit(units: str | None = None, credit_type: str = TYPE) -> CreditClaimed:
    version = {TYPE: "ama-2026-1"}[credit_type]
    return CreditClaimed(credit_type, Decimal(units) if units else None, version, is_attested=True)


def claimed(claim: TestClaim, code: str, units: str = "0.50") -> SessionClaimed:
    asked = claim.policy.session_evaluation
    assert asked is not None
    return SessionClaimed(code, Decimal(units), responses_to(asked))


async def at_sessions(claim: TestClaim) -> None:
    """Bring a meeting's claim to where sessions are claimed."""
    enrol(claim, {"badge_id": BADGE})
    await claim.open()
    await accepted(claim, StatementChosen(TYPE), ParticipationStated("badge_id", "ab 1234"))
    await accepted(claim, DisclosuresAcknowledged("2026-1"))
    await claim.reaches(Stage.READY_TO_CLAIM)


async def finalized(claim: TestClaim) -> None:
    await at_sessions(claim)
    await accepted(
        claim, claimed(claim, FIRST), claimed(claim, SECOND), credit(), StatementFinalized(is_confirmed=True)
    )
    await claim.reaches(Stage.COMPLETED)


async def test_a_meeting_is_claimed_by_sessions_and_awarded_when_the_statement_is_final(new_claim: NewClaim) -> None:
    claim = new_claim(**meeting())
    await at_sessions(claim)
    await accepted(claim, claimed(claim, FIRST), claimed(claim, SECOND), credit())
    await claim.reaches(Stage.AWAITING_FINALIZATION)
    assert claim.awards() == []
    await accepted(claim, StatementFinalized(is_confirmed=True))
    await claim.reaches(Stage.COMPLETED)
    (award,) = claim.awards()
    assert (award["units"], award["completed_on"]) == (Decimal("1.00"), date(2026, 1, 15))
    with claim.engine.connect() as connection:
        query = text("SELECT session, units FROM award_lines WHERE award_id = :id ORDER BY number")
        lines = connection.execute(query, {"id": award["id"]}).all()
    assert [tuple(line) for line in lines] == [(FIRST, Decimal("0.50")), (SECOND, Decimal("0.50"))]
    refused = await claim.submit(claimed(claim, SECOND))
    assert refused["refusal"] == RefusalCode.FINALIZED
    claim.assert_audited()


async def test_a_changed_session_asks_for_the_attestation_again(new_claim: NewClaim) -> None:
    claim = new_claim(**meeting())
    await at_sessions(claim)
    await accepted(claim, claimed(claim, FIRST), credit())
    await claim.reaches(Stage.AWAITING_FINALIZATION)
    await accepted(claim, claimed(claim, SECOND))
    row = await claim.reaches(Stage.READY_TO_CLAIM)
    assert (row["credit_type"], row["claimed_units"], row["attested_at"]) == (None, None, None)
    await accepted(claim, SessionClaimed(SECOND, None), credit())
    await claim.reaches(Stage.AWAITING_FINALIZATION)
    assert claim.row()["claimed_units"] == Decimal("0.50")


async def test_sessions_at_the_same_time_and_missing_evaluations_are_refused(new_claim: NewClaim) -> None:
    claim = new_claim(**meeting())
    await at_sessions(claim)
    await accepted(claim, SessionClaimed(SECOND, Decimal("1.00")))
    overlap = await claim.submit(claimed(claim, PARALLEL))
    assert (overlap["refusal"], overlap["details"]) == (RefusalCode.SESSIONS_OVERLAP, {"sessions": SECOND})
    missing = await claim.submit(credit())
    assert (missing["refusal"], missing["details"]) == (RefusalCode.EVALUATIONS_MISSING, {"sessions": SECOND})


async def test_a_correction_by_staff_supersedes_the_award_and_issues_a_new_certificate(
    new_claim: NewClaim, mail: KeptMail
) -> None:
    claim = new_claim(**meeting())
    await finalized(claim)
    await claim.handle.result()
    claim.change_learner(family_name="Moreau-Lind")
    correction = CreditCorrected("attended one session only", sessions={FIRST: Decimal("0.50")})
    assert (await claim.submit(correction, actor="acc_staff"))["outcome"] == "accepted"
    await claim.until(lambda: len(mail.to(claim.email)) == 2)
    await claim.reaches(Stage.COMPLETED)
    first, second = sorted(claim.awards(), key=lambda award: award["number"])
    assert (first["state"], first["units"]) == ("superseded", Decimal("1.00"))
    assert (second["state"], second["units"], second["number"]) == ("active", Decimal("0.50"), 2)
    with claim.engine.connect() as connection:
        query = text(
            "SELECT c.version, c.state, c.sha256 IS NOT NULL AS is_stored, c.data ->> 'learner_name' AS name "
            "FROM certificates c JOIN awards a ON a.id = c.award_id WHERE a.claim_id = :id ORDER BY c.version"
        )
        versions = connection.execute(query, {"id": claim.claim_id}).all()
    assert [tuple(version) for version in versions] == [
        (1, "superseded", True, "Alice Moreau"),
        (2, "issued", True, "Alice Moreau-Lind"),
    ]
    assert claim.row()["claimed_units"] == Decimal("0.50")
    claim.assert_audited()


async def test_a_badge_proves_one_claim_only(new_claim: NewClaim) -> None:
    first = new_claim(**meeting())
    await at_sessions(first)
    second = new_claim(**meeting())
    second.published = first.published
    second.claim_id = new_id("clm")
    second.slug = first.slug
    await second.open()
    await accepted(second, StatementChosen(TYPE))
    taken = await second.submit(ParticipationStated("badge_id", BADGE))
    assert taken["refusal"] == RefusalCode.IDENTIFIER_TAKEN


async def test_many_learners_share_a_group_id(new_claim: NewClaim) -> None:
    requirements = (Participation(methods=(ParticipationMethod.GROUP_ID,)),)
    claim = new_claim(requirements=requirements, claim_window=NO_DEADLINE)
    enrol(claim, {"group_id": "GRP-7"}, is_group=True)
    await claim.open()
    await accepted(claim, ParticipationStated("group_id", "grp7"), credit("1.00"))
    await claim.reaches(Stage.COMPLETED)
    claim.assert_awarded_once()


async def test_after_five_wrong_ids_in_an_hour_the_learner_must_wait(new_claim: NewClaim) -> None:
    claim = new_claim(**meeting())
    enrol(claim, {"badge_id": BADGE})
    await claim.open()
    await accepted(claim, StatementChosen(TYPE))
    now = datetime.now(UTC)
    for minute in range(5):
        wrong = await claim.submit(ParticipationStated("badge_id", f"WRONG-{minute}"), now + timedelta(minutes=minute))
        assert wrong["refusal"] == RefusalCode.IDENTIFIER_NOT_FOUND
    right = ParticipationStated("badge_id", BADGE)
    stopped = await claim.submit(right, now + timedelta(minutes=10))
    assert stopped["refusal"] == RefusalCode.TOO_MANY_TRIES
    assert (await claim.submit(right, now + timedelta(minutes=61)))["outcome"] == "accepted"


async def test_a_learner_on_the_roster_goes_on_by_themselves(new_claim: NewClaim) -> None:
    requirements = (Participation(methods=(ParticipationMethod.ROSTER,)),)
    claim = new_claim(requirements=requirements, claim_window=NO_DEADLINE)
    enrol(claim, {"email": claim.email.upper()})
    await claim.open()
    await claim.reaches(Stage.READY_TO_CLAIM)
    assert "participation.verified" in claim.events()
    claim.assert_audited()


async def test_a_learner_who_is_put_on_the_roster_later_goes_on_then(new_claim: NewClaim) -> None:
    requirements = (Participation(methods=(ParticipationMethod.ROSTER,)),)
    claim = new_claim(requirements=requirements, claim_window=NO_DEADLINE)
    await claim.open()
    assert (await claim.submit(ParticipationStated("roster")))["refusal"] == RefusalCode.IDENTIFIER_NOT_FOUND
    enrol(claim, {"email": claim.email})
    await accepted(claim, ParticipationStated("roster"))
    await claim.reaches(Stage.READY_TO_CLAIM)


def content(*, allows_partial: bool) -> Content:
    items = tuple(
        ContentItem(code=code, title=code, url="https://site.example/", minutes=30) for code in ("video", "live")
    )
    return Content(items=items, allows_partial=allows_partial)


async def test_progress_lets_a_claim_on_when_all_content_is_complete(new_claim: NewClaim) -> None:
    claim = new_claim(requirements=(content(allows_partial=False),), claim_window=NO_DEADLINE)
    await claim.open()
    await claim.reaches(Stage.AWAITING_CONTENT)
    watched(claim, "video", 1800)
    await accepted(claim, ProgressReported("video"))
    assert claim.row()["stage"] == Stage.AWAITING_CONTENT
    watched(claim, "live", 1800)
    await accepted(claim, ProgressReported("live"))
    await claim.reaches(Stage.READY_TO_CLAIM)


async def test_part_of_the_credit_is_claimed_up_to_what_progress_has_earned(new_claim: NewClaim) -> None:
    requirements = (content(allows_partial=True), evaluation(EvaluationTime.AT_CLAIM))
    claim = new_claim(
        requirements=requirements,
        claim_window=NO_DEADLINE,
        certificate=CertificateIssue(issued="elsewhere", system="The Hub", url="https://hub.example/"),
    )
    watched(claim, "video", 1500)
    await claim.open()
    await claim.reaches(Stage.READY_TO_CLAIM)
    unasked = await claim.submit(credit("0.50"))
    assert unasked["refusal"] == RefusalCode.EVALUATIONS_MISSING
    await accepted(claim, claim.evaluation())
    too_much = await claim.submit(credit("0.75"))
    assert (too_much["refusal"], too_much["details"]) == (RefusalCode.CREDIT_MAXIMUM, {"limit": "0.50"})
    await accepted(claim, credit("0.50"))
    await claim.reaches(Stage.COMPLETED)


async def test_a_certificate_that_another_system_issues_is_not_made_here_and_the_learner_is_told(
    new_claim: NewClaim, mail: KeptMail
) -> None:
    claim = new_claim(
        certificate=CertificateIssue(issued="elsewhere", system="The Hub", url="https://hub.example/certificates"),
        claim_window=NO_DEADLINE,
    )
    await claim.complete()
    assert claim.count("documents") == 0
    history = await claim.handle.fetch_history()
    names = [
        event.activity_task_scheduled_event_attributes.activity_type.name
        for event in history.events
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
    assert names == ["email.send"]
    (message,) = mail.to(claim.email)
    body = message.get_body(("plain",))
    assert body is not None
    assert "https://hub.example/certificates" in body.get_content()
    claim.assert_audited()


async def test_who_attended_live_needs_no_post_test_and_gets_a_certificate_for_the_live_format(
    new_claim: NewClaim,
) -> None:
    policy = example_policy()
    post_test = policy.post_test
    assert post_test is not None
    enduring = (LearningFormat.ENDURING_MATERIAL,)
    options = (
        ParticipationOption(code="in_person", label="In person", format=LearningFormat.LIVE_ACTIVITY),
        ParticipationOption(code="recorded", label="The recording", format=LearningFormat.ENDURING_MATERIAL),
    )
    test = type(post_test)(passing_percent=50, questions=post_test.questions, formats=enduring, grading_seconds=1)
    changes = {"requirements": (Participation(options=options), test), "claim_window": NO_DEADLINE}
    live, recorded = new_claim(**changes), new_claim(**changes)
    await live.open()
    await accepted(live, ParticipationStated("attestation", "in_person"), credit("1.00"))
    await live.reaches(Stage.COMPLETED)
    with live.engine.connect() as connection:
        query = text(
            "SELECT c.data ->> 'learning_format' FROM certificates c JOIN awards a ON a.id = c.award_id "
            "WHERE a.claim_id = :id"
        )
        assert connection.execute(query, {"id": live.claim_id}).scalar_one() == "live activity"
    await recorded.open()
    await accepted(recorded, ParticipationStated("attestation", "recorded"))
    await recorded.reaches(Stage.AWAITING_TEST)
