"""The issuance pause: what it stops, what it keeps, and that it makes nobody late."""

from dataclasses import replace
from decimal import Decimal

import pytest

from domain.claims import Attention, ClaimedCredit, ClaimFacts, Stage, is_overdue
from domain.corrections import Change, CreditChange, NameChange, Reissue, Revocation, RevocationClass
from domain.issuance import is_award_due, issues, may_pause
from domain.office import OperatorAction, possible_actions
from domain.progress import Step, StepKind, StepState, WaitingFor, progress_of
from domain.reasons import DenialReason, HoldReason, ReleaseReason, ResolutionReason
from domain.refusals import RefusalCode
from domain.roles import Role
from domain.submissions import AttentionResolved, ClaimDenied, ClaimHeld, ClaimReleased, SubmissionKind
from domain.turns import KEPT_STEPS, is_kept
from tests.domain.flows import AT_MEETING, LATE, LEARNER, MEETING, NOW, PHARMACY_LECTURE, accepted, refused

CREDIT = ClaimedCredit(credit_type="ama_pra_category_1", units=Decimal("1.00"))
READY = replace(LEARNER, participation="code", is_evaluated=True)
WAITING = replace(READY, attention=Attention.ISSUANCE_PAUSED)
CLAIMED = replace(READY, credit=CREDIT)
AWARDED = replace(CLAIMED, is_awarded=True)
UNISSUED = replace(AWARDED, attention=Attention.ISSUANCE_PAUSED)


def test_an_award_is_due_once_credit_is_claimed_and_only_once() -> None:
    assert not is_award_due(PHARMACY_LECTURE, READY, NOW)
    assert is_award_due(PHARMACY_LECTURE, CLAIMED, NOW)
    assert not is_award_due(PHARMACY_LECTURE, AWARDED, NOW)


def test_where_a_statement_has_to_be_made_final_no_award_is_due_before() -> None:
    keynote = frozenset({"keynote"})
    claimed = replace(AT_MEETING, credit=CREDIT, sessions={"keynote": Decimal(1)}, evaluated_sessions=keynote)
    assert not is_award_due(MEETING, claimed, NOW)
    assert is_award_due(MEETING, replace(claimed, is_final=True), NOW)


@pytest.mark.parametrize("change", [CreditChange(units=Decimal(1)), NameChange(family_name="Lind"), Reissue()])
def test_every_correction_issues_something(change: Change) -> None:
    assert issues(change)


def test_a_revocation_issues_nothing_and_so_is_always_possible() -> None:
    assert not issues(Revocation(RevocationClass.ISSUED_IN_ERROR))


def test_approvers_and_administrators_pause_issuance_and_nobody_else() -> None:
    assert {role for role in Role if may_pause(role)} == {Role.APPROVER, Role.ADMINISTRATOR}


def test_what_waits_for_issuance_keeps_what_its_learner_does_until_the_award() -> None:
    assert {kind for kind in SubmissionKind if is_kept(WAITING, kind)} == KEPT_STEPS
    assert not any(is_kept(UNISSUED, kind) for kind in SubmissionKind)


def test_nobody_becomes_late_while_issuance_is_paused() -> None:
    assert not is_overdue(WAITING, Stage.READY_TO_CLAIM, LATE)
    assert is_overdue(READY, Stage.READY_TO_CLAIM, LATE)


def step(facts: ClaimFacts, kind: StepKind) -> Step:
    progress = progress_of(PHARMACY_LECTURE, facts, LATE, facts.attention)
    return next(each for each in progress.steps if each.kind is kind)


def test_the_status_of_what_waits_shows_the_step_as_taken_and_asks_nothing_of_the_learner() -> None:
    progress = progress_of(PHARMACY_LECTURE, WAITING, LATE, WAITING.attention)
    assert (progress.stage, progress.waiting_for) == (Stage.READY_TO_CLAIM, WaitingFor.OPERATOR)
    assert (progress.next_actions, progress.waiting_until) == ((), None)
    assert step(WAITING, StepKind.CREDIT) == Step(StepKind.CREDIT, StepState.WAITING)
    assert step(UNISSUED, StepKind.CERTIFICATE) == Step(StepKind.CERTIFICATE, StepState.WAITING)


def test_the_office_may_still_stop_a_claim_that_waits_for_issuance_and_has_nothing_to_retry() -> None:
    possible = set(possible_actions(PHARMACY_LECTURE, WAITING, LATE))
    assert {OperatorAction.HOLD, OperatorAction.DENY, OperatorAction.WITHDRAW} <= possible
    assert not {OperatorAction.RETRY, OperatorAction.RESOLVE, OperatorAction.RELEASE} & possible
    assert OperatorAction.RETRY not in possible_actions(PHARMACY_LECTURE, UNISSUED, NOW)
    resolved = AttentionResolved(ResolutionReason.TOLD_OTHERWISE, "By telephone.")
    assert refused(PHARMACY_LECTURE, UNISSUED, resolved).code is RefusalCode.NOT_RESOLVABLE


def test_a_hold_takes_the_place_of_the_pause_and_a_denial_ends_the_wait() -> None:
    held = accepted(PHARMACY_LECTURE, WAITING, ClaimHeld(HoldReason.OTHER, "Two people, one badge."), LATE)
    assert held.is_held
    assert accepted(PHARMACY_LECTURE, held, ClaimReleased(ReleaseReason.CHECKED, "Hers."), LATE).attention is None
    denied = accepted(PHARMACY_LECTURE, WAITING, ClaimDenied(DenialReason.NOT_ELIGIBLE, "A student."), LATE)
    assert (denied.attention, denied.closed_as) == (None, Stage.DENIED)
