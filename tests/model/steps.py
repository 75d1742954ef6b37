"""What happens to a claim, drawn at random: most of it right and in its turn, the rest anything.

A step is drawn before it is known what the claim will be when it is taken, so it is a function of the model at that
moment: the same steps drive the rules alone and the whole product.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from domain import credit
from domain.corrections import CreditChange
from domain.identifiers import IDENTIFIERS
from domain.policy import CEActivityPolicy
from domain.reasons import DenialReason, HoldReason, ReleaseReason, ReopeningReason, WaiverReason
from domain.submissions import (
    AnswersGiven,
    AttemptStarted,
    ClaimDenied,
    ClaimHeld,
    ClaimReleased,
    ClaimReopened,
    CreditClaimed,
    DeadlineExtended,
    DisclosuresAcknowledged,
    EvaluationCompleted,
    ExtensionRefused,
    ExtensionRequested,
    ParticipationStated,
    RequirementWaived,
    SessionClaimed,
    StatementChosen,
    StatementFinalized,
    StepRetried,
    SubmissionBody,
)
from tests.domain.policies import BODIES, CODE, QUARTER, policies
from tests.model.reference import Learner, ReferenceClaim, Rosters

# How many claims are played on the whole product; the rules alone are played thirteen times as often.
EXAMPLES: Final = int(os.environ.get("LAUREL_MODEL_EXAMPLES", "15"))

Step = Callable[[ReferenceClaim, datetime], SubmissionBody | None]
RESPONSES: Final = {"relevance": 5}
PROOFS: Final = {
    "attestation": "in_person",
    "code": CODE,
    "badge_id": "b-17",
    "group_id": "G4",
    "roster": "",
}
_NAMED: Final = frozenset({"given_name", "family_name", "credentials"})
ALL_OF_IT: Final = _NAMED | IDENTIFIERS.keys()
HAS: Final = st.sampled_from([*5 * [ALL_OF_IT], _NAMED])


def learner_of(policy: CEActivityPolicy, choice: int, has: frozenset[str]) -> Learner:
    """A learner for whom one of the policy's offers is."""
    rule = credit.rule_of(policy.credit[choice % len(policy.credit)])
    professions = sorted(rule.professions)
    return Learner(professions[choice % len(professions)], has)


ROSTERS: Final = st.sampled_from([Rosters(), Rosters(listed="mine"), Rosters(listed="theirs"), Rosters(listed="named")])
# Two decimals, as the API takes them; what else a number can be is for the rules alone.
AMOUNTS: Final = st.integers(-1, 30).map(lambda steps: steps * QUARTER) | st.sampled_from([Decimal("0.10")])


@dataclass(frozen=True)
class Right:
    """What a learner does who does the right thing next; ``choice`` decides where several things are right."""

    choice: int = 0

    def __call__(self, claim: ReferenceClaim, at: datetime) -> SubmissionBody | None:
        policy, stage = claim.policy, claim.stage(at)
        if stage == "verifying_participation" and policy.participation:
            method = policy.participation.methods[self.choice % len(policy.participation.methods)]
            return ParticipationStated(method, PROOFS[method])
        if stage == "awaiting_statement":
            return StatementChosen(self._type(claim))
        if stage == "awaiting_disclosures" and policy.disclosures:
            return DisclosuresAcknowledged(policy.disclosures.version)
        if stage == "awaiting_test":
            is_open = bool(claim.attempts) and claim.attempts[-1].answered_at is None
            # Now and then learners do their best, and fail.
            return Answer((self.choice % 4 > 0, self.choice % 3 > 0))(claim, at) if is_open else AttemptStarted()
        if stage == "awaiting_evaluation":
            return EvaluationCompleted(RESPONSES)
        if stage == "awaiting_finalization":
            return StatementFinalized(is_confirmed=True)
        return self._claiming(claim) if stage == "ready_to_claim" else None

    def _claiming(self, claim: ReferenceClaim) -> SubmissionBody:
        """What is still missing when credit may be claimed, or now and then one session more, and then the credit."""
        evaluation, is_each = claim.policy.evaluation, claim.policy.session_evaluation is not None
        is_waived = "evaluation" in claim.waived
        if evaluation and evaluation.asked == "at_claim" and not (claim.is_evaluated or is_waived):
            return EvaluationCompleted(RESPONSES)
        missing = claim.sessions.keys() - claim.evaluated_sessions if is_each and not is_waived else set()
        if claim.policy.sessions and (missing or not claim.sessions or self.choice % 3 == 0):
            sessions = [each for each in claim.policy.sessions if each.code in missing] or claim.policy.sessions
            session = sessions[self.choice % len(sessions)]
            return SessionClaimed(session.code, session.maximum_units, RESPONSES if is_each else None)
        credit_type = claim.statement or self._type(claim)
        offer = claim.eligible(credit_type)[0] or claim.policy.credit[0]
        units = None if claim.policy.sessions else claim.earned(offer)
        return CreditClaimed(credit_type, units, credit.rule_of(offer).attestation_version, is_attested=True)

    def _type(self, claim: ReferenceClaim) -> str:
        types = [offer.credit_type for offer in claim.policy.credit if claim.eligible(offer.credit_type)[1] == set()]
        return types[self.choice % len(types)] if types else "participation"


