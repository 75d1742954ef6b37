"""The four ways of claiming, each as a small policy, and how a test asks what becomes of a submission.

A pharmacy lecture (flow A), videos of a conference (B), a lecture that was also recorded (C), and a meeting with
sessions (D).
"""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from domain import credit
from domain.claims import ClaimFacts
from domain.deadlines import end_of_day
from domain.decisions import NO_EVIDENCE, decide
from domain.identifiers import IDENTIFIERS
from domain.participation import Evidence
from domain.policy import (
    CEActivityPolicy,
    CertificateIssue,
    ClaimWindow,
    Content,
    ContentItem,
    CreditOffer,
    DisclosurePage,
    Disclosures,
    Evaluation,
    EvaluationQuestion,
    EvaluationTime,
    Finalization,
    LearningFormat,
    Option,
    Participation,
    ParticipationMethod,
    ParticipationOption,
    PostTest,
    Profession,
    Provider,
    QuestionKind,
    Requirement,
    Session,
    Statement,
    TestQuestion,
)
from domain.refusals import Accepted, Decision, Refused
from domain.submissions import CreditClaimed, SessionClaimed, Submission, SubmissionBody

LIVE, ENDURING = LearningFormat.LIVE_ACTIVITY, LearningFormat.ENDURING_MATERIAL
ZONE = "America/Chicago"
NOW = datetime(2026, 6, 20, 15, tzinfo=UTC)
DUE_AT = end_of_day(date(2026, 8, 31), ZONE)
LATE = DUE_AT + timedelta(microseconds=1)
LEARNER = ClaimFacts(profession=Profession.PHYSICIAN, identifiers=frozenset(IDENTIFIERS), due_at=DUE_AT)
RESPONSES = {"relevance": 5}

_QUESTIONS = (EvaluationQuestion(code="relevance", text="Was it relevant?", kind=QuestionKind.SCALE),)
EVALUATION = Evaluation(questions=_QUESTIONS)
AT_CLAIM = Evaluation(questions=_QUESTIONS, asked=EvaluationTime.AT_CLAIM)
PER_SESSION = Evaluation(questions=_QUESTIONS, asked=EvaluationTime.PER_SESSION)
_YES_NO = (Option(code="yes", label="Yes"), Option(code="no", label="No"))
POST_TEST = PostTest(
    passing_percent=100,
    attempts_allowed=2,
    questions=(TestQuestion(code="q1", text="Is it?", options=_YES_NO, correct="yes"),),
)
DISCLOSURES = Disclosures(version="2026-1", pages=(DisclosurePage(title="Speakers", text="Nothing to disclose."),))


def offer(credit_type: str, units: str, *formats: LearningFormat, version: str | None = None) -> CreditOffer:
    return CreditOffer(
        credit_type=credit_type,
        rule_version=version,
        designated_units=Decimal(units),
        designation_statement="Claim what you took part in.",
        formats=formats,
    )


def ce_activity(*requirements: Requirement, credit: tuple[CreditOffer, ...], closes_on: date) -> CEActivityPolicy:
    return CEActivityPolicy(
        title="Infections in Practice",
        format=LIVE,
        provider=Provider(name="Lakeside Academy", accreditation_statement="The Lakeside Academy is accredited."),
        time_zone=ZONE,
        starts_on=date(2026, 6, 11),
        ends_on=date(2026, 6, 12),
        contact="ce@lakeside.example",
        requirements=requirements,
        credit=credit,
        claim_window=ClaimWindow(closes_on=closes_on),
    )


_CLOSES_ON = date(2026, 8, 31)

PHARMACY_LECTURE = ce_activity(
    Participation(methods=(ParticipationMethod.CODE,), code="485327"),
    EVALUATION,
    credit=(offer("acpe_contact_hours", "1.00"), offer("ama_pra_category_1", "1.00"), offer("participation", "1.00")),
    closes_on=_CLOSES_ON,
)

