"""What the office does to a claim: more time, a hold, a waiver, an end, a new beginning. Values in, a decision out.

The rules of the credit bind the office, too: what measures credit, or is the learner's own word, nobody else replaces.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

from domain import deadlines
from domain.claims import (
    FAILED_STEPS,
    Attention,
    ClaimFacts,
    Stage,
    format_of,
    graded_at,
    is_exhausted,
    is_met,
    is_overdue,
    is_way_known,
    offers_of,
    requirements_of,
    stage_of,
)
from domain.policy import (
    CEActivityPolicy,
    Content,
    LearningFormat,
    Participation,
    ParticipationMethod,
    PostTest,
    Requirement,
)
from domain.refusals import Accepted, Decision, RefusalCode, Refused
from domain.roles import APPROVING_ROLES, STAFF_ROLES, Role
from domain.submissions import (
    AttentionResolved,
    ClaimDenied,
    ClaimHeld,
    ClaimReleased,
    ClaimReopened,
    ClaimWithdrawn,
    DeadlineExtended,
    ExtensionRefused,
    ExtensionRequested,
    RequirementWaived,
    Submission,
    SubmissionKind,
    Withdrawal,
)
from domain.turns import refusal_of_office_work

# How far ahead of its day of receipt an extension may put a deadline; more is a slip of the pen.
MAXIMUM_EXTENSION: Final = timedelta(days=5 * 366)


class WaiverBar(StrEnum):
    """Why a requirement can't be waived.

    ``learners_word``: the amount, its attestation and its finality are the learner's own word (R-AMA-4), and so is
    which credit they seek, and in which of several learning formats they took part. ``measures_credit``: sessions, and
    content that counts by the minute, say how much credit was earned (R-AMA-1, R-CREDIT). ``minimum_score``: no AMA
    credit for enduring or journal-based material without a passed assessment (R-AMA-8).
    """

    LEARNERS_WORD = "learners_word"
    MEASURES_CREDIT = "measures_credit"
    MINIMUM_SCORE = "minimum_score"


_NEVER_WAIVED: Final[Mapping[str, WaiverBar]] = {
    "statement": WaiverBar.LEARNERS_WORD,
    "finalization": WaiverBar.LEARNERS_WORD,
    "credit": WaiverBar.LEARNERS_WORD,
    "sessions": WaiverBar.MEASURES_CREDIT,
}
_AMA_CREDIT: Final = "ama_pra_category_1"
_ASSESSED_FORMATS: Final = frozenset({LearningFormat.ENDURING_MATERIAL, LearningFormat.JOURNAL_BASED})
# These proofs use up an entry of the roster, which a withdrawn claim gives back.
_PROVED_BY_ENTRY: Final = frozenset({ParticipationMethod.BADGE_ID, ParticipationMethod.ROSTER})


def decide(policy: CEActivityPolicy, facts: ClaimFacts, submission: Submission) -> Decision:
    """Decide what concerns a claim as a whole, when it fits the claim's stage (``domain.turns``)."""
    at = submission.received_at
    match submission.body:
        case ExtensionRequested() | ExtensionRefused() as body:
            return Accepted(replace(facts, is_extension_requested=isinstance(body, ExtensionRequested)))
        case DeadlineExtended(due_on=due_on):
            return _extended(policy, facts, due_on, at)
        case RequirementWaived(requirement=kind):
            refusal = refusal_of_waiver(policy, facts, kind)
            return refusal or Accepted(replace(facts, waived=facts.waived | {kind}))
        case ClaimReopened(due_on=due_on):
            return _reopened(policy, facts, due_on, at)
        case Withdrawal() | ClaimWithdrawn():
            return Accepted(_ended(facts, Stage.WITHDRAWN))
        case ClaimDenied():
            return Accepted(_ended(facts, Stage.DENIED))
        case _:
            return _decide_attention(facts, submission)


