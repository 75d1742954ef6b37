"""What learners and staff submit: one dataclass per kind, and its JSON shape in the intake.

A submission is a fact with a time of receipt. It is committed before it is acknowledged, and decided later.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum


class SubmissionKind(StrEnum):
    """The kinds of submission; each has its own signal (``workflows/contract.py``)."""

    OPENING = "opening"
    PARTICIPATION = "participation"
    ATTEMPT = "attempt"
    ANSWERS = "answers"
    EVALUATION = "evaluation"
    CREDIT = "credit"
    WITHDRAWAL = "withdrawal"
    EXTENSION = "extension"
    RETRY = "retry"


STAFF_KINDS = frozenset({SubmissionKind.EXTENSION, SubmissionKind.RETRY})


@dataclass(frozen=True, slots=True)
class Opening:
    """The learner opens a claim under one policy version."""

    ce_activity_id: str
    version_id: str


@dataclass(frozen=True, slots=True)
class ParticipationStated:
    """The learner chose one of the participation options."""

    method: str
    value: str


@dataclass(frozen=True, slots=True)
class AttemptStarted:
    """The learner starts an attempt at the post-test."""


@dataclass(frozen=True, slots=True)
class AnswersGiven:
    """The final answers of one attempt: question code -> option code."""

    number: int
    answers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class EvaluationCompleted:
    """The complete evaluation: question code -> option code, number on the scale, or text."""

    responses: Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class CreditClaimed:
    """The amount a learner claims, with the attestation that it is commensurate with participation (R-AMA-4)."""

    credit_type: str
    units: Decimal
    attestation_version: str
    is_attested: bool


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """The learner, or an operator, gives the claim up."""

    reason: str


@dataclass(frozen=True, slots=True)
class DeadlineExtended:
    """Staff move one claim's deadline to the end of a local day."""

    due_on: date
    reason: str


@dataclass(frozen=True, slots=True)
class StepRetried:
    """Staff ask a parked claim to try its step again."""

    reason: str


SubmissionBody = (
    Opening
    | ParticipationStated
    | AttemptStarted
    | AnswersGiven
    | EvaluationCompleted
    | CreditClaimed
    | Withdrawal
    | DeadlineExtended
    | StepRetried
)

_BODIES: dict[SubmissionKind, type[SubmissionBody]] = {
    SubmissionKind.OPENING: Opening,
    SubmissionKind.PARTICIPATION: ParticipationStated,
    SubmissionKind.ATTEMPT: AttemptStarted,
    SubmissionKind.ANSWERS: AnswersGiven,
    SubmissionKind.EVALUATION: EvaluationCompleted,
    SubmissionKind.CREDIT: CreditClaimed,
    SubmissionKind.WITHDRAWAL: Withdrawal,
    SubmissionKind.EXTENSION: DeadlineExtended,
    SubmissionKind.RETRY: StepRetried,
}
_KINDS = {body: kind for kind, body in _BODIES.items()}


@dataclass(frozen=True, slots=True)
class Submission:
    """One fact as the intake holds it; ``received_at`` is the database's clock at its commit."""

    id: str
    received_at: datetime
    body: SubmissionBody

    @property
    def kind(self) -> SubmissionKind:
        """Which kind of fact this is."""
        return kind_of(self.body)


def kind_of(body: SubmissionBody) -> SubmissionKind:
    """The kind that belongs to a body."""
    return _KINDS[type(body)]


def to_json(body: SubmissionBody) -> dict[str, object]:
    """The body as JSON values: units and dates as strings."""
    return {name: str(value) if isinstance(value, Decimal | date) else value for name, value in asdict(body).items()}


def from_json(kind: SubmissionKind, values: Mapping[str, object]) -> SubmissionBody:
    """Read back what ``to_json`` wrote; raises ``TypeError`` for fields the kind does not have."""
    read = dict(values)
    if "units" in read:
        read["units"] = Decimal(str(read["units"]))
    if "due_on" in read:
        read["due_on"] = date.fromisoformat(str(read["due_on"]))
    return _BODIES[kind](**read)  # type: ignore[arg-type]  # the field names are checked by the call itself
