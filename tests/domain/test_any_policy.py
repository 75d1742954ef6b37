"""What holds for every policy that staff could publish, and for whatever is sent to a claim under it."""

from copy import copy
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import accumulate
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from domain import credit
from domain.claims import (
    CLOSED_STAGES,
    STAGES_UNDERWAY,
    ClaimedCredit,
    ClaimFacts,
    Stage,
    is_overdue,
    offer_of,
    stage_of,
)
from domain.deadlines import start_of_day
from domain.decisions import decide
from domain.participation import Evidence
from domain.policy import CEActivityPolicy, ClaimWindow, Profession, Session
from domain.policy_checks import problems_with
from domain.progress import Action, StepKind, StepState, WaitingFor
from domain.refusals import Accepted, RefusalCode, Refused
from domain.sessions import interval_of, overlapping, total_units
from domain.submissions import STAFF_KINDS, CreditClaimed, SessionClaimed, Submission, SubmissionKind
from tests.domain.played import PlayedClaim, claiming_day
from tests.domain.policies import BODIES, EVIDENCE, UNITS, policies

# What may be wrong with an amount, or with a type that was chosen before the learning format was known.
OF_AMOUNT = {
    RefusalCode.CREDIT_MAXIMUM,
    RefusalCode.CREDIT_MINIMUM,
    RefusalCode.CREDIT_INCREMENT,
    RefusalCode.CREDIT_WHOLE_ONLY,
    RefusalCode.SESSION_NOT_OVER,
    RefusalCode.NOT_ELIGIBLE,
}
# What changes the amount, or what it is for.
OF_CREDIT = {SubmissionKind.STATEMENT, SubmissionKind.SESSION, SubmissionKind.CREDIT}
# What staff do, and what learners ask of them, needs no deadline.
OF_OFFICE = STAFF_KINDS | {SubmissionKind.EXTENSION_REQUEST}
# The step that is the learner's turn in a stage, or finishes by itself.
STEP_OF_STAGE = {
    Stage.VERIFYING_PARTICIPATION: StepKind.PARTICIPATION,
    Stage.AWAITING_STATEMENT: StepKind.STATEMENT,
    Stage.AWAITING_DISCLOSURES: StepKind.DISCLOSURES,
    Stage.AWAITING_CONTENT: StepKind.CONTENT,
    Stage.AWAITING_TEST: StepKind.POST_TEST,
    Stage.GRADING: StepKind.POST_TEST,
    Stage.AWAITING_EVALUATION: StepKind.EVALUATION,
    Stage.AWAITING_WINDOW: StepKind.CLAIM_WINDOW,
    Stage.AWAITING_FINALIZATION: StepKind.FINALIZATION,
    Stage.AWARDING: StepKind.CERTIFICATE,
    Stage.ISSUING: StepKind.CERTIFICATE,
}


@st.composite
def claims(draw: st.DrawFn) -> tuple[PlayedClaim, datetime]:
    """A claim somewhere on its way, and a time at which it is there: mostly steps in their turn, some out of it."""
    policy = draw(policies())
    day = draw(st.sampled_from([policy.starts_on, claiming_day(policy), claiming_day(policy)]))
    at = start_of_day(day, policy.time_zone)
    claim = PlayedClaim.opened(policy, draw(st.sampled_from(Profession)), at)
    for choice in draw(st.lists(st.integers(0, 19), max_size=14)):
        at += draw(st.sampled_from([timedelta(), timedelta(seconds=30), timedelta(hours=7), timedelta(days=9)]))
        offered = [each for each in claim.progress(at).next_actions if each is not Action.WITHDRAW]
        if offered and choice > 1:
            claim.do(offered[choice % len(offered)], at)
        else:
            claim.send(draw(BODIES), at, draw(EVIDENCE))
    claim.grade_if_due(at)
    if draw(st.booleans()):
        claim.expire_if_overdue(at)
    if claim.facts.is_awarded:
        claim.facts = replace(claim.facts, is_notified=draw(st.booleans()))
    return claim, at


