"""A claim that is played without a record: what learners send is decided, and time passes as in the ledger."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from domain import credit, sessions
from domain.assessments import grade
from domain.claiming import claimable_units
from domain.claims import (
    ClaimFacts,
    Stage,
    content_of,
    evaluation_asked,
    graded_at,
    is_overdue,
    offer_of,
    stage_of,
)
from domain.deadlines import due_at
from domain.decisions import NO_EVIDENCE, decide
from domain.identifiers import IDENTIFIERS
from domain.participation import Evidence, RosterMatch
from domain.policy import CEActivityPolicy, EvaluationTime, Participation, ParticipationMethod, Profession
from domain.progress import Action, Progress, progress_of
from domain.refusals import Accepted, Decision
from domain.submissions import (
    AnswersGiven,
    AttemptStarted,
    CreditClaimed,
    DisclosuresAcknowledged,
    EvaluationCompleted,
    ExtensionRequested,
    ParticipationStated,
    ProgressReported,
    SessionClaimed,
    StatementChosen,
    StatementFinalized,
    Submission,
    SubmissionBody,
    Withdrawal,
)

ENTRY = RosterMatch("ren_1", is_group=False, claim_id=None)
GROUP = RosterMatch("ren_2", is_group=True, claim_id=None)
RESPONSES = {"relevance": 5}
# Everybody may claim it, so a learner who does nothing wrong can always get it.
EVERYBODYS_CREDIT = "participation"
_ALWAYS_RIGHT: Mapping[Action, SubmissionBody] = {
    Action.CHOOSE_STATEMENT: StatementChosen(EVERYBODYS_CREDIT),
    Action.START_ATTEMPT: AttemptStarted(),
    Action.COMPLETE_EVALUATION: EvaluationCompleted(RESPONSES),
    Action.FINALIZE: StatementFinalized(is_confirmed=True),
    Action.REQUEST_EXTENSION: ExtensionRequested("illness"),
    Action.WITHDRAW: Withdrawal("mistake"),
}


def claiming_day(policy: CEActivityPolicy) -> date:
    """A day on which the sessions are over and the claim window is open."""
    return max(policy.claim_window.opens_on or policy.ends_on, policy.ends_on) + timedelta(days=1)


@dataclass(slots=True)
class PlayedClaim:
    """One claim of a learner whose profile lacks nothing; what is accepted becomes its facts."""

    policy: CEActivityPolicy
    facts: ClaimFacts
    given_answers: dict[int, Mapping[str, str]] = field(default_factory=dict)

    @classmethod
    def opened(cls, policy: CEActivityPolicy, profession: Profession, at: datetime) -> "PlayedClaim":
        due = due_at(policy.claim_window, policy.time_zone, at)
        return cls(policy, ClaimFacts(profession=profession, identifiers=frozenset(IDENTIFIERS), due_at=due))

    def progress(self, at: datetime) -> Progress:
        return progress_of(self.policy, self.facts, at, None)

    def send(self, body: SubmissionBody, at: datetime, evidence: Evidence = NO_EVIDENCE) -> Decision:
        """Decide what is received at this time; results whose delay has passed come before it, and the award after."""
        self.grade_if_due(at)
        decision = decide(self.policy, self.facts, Submission("sub_1", at, body), evidence)
        if not isinstance(decision, Accepted):
            return decision
        self.facts = decision.facts
        if isinstance(body, AnswersGiven):
            self.given_answers[body.number] = body.answers
        if not self.facts.is_awarded and stage_of(self.policy, self.facts, at) is Stage.AWARDING:
            self.facts = replace(self.facts, is_awarded=True)
        return decision

    def grade_if_due(self, at: datetime) -> None:
        result_at = graded_at(self.policy, self.facts)
        if result_at is not None and at >= result_at and self.policy.post_test is not None:
            *earlier, last = self.facts.attempts
            result = grade(self.policy.post_test, self.given_answers[last.number])
            self.facts = replace(self.facts, attempts=(*earlier, replace(last, has_passed=result.has_passed)))

    def expire_if_overdue(self, at: datetime) -> None:
        self.grade_if_due(at)
        if is_overdue(self.facts, stage_of(self.policy, self.facts, at), at):
            self.facts = replace(self.facts, closed_as=Stage.EXPIRED)

    def complete_content(self) -> None:
        content = content_of(self.policy, self.facts)
        complete = {item.code: 60 * item.minutes for item in content.items} if content else {}
        self.facts = replace(self.facts, content_seconds=complete)

    def do(self, action: Action, at: datetime) -> Decision | None:
        """Do what is offered, and do it right; None when there is nothing to send for it."""
        if action is Action.COMPLETE_CONTENT:
            self.complete_content()
        body = self.right_body(action)
        if body is None:
            return None
        is_group = isinstance(body, ParticipationStated) and body.method == ParticipationMethod.GROUP_ID
        return self.send(body, at, Evidence("clm_1", GROUP if is_group else ENTRY))

    def right_body(self, action: Action) -> SubmissionBody | None:
        """What a learner sends who does this right; None when nothing is sent for it, or nothing would be right."""
        match action:
            case Action.STATE_PARTICIPATION if self.policy.participation:
                return self._proof(self.policy.participation)
            case Action.ACKNOWLEDGE_DISCLOSURES if self.policy.disclosures:
                return DisclosuresAcknowledged(self.policy.disclosures.version)
            case Action.COMPLETE_CONTENT if self.policy.content:
                return ProgressReported(self.policy.content.items[0].code)
            case Action.SUBMIT_ANSWERS if self.policy.post_test:
                right = {question.code: question.correct for question in self.policy.post_test.questions}
                return AnswersGiven(len(self.facts.attempts), right)
            case Action.CLAIM_SESSION:
                return self._session()
            case Action.CLAIM_CREDIT:
                return self._credit()
            case _:
                return _ALWAYS_RIGHT.get(action)

    def _proof(self, participation: Participation) -> ParticipationStated:
        match participation.methods[0]:
            case ParticipationMethod.ATTESTATION:
                return ParticipationStated("attestation", participation.options[0].code)
            case ParticipationMethod.CODE:
                return ParticipationStated("code", participation.code or "")
            case method:
                return ParticipationStated(method, "B-17")

    def _session(self) -> SessionClaimed | None:
        """A session that goes with those claimed already, with the least that its statement allows, and evaluated."""
        offer = offer_of(self.policy, self.facts, self.facts.statement or EVERYBODYS_CREDIT)
        rule = credit.rule_of(offer) if offer else credit.rule(EVERYBODYS_CREDIT)
        is_asked = evaluation_asked(self.policy, self.facts, EvaluationTime.PER_SESSION) is not None
        missing = self.facts.sessions.keys() - self.facts.evaluated_sessions
        for session in sorted(self.policy.sessions, key=lambda each: each.code not in missing):
            units = rule.increment if rule.allows_partial else session.maximum_units
            is_possible = rule.is_step(units) and units <= session.maximum_units
            if is_possible and not sessions.overlapping(self.policy, session, self.facts.sessions):
                return SessionClaimed(session.code, units, RESPONSES if is_asked else None)
        return None

    def _credit(self) -> CreditClaimed | None:
        credit_type = self.facts.statement or EVERYBODYS_CREDIT
        offer = offer_of(self.policy, self.facts, credit_type)
        if offer is None:
            return None
        units = None if self.policy.sessions else claimable_units(self.policy, self.facts, offer)
        return CreditClaimed(credit_type, units, credit.rule_of(offer).attestation_version, is_attested=True)
