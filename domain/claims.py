"""A claim's life: its stages, the facts gathered so far, and which stage the facts amount to.

The stage is never stored as an opinion of its own: it always follows from the policy, the facts and the time, so a
claim can be resumed from the record at any point.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from domain.deadlines import opens_at
from domain.policy import CEActivityPolicy, Evaluation, Participation, PostTest, Profession, Requirement


class Stage(StrEnum):
    """Where a claim is; search attribute, projection, API and pages use these same words."""

    VERIFYING_PARTICIPATION = "verifying_participation"
    AWAITING_TEST = "awaiting_test"
    GRADING = "grading"
    AWAITING_EVALUATION = "awaiting_evaluation"
    AWAITING_WINDOW = "awaiting_window"
    READY_TO_CLAIM = "ready_to_claim"
    AWARDING = "awarding"
    ISSUING = "issuing"
    COMPLETED = "completed"
    EXPIRED = "expired"
    DENIED = "denied"
    WITHDRAWN = "withdrawn"


CLOSED_STAGES = frozenset({Stage.COMPLETED, Stage.EXPIRED, Stage.DENIED, Stage.WITHDRAWN})

# The deadline ends only what waits for the learner: a step that began in time is finished.
STAGES_WITH_DEADLINE = frozenset(
    {
        Stage.VERIFYING_PARTICIPATION,
        Stage.AWAITING_TEST,
        Stage.AWAITING_EVALUATION,
        Stage.AWAITING_WINDOW,
        Stage.READY_TO_CLAIM,
    }
)


class Attention(StrEnum):
    """Why a claim is parked and waits for a person (search attribute ``ClaimAttention``)."""

    CERTIFICATE_FAILED = "certificate_failed"
    EMAIL_FAILED = "email_failed"


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
    """What is known of one claim. Times are aware; ``closed_as`` is set when the claim ended without an award."""

    profession: Profession | None
    has_name: bool = True
    identifiers: frozenset[str] = frozenset()
    due_at: datetime | None
    participation: str | None = None
    attempts: tuple[Attempt, ...] = ()
    is_evaluated: bool = False
    credit: ClaimedCredit | None = None
    is_awarded: bool = False
    is_notified: bool = False
    closed_as: Stage | None = None

    @property
    def last_attempt(self) -> Attempt | None:
        """The newest attempt, if any was started."""
        return self.attempts[-1] if self.attempts else None


def stage_of(policy: CEActivityPolicy, facts: ClaimFacts, at: datetime) -> Stage:
    """The stage that these facts amount to at a moment: the first thing still missing, in the policy's order."""
    if facts.closed_as is not None:
        return facts.closed_as
    for requirement in policy.requirements:
        if not is_met(requirement, facts):
            return _stage_of_unmet(requirement, facts)
    opening = opens_at(policy.claim_window, policy.time_zone)
    if facts.credit is None:
        return Stage.AWAITING_WINDOW if opening is not None and at < opening else Stage.READY_TO_CLAIM
    if not facts.is_awarded:
        return Stage.AWARDING
    return Stage.COMPLETED if facts.is_notified else Stage.ISSUING


def is_met(requirement: Requirement, facts: ClaimFacts) -> bool:
    """Whether these facts fulfil one requirement."""
    match requirement:
        case Participation():
            return facts.participation is not None
        case PostTest():
            return any(attempt.has_passed for attempt in facts.attempts)
        case Evaluation():  # pragma: no branch -- mypy proves that no other case is left
            return facts.is_evaluated


def graded_at(policy: CEActivityPolicy, facts: ClaimFacts) -> datetime | None:
    """When the attempt in grading will have its result; None when nothing is being graded."""
    attempt = facts.last_attempt
    if policy.post_test is None or attempt is None or attempt.submitted_at is None or not attempt.is_ungraded:
        return None
    return attempt.submitted_at + policy.post_test.grading_delay


def attempts_left(post_test: PostTest, facts: ClaimFacts) -> int | None:
    """How many more attempts may be started; None when the policy sets no limit."""
    if post_test.attempts_allowed is None:
        return None
    return max(0, post_test.attempts_allowed - len(facts.attempts))


def is_overdue(facts: ClaimFacts, stage: Stage, at: datetime, grace: timedelta = timedelta()) -> bool:
    """Whether a claim in this stage has outlived its deadline (and the grace given to steps in flight)."""
    return stage in STAGES_WITH_DEADLINE and facts.due_at is not None and at > facts.due_at + grace


def _stage_of_unmet(requirement: Requirement, facts: ClaimFacts) -> Stage:
    match requirement:
        case Participation():
            return Stage.VERIFYING_PARTICIPATION
        case Evaluation():
            return Stage.AWAITING_EVALUATION
        case PostTest():  # pragma: no branch -- mypy proves that no other case is left
            attempt = facts.last_attempt
            if attempt is not None and attempt.is_ungraded:
                return Stage.GRADING
            is_exhausted = attempts_left(requirement, facts) == 0 and attempt is not None and not attempt.is_open
            return Stage.DENIED if is_exhausted else Stage.AWAITING_TEST