@st.composite
def received(draw: st.DrawFn) -> tuple[PlayedClaim, Submission, Evidence]:
    """A claim, and something that is received at that time or later: anything, or what is right but for its amount."""
    claim, at = draw(claims())
    at += draw(st.sampled_from([timedelta(), timedelta(), timedelta(hours=1), timedelta(days=30), timedelta(days=90)]))
    claim.grade_if_due(at)
    body = draw(BODIES)
    if draw(st.booleans()):
        body = claim.right_body(draw(st.sampled_from(Action))) or body
        body = replace(body, units=draw(UNITS)) if isinstance(body, SessionClaimed | CreditClaimed) else body
    return claim, Submission("sub_2", at, body), draw(EVIDENCE)


Received = tuple[PlayedClaim, Submission, Evidence]


@given(policy=policies())
def test_every_random_policy_could_be_published(policy: CEActivityPolicy) -> None:
    assert problems_with(policy) == ()


@given(received=received())
def test_whatever_is_received_is_decided_and_what_counted_goes_on_counting(received: Received) -> None:
    claim, submission, evidence = received
    before, decision = claim.facts, decide(claim.policy, claim.facts, submission, evidence)
    if isinstance(decision, Refused):
        assert decision.code in set(RefusalCode)
        assert all(isinstance(value, str) for value in decision.details.values())
        return
    after, kind = decision.facts, submission.kind
    assert before.participation in (None, after.participation)
    assert before.disclosures_version in (None, after.disclosures_version)
    assert [a.has_passed for a in before.attempts] == [a.has_passed for a in after.attempts][: len(before.attempts)]
    assert after.is_evaluated >= before.is_evaluated
    assert after.evaluated_sessions >= before.evaluated_sessions
    assert after.is_final >= before.is_final
    assert after.is_awarded == before.is_awarded
    assert (after.profession, after.identifiers) == (before.profession, before.identifiers)
    assert after.content_seconds == before.content_seconds
    assert before.due_at is None or (after.due_at is not None and after.due_at >= before.due_at)
    if kind not in OF_CREDIT:
        assert (after.statement, after.sessions, after.credit) == (before.statement, before.sessions, before.credit)
    assert after.is_notified == before.is_notified


@given(received=received())
def test_what_was_accepted_and_comes_again_is_refused_or_changes_nothing(received: Received) -> None:
    claim, submission, evidence = received
    first = decide(claim.policy, claim.facts, submission, evidence)
    if isinstance(first, Accepted):
        again = decide(claim.policy, first.facts, submission, evidence)
        assert isinstance(again, Refused) or again.facts == first.facts


@given(received=received())
def test_a_closed_claim_takes_only_what_reopens_it_or_asks_for_that(received: Received) -> None:
    claim, submission, evidence = received
    facts, at = claim.facts, submission.received_at
    stage = stage_of(claim.policy, facts, at)
    if stage not in CLOSED_STAGES or isinstance(decide(claim.policy, facts, submission, evidence), Refused):
        return
    allowed = {SubmissionKind.EXTENSION_REFUSAL} if facts.is_extension_requested else set()
    if stage is Stage.EXPIRED:
        allowed |= {SubmissionKind.EXTENSION, SubmissionKind.EXTENSION_REQUEST}
        is_in_time = facts.due_at is None or at <= facts.due_at
        allowed |= set(SubmissionKind) - OF_OFFICE if is_in_time else set()
    assert submission.kind in allowed


@given(received=received())
def test_what_is_received_after_the_deadline_of_a_claim_that_waits_for_its_learner_does_not_count(
    received: Received,
) -> None:
    claim, submission, evidence = received
    facts, at = claim.facts, submission.received_at
    stage = stage_of(claim.policy, replace(facts, closed_as=None), at)
    if submission.kind not in OF_OFFICE and is_overdue(facts, stage, at) and facts.closed_as in (None, Stage.EXPIRED):
        decision = decide(claim.policy, facts, submission, evidence)
        assert isinstance(decision, Refused)
        assert decision.code is RefusalCode.DEADLINE_PASSED