VIDEOS = Content(
    items=(
        ContentItem(code="opening", title="Opening", url="https://video.example/1", minutes=20),
        ContentItem(code="wounds", title="Wounds", url="https://video.example/2", minutes=40),
    ),
    allows_partial=True,
)
CONFERENCE_VIDEOS = replace(
    ce_activity(
        VIDEOS,
        AT_CLAIM,
        credit=(offer("ama_pra_category_1", "1.00"), offer("participation", "1.00")),
        closes_on=_CLOSES_ON,
    ),
    certificate=CertificateIssue(issued="elsewhere", system="Hill Clinic", url="https://hill.example/"),
)

RECORDED_LECTURE = ce_activity(
    Participation(
        options=(
            ParticipationOption(code="in_person", label="In person"),
            ParticipationOption(code="recorded", label="Recorded", format=ENDURING),
        )
    ),
    replace(POST_TEST, formats=(ENDURING,)),
    EVALUATION,
    credit=(
        offer("ama_pra_category_1", "1.50", LIVE),
        offer("ama_pra_category_1", "1.25", ENDURING),
        offer("participation", "1.25"),
    ),
    closes_on=_CLOSES_ON,
)

MEETING = replace(
    ce_activity(
        Statement(),
        Participation(methods=(ParticipationMethod.BADGE_ID,)),
        DISCLOSURES,
        PER_SESSION,
        Finalization(),
        credit=(
            offer("ama_pra_category_1", "2.50"),
            offer("california_rn_contact_hours", "3.50"),
            offer("nasba_cpe", "2.50", version="2026-1-halves"),
            offer("participation", "3.50"),
        ),
        closes_on=_CLOSES_ON,
    ),
    sessions=tuple(
        Session(
            code=code,
            title=code.title(),
            held_on=date(2026, 6, day),
            starts_at=time(*start),
            ends_at=time(*end),
            maximum_units=Decimal(units),
        )
        for code, day, start, end, units in (
            ("keynote", 11, (9, 0), (10, 0), "1.00"),
            ("sepsis", 11, (10, 0), (11, 30), "1.50"),
            ("fungi", 11, (11, 0), (12, 0), "1.00"),
            ("measles", 12, (9, 0), (10, 0), "1.00"),
        )
    ),
)
AT_MEETING = replace(LEARNER, statement="ama_pra_category_1", participation="badge_id", disclosures_version="2026-1")


def session_claimed(code: str, units: str | None = "1.00", *, evaluated: bool = True) -> SessionClaimed:
    return SessionClaimed(code, None if units is None else Decimal(units), RESPONSES if evaluated else None)


def credit_claimed(credit_type: str = "ama_pra_category_1", units: str | None = None) -> CreditClaimed:
    version = credit.rule(credit_type).attestation_version
    return CreditClaimed(credit_type, None if units is None else Decimal(units), version, is_attested=True)


def decided(
    policy: CEActivityPolicy,
    facts: ClaimFacts,
    body: SubmissionBody,
    at: datetime = NOW,
    evidence: Evidence = NO_EVIDENCE,
) -> Decision:
    return decide(policy, facts, Submission("sub_1", at, body), evidence)


def accepted(
    policy: CEActivityPolicy,
    facts: ClaimFacts,
    body: SubmissionBody,
    at: datetime = NOW,
    evidence: Evidence = NO_EVIDENCE,
) -> ClaimFacts:
    """The facts with a submission that must be accepted."""
    decision = decided(policy, facts, body, at, evidence)
    assert isinstance(decision, Accepted), decision
    return decision.facts


def refused(
    policy: CEActivityPolicy,
    facts: ClaimFacts,
    body: SubmissionBody,
    at: datetime = NOW,
    evidence: Evidence = NO_EVIDENCE,
) -> Refused:
    """The refusal of a submission that must be refused."""
    decision = decided(policy, facts, body, at, evidence)
    assert isinstance(decision, Refused), decision
    return decision
