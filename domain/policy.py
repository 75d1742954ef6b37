"""The policy of one CE activity: what a learner must do, by when, and for which credit.

A policy is published as an immutable version; a claim keeps the version it opened with. These dataclasses are also
the shape of the document (YAML or JSON) that staff write: field names here are field names there.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Literal

# Read by the document reader (storage/definitions.py): a field that a class does not have is an error, not ignored.
_REFUSE_UNKNOWN_FIELDS = {"extra": "forbid"}


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
    OTHER = "other"


class QuestionKind(StrEnum):
    """How a question of an evaluation is answered."""

    CHOICE = "choice"
    SCALE = "scale"
    TEXT = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """The accredited provider, with the statements that its certificates print word for word (R-ACC-1)."""

    __pydantic_config__ = _REFUSE_UNKNOWN_FIELDS

    name: str
    acronym: str = "CE"
    address: str | None = None
    website: str | None = None
    accreditation_statement: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One choice: ``code`` is stored, ``label`` is read by people."""

    __pydantic_config__ = _REFUSE_UNKNOWN_FIELDS

    code: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Participation:
    """The learner states how they took part, by choosing one of the options."""

    __pydantic_config__ = _REFUSE_UNKNOWN_FIELDS

    kind: Literal["participation"] = "participation"
    prompt: str = "How did you take part?"
    options: tuple[Option, ...]


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
    """A graded assessment whose passing score is shown before the start (R-AMA-8)."""

    __pydantic_config__ = _REFUSE_UNKNOWN_FIELDS

    kind: Literal["post_test"] = "post_test"
    passing_percent: int
    attempts_allowed: int | None = None
    grading_seconds: int = 30
    questions: tuple[TestQuestion, ...]

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
    """An ungraded feedback form that must be complete before credit is claimed."""

    __pydantic_config__ = _REFUSE_UNKNOWN_FIELDS

    kind: Literal["evaluation"] = "evaluation"
    questions: tuple[EvaluationQuestion, ...]


Requirement = Participation | PostTest | Evaluation


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditOffer:
    """Credit of one type that the CE activity is designated for (R-AMA-1).

    ``credit_type`` and ``rule_version`` name an entry of ``domain/credit_types.toml``; no rule version means the one in
    force when the policy is published, which the published document then names. An identifier's ``code`` is the number
    under which the offer is registered, its ``label`` what such a number is called: ``UAN (pharmacists)``.
    """

    __pydantic_config__ = _REFUSE_UNKNOWN_FIELDS

    credit_type: str
    designated_units: Decimal
    designation_statement: str
    rule_version: str | None = None
    identifiers: tuple[Option, ...] = ()


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
    """Whose name stands below a certificate."""

    __pydantic_config__ = _REFUSE_UNKNOWN_FIELDS

    name: str
    title: str


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
    requirements: tuple[Requirement, ...]
    credit: tuple[CreditOffer, ...]
    claim_window: ClaimWindow = ClaimWindow()
    signatories: tuple[Signatory, ...] = ()
    paper: Literal["letter", "a4"] = "letter"

    @property
    def participation(self) -> Participation | None:
        """The participation requirement, if there is one."""
        return next((r for r in self.requirements if isinstance(r, Participation)), None)

    @property
    def post_test(self) -> PostTest | None:
        """The post-test, if there is one."""
        return next((r for r in self.requirements if isinstance(r, PostTest)), None)

    @property
    def evaluation(self) -> Evaluation | None:
        """The evaluation, if there is one."""
        return next((r for r in self.requirements if isinstance(r, Evaluation)), None)

    def offer(self, credit_type: str) -> CreditOffer | None:
        """The offer of this credit type, if there is one."""
        return next((offer for offer in self.credit if offer.credit_type == credit_type), None)
