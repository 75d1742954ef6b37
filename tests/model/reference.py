"""A second, simpler statement of a claim's life, after the glossary and the four flows.

It shares words with the product (policies, submissions, the numbers of credit rules) and none of its rules. Where the
product answers with one refusal code, this says every code that would be true: nothing said means that it counts.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache
from math import floor
from typing import Any
from zoneinfo import ZoneInfo

from domain.corrections import CreditChange
from domain.credit import CreditRule, rule_of
from domain.policy import (
    CEActivityPolicy,
    Content,
    CreditOffer,
    Disclosures,
    Evaluation,
    Finalization,
    Participation,
    PostTest,
    Requirement,
    Session,
    Statement,
)
from domain.submissions import (
    AnswersGiven,
    AttemptStarted,
    ClaimReopened,
    CreditClaimed,
    DeadlineExtended,
    DisclosuresAcknowledged,
    EvaluationCompleted,
    Opening,
    ParticipationStated,
    ProgressReported,
    RequirementWaived,
    SessionClaimed,
    StatementChosen,
    StatementFinalized,
    SubmissionBody,
    Withdrawal,
)
from tests.model import reference_office as office
from tests.model.reference_office import ENDED, UNDERWAY, WAITS

AWARDED = {"awarding", "issuing", "completed"}
CLAIMING = {"ready_to_claim", "awaiting_finalization"}
STEPS: dict[type[SubmissionBody], tuple[type[Requirement] | None, set[str]]] = {
    Opening: (None, UNDERWAY | AWARDED - ENDED),
    ParticipationStated: (Participation, {"verifying_participation"}),
    StatementChosen: (Statement, UNDERWAY),
    DisclosuresAcknowledged: (Disclosures, {"awaiting_disclosures"}),
    ProgressReported: (Content, UNDERWAY | AWARDED - ENDED),
    AttemptStarted: (PostTest, {"awaiting_test"}),
    AnswersGiven: (PostTest, {"awaiting_test"}),
    EvaluationCompleted: (Evaluation, {"awaiting_evaluation", "ready_to_claim"}),
    SessionClaimed: (None, CLAIMING),
    CreditClaimed: (None, CLAIMING),
    StatementFinalized: (Finalization, {"awaiting_finalization"}),
    Withdrawal: (None, UNDERWAY),
}
CHANGES_CREDIT = (StatementChosen, SessionClaimed, CreditClaimed)
WRONG_TRY = {"identifier_not_found", "identifier_taken"}


@cache
def clock_shows(day: date, wall: time, zone: str) -> datetime:
    """The first minute at which clocks show this time of a day, or a later one where it is skipped; in UTC."""
    local = datetime.combine(day, wall)
    start = local.replace(tzinfo=UTC) - timedelta(hours=15)
    minutes = (start + timedelta(minutes=minute) for minute in range(30 * 60))
    return next(at for at in minutes if at.astimezone(ZoneInfo(zone)).replace(tzinfo=None) >= local)


def day_ends(day: date, zone: str) -> datetime:
    return clock_shows(day + timedelta(days=1), time(), zone) - timedelta(microseconds=1)


@dataclass(frozen=True)
class Learner:
    """Who claims; ``has`` is what their profile holds."""

    profession: str
    has: frozenset[str]


@dataclass(frozen=True)
class Rosters:
    """What the rosters of the CE activity say: whose badge it is, which groups there are, and who is on the list."""

    badges: dict[str, str] = field(default_factory=lambda: {"B17": "mine", "B18": "theirs", "B20": "named"})
    groups: frozenset[str] = frozenset({"G4"})
    listed: str | None = None

    def entry(self, method: str, value: str) -> str | None:
        """Whom the entry is for: mine, theirs, somebody named who is not me, or a group; None when there is none."""
        key = value.replace("-", "").replace(" ", "").upper()
        if method == "roster":
            return self.listed
        if method == "badge_id":
            return self.badges.get(key)
        return "group" if key in self.groups else None


@dataclass
class Attempt:
    """One try at the test; the result is known after the grading delay, or when somebody has seen it."""

    answered_at: datetime | None = None
    is_right: bool = False
    is_known: bool = False


@dataclass
class ReferenceClaim:
    """One learner's claim, told what is received in the order of receipt."""

    policy: CEActivityPolicy
    learner: Learner
    opened_at: datetime
    rosters: Rosters = Rosters()
    due: datetime | None = None
    way: str | None = None
    wrong_tries: list[datetime] = field(default_factory=list)
    statement: str | None = None
    is_disclosed: bool = False
    watched: dict[str, set[int]] = field(default_factory=dict)
    attempts: list[Attempt] = field(default_factory=list)
    is_evaluated: bool = False
    sessions: dict[str, Decimal] = field(default_factory=dict)
    evaluated_sessions: set[str] = field(default_factory=set)
    credit: tuple[str, Decimal] | None = None
    is_final: bool = False
    awards: list[tuple[str, Decimal]] = field(default_factory=list)
    is_told: bool = False
    is_time_asked: bool = False
    ended: str | None = None
    is_held: bool = False
    waived: frozenset[str] = frozenset()
    attempts_added: int = 0
    kept: list[tuple[SubmissionBody, datetime, str]] = field(default_factory=list)
    settled: list[tuple[str, set[str]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        window, zone = self.policy.claim_window, self.policy.time_zone
        days = [window.closes_on] if window.closes_on else []
        if window.days is not None:
            days.append(self.opened_at.astimezone(ZoneInfo(zone)).date() + timedelta(days=window.days))
        self.due = day_ends(min(days), zone) if days else None

    def state(self, at: datetime) -> dict[str, Any]:
        """Everything that matters of the claim at a moment, in plain values."""
        return {
            "stage": self.stage(at),
            "due": self.due,
            "way": self.way,
            "statement": self.statement,
            "disclosed": self.is_disclosed,
            "attempts": [self._result(attempt, at) for attempt in self.attempts],
            "evaluated": self.is_evaluated,
            "sessions": self.sessions,
            "evaluated_sessions": self.evaluated_sessions,
            "credit": self.credit,
            "final": self.is_final,
            "award": self.awards[-1] if self.awards else None,
            "time_asked": self.is_time_asked,
            "held": self.is_held,
            "waived": self.waived,
        }

    def stage(self, at: datetime) -> str:
        """Where the claim is. What waits for the learner ends with the deadline, unless the office holds it."""
        stage = self._stage_before_deadline(at)
        is_late = self.due is not None and at > self.due and not self.is_held
        return "expired" if stage in WAITS and is_late else stage

    def _stage_before_deadline(self, at: datetime) -> str:
        if self.ended:
            return self.ended
        if self.awards:
            return "completed" if self.is_told else "issuing" if self.policy.certificate.is_here else "awarding"
        for requirement in filter(self.applies, self.policy.requirements):
            stage = self.stage_of_missing(requirement, at)
            if stage is not None:
                return stage
        if self.credit is not None:
            return "awaiting_finalization"
        opens_on = self.policy.claim_window.opens_on
        is_open = opens_on is None or at >= clock_shows(opens_on, time(), self.policy.time_zone)
        return "ready_to_claim" if is_open else "awaiting_window"

    def stage_of_missing(self, requirement: Requirement, at: datetime) -> str | None:
        """The stage that waits for a requirement; None when it is met or waived, or is asked for with the claim."""
        if requirement.kind in self.waived:
            return None
        match requirement:
            case Participation() if self.way is None:
                return "verifying_participation"
            case Statement() if self.statement is None:
                return "awaiting_statement"
            case Disclosures() if not self.is_disclosed:
                return "awaiting_disclosures"
            case Content() if not any(self.earned(offer) for offer in self.offers()):
                return "awaiting_content"
            case PostTest():
                return self.stage_of_test(at)
            case Evaluation(asked="before_claim") if not self.is_evaluated:
                return "awaiting_evaluation"
        return None

    def stage_of_test(self, at: datetime) -> str | None:
        results = [self._result(attempt, at) for attempt in self.attempts]
        if True in results:
            return None
        if results and results[-1] is None and self.attempts[-1].answered_at is not None:
            return "grading"
        return "denied" if self.is_exhausted(at) else "awaiting_test"

    def is_exhausted(self, at: datetime) -> bool:
        test = self.policy.post_test
        allowed = test.attempts_allowed if test and test.kind not in self.waived else None
        results = [self._result(attempt, at) for attempt in self.attempts]
        return allowed is not None and results.count(False) >= allowed + self.attempts_added

    def _result(self, attempt: Attempt, at: datetime) -> bool | None:
        test = self.policy.post_test
        if test is None or attempt.answered_at is None:
            return None
        is_due = attempt.is_known or at >= attempt.answered_at + timedelta(seconds=test.grading_seconds)
        return attempt.is_right if is_due else None

    # What applies to this learner.

    def learning_format(self) -> str:
        options = self.policy.participation.options if self.policy.participation else ()
        return next((o.format for o in options if o.code == self.way and o.format), self.policy.format)

    def applies(self, part: Requirement | CreditOffer) -> bool:
        formats = getattr(part, "formats", ())
        return not formats or self.learning_format() in formats

    def is_open(self) -> bool:
        """Whether the learner may still choose how they took part."""
        asked = self.policy.participation
        return asked is not None and self.way is None and asked.kind not in self.waived

    def offers(self) -> list[CreditOffer]:
        return [offer for offer in self.policy.credit if self.is_open() or self.applies(offer)]

    def _evaluation(self, *asked: str) -> Evaluation | None:
        all_of_them = (each for each in self.policy.requirements if isinstance(each, Evaluation))
        return next((each for each in all_of_them if each.asked in asked and self.applies(each)), None)

    def earned(self, offer: CreditOffer) -> Decimal:
        """The most that this learner may claim of an offer so far."""
        content = next((c for c in self.policy.requirements if isinstance(c, Content) and self.applies(c)), None)
        if content is None or content.kind in self.waived:
            return offer.designated_units
        seconds = [min(len(self.watched.get(i.code, ())), 60 * i.minutes) for i in content.items]
        if sum(seconds) == sum(60 * item.minutes for item in content.items):
            return offer.designated_units
        if not content.allows_partial:
            return Decimal(0)
        rule = rule_of(offer)
        steps = Fraction(sum(seconds) // 60) / (rule.minutes_per_unit * Fraction(rule.increment))
        units = floor(steps + (Fraction(1, 2) if rule.rounding == "nearest" else 0)) * rule.increment
        return min(units, offer.designated_units) if units >= rule.minimum_units else Decimal(0)

    # What is received.

    def watch(self, content: str, start: int, end: int) -> None:
        """Seconds that a platform reports, in any order and as often as it likes."""
        self.watched.setdefault(content, set()).update(range(start, end))

    def tell(self) -> None:
        """The learner has the certificate, or was told of the award."""
        self.is_told = bool(self.awards)

    def send(self, body: SubmissionBody, at: datetime, name: str = "") -> set[str] | None:
        """Every reason for which this does not count, so that it counts when there is none; None while it is kept.

        What the office holds back is ``settled`` by the act that ends the hold, under the name that it was sent with.
        """
        if self.is_held and not isinstance(body, office.AT_ONCE):
            self.kept.append((body, at, name))
            return None
        reasons = self._decide(body, at)
        if not self.is_held and self.kept:
            for attempt in self.attempts:
                attempt.is_known = self._result(attempt, at) is not None
            kept, self.kept = self.kept, []
            self.settled = [(name, self._decide(body, at)) for body, at, name in kept]
        return reasons

    def _decide(self, body: SubmissionBody, at: datetime) -> set[str]:
        reasons = self._turn(body, at) or self._content(body, at)
        if not reasons:
            self._apply(body, at)
            is_complete = self._stage_before_deadline(at) == "awaiting_finalization"
            if self.credit is not None and is_complete and (self.is_final or not self.policy.finalization):
                self.awards.append(self.credit)
        elif reasons & WRONG_TRY and isinstance(body, ParticipationStated) and body.method != "roster":
            self.wrong_tries.append(at)
        return reasons

    def end(self, how: str) -> None:
        self.ended, self.is_held = how, False

    def _turn(self, body: SubmissionBody, at: datetime) -> set[str]:
        stage = self.stage(at)
        if isinstance(body, office.AT_ONCE) and not isinstance(body, Opening):
            return office.turn(self, body, stage)
        if stage == "expired":
            return {"deadline_passed"}
        if not self._has_step(body):
            return {"step_not_required"}
        is_done = self._is_done(body, at)
        return set() if stage in STEPS[type(body)][1] and not is_done else self._out_of_turn(body, stage, is_done)

    def _has_step(self, body: SubmissionBody) -> bool:
        kind = STEPS[type(body)][0]
        if isinstance(body, SessionClaimed):
            return bool(self.policy.sessions)
        here = [each for each in self.policy.requirements if self.is_open() or self.applies(each)]
        return kind is None or any(isinstance(r, kind) and getattr(r, "asked", "") != "per_session" for r in here)

    def _is_done(self, body: SubmissionBody, at: datetime) -> bool:
        match body:
            case ParticipationStated():
                return self.way is not None or "participation" in self.waived
            case DisclosuresAcknowledged():
                return self.is_disclosed or "disclosures" in self.waived
            case AttemptStarted() | AnswersGiven():
                return "post_test" in self.waived or any(self._result(each, at) for each in self.attempts)
            case EvaluationCompleted():
                return self.is_evaluated or "evaluation" in self.waived
        return False

    def _out_of_turn(self, body: SubmissionBody, stage: str, is_done: bool) -> set[str]:
        if stage in ("denied", "withdrawn"):
            return {"attempts_exhausted", "wrong_state"}
        if isinstance(body, (*CHANGES_CREDIT, StatementFinalized)) and self.awards:
            return {"finalized" if self.is_final else "already_claimed"}
        if self.awards:
            return {"wrong_state"} | ({"already_done"} if is_done else set())
        if is_done:
            return {"already_done"}
        if stage == "awaiting_window":
            return {"window_not_open"}
        if isinstance(body, StatementFinalized) and stage == "ready_to_claim":
            return {"credit_missing"}
        return {"step_locked"}

    def _content(self, body: SubmissionBody, at: datetime) -> set[str]:
        """What is wrong with what is sent, when its turn has come."""
        match body:
            case ParticipationStated():
                return self._wrong_proof(body, at)
            case StatementChosen():
                return self.eligible(body.credit_type)[1]
            case DisclosuresAcknowledged() if self.policy.disclosures:
                return set() if body.version == self.policy.disclosures.version else {"disclosures_outdated"}
            case ProgressReported() if self.policy.content:
                return set() if body.content in [i.code for i in self.policy.content.items] else {"option_unknown"}
            case AnswersGiven() if self.policy.post_test:
                return self._wrong_answers(self.policy.post_test, body)
            case EvaluationCompleted() if self.policy.evaluation:
                return _wrong_responses(self.policy.evaluation, body.responses)
        return self._claiming_content(body, at)

    def _claiming_content(self, body: SubmissionBody, at: datetime) -> set[str]:
        match body:
            case SessionClaimed():
                return self._wrong_session(body, at)
            case CreditClaimed():
                return self._wrong_credit(body, at)
            case StatementFinalized():
                return set() if body.is_confirmed else {"confirmation_required"}
            case DeadlineExtended():
                return self.wrong_extension(body.due_on, at)
            case RequirementWaived():
                return office.wrong_waiver(self, body.requirement, at)
            case ClaimReopened():
                return office.wrong_reopening(self, body, at)
        return set()

    def _wrong_proof(self, body: ParticipationStated, at: datetime) -> set[str]:
        wanted = self.policy.participation
        assert wanted is not None
        if body.method not in wanted.methods:
            return {"method_not_offered"}
        recent = [wrong for wrong in self.wrong_tries if wrong > at - timedelta(hours=1)]
        if body.method in ("code", "badge_id", "group_id") and len(recent) >= 5:
            return {"too_many_tries"}
        if body.method == "attestation":
            return set() if body.value in [option.code for option in wanted.options] else {"option_unknown"}
        if body.method == "code":
            is_right = "".join(body.value.split()).lower() == "".join((wanted.code or "").split()).lower()
            return set() if is_right else {"identifier_not_found"}
        entry = self.rosters.entry(body.method, body.value)
        if entry in (None, "named") or (entry == "group") is not (body.method == "group_id"):
            return {"identifier_not_found"}
        return {"identifier_taken"} if entry == "theirs" else set()

    def _wrong_answers(self, test: PostTest, body: AnswersGiven) -> set[str]:
        is_open = bool(self.attempts) and self.attempts[-1].answered_at is None
        reasons = set() if is_open and body.number == len(self.attempts) else {"attempt_closed"}
        possible = {question.code: {option.code for option in question.options} for question in test.questions}
        is_whole = body.answers.keys() == possible.keys()
        is_whole = is_whole and all(answer in possible[code] for code, answer in body.answers.items())
        return reasons if is_whole else reasons | {"answers_incomplete"}

    def eligible(self, credit_type: str) -> tuple[CreditOffer | None, set[str]]:
        """The offer of a type that this learner may claim, and why not if they may not."""
        for offer in self.offers():
            rule, audiences = rule_of(offer), {"P": "pharmacist", "T": "pharmacy_technician"}
            letters = {i.code[-1] for i in offer.identifiers if i.code[-2:-1] == "-"}
            is_registered = not letters or self.learner.profession in {audiences[letter] for letter in letters}
            if offer.credit_type == credit_type and self.learner.profession in rule.professions and is_registered:
                wanted = {"given_name", "family_name", *rule.required_identifiers, *self.policy.profile_fields}
                return offer, set() if wanted <= self.learner.has else {"profile_incomplete"}
        return None, {"not_eligible"}

    def _wrong_session(self, body: SessionClaimed, at: datetime) -> set[str]:
        session, reasons = self.policy.session(body.session), set()
        if session is None:
            return {"session_unknown"}
        if body.responses is not None:
            evaluation = self._evaluation("per_session")
            reasons |= _wrong_responses(evaluation, body.responses) if evaluation else {"step_not_required"}
        if body.units is not None:
            offer = next((each for each in self.offers() if each.credit_type == self.statement), None)
            rule = rule_of(offer) if offer else None
            reasons |= self._wrong_units_of(session, body.units, {*self.sessions, session.code}, rule, at)
        return reasons

    def _wrong_units_of(
        self, session: Session, units: Decimal, claimed: set[str], rule: CreditRule | None, at: datetime
    ) -> set[str]:
        step = rule.increment if rule else Decimal("0.01")
        reasons = _wrong_amount(units, step, session.maximum_units, step)
        if rule and not rule.allows_partial and not units.is_nan() and units != session.maximum_units:
            reasons.add("credit_whole_only")
        held = {each.code: self._held(each) for each in self.policy.sessions}
        start, end = held[session.code]
        if at < end:
            reasons.add("session_not_over")
        others = [held[code] for code in claimed - {session.code} if code in held]
        return reasons | ({"sessions_overlap"} if any(a < end and start < b for a, b in others) else set())

    def _held(self, session: Session) -> tuple[datetime, datetime]:
        zone = self.policy.time_zone
        day = session.held_on
        return clock_shows(day, session.starts_at, zone), clock_shows(day, session.ends_at, zone)

    def _wrong_credit(self, body: CreditClaimed, at: datetime) -> set[str]:
        offer, reasons = self.eligible(body.credit_type)
        reasons = set(reasons)
        if self.policy.has_statement and body.credit_type != self.statement:
            reasons.add("not_eligible")
        if offer is None:
            return reasons
        if not body.is_attested:
            reasons.add("attestation_required")
        if body.attestation_version != rule_of(offer).attestation_version:
            reasons.add("attestation_outdated")
        is_waived = "evaluation" in self.waived
        if self._evaluation("at_claim") and not (self.is_evaluated or is_waived):
            reasons.add("evaluations_missing")
        if self._evaluation("per_session") and not is_waived and self.sessions.keys() - self.evaluated_sessions:
            reasons.add("evaluations_missing")
        return reasons | self._wrong_total(offer, self.sessions, body.units, self.earned(offer), at)

    def correct(self, change: CreditChange, at: datetime) -> set[str]:
        """Every reason for which staff may not correct the award like this; it is corrected when there is none."""
        credit_type, units = self.awards[-1]
        offer = next(each for each in self.offers() if each.credit_type == credit_type)
        sessions = self.sessions if change.sessions is None else dict(change.sessions)
        reasons = self._wrong_total(offer, sessions, change.units, offer.designated_units, at)
        if not reasons and (sessions, self._total(sessions, change.units)) == (self.sessions, units):
            return {"nothing_to_correct"}
        if not reasons:
            self.sessions = sessions
            self.credit = (credit_type, self._total(sessions, change.units))
            self.awards.append(self.credit)
        return reasons

    def _wrong_total(
        self, offer: CreditOffer, sessions: dict[str, Decimal], stated: Decimal | None, most: Decimal, at: datetime
    ) -> set[str]:
        """What is wrong with an amount: that of the sessions together, or else the one that is stated."""
        rule, reasons, units = rule_of(offer), set(), stated
        if self.policy.sessions or sessions:
            if not sessions:
                return {"sessions_missing"}
            for code, claimed in sessions.items():
                session = self.policy.session(code)
                known = self._wrong_units_of(session, claimed, set(sessions), rule, at) if session else None
                reasons |= {"session_unknown"} if known is None else known
            if reasons:
                return reasons
            units = sum(sessions.values(), Decimal(0))
            if stated is not None and (stated.is_nan() or stated != units):
                reasons.add("credit_total_differs")
        if units is None:
            return {"credit_missing"}
        reasons |= _wrong_amount(units, rule.minimum_units, most, rule.increment)
        content = next((c for c in self.policy.requirements if isinstance(c, Content) and self.applies(c)), None)
        is_whole_only = not rule.allows_partial or (content is not None and not content.allows_partial)
        is_part = not self.policy.sessions and not units.is_nan() and units != offer.designated_units
        return reasons | ({"credit_whole_only"} if is_whole_only and is_part else set())

    def wrong_extension(self, due_on: date, at: datetime) -> set[str]:
        today = at.astimezone(ZoneInfo(self.policy.time_zone)).date()
        if due_on > today + timedelta(days=5 * 366):
            return {"deadline_too_late"}
        is_later = self.due is None or day_ends(due_on, self.policy.time_zone) > self.due
        return set() if due_on >= today and is_later else {"deadline_not_later"}

    def _apply(self, body: SubmissionBody, at: datetime) -> None:
        match body:
            case ParticipationStated():
                self.way = body.value if body.method == "attestation" else body.method
            case DisclosuresAcknowledged():
                self.is_disclosed = True
            case AttemptStarted():
                if not self.attempts or self.attempts[-1].answered_at is not None:
                    self.attempts.append(Attempt())
            case AnswersGiven() if self.policy.post_test:
                test = self.policy.post_test
                right = sum(body.answers[question.code] == question.correct for question in test.questions)
                is_right = Fraction(100 * right, len(test.questions)) >= test.passing_percent
                self.attempts[-1] = Attempt(at, is_right)
            case EvaluationCompleted():
                self.is_evaluated = True
            case _:
                office.act(self, body, at)
                self._apply_claiming(body)

    def move_deadline(self, due_on: date) -> None:
        self.due, self.is_time_asked = day_ends(due_on, self.policy.time_zone), False

    def _apply_claiming(self, body: SubmissionBody) -> None:
        match body:
            case StatementChosen():
                self.credit = self.credit if body.credit_type == self.statement else None
                self.statement = body.credit_type
            case SessionClaimed():
                before = self.sessions
                self.sessions = {code: units for code, units in before.items() if code != body.session}
                self.sessions |= {} if body.units is None else {body.session: body.units}
                if body.responses is not None:
                    self.evaluated_sessions = self.evaluated_sessions | {body.session}
                self.credit = self.credit if self.sessions == before else None
            case CreditClaimed():
                self.credit = (body.credit_type, self._total(self.sessions, body.units))
            case StatementFinalized():
                self.is_final = True

    def _total(self, sessions: dict[str, Decimal], stated: Decimal | None) -> Decimal:
        return sum(sessions.values(), Decimal(0)) if sessions or stated is None else stated


def _wrong_amount(units: Decimal, least: Decimal, most: Decimal, step: Decimal) -> set[str]:
    """What keeps an amount from being one of least, least and a step, and so on to the most."""
    if units.is_nan():
        return {"credit_increment"}
    reasons = ({"credit_minimum"} if units < least else set()) | ({"credit_maximum"} if units > most else set())
    return reasons or ({"credit_increment"} if units % step else set())


def _wrong_responses(evaluation: Evaluation, responses: Any) -> set[str]:
    is_known = responses.keys() <= {question.code for question in evaluation.questions}
    is_right = is_known and all(
        _is_answered(question, responses.get(question.code)) for question in evaluation.questions
    )
    return set() if is_right else {"answers_incomplete"}


def _is_answered(question: Any, response: Any) -> bool:
    if response is None or response == "":
        return not question.is_required
    if question.kind == "scale":
        return response in range(1, question.scale_maximum + 1)
    return question.kind == "text" or response in [option.code for option in question.options]
