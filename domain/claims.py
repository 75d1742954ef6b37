"""A claim's life: its stages, the facts gathered so far, and which stage the facts amount to.

The stage is never stored as an opinion of its own: it always follows from the policy, the facts and the time, so a
claim can be resumed from the record at any point.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from domain import credit
from domain.deadlines import local_date, opens_at
from domain.policy import (
    CEActivityPolicy,
    Content,
    ContentItem,
    CreditOffer,
    Disclosures,
    Evaluation,
    EvaluationTime,
    Finalization,
    LearningFormat,
    Participation,
    PostTest,
    Profession,
    Requirement,
    Statement,
)


class Stage(StrEnum):
    """Where a claim is; search attribute, projection, API and pages use these same words."""

    VERIFYING_PARTICIPATION = "verifying_participation"
    AWAITING_STATEMENT = "awaiting_statement"
    AWAITING_DISCLOSURES = "awaiting_disclosures"
    AWAITING_CONTENT = "awaiting_content"
    AWAITING_TEST = "awaiting_test"
    GRADING = "grading"
    AWAITING_EVALUATION = "awaiting_evaluation"
    AWAITING_WINDOW = "awaiting_window"
    READY_TO_CLAIM = "ready_to_claim"
    AWAITING_FINALIZATION = "awaiting_finalization"
    AWARDING = "awarding"
    ISSUING = "issuing"
    COMPLETED = "completed"
    EXPIRED = "expired"
    DENIED = "denied"
    WITHDRAWN = "withdrawn"


CLOSED_STAGES = frozenset({Stage.COMPLETED, Stage.EXPIRED, Stage.DENIED, Stage.WITHDRAWN})

# Credit is awarded; what is left is Laurel's to do, and not the learner's.
STAGES_OF_ISSUING = frozenset({Stage.AWARDING, Stage.ISSUING})

# The deadline ends only what waits for the learner: a step that began in time is finished.
STAGES_WITH_DEADLINE = frozenset(
    {
        Stage.VERIFYING_PARTICIPATION,
        Stage.AWAITING_STATEMENT,
        Stage.AWAITING_DISCLOSURES,
        Stage.AWAITING_CONTENT,
        Stage.AWAITING_TEST,
        Stage.AWAITING_EVALUATION,
        Stage.AWAITING_WINDOW,
        Stage.READY_TO_CLAIM,
        Stage.AWAITING_FINALIZATION,
    }
)

# The claim is the learner's to move: the credit is not settled yet. What follows is Laurel's work.
STAGES_UNDERWAY = STAGES_WITH_DEADLINE | {Stage.GRADING}


class Attention(StrEnum):
    """Why a claim is parked and waits for a person (search attribute ``ClaimAttention``).

    ``on_hold`` and ``issuance_paused`` are the office's own doing; the others are steps of Laurel's that did not work.
    """

    CERTIFICATE_FAILED = "certificate_failed"
    EMAIL_FAILED = "email_failed"
    ON_HOLD = "on_hold"
    ISSUANCE_PAUSED = "issuance_paused"


FAILED_STEPS = frozenset({Attention.CERTIFICATE_FAILED, Attention.EMAIL_FAILED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try at the post-test; ``has_passed`` is None until it is graded."""

    number: int
    submitted_at: datetime | None = None
    has_passed: bool | None = None

    @property
    def is_open(self) -> bool:
        """Started, and its answers not yet given."""
        return self.submitted_at is None

    @property
    def is_ungraded(self) -> bool:
        """Answers given, result not yet known."""
        return self.submitted_at is not None and self.has_passed is None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedCredit:
    """What the learner claimed and attested to."""

    credit_type: str
    units: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimFacts:
    """What is known of one claim. Times are aware; ``closed_as`` is set when the claim ended without an award.

    ``participation`` is the option that the learner chose, or the method that proved it. ``content_seconds`` maps
    content to the seconds of it that are complete; ``sessions`` maps sessions to the units claimed for them.
    ``waived`` holds the kinds of requirements that the office waived, ``attempts_added`` counts the attempts that it
    granted beyond the policy's.
    """

    profession: Profession | None
    has_name: bool = True
    has_credentials: bool = True
    identifiers: frozenset[str] = frozenset()
    due_at: datetime | None
    participation: str | None = None
    statement: str | None = None
    disclosures_version: str | None = None
    content_seconds: Mapping[str, int] = field(default_factory=dict)
    attempts: tuple[Attempt, ...] = ()
    is_evaluated: bool = False
    sessions: Mapping[str, Decimal] = field(default_factory=dict)
    evaluated_sessions: frozenset[str] = frozenset()
    credit: ClaimedCredit | None = None
    is_final: bool = False
    is_awarded: bool = False
    is_notified: bool = False
    is_extension_requested: bool = False
    attention: Attention | None = None
    waived: frozenset[str] = frozenset()
    attempts_added: int = 0
    closed_as: Stage | None = None

    @property
    def last_attempt(self) -> Attempt | None:
        """The newest attempt, if any was started."""
        return self.attempts[-1] if self.attempts else None

    @property
    def is_held(self) -> bool:
        """Whether the office holds the claim: steps are received, and decided when it is released."""
        return self.attention is Attention.ON_HOLD

    @property
    def keeps_steps(self) -> bool:
        """Whether the learner's steps are kept to be decided later, and the deadline waits with them.

        So it is while the office holds the claim, and while credit that was claimed waits for issuance to go on.
        """
        return self.is_held or (self.attention is Attention.ISSUANCE_PAUSED and not self.is_awarded)