@given(received=received())
def test_a_final_statement_is_not_changed(received: Received) -> None:
    claim, submission, evidence = received
    credited = claim.facts.credit or ClaimedCredit(credit_type="participation", units=Decimal("0.25"))
    final = replace(claim.facts, credit=credited, is_final=True, is_awarded=True)
    decision = decide(claim.policy, final, submission, evidence)
    is_change = submission.kind in OF_CREDIT | {SubmissionKind.FINALIZATION}
    assert isinstance(decision, Refused) or not is_change
    if isinstance(decision, Refused) and is_change and final.closed_as is None:
        assert decision.code in (RefusalCode.FINALIZED, RefusalCode.STEP_NOT_REQUIRED)


@given(received=received())
def test_accepted_credit_keeps_the_rule_of_its_type_and_what_the_offer_is_designated_for(received: Received) -> None:
    claim, submission, evidence = received
    decision = decide(claim.policy, claim.facts, submission, evidence)
    if isinstance(decision, Refused) or decision.facts.credit is None:
        return
    claimed, facts = decision.facts.credit, decision.facts
    offer = offer_of(claim.policy, facts, claimed.credit_type)
    assert offer is not None
    rule = credit.rule_of(offer)
    assert rule.is_step(claimed.units)
    assert rule.minimum_units <= claimed.units <= offer.designated_units
    if claim.policy.sessions:
        assert claimed.units == total_units(facts.sessions)
        assert all(rule.is_step(units) for units in facts.sessions.values())


@given(received=received())
def test_claimed_sessions_are_over_and_never_overlap_or_exceed_their_maximum(received: Received) -> None:
    claim, submission, evidence = received
    decision = decide(claim.policy, claim.facts, submission, evidence)
    if isinstance(decision, Refused):
        return
    claimed = [session for session in claim.policy.sessions if session.code in decision.facts.sessions]
    held = [interval_of(session, claim.policy.time_zone) for session in claimed]
    assert len(claimed) == len(decision.facts.sessions)
    assert all(0 < decision.facts.sessions[each.code] <= each.maximum_units for each in claimed)
    assert all(interval.ends_at <= submission.received_at for interval in held)
    assert not any(one.overlaps(other) for one in held for other in held if one is not other)


@given(claim_at=claims())
def test_what_is_offered_is_accepted_or_only_its_amount_is_wrong(claim_at: tuple[PlayedClaim, datetime]) -> None:
    claim, at = claim_at
    for action in claim.progress(at).next_actions:
        tried = copy(claim)
        decision = tried.do(action, at)
        if action in (Action.CLAIM_CREDIT, Action.CLAIM_SESSION):
            assert decision is None or isinstance(decision, Accepted) or decision.code in OF_AMOUNT, action
        elif action is Action.VIEW_CERTIFICATE:
            assert claim.facts.is_awarded
        else:
            assert isinstance(decision, Accepted), action


@given(claim_at=claims())
def test_what_has_an_effect_is_offered(claim_at: tuple[PlayedClaim, datetime]) -> None:
    claim, at = claim_at
    offered = claim.progress(at).next_actions
    # A statement may be chosen before its turn; a withdrawal still counts while the award is being made.
    for action in set(Action) - set(offered) - {Action.CHOOSE_STATEMENT, Action.WITHDRAW, Action.COMPLETE_CONTENT}:
        tried = copy(claim)
        decision = tried.do(action, at)
        assert decision is None or isinstance(decision, Refused) or tried.facts == claim.facts, action


@given(claim_at=claims())
def test_the_status_of_a_claim_agrees_with_its_stage(claim_at: tuple[PlayedClaim, datetime]) -> None:
    claim, at = claim_at
    progress = claim.progress(at)
    current = [step for step in progress.steps if step.state in (StepState.TO_DO, StepState.WAITING)]
    is_late = is_overdue(claim.facts, progress.stage, at)
    # What another system issues is there as soon as the credit is awarded.
    is_elsewhere = claim.facts.is_awarded and not claim.policy.certificate.is_here
    assert progress.stage is stage_of(claim.policy, claim.facts, at)
    assert [step.kind for step in progress.steps if step.state is StepState.LOCKED and step.reason is None] == []
    assert (progress.waiting_for is WaitingFor.NOTHING) == (progress.stage in CLOSED_STAGES or is_late)
    if progress.stage in STAGES_UNDERWAY and not is_late:
        assert StepKind.CERTIFICATE not in [step.kind for step in current]
        assert bool(progress.blocked_by) == (Action.CLAIM_CREDIT not in progress.next_actions)
    else:
        assert progress.blocked_by == ()
        assert progress.deadlines == ()
        assert not {step.state for step in current} & {StepState.TO_DO}
    if progress.stage is Stage.COMPLETED:
        assert {step.state for step in progress.steps} == {StepState.DONE}
    elif progress.stage in STEP_OF_STAGE and not is_late and not is_elsewhere:
        assert STEP_OF_STAGE[progress.stage] in [step.kind for step in current]


