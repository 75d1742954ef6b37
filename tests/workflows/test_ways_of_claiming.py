"""What the four ways of claiming add to a claim's life: rosters, statements, sessions, content, other certificates."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text

from domain.claims import Stage
from domain.identities import new_id
from domain.policy import (
    CertificateIssue,
    EvaluationTime,
    LearningFormat,
    Participation,
    ParticipationMethod,
    ParticipationOption,
)
from domain.refusals import RefusalCode
from domain.submissions import (
    ParticipationStated,
    ProgressReported,
    SessionClaimed,
    StatementChosen,
    StatementFinalized,
)
from tests.claims import KeptMail, TestClaim, example_policy
from tests.ways import (
    BADGE,
    FIRST,
    NO_DEADLINE,
    PARALLEL,
    SECOND,
    TYPE,
    accepted,
    at_sessions,
    claimed,
    content,
    credit,
    enrol,
    evaluation,
    meeting,
    watched,
)

NewClaim = Callable[..., TestClaim]
pytestmark = pytest.mark.usefixtures("workers")


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
    [proved] = [entry["after"] for entry in first.entries() if entry["event"] == "participation.accepted"]
    assert proved["roster_entry"].startswith("ent_")


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