def stage_of(policy: CEActivityPolicy, facts: ClaimFacts, at: datetime) -> Stage:
    """The stage that these facts amount to at a moment: the first thing still missing, in the policy's order."""
    if facts.closed_as is not None:
        return facts.closed_as
    if facts.is_awarded:
        # What was granted stays granted, whatever happens to the evidence afterwards.
        telling = Stage.ISSUING if policy.certificate.is_here else Stage.AWARDING
        return Stage.COMPLETED if facts.is_notified else telling
    for requirement in requirements_of(policy, facts):
        if is_gate(requirement) and not is_met(policy, requirement, facts):
            return _stage_of_unmet(policy, requirement, facts)
    opening = opens_at(policy.claim_window, policy.time_zone)
    if facts.credit is None:
        return Stage.AWAITING_WINDOW if opening is not None and at < opening else Stage.READY_TO_CLAIM
    return Stage.AWAITING_FINALIZATION if policy.finalization and not facts.is_final else Stage.AWARDING


def format_of(policy: CEActivityPolicy, facts: ClaimFacts) -> LearningFormat:
    """The learning format in which the learner took part: their option's, or else the CE activity's own."""
    options = policy.participation.options if policy.participation else ()
    chosen = next((option.format for option in options if option.code == facts.participation), None)
    return chosen or policy.format


def requirements_of(policy: CEActivityPolicy, facts: ClaimFacts) -> tuple[Requirement, ...]:
    """The requirements that apply to this learner, in order: some are for certain learning formats only."""
    learning_format = format_of(policy, facts)
    return tuple(
        each
        for each in policy.requirements
        if not (formats := getattr(each, "formats", ())) or learning_format in formats
    )


def is_way_known(policy: CEActivityPolicy, facts: ClaimFacts) -> bool:
    """Whether it is settled how the learner took part; until then they may still choose another learning format.

    Where the proof was waived, it is in the CE activity's own format.
    """
    requirement = policy.participation
    return requirement is None or facts.participation is not None or requirement.kind in facts.waived


def content_of(policy: CEActivityPolicy, facts: ClaimFacts) -> Content | None:
    """The content that this learner has to complete, if there is any."""
    return next((each for each in requirements_of(policy, facts) if isinstance(each, Content)), None)


def evaluation_asked(policy: CEActivityPolicy, facts: ClaimFacts, asked: EvaluationTime) -> Evaluation | None:
    """The evaluation that this learner is asked for at this time, if there is one, waived or not."""
    evaluations = (each for each in requirements_of(policy, facts) if isinstance(each, Evaluation))
    return next((each for each in evaluations if each.asked is asked), None)


def offers_of(policy: CEActivityPolicy, facts: ClaimFacts) -> tuple[CreditOffer, ...]:
    """The offers for the way in which this learner took part, or for any way as long as that is not known."""
    learning_format = format_of(policy, facts)
    is_open = not is_way_known(policy, facts)
    return tuple(offer for offer in policy.credit if is_open or not offer.formats or learning_format in offer.formats)


def offer_of(policy: CEActivityPolicy, facts: ClaimFacts, credit_type: str) -> CreditOffer | None:
    """The offer of a credit type to this learner; None when there is none for the way they took part."""
    return next((offer for offer in offers_of(policy, facts) if offer.credit_type == credit_type), None)


def is_gate(requirement: Requirement) -> bool:
    """Whether a requirement stands before the claim window; the others belong to claiming itself."""
    match requirement:
        case Finalization():
            return False
        case Evaluation():
            return requirement.asked is EvaluationTime.BEFORE_CLAIM
        case _:
            return True