@given(claim_at=claims())
def test_credit_may_be_claimed_once_sessions_and_evaluations_are_complete(
    claim_at: tuple[PlayedClaim, datetime],
) -> None:
    claim, at = claim_at
    if claim.progress(at).stage is not Stage.READY_TO_CLAIM or is_overdue(claim.facts, Stage.READY_TO_CLAIM, at):
        return
    body = claim.right_body(Action.CLAIM_CREDIT) or CreditClaimed("participation", None, "participation-2026-1", True)
    decision = decide(claim.policy, claim.facts, Submission("sub_3", at, body))
    missing = {RefusalCode.SESSIONS_MISSING, RefusalCode.EVALUATIONS_MISSING}
    is_incomplete = isinstance(decision, Refused) and decision.code in missing
    if isinstance(decision, Accepted) or is_incomplete:
        assert (Action.CLAIM_CREDIT in claim.progress(at).next_actions) != is_incomplete


@given(policy=policies(), profession=st.sampled_from(Profession))
def test_a_learner_who_does_what_is_offered_gets_credit(policy: CEActivityPolicy, profession: Profession) -> None:
    at = start_of_day(claiming_day(policy), policy.time_zone)
    claim = PlayedClaim.opened(policy, profession, at)
    others = {Action.WITHDRAW, Action.REQUEST_EXTENSION}
    for _ in range(20):
        if claim.facts.is_awarded:
            break
        at += timedelta(seconds=30)
        claim.grade_if_due(at)
        action = next((each for each in claim.progress(at).next_actions if each not in others), None)
        if action is not None:
            assert isinstance(claim.do(action, at), Accepted)
    assert claim.facts.is_awarded
    assert claim.progress(at).stage in (Stage.AWARDING, Stage.ISSUING)


@given(policy=policies(), order=st.randoms(use_true_random=False))
def test_the_order_in_which_sessions_are_saved_does_not_matter(policy: CEActivityPolicy, order: Random) -> None:
    at = start_of_day(claiming_day(policy), policy.time_zone)
    facts = ClaimFacts(profession=Profession.PHYSICIAN, due_at=None)
    bare = replace(policy, requirements=(), claim_window=ClaimWindow())
    apart: list[Session] = []
    for session in policy.sessions:
        if not overlapping(policy, session, {each.code: session.maximum_units for each in apart}):
            apart.append(session)
    shuffled = order.sample([*apart, *apart], 2 * len(apart))
    claims = PlayedClaim(bare, facts), PlayedClaim(bare, facts)
    for claim, saved in zip(claims, (apart, shuffled), strict=True):
        for each in saved:
            assert isinstance(claim.send(SessionClaimed(each.code, each.maximum_units), at), Accepted)
    assert claims[0].facts == claims[1].facts


@given(policy=policies(), reports=st.lists(st.integers(0, 6000), min_size=1, max_size=4))
def test_content_once_complete_stays_complete_whatever_is_reported_again(
    policy: CEActivityPolicy, reports: list[int]
) -> None:
    """The record merges reports by their maximum; more seconds never lead back to the content."""
    at = start_of_day(claiming_day(policy), policy.time_zone)
    stages = []
    for seconds in accumulate(reports, max):
        codes = [item.code for item in policy.content.items] if policy.content else []
        facts = ClaimFacts(
            profession=None, due_at=None, participation="roster", content_seconds=dict.fromkeys(codes, seconds)
        )
        stages.append(stage_of(policy, facts, at) is Stage.AWAITING_CONTENT)
    assert stages == sorted(stages, reverse=True)
