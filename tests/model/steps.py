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
from domain.identifiers import IDENTIFIERS
from domain.policy import CEActivityPolicy, Profession
from domain.submissions import (
    AnswersGiven,
    AttemptStarted,
    CreditClaimed,
    CreditCorrected,
    DeadlineExtended,
    DisclosuresAcknowledged,
    EvaluationCompleted,
    ExtensionRefused,
    ExtensionRequested,
    ParticipationStated,
    SessionClaimed,
    StatementChosen,
    StatementFinalized,
    StepRetried,
    SubmissionBody,
)
from tests.domain.policies import BODIES, CODE, QUARTER
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
LEARNERS: Final = st.builds(
    Learner,
    profession=st.sampled_from([each.value for each in Profession]),
    has=st.sampled_from([*5 * [_NAMED | IDENTIFIERS.keys()], _NAMED]),
)
ROSTERS: Final = st.sampled_from([Rosters(), Rosters(listed="mine"), Rosters(listed="theirs")])
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
            return Answer((True, True))(claim, at) or AttemptStarted()
        if stage == "awaiting_evaluation":
            return EvaluationCompleted(RESPONSES)
        if stage == "awaiting_finalization":
            return StatementFinalized(is_confirmed=True)
        return self.claiming(claim) if stage == "ready_to_claim" else None

    def claiming(self, claim: ReferenceClaim) -> SubmissionBody:
        """What is still missing when credit may be claimed, or now and then one session more, and then the credit."""
        evaluation, is_each = claim.policy.evaluation, claim.policy.session_evaluation is not None
        if evaluation and evaluation.asked == "at_claim" and not claim.is_evaluated:
            return EvaluationCompleted(RESPONSES)
        missing = claim.sessions.keys() - claim.evaluated_sessions if is_each else set()
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
    """Answer the open attempt, each question right or wrong."""

    right: tuple[bool, bool]

    def __call__(self, claim: ReferenceClaim, _at: datetime) -> SubmissionBody | None:
        if not claim.attempts or claim.attempts[-1].answered_at is not None:
            return None
        answers = {f"q{n}": "yes" if is_right else "no" for n, is_right in enumerate(self.right)}
        return AnswersGiven(len(claim.attempts), answers)


@dataclass(frozen=True)
class Claim:
    """Claim this amount of a type that the learner may claim, or of the statement's."""

    units: Decimal | None
    choice: int

    def __call__(self, claim: ReferenceClaim, _at: datetime) -> SubmissionBody | None:
        right = Right(3 * self.choice + 1).claiming(claim)
        return replace(right, units=self.units) if isinstance(right, CreditClaimed) else right


@dataclass(frozen=True)
class Extend:
    """Let staff move the deadline to the end of a day, this many days from now."""

    days: int

    def __call__(self, claim: ReferenceClaim, at: datetime) -> SubmissionBody | None:
        today = at.astimezone(ZoneInfo(claim.policy.time_zone)).date()
        return DeadlineExtended(today + timedelta(days=self.days), "illness")


CHOICES = st.integers(0, 99)
RIGHT: Final = st.builds(Right, CHOICES)
PROOF: Final = st.builds(
    lambda method, value: Send(ParticipationStated(method, value)),
    st.sampled_from(list(PROOFS)),
    st.sampled_from([*PROOFS.values(), "recorded", f" {CODE.lower()}", "b 18", "B-19", "G-5"]),
)
ANSWER: Final = st.builds(Answer, st.sampled_from([(True, True), (True, False), (False, False)]))
CLAIM: Final = st.builds(Claim, st.none() | AMOUNTS, CHOICES)
SESSION: Final = st.builds(
    lambda code, units, responses: Send(SessionClaimed(f"s{code}", units, responses)),
    st.integers(1, 5),
    st.none() | AMOUNTS,
    st.sampled_from([None, RESPONSES, RESPONSES]),
)
OFFICE: Final = st.one_of(
    st.builds(Extend, st.sampled_from([-1, 0, 1, 40, 70, 2000])),
    st.sampled_from([Send(ExtensionRequested("illness")), Send(ExtensionRefused("too_late"))]),
)
CORRECTION: Final = st.builds(
    lambda units, sessions: Send(CreditCorrected("illness", units, sessions)),
    st.none() | AMOUNTS,
    st.none() | st.dictionaries(st.integers(1, 5).map(lambda number: f"s{number}"), AMOUNTS, max_size=2),
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