def is_met(policy: CEActivityPolicy, requirement: Requirement, facts: ClaimFacts) -> bool:
    """Whether these facts fulfil one requirement; one that was waived needs nothing more."""
    if requirement.kind in facts.waived:
        return True
    match requirement:
        case Participation():
            return facts.participation is not None
        case Statement():
            return facts.statement is not None
        case Disclosures():
            return facts.disclosures_version is not None
        case Content():
            return _is_content_enough(requirement, offers_of(policy, facts), facts)
        case PostTest():
            return any(attempt.has_passed for attempt in facts.attempts)
        case Evaluation(asked=EvaluationTime.PER_SESSION):
            return bool(facts.sessions) and facts.evaluated_sessions >= facts.sessions.keys()
        case Evaluation():
            return facts.is_evaluated
        case Finalization():  # pragma: no branch -- mypy proves that no other case is left
            return facts.is_final


def completed_minutes(content: Content, facts: ClaimFacts) -> int:
    """The whole minutes of content that are complete; more of one item than it has does not make up for another."""
    seconds = (min(facts.content_seconds.get(item.code, 0), 60 * item.minutes) for item in content.items)
    return sum(seconds) // 60


def is_item_complete(item: ContentItem, facts: ClaimFacts) -> bool:
    """Whether all of one piece of content is complete."""
    return facts.content_seconds.get(item.code, 0) >= 60 * item.minutes


def is_content_complete(content: Content, facts: ClaimFacts) -> bool:
    """Whether all of the content is complete."""
    return all(is_item_complete(item, facts) for item in content.items)


def earned_units(content: Content, facts: ClaimFacts, offer: CreditOffer) -> Decimal:
    """What progress earned of an offer so far: all that is designated once the content is complete, else its minutes.

    The minutes alone would not do at the end: where they round down, they can be worth less than is designated.
    """
    if is_content_complete(content, facts):
        return offer.designated_units
    earned = credit.rule_of(offer).units_for(completed_minutes(content, facts))
    return min(offer.designated_units, earned)


def _is_content_enough(content: Content, offers: Iterable[CreditOffer], facts: ClaimFacts) -> bool:
    """All of it, or as much as earns credit of one of these offers where part of it will do."""
    is_some_earned = any(earned_units(content, facts, offer) > 0 for offer in offers)
    return is_content_complete(content, facts) or (content.allows_partial and is_some_earned)


def completed_on(policy: CEActivityPolicy, facts: ClaimFacts, at: datetime) -> date:
    """The local date of completion of credit that is claimed at this time (R-TZ).

    What was live was completed when it was held (R-CPE-4).
    """
    claimed_on = local_date(at, policy.time_zone)
    held_on = [session.held_on for session in policy.sessions if session.code in facts.sessions]
    if held_on:
        return min(claimed_on, max(held_on))
    is_live = format_of(policy, facts) is LearningFormat.LIVE_ACTIVITY
    return min(claimed_on, policy.ends_on) if is_live else claimed_on


def graded_at(policy: CEActivityPolicy, facts: ClaimFacts) -> datetime | None:
    """When the attempt in grading will have its result; None when nothing is being graded."""
    attempt = facts.last_attempt
    if policy.post_test is None or attempt is None or attempt.submitted_at is None or attempt.has_passed is not None:
        return None
    return attempt.submitted_at + policy.post_test.grading_delay


def attempts_left(post_test: PostTest, facts: ClaimFacts) -> int | None:
    """How many more attempts may be started; None when the policy sets no limit."""
    if post_test.attempts_allowed is None:
        return None
    return max(0, post_test.attempts_allowed + facts.attempts_added - len(facts.attempts))


def is_exhausted(policy: CEActivityPolicy, facts: ClaimFacts) -> bool:
    """Whether the last attempt that the policy allows has failed."""
    post_test, last = policy.post_test, facts.last_attempt
    if post_test is None or post_test.kind in facts.waived:
        return False
    return last is not None and last.has_passed is False and attempts_left(post_test, facts) == 0


def is_overdue(facts: ClaimFacts, stage: Stage, at: datetime, grace: timedelta = timedelta()) -> bool:
    """Whether a claim in this stage has outlived its deadline (and the grace given to steps in flight).

    One whose steps are kept does not, as long as they are: its learner could do nothing about it.
    """
    is_ending = stage in STAGES_WITH_DEADLINE and not facts.keeps_steps
    return is_ending and facts.due_at is not None and at > facts.due_at + grace


def _stage_of_unmet(policy: CEActivityPolicy, requirement: Requirement, facts: ClaimFacts) -> Stage:
    match requirement:
        case Statement():
            return Stage.AWAITING_STATEMENT
        case Disclosures():
            return Stage.AWAITING_DISCLOSURES
        case Content():
            return Stage.AWAITING_CONTENT
        case Evaluation():
            return Stage.AWAITING_EVALUATION
        case PostTest():
            if facts.last_attempt is not None and facts.last_attempt.is_ungraded:
                return Stage.GRADING
            return Stage.DENIED if is_exhausted(policy, facts) else Stage.AWAITING_TEST
        case _:
            return Stage.VERIFYING_PARTICIPATION
