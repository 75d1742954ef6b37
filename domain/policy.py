"""The policy of one CE activity: what a learner must do, by when, and for which credit.

A policy is published as an immutable version; a claim keeps the version it opened with. These dataclasses are also
the shape of the document (YAML or JSON) that staff write: field names here are field names there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Literal, TypeVar

# For pydantic, which reads stored policies (storage/definitions/stored.py): a field that a class lacks is an error.
_REFUSE_UNKNOWN_FIELDS = {"extra": "forbid"}

_R = TypeVar("_R")


class LearningFormat(StrEnum):
    """The learning formats that a designation statement may name (R-AMA-3)."""

    LIVE_ACTIVITY = "live_activity"
    ENDURING_MATERIAL = "enduring_material"
    JOURNAL_BASED = "journal_based"
    TEST_ITEM_WRITING = "test_item_writing"
    MANUSCRIPT_REVIEW = "manuscript_review"
    PERFORMANCE_IMPROVEMENT = "performance_improvement"
    INTERNET_POINT_OF_CARE = "internet_point_of_care"

    @property
    def words(self) -> str:
        """The format as it is printed: ``enduring material``."""
        return {
            "journal_based": "journal-based activity",
            "internet_point_of_care": "Internet point-of-care activity",
        }.get(self.value, self.value.replace("_", " "))


class Profession(StrEnum):
    """What a learner practises; decides which credit a learner may claim (R-AMA-6)."""

    PHYSICIAN = "physician"
    PHYSICIAN_ASSISTANT = "physician_assistant"
    PHARMACIST = "pharmacist"
    PHARMACY_TECHNICIAN = "pharmacy_technician"
    NURSE = "nurse"
    ACCOUNTANT = "accountant"
    OTHER = "other"


class EventType(StrEnum):
    """How learners look for a CE activity: what kind of event it belongs to."""

    LIVE_MEETING = "live_meeting"
    TELECONFERENCE = "teleconference"
    WEBINAR = "webinar"
    ON_DEMAND = "on_demand"
    OTHER = "other"


class ParticipationMethod(StrEnum):
    """How participation is proved: by the learner's word, a code, a badge, a group's id, or a list of who was there."""

    ATTESTATION = "attestation"
    CODE = "code"
    BADGE_ID = "badge_id"
    GROUP_ID = "group_id"
    ROSTER = "roster"


class QuestionKind(StrEnum):
    """How a question of an evaluation is answered."""

    CHOICE = "choice"
    SCALE = "scale"
    TEXT = "text"


class EvaluationTime(StrEnum):
    """When an evaluation is asked for: before credit opens, when credit is claimed, or with each session."""

    BEFORE_CLAIM = "before_claim"
    AT_CLAIM = "at_claim"
    PER_SESSION = "per_session"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """The accredited provider, with the statements that its certificates print word for word (R-ACC-1).

    ``logo`` is the name of a stored picture.
    """

    __pydantic_config__ = _REFUSE_UNKNOWN_FIELDS

    name: str
    acronym: str = "CE"
    address: str | None = None
    website: str | None = None
    logo: str | None = None
    accreditation_statement: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One choice: ``code`` is stored, ``label`` is read by people."""

    __pydantic_config__ = _REFUSE_UNKNOWN_FIELDS

    code: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipationOption:
    """One way of taking part. ``format`` is the learning format of this way, where it differs from the activity's."""

    __pydantic_config__ = _REFUSE_UNKNOWN_FIELDS

    code: str
    label: str
    format: LearningFormat | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Participation:
    """Proof that the learner took part, by any one of ``methods``.

    ``options`` are the learner's choices where their word is enough; ``code`` is what a learner must know for the
    method ``code``. Badge ids, group ids and names come from rosters.
    """

    __pydantic_config__ = _REFUSE_UNKNOWN_FIELDS

    kind: Literal["participation"] = "participation"
    prompt: str = "How did you take part?"
    methods: tuple[ParticipationMethod, ...] = (ParticipationMethod.ATTESTATION,)
    options: tuple[ParticipationOption, ...] = ()
    code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """The learner first chooses which statement of credit they seek; it decides which credit they claim."""

    __pydantic_config__ = _REFUSE_UNKNOWN_FIELDS

    kind: Literal["statement"] = "statement"
    prompt: str = "Which statement of credit do you seek?"