@dataclass(frozen=True)
class Send:
    """Send this, whatever the claim is."""

    body: SubmissionBody

    def __call__(self, _claim: ReferenceClaim, _at: datetime) -> SubmissionBody | None:
        return self.body


@dataclass(frozen=True)
class Answer:
    """Answer the newest attempt, or one before or after it, each question right or wrong."""

    right: tuple[bool, bool]
    offset: int = 0

    def __call__(self, claim: ReferenceClaim, _at: datetime) -> SubmissionBody | None:
        answers = {f"q{n}": "yes" if is_right else "no" for n, is_right in enumerate(self.right)}
        return AnswersGiven(len(claim.attempts) + self.offset, answers)


@dataclass(frozen=True)
class Claim:
    """Claim credit of some type, for a few steps more or less than all of it, whether it is time for that or not."""

    off_by: Decimal | None
    choice: int

    def __call__(self, claim: ReferenceClaim, _at: datetime) -> SubmissionBody | None:
        types = [offer.credit_type for offer in claim.policy.credit]
        credit_type = claim.statement if claim.statement and self.choice % 4 else types[self.choice % len(types)]
        offer = claim.eligible(credit_type)[0] or claim.policy.credit[0]
        most = sum(claim.sessions.values(), Decimal(0)) if claim.policy.sessions else claim.earned(offer)
        units = None if self.off_by is None else most + self.off_by
        return CreditClaimed(credit_type, units, credit.rule_of(offer).attestation_version, is_attested=True)


@dataclass(frozen=True)
class ClaimSession:
    """Claim a session, for a few steps more or less than all of it; or not any more."""

    off_by: Decimal | None
    choice: int
    is_evaluated: bool

    def __call__(self, claim: ReferenceClaim, _at: datetime) -> SubmissionBody | None:
        if not claim.policy.sessions:
            return None
        session = claim.policy.sessions[self.choice % len(claim.policy.sessions)]
        units = None if self.off_by is None else session.maximum_units + self.off_by
        return SessionClaimed(session.code, units, RESPONSES if self.is_evaluated else None)


@dataclass(frozen=True)
class Choose:
    """Choose a statement of one of the types that are offered."""

    choice: int

    def __call__(self, claim: ReferenceClaim, _at: datetime) -> SubmissionBody | None:
        types = [offer.credit_type for offer in claim.policy.credit]
        return StatementChosen(types[self.choice % len(types)]) if claim.policy.has_statement else None


@dataclass(frozen=True)
class Tried:
    """Something that belongs to the stage, right or wrong; or else what belongs to claiming, too early or too late."""

    proof: Step
    answer: Step
    claiming: Step

    def __call__(self, claim: ReferenceClaim, at: datetime) -> SubmissionBody | None:
        of_stage = {"verifying_participation": self.proof, "awaiting_test": self.answer}
        return of_stage.get(claim.stage(at), self.claiming)(claim, at)


@dataclass(frozen=True)
class Extend:
    """Let staff move the deadline to the end of a day, this many days from now."""

    days: int

    def __call__(self, claim: ReferenceClaim, at: datetime) -> SubmissionBody | None:
        today = at.astimezone(ZoneInfo(claim.policy.time_zone)).date()
        return DeadlineExtended(today + timedelta(days=self.days), "illness")