def _decide_attention(facts: ClaimFacts, submission: Submission) -> Decision:
    match submission.body:
        case ClaimHeld():
            return Accepted(replace(facts, attention=Attention.ON_HOLD))
        case ClaimReleased():
            return Accepted(replace(facts, attention=None))
        case AttentionResolved() if facts.attention is Attention.EMAIL_FAILED:
            return Accepted(replace(facts, attention=None, is_notified=True))
        case AttentionResolved():
            return Refused(RefusalCode.NOT_RESOLVABLE, {"attention": str(facts.attention)})
        case _:  # pragma: no cover -- every kind is decided somewhere; another must not pass unseen
            raise TypeError(type(submission.body).__name__)


def _ended(facts: ClaimFacts, stage: Stage) -> ClaimFacts:
    """The claim's end ends its hold, or its wait for issuance: what was kept meanwhile is refused."""
    return replace(facts, closed_as=stage, attention=None)


def _extended(policy: CEActivityPolicy, facts: ClaimFacts, due_on: date, received_at: datetime) -> Decision:
    today = deadlines.local_date(received_at, policy.time_zone)
    last_day = today + MAXIMUM_EXTENSION
    if due_on > last_day:
        return Refused(RefusalCode.DEADLINE_TOO_LATE, {"latest_on": last_day.isoformat()})
    if due_on < today:
        return Refused(RefusalCode.DEADLINE_NOT_LATER, {"earliest_on": today.isoformat()})
    due_at = deadlines.end_of_day(due_on, policy.time_zone)
    if facts.due_at is not None and due_at <= facts.due_at:
        return Refused(RefusalCode.DEADLINE_NOT_LATER, {"due_at": facts.due_at.isoformat()})
    return Accepted(replace(facts, due_at=due_at, is_extension_requested=False))


def _reopened(policy: CEActivityPolicy, facts: ClaimFacts, due_on: date | None, received_at: datetime) -> Decision:
    """Open a claim again as it was. One whose attempts are used up gets one more; a passed deadline needs a new day.

    A claim that was withdrawn gave its entry of the roster back, so participation is proved anew.
    """
    is_proof_gone = facts.closed_as is Stage.WITHDRAWN and facts.participation in _PROVED_BY_ENTRY
    reopened = replace(facts, closed_as=None, participation=None if is_proof_gone else facts.participation)
    if is_exhausted(policy, reopened):
        reopened = replace(reopened, attempts_added=reopened.attempts_added + 1)
    if due_on is not None:
        return _extended(policy, reopened, due_on, received_at)
    if reopened.due_at is not None and received_at > reopened.due_at:
        return Refused(RefusalCode.DEADLINE_PASSED, {"due_at": reopened.due_at.isoformat()})
    return Accepted(reopened)


def refusal_of_waiver(policy: CEActivityPolicy, facts: ClaimFacts, kind: str) -> Refused | None:
    """Why the requirements of a kind can't be waived for this learner; None when they can."""
    if kind in _NEVER_WAIVED:
        return Refused(RefusalCode.NOT_WAIVABLE, {"because": _NEVER_WAIVED[kind]})
    here = requirements_of(policy, facts) if is_way_known(policy, facts) else policy.requirements
    requirements = [each for each in here if each.kind == kind]
    if not requirements:
        return Refused(RefusalCode.STEP_NOT_REQUIRED)
    if all(is_met(policy, each, facts) for each in requirements):
        return Refused(RefusalCode.ALREADY_DONE)
    result_at = graded_at(policy, facts)
    if kind == "post_test" and result_at is not None:
        return Refused(RefusalCode.STEP_LOCKED, {"unlocks_at": result_at.isoformat()})
    bars = (_bar(policy, facts, each) for each in requirements)
    bar = next((each for each in bars if each is not None), None)
    return Refused(RefusalCode.NOT_WAIVABLE, {"because": bar}) if bar else None


def waivable(policy: CEActivityPolicy, facts: ClaimFacts) -> tuple[str, ...]:
    """The kinds of requirements that may be waived for this learner, in the policy's order."""
    kinds = dict.fromkeys(each.kind for each in policy.requirements)
    return tuple(kind for kind in kinds if refusal_of_waiver(policy, facts, kind) is None)