@dataclass(frozen=True, slots=True, kw_only=True)
class DisclosurePage:
    """One page to read, such as the financial relationships of the speakers."""

    __pydantic_config__ = _REFUSE_UNKNOWN_FIELDS

    title: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosures:
    """Pages that must be read and acknowledged; the acknowledgement names their ``version``."""

    __pydantic_config__ = _REFUSE_UNKNOWN_FIELDS

    kind: Literal["disclosures"] = "disclosures"
    version: str
    pages: tuple[DisclosurePage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentItem:
    """A video, live session or page to complete: where it is, and how many minutes complete it."""

    __pydantic_config__ = _REFUSE_UNKNOWN_FIELDS

    code: str
    title: str
    url: str
    minutes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """Content to complete, as the learning platform reports it.

    With ``allows_partial`` a learner may claim what their progress has earned so far; else all of it must be complete.
    """

    __pydantic_config__ = _REFUSE_UNKNOWN_FIELDS

    kind: Literal["content"] = "content"
    items: tuple[ContentItem, ...]
    allows_partial: bool = False
    formats: tuple[LearningFormat, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TestQuestion:
    """A question of a post-test; exactly one option is right."""

    __pydantic_config__ = _REFUSE_UNKNOWN_FIELDS

    code: str
    text: str
    options: tuple[Option, ...]
    correct: str
    rationale: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PostTest:
    """A graded assessment whose passing score is shown before the start (R-AMA-8).

    ``formats`` limits it to learners who took part in one of these learning formats; empty means every learner.
    """

    __pydantic_config__ = _REFUSE_UNKNOWN_FIELDS

    kind: Literal["post_test"] = "post_test"
    passing_percent: int
    attempts_allowed: int | None = None
    grading_seconds: int = 30
    questions: tuple[TestQuestion, ...]
    formats: tuple[LearningFormat, ...] = ()

    @property
    def grading_delay(self) -> timedelta:
        """How long grading takes, counted from the receipt of the answers."""
        return timedelta(seconds=self.grading_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationQuestion:
    """A question of an evaluation: one of ``options``, 1 to ``scale_maximum``, or free text."""

    __pydantic_config__ = _REFUSE_UNKNOWN_FIELDS

    code: str
    text: str
    kind: QuestionKind
    options: tuple[Option, ...] = ()
    scale_maximum: int = 5
    is_required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """An ungraded feedback form without which no credit is awarded; ``formats`` as for a post-test."""

    __pydantic_config__ = _REFUSE_UNKNOWN_FIELDS

    kind: Literal["evaluation"] = "evaluation"
    asked: EvaluationTime = EvaluationTime.BEFORE_CLAIM
    questions: tuple[EvaluationQuestion, ...]
    formats: tuple[LearningFormat, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finalization:
    """The learner confirms that the statement is final; until then the claimed credit may be changed."""

    __pydantic_config__ = _REFUSE_UNKNOWN_FIELDS

    kind: Literal["finalization"] = "finalization"
    warning: str = "Once the statement is final, nothing can be added to it or changed in it."


Requirement = Participation | Statement | Disclosures | Content | PostTest | Evaluation | Finalization


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditOffer:
    """Credit of one type that the CE activity is designated for (R-AMA-1).

    ``credit_type`` and ``rule_version`` name an entry of ``domain/credit_types.toml``; no rule version means the one in
    force when the policy is published, which the published document then names. An identifier's ``code`` is the number
    under which the offer is registered, its ``label`` what such a number is called: ``UAN (pharmacists)``. ``formats``
    limits the offer to learners who took part in one of these learning formats; empty means every learner.
    """

    __pydantic_config__ = _REFUSE_UNKNOWN_FIELDS

    credit_type: str
    designated_units: Decimal
    designation_statement: str
    rule_version: str | None = None
    identifiers: tuple[Option, ...] = ()
    formats: tuple[LearningFormat, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One session of a meeting, with the most that may be claimed for it; times are local (R-AMA-10, R-TZ)."""

    __pydantic_config__ = _REFUSE_UNKNOWN_FIELDS

    code: str
    title: str
    held_on: date
    starts_at: time
    ends_at: time
    maximum_units: Decimal
    location: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateIssue:
    """Who issues the certificate: Laurel, or the organisation's own system, whose page learners are sent to."""

    __pydantic_config__ = _REFUSE_UNKNOWN_FIELDS

    issued: Literal["here", "elsewhere"] = "here"
    system: str | None = None
    url: str | None = None

    @property
    def is_here(self) -> bool:
        """Whether Laurel issues it."""
        return self.issued == "here"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimWindow:
    """When credit may be claimed: local dates in the CE activity's zone, both inclusive (R-TZ).

    ``days`` counts from the day on which the claim opened; the earlier of ``closes_on`` and ``days`` is the deadline.
    """

    __pydantic_config__ = _REFUSE_UNKNOWN_FIELDS

    opens_on: date | None = None
    closes_on: date | None = None
    days: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signatory:
    """Whose name stands below a certificate; ``signature`` is the name of a stored picture."""

    __pydantic_config__ = _REFUSE_UNKNOWN_FIELDS

    name: str
    title: str
    signature: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CEActivityPolicy:
    """Everything that decides a claim, and everything that its certificate prints about the CE activity."""

    __pydantic_config__ = _REFUSE_UNKNOWN_FIELDS

    title: str
    format: LearningFormat
    provider: Provider
    time_zone: str
    starts_on: date
    ends_on: date
    location: str | None = None
    description: str | None = None
    course_url: str | None = None
    contact: str
    activity_code: str | None = None
    event_type: EventType | None = None
    requirements: tuple[Requirement, ...]
    sessions: tuple[Session, ...] = ()
    credit: tuple[CreditOffer, ...]
    profile_fields: tuple[str, ...] = ()
    claim_window: ClaimWindow = ClaimWindow()
    reminder_days: tuple[int, ...] = (14, 3, 1)
    certificate: CertificateIssue = CertificateIssue()
    signatories: tuple[Signatory, ...] = ()
    paper: Literal["letter", "a4"] = "letter"

    @property
    def picture_names(self) -> tuple[str, ...]:
        """The names of the stored pictures that the certificate prints: logo and signatures."""
        names = (self.provider.logo, *(each.signature for each in self.signatories))
        return tuple(name for name in names if name)

    @property
    def participation(self) -> Participation | None:
        """The participation requirement, if there is one."""
        return self._first(Participation)

    @property
    def disclosures(self) -> Disclosures | None:
        """The disclosures, if there are any."""
        return self._first(Disclosures)

    @property
    def content(self) -> Content | None:
        """The content to complete, if there is any."""
        return self._first(Content)

    @property
    def post_test(self) -> PostTest | None:
        """The post-test, if there is one."""
        return self._first(PostTest)

    @property
    def has_statement(self) -> bool:
        """Whether learners choose their statement of credit first."""
        return self._first(Statement) is not None

    @property
    def finalization(self) -> Finalization | None:
        """The finalisation, if the statement has to be made final."""
        return self._first(Finalization)

    @property
    def evaluation(self) -> Evaluation | None:
        """The evaluation of the whole CE activity, if there is one."""
        return next((each for each in self._evaluations() if each.asked is not EvaluationTime.PER_SESSION), None)

    @property
    def session_evaluation(self) -> Evaluation | None:
        """The evaluation of each session, if there is one."""
        return next((each for each in self._evaluations() if each.asked is EvaluationTime.PER_SESSION), None)

    def session(self, code: str) -> Session | None:
        """The session with this code, if there is one."""
        return next((session for session in self.sessions if session.code == code), None)

    def _evaluations(self) -> Iterator[Evaluation]:
        return (each for each in self.requirements if isinstance(each, Evaluation))

    def _first(self, kind: type[_R]) -> _R | None:
        return next((each for each in self.requirements if isinstance(each, kind)), None)
