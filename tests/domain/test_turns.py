"""Whose turn it is: what a claim takes in which stage, and why it refuses the rest for now."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from domain.claims import CLOSED_STAGES, Attempt, ClaimedCredit, ClaimFacts, Stage
from domain.deadlines import start_of_day
from domain.policy import CEActivityPolicy, ClaimWindow, Finalization
from domain.refusals import RefusalCode, Refused
from domain.submissions import (
    STAFF_KINDS,
    AnswersGiven,
    AttemptStarted,
    DeadlineExtended,
    DisclosuresAcknowledged,
    EvaluationCompleted,
    ExtensionRefused,
    ExtensionRequested,
    Opening,
    ParticipationStated,
    ProgressReported,
    StatementChosen,
    StatementFinalized,
    StepRetried,
    SubmissionBody,
    SubmissionKind,
    Withdrawal,
    kind_of,
)
from domain.turns import LEARNER_STEPS
from tests.domain.flows import (
    AT_MEETING,
    CONFERENCE_VIDEOS,
    DUE_AT,
    LATE,
    LEARNER,
    MEETING,
    NOW,
    PHARMACY_LECTURE,
    RECORDED_LECTURE,
    RESPONSES,
    VIDEOS,
    ZONE,
    accepted,
    credit_claimed,
    decided,
    refused,
    session_claimed,
)

A, B, C, D = PHARMACY_LECTURE, CONFERENCE_VIDEOS, RECORDED_LECTURE, MEETING
CREDIT = ClaimedCredit(credit_type="ama_pra_category_1", units=Decimal("1.00"))

BADGE = ParticipationStated("badge_id", "B-17")
STATEMENT = StatementChosen("participation")
ACKNOWLEDGED = DisclosuresAcknowledged("2026-1")
WATCHED = ProgressReported("opening")
ANSWERS = AnswersGiven(1, {"q1": "yes"})
EVALUATED = EvaluationCompleted(RESPONSES)
FINAL = StatementFinalized(is_confirmed=True)
OPENED = Opening("cea_1", "version_1")
STEPS: tuple[SubmissionBody, ...] = (
    BADGE,
    STATEMENT,
    ACKNOWLEDGED,
    WATCHED,
    AttemptStarted(),
    ANSWERS,
    EVALUATED,
    session_claimed("keynote"),
    credit_claimed(),
    FINAL,
)
ASKED = ExtensionRequested("illness")
EXTENDED = DeadlineExtended(date(2026, 9, 30), "illness")

# Facts of the meeting, one stage after the other.
CHOSEN = replace(LEARNER, statement="ama_pra_category_1")
PROVED = replace(CHOSEN, participation="badge_id")
SAVED = replace(AT_MEETING, sessions={"keynote": Decimal("1.00")}, evaluated_sessions=frozenset({"keynote"}))
CLAIMED = replace(SAVED, credit=CREDIT)
ISSUING = replace(CLAIMED, is_final=True, is_awarded=True)
COMPLETED = replace(ISSUING, is_notified=True)
# Facts of the recorded lecture.
RECORDED = replace(LEARNER, participation="recorded")
GRADING = replace(RECORDED, attempts=(Attempt(number=1, submitted_at=NOW),))
PASSED = replace(RECORDED, attempts=(Attempt(number=1, submitted_at=NOW, has_passed=True),))
DENIED = replace(
    RECORDED, attempts=tuple(Attempt(number=number, submitted_at=NOW, has_passed=False) for number in (1, 2))
)
IN_PERSON = replace(LEARNER, participation="in_person")


def test_there_is_an_example_of_every_step_of_a_learner() -> None:
    assert {kind_of(step) for step in STEPS} == LEARNER_STEPS
    others = {SubmissionKind.OPENING, SubmissionKind.WITHDRAWAL, SubmissionKind.EXTENSION_REQUEST}
    assert LEARNER_STEPS | STAFF_KINDS | others == set(SubmissionKind)


@pytest.mark.parametrize(
    ("policy", "facts", "step", "code"),
    [
        (D, LEARNER, BADGE, RefusalCode.STEP_LOCKED),
        (D, LEARNER, session_claimed("keynote"), RefusalCode.STEP_LOCKED),
        (D, CHOSEN, ACKNOWLEDGED, RefusalCode.STEP_LOCKED),
        (D, PROVED, credit_claimed(), RefusalCode.STEP_LOCKED),
        (D, PROVED, FINAL, RefusalCode.STEP_LOCKED),
        (D, PROVED, BADGE, RefusalCode.ALREADY_DONE),
        (D, AT_MEETING, ACKNOWLEDGED, RefusalCode.ALREADY_DONE),
        (D, AT_MEETING, FINAL, RefusalCode.CREDIT_MISSING),
        (D, ISSUING, FINAL, RefusalCode.FINALIZED),
        (D, ISSUING, STATEMENT, RefusalCode.FINALIZED),
        (D, COMPLETED, session_claimed("measles"), RefusalCode.FINALIZED),
        (D, COMPLETED, session_claimed("keynote", None), RefusalCode.FINALIZED),
        (D, COMPLETED, credit_claimed(), RefusalCode.FINALIZED),
        (D, COMPLETED, ACKNOWLEDGED, RefusalCode.WRONG_STATE),
        (D, ISSUING, ACKNOWLEDGED, RefusalCode.ALREADY_DONE),
        (C, LEARNER, EVALUATED, RefusalCode.STEP_LOCKED),
        (C, GRADING, EVALUATED, RefusalCode.STEP_LOCKED),
        (C, PASSED, AttemptStarted(), RefusalCode.ALREADY_DONE),
        (C, PASSED, ANSWERS, RefusalCode.ALREADY_DONE),
        (C, replace(PASSED, is_evaluated=True), EVALUATED, RefusalCode.ALREADY_DONE),
        (C, DENIED, AttemptStarted(), RefusalCode.ATTEMPTS_EXHAUSTED),
        (C, replace(DENIED, closed_as=Stage.DENIED), EVALUATED, RefusalCode.ATTEMPTS_EXHAUSTED),
        (C, replace(PASSED, closed_as=Stage.DENIED), EVALUATED, RefusalCode.WRONG_STATE),
        (A, replace(LEARNER, credit=CREDIT, is_awarded=True), credit_claimed(), RefusalCode.ALREADY_CLAIMED),
        (A, replace(LEARNER, closed_as=Stage.WITHDRAWN, credit=CREDIT), credit_claimed(), RefusalCode.WRONG_STATE),
        (B, LEARNER, EVALUATED, RefusalCode.STEP_LOCKED),
        (B, LEARNER, credit_claimed(), RefusalCode.STEP_LOCKED),
    ],
)
def test_a_step_out_of_turn_is_refused_with_its_reason(
    policy: CEActivityPolicy, facts: ClaimFacts, step: SubmissionBody, code: RefusalCode
) -> None:
    refusal = refused(policy, facts, step)
    assert refusal.code is code
    assert refusal.details["stage"]


@pytest.mark.parametrize(
    ("policy", "facts", "steps"),
    [
        (A, LEARNER, [STATEMENT, ACKNOWLEDGED, WATCHED, AttemptStarted(), ANSWERS, session_claimed("keynote"), FINAL]),
        (B, LEARNER, [BADGE, STATEMENT, ACKNOWLEDGED, AttemptStarted(), ANSWERS, session_claimed("keynote"), FINAL]),
        (C, IN_PERSON, [AttemptStarted(), ANSWERS, STATEMENT, WATCHED]),
        (D, AT_MEETING, [AttemptStarted(), ANSWERS, EVALUATED, WATCHED]),
    ],
)
def test_what_a_policy_does_not_ask_of_this_learner_is_no_step_of_their_claim(
    policy: CEActivityPolicy, facts: ClaimFacts, steps: list[SubmissionBody]
) -> None:
    for step in steps:
        refusal = refused(policy, facts, step)
        assert refusal.code is RefusalCode.STEP_NOT_REQUIRED
        assert refusal.details["stage"]


def test_a_step_that_only_some_learners_have_is_locked_until_it_is_known_how_this_one_took_part() -> None:
    assert refused(C, LEARNER, AttemptStarted()).code is RefusalCode.STEP_LOCKED
    assert refused(C, IN_PERSON, AttemptStarted()).code is RefusalCode.STEP_NOT_REQUIRED
    assert len(accepted(C, RECORDED, AttemptStarted()).attempts) == 1


def test_a_refused_evaluation_says_when_grading_ends() -> None:
    details = refused(C, GRADING, EVALUATED).details
    assert details == {"stage": "grading", "unlocks_at": (NOW + timedelta(seconds=30)).isoformat()}


def test_before_the_window_opens_everything_but_claiming_is_taken() -> None:
    opens_on = date(2026, 6, 25)
    later = replace(B, claim_window=ClaimWindow(opens_on=opens_on))
    earned = replace(LEARNER, content_seconds={"opening": 1200})
    accepted(later, earned, WATCHED)
    opens_at = start_of_day(opens_on, ZONE)
    for step in (EVALUATED, credit_claimed()):
        refusal = refused(later, earned, step)
        details = {"stage": "awaiting_window", "opens_at": opens_at.isoformat()}
        assert refusal == Refused(RefusalCode.WINDOW_NOT_OPEN, details)
        assert decided(later, replace(earned, is_evaluated=step is not EVALUATED), step, opens_at) != refusal


def test_a_statement_may_be_chosen_early_and_changed_until_it_is_claimed_for_good() -> None:
    asked_last = replace(D, requirements=(*D.requirements[1:3], *D.requirements[:1], *D.requirements[3:]))
    for facts in (LEARNER, PROVED, AT_MEETING, CLAIMED):
        assert accepted(asked_last, facts, STATEMENT).statement == "participation"
    assert refused(D, replace(CLAIMED, is_final=True), STATEMENT).code is RefusalCode.FINALIZED
    at_once = replace(D, requirements=D.requirements[:-1])
    assert refused(at_once, CLAIMED, STATEMENT).code is RefusalCode.ALREADY_CLAIMED


def test_without_finalisation_sessions_are_settled_with_the_credit() -> None:
    at_once = replace(D, requirements=D.requirements[:-1])
    assert refused(at_once, CLAIMED, session_claimed("measles")).code is RefusalCode.ALREADY_CLAIMED


@pytest.mark.parametrize("body", [*STEPS, OPENED, Withdrawal("mistake")])
def test_nothing_that_a_learner_sends_after_the_deadline_counts(body: SubmissionBody) -> None:
    policy = replace(D, requirements=(*B.requirements, *C.requirements[1:2], *D.requirements[:-2], Finalization()))
    expected = Refused(RefusalCode.DEADLINE_PASSED, {"due_at": DUE_AT.isoformat()})
    assert refused(policy, LEARNER, body, LATE) == expected
    assert refused(policy, replace(LEARNER, closed_as=Stage.EXPIRED), body, LATE) == expected


@pytest.mark.parametrize(
    ("policy", "facts", "step"),
    [
        (C, LEARNER, ParticipationStated("attestation", "recorded")),
        (D, LEARNER, STATEMENT),
        (D, PROVED, ACKNOWLEDGED),
        (B, LEARNER, WATCHED),
        (C, RECORDED, AttemptStarted()),
        (C, replace(RECORDED, attempts=(Attempt(number=1),)), ANSWERS),
        (C, PASSED, EVALUATED),
        (B, replace(LEARNER, content_seconds={"opening": 1200}), EVALUATED),
        (D, AT_MEETING, session_claimed("keynote")),
        (D, SAVED, credit_claimed()),
        (D, CLAIMED, FINAL),
        (D, CLAIMED, Withdrawal("mistake")),
    ],
)
def test_every_step_counts_at_the_deadline_even_when_the_claim_was_closed_meanwhile(
    policy: CEActivityPolicy, facts: ClaimFacts, step: SubmissionBody
) -> None:
    on_time = accepted(policy, facts, step, DUE_AT)
    expired = replace(facts, closed_as=Stage.EXPIRED)
    assert accepted(policy, expired, step, DUE_AT) == on_time
    assert refused(policy, expired, step, LATE).code is RefusalCode.DEADLINE_PASSED
    accepted(policy, replace(facts, due_at=None), step, LATE)


def test_an_expired_claim_takes_nothing_late_even_if_it_had_answers_in_grading() -> None:
    expired = replace(GRADING, closed_as=Stage.EXPIRED)
    assert refused(C, expired, Withdrawal("mistake"), LATE).code is RefusalCode.DEADLINE_PASSED
    assert accepted(C, expired, Withdrawal("mistake"), DUE_AT).closed_as is Stage.WITHDRAWN


def test_an_expired_claim_without_a_deadline_names_none() -> None:
    expired = replace(LEARNER, due_at=None, closed_as=Stage.EXPIRED)
    assert refused(A, expired, OPENED) == Refused(RefusalCode.DEADLINE_PASSED, {})


def test_a_claim_in_grading_is_not_late_because_its_answers_were_in_time() -> None:
    assert refused(C, GRADING, EVALUATED, LATE).code is RefusalCode.STEP_LOCKED
    assert accepted(C, GRADING, Withdrawal("mistake"), LATE).closed_as is Stage.WITHDRAWN


def test_progress_is_taken_as_long_as_the_claim_is_open() -> None:
    for facts in (LEARNER, replace(LEARNER, content_seconds={"opening": 1200}), replace(LEARNER, is_awarded=True)):
        assert accepted(B, facts, WATCHED) == facts
    completed = replace(LEARNER, is_awarded=True, is_notified=True)
    for closed in (completed, replace(LEARNER, closed_as=Stage.WITHDRAWN)):
        assert refused(B, closed, WATCHED).code is RefusalCode.WRONG_STATE
    assert refused(B, LEARNER, ProgressReported("closing")) == Refused(
        RefusalCode.OPTION_UNKNOWN, {"options": "opening,wounds"}
    )


def test_a_claim_may_be_opened_again_until_it_is_closed() -> None:
    for facts in (LEARNER, AT_MEETING, CLAIMED, ISSUING):
        assert accepted(D, facts, OPENED) == facts
    for closed in (COMPLETED, replace(LEARNER, closed_as=Stage.WITHDRAWN)):
        assert refused(D, closed, OPENED).code is RefusalCode.WRONG_STATE


def test_a_learner_may_withdraw_until_the_award() -> None:
    awarding = replace(CLAIMED, is_final=True)
    for facts in (LEARNER, AT_MEETING, CLAIMED, awarding):
        assert accepted(D, facts, Withdrawal("mistake")).closed_as is Stage.WITHDRAWN
    elsewhere = replace(LEARNER, credit=CREDIT, is_awarded=True)
    for policy, facts in ((D, ISSUING), (D, COMPLETED), (B, elsewhere), (D, replace(LEARNER, closed_as=Stage.DENIED))):
        assert refused(policy, facts, Withdrawal("mistake")).code is RefusalCode.WRONG_STATE


def test_a_learner_may_ask_for_more_time_while_the_claim_is_open_and_after_it_expired() -> None:
    for facts, at in (
        (LEARNER, NOW),
        (CLAIMED, NOW),
        (LEARNER, LATE),
        (replace(LEARNER, closed_as=Stage.EXPIRED), LATE),
    ):
        asked = accepted(D, facts, ASKED, at)
        assert asked == replace(facts, is_extension_requested=True)
        assert accepted(D, asked, ASKED, at) == asked


def test_nobody_asks_for_time_where_none_is_missing() -> None:
    for facts in (ISSUING, COMPLETED, replace(LEARNER, due_at=None), replace(LEARNER, closed_as=Stage.WITHDRAWN)):
        assert refused(D, facts, ASKED).code is RefusalCode.WRONG_STATE
    assert refused(C, DENIED, ASKED).code is RefusalCode.WRONG_STATE


def test_staff_refuse_only_what_was_asked_for() -> None:
    asked = replace(LEARNER, is_extension_requested=True)
    for facts in (asked, replace(asked, closed_as=Stage.EXPIRED)):
        answered = accepted(D, facts, ExtensionRefused("too_late"), LATE)
        assert answered == replace(facts, is_extension_requested=False)
        assert refused(D, answered, ExtensionRefused("too_late"), LATE).code is RefusalCode.WRONG_STATE


def test_staff_extend_what_waits_for_the_learner_or_expired() -> None:
    asked = replace(LEARNER, is_extension_requested=True)
    for facts in (asked, GRADING, CLAIMED, replace(asked, closed_as=Stage.EXPIRED)):
        extended = accepted(replace(D, requirements=(*C.requirements, *D.requirements)), facts, EXTENDED, LATE)
        assert extended.due_at is not None
        assert extended.due_at > DUE_AT
        assert (extended.closed_as, extended.is_extension_requested) == (None, False)
    for facts in (ISSUING, COMPLETED, replace(LEARNER, closed_as=Stage.WITHDRAWN)):
        assert refused(D, facts, EXTENDED).code is RefusalCode.WRONG_STATE


@pytest.mark.parametrize("stage", sorted(CLOSED_STAGES - {Stage.COMPLETED}))
def test_there_is_nothing_to_retry_in_a_closed_claim(stage: Stage) -> None:
    assert refused(D, replace(LEARNER, closed_as=stage), StepRetried("up")).code is RefusalCode.WRONG_STATE


def test_only_what_an_award_brings_about_is_tried_again() -> None:
    for facts in (LEARNER, CLAIMED):
        assert refused(D, facts, StepRetried("up")).code is RefusalCode.WRONG_STATE
    assert accepted(D, ISSUING, StepRetried("up")) == ISSUING


def test_content_for_other_learners_is_no_step_of_this_claim() -> None:
    mixed = replace(C, requirements=(C.requirements[0], replace(VIDEOS, formats=C.credit[1].formats)))
    assert refused(mixed, IN_PERSON, WATCHED).code is RefusalCode.STEP_NOT_REQUIRED
    assert accepted(mixed, RECORDED, WATCHED) == RECORDED


def test_only_the_disclosures_in_force_are_acknowledged() -> None:
    outdated = refused(D, PROVED, DisclosuresAcknowledged("2025-1"))
    assert outdated == Refused(RefusalCode.DISCLOSURES_OUTDATED, {"version": "2026-1"})
    assert accepted(D, PROVED, ACKNOWLEDGED).disclosures_version == "2026-1"