def _bar(policy: CEActivityPolicy, facts: ClaimFacts, requirement: Requirement) -> WaiverBar | None:
    match requirement:
        case Participation() if len(_formats(policy)) > 1:
            return WaiverBar.LEARNERS_WORD
        case Content(allows_partial=True):
            return WaiverBar.MEASURES_CREDIT
        case PostTest() if _is_assessment_needed(policy, facts):
            return WaiverBar.MINIMUM_SCORE
        case _:
            return None


def _is_assessment_needed(policy: CEActivityPolicy, facts: ClaimFacts) -> bool:
    """Whether this learner may come to claim AMA credit for a format that needs an assessment (R-AMA-8).

    Their profession does not matter: it can be changed until credit is claimed.
    """
    formats = {format_of(policy, facts)} if is_way_known(policy, facts) else _formats(policy)
    is_ama_offered = any(offer.credit_type == _AMA_CREDIT for offer in offers_of(policy, facts))
    return is_ama_offered and bool(formats & _ASSESSED_FORMATS)


def _formats(policy: CEActivityPolicy) -> set[LearningFormat]:
    """The learning formats in which somebody may take part."""
    options = policy.participation.options if policy.participation else ()
    return {option.format or policy.format for option in options} or {policy.format}


class OperatorAction(StrEnum):
    """What staff may do to a claim before its credit is settled, or to bring a parked one on."""

    EXTEND = "extend"
    REFUSE_EXTENSION = "refuse_extension"
    HOLD = "hold"
    RELEASE = "release"
    WAIVE = "waive"
    RETRY = "retry"
    RESOLVE = "resolve"
    WITHDRAW = "withdraw"
    DENY = "deny"
    REOPEN = "reopen"


KIND_OF_ACTION: Final[Mapping[OperatorAction, SubmissionKind]] = {
    OperatorAction.EXTEND: SubmissionKind.EXTENSION,
    OperatorAction.REFUSE_EXTENSION: SubmissionKind.EXTENSION_REFUSAL,
    OperatorAction.HOLD: SubmissionKind.HOLD,
    OperatorAction.RELEASE: SubmissionKind.RELEASE,
    OperatorAction.WAIVE: SubmissionKind.WAIVER,
    OperatorAction.RETRY: SubmissionKind.RETRY,
    OperatorAction.RESOLVE: SubmissionKind.RESOLUTION,
    OperatorAction.WITHDRAW: SubmissionKind.STAFF_WITHDRAWAL,
    OperatorAction.DENY: SubmissionKind.DENIAL,
    OperatorAction.REOPEN: SubmissionKind.REOPENING,
}
# Ending a claim against its learner's will, and taking an end back, is for those who answer for the office.
APPROVERS_ACTIONS: Final = frozenset({OperatorAction.DENY, OperatorAction.REOPEN})


def may_act(role: Role, action: OperatorAction) -> bool:
    """Whether an account may do this to other people's claims."""
    return role in (APPROVING_ROLES if action in APPROVERS_ACTIONS else STAFF_ROLES)


def possible_actions(policy: CEActivityPolicy, facts: ClaimFacts, at: datetime) -> tuple[OperatorAction, ...]:
    """What staff could do to a claim at a moment, and would not be refused for if they filled it in well."""
    return tuple(action for action in OperatorAction if _is_possible(policy, facts, action, at))


def _is_possible(policy: CEActivityPolicy, facts: ClaimFacts, action: OperatorAction, at: datetime) -> bool:
    stage = stage_of(policy, facts, at)
    is_late = stage is Stage.EXPIRED or is_overdue(facts, stage, at)
    if action is OperatorAction.RETRY:
        return facts.attention in FAILED_STEPS
    if action is OperatorAction.RESOLVE:
        return facts.attention is Attention.EMAIL_FAILED
    if action is OperatorAction.WAIVE and not waivable(policy, facts):
        return False
    # An extension opens an expired claim again.
    is_expired = action is OperatorAction.EXTEND and stage is Stage.EXPIRED
    return is_expired or refusal_of_office_work(facts, KIND_OF_ACTION[action], stage, is_late=is_late) is None