# Half of them ask for a lot, and of some learners for more than of others.
POLICIES: Final = policies() | policies().filter(
    lambda policy: len(policy.requirements) > 3 or any(getattr(each, "formats", ()) for each in policy.requirements)
)
CHOICES: Final = st.integers(0, 99)
RIGHT: Final = st.builds(Right, CHOICES)
PROOF: Final = st.builds(
    lambda method, value: Send(ParticipationStated(method, value)),
    st.sampled_from(list(PROOFS)),
    st.sampled_from([*PROOFS.values(), "recorded", f" {CODE.lower()}", "b 18", "B-19", "B-20", "G-5"]),
)
ANSWER: Final = st.builds(
    Answer, st.sampled_from([(True, True), (True, False), (False, False)]), st.sampled_from([0, 0, 0, -1, 1])
)
OFF_BY: Final = st.none() | st.sampled_from([Decimal(text) for text in ("0", "0", "-0.25", "0.25", "-0.50", "0.10")])
CLAIM: Final = st.builds(Claim, OFF_BY, CHOICES)
SESSION: Final = st.builds(ClaimSession, OFF_BY, CHOICES, st.booleans())
STATEMENT: Final = st.builds(Choose, CHOICES)


@dataclass(frozen=True)
class Waive:
    """Let staff waive one of the requirements, or what belongs to every claim."""

    choice: int

    def __call__(self, claim: ReferenceClaim, _at: datetime) -> SubmissionBody | None:
        kinds = sorted({each.kind for each in claim.policy.requirements} | {"credit", "post_test"})
        return RequirementWaived(kinds[self.choice % len(kinds)], WaiverReason.OTHER, "on paper")


@dataclass(frozen=True)
class Reopen:
    """Let staff open the claim again, with a new last day or without."""

    days: int | None

    def __call__(self, claim: ReferenceClaim, at: datetime) -> SubmissionBody | None:
        today = at.astimezone(ZoneInfo(claim.policy.time_zone)).date()
        due_on = None if self.days is None else today + timedelta(days=self.days)
        return ClaimReopened(ReopeningReason.ENDED_IN_ERROR, "appeal", due_on)


HOLD: Final = Send(ClaimHeld(HoldReason.OTHER, "doubts"))
RELEASE: Final = Send(ClaimReleased(ReleaseReason.CHECKED, "no doubts"))
WAIVE: Final = st.builds(Waive, st.integers(0, 20))
OFFICE: Final = st.one_of(
    st.builds(Extend, st.sampled_from([-1, 0, 1, 40, 70, 2000])),
    st.sampled_from([Send(ExtensionRequested("illness")), Send(ExtensionRefused("too_late"))]),
    st.sampled_from([HOLD, RELEASE, RELEASE]),
    WAIVE,
    st.builds(Reopen, st.sampled_from([None, None, 0, 30, 2000])),
    st.just(Send(ClaimDenied(DenialReason.OTHER, "doubts"))),
)
CORRECTION: Final = st.builds(
    CreditChange,
    st.none() | AMOUNTS,
    st.none() | st.dictionaries(st.integers(1, 5).map(lambda number: f"s{number}"), AMOUNTS, max_size=2),
)
# What learners try although it may be wrong, or too early, or done.
TRIED: Final = st.builds(Tried, proof=PROOF, answer=ANSWER, claiming=st.one_of(CLAIM, SESSION, STATEMENT))
# Wrong, one after the other.
GUESSES: Final = st.lists(
    st.builds(
        lambda method: Send(ParticipationStated(method, "B-19")), st.sampled_from(["code", "badge_id", "group_id"])
    ),
    min_size=4,
    max_size=7,
)
# A retry is for a parked step, and changes nothing of a claim.
ANYTHING: Final = st.builds(Send, BODIES.filter(lambda body: not isinstance(body, StepRetried)))


def moved(policy: CEActivityPolicy, days: timedelta) -> CEActivityPolicy:
    """The same policy, with all its dates so much later."""
    window = policy.claim_window
    opens_on, closes_on = (day and day + days for day in (window.opens_on, window.closes_on))
    return replace(
        policy,
        starts_on=policy.starts_on + days,
        ends_on=policy.ends_on + days,
        sessions=tuple(replace(each, held_on=each.held_on + days) for each in policy.sessions),
        claim_window=replace(window, opens_on=opens_on, closes_on=closes_on),
    )
