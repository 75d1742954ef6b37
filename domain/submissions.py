"""What learners and staff submit: one dataclass per kind, and its JSON shape in the intake.

A submission is a fact with a time of receipt. It is committed before it is acknowledged, and decided later.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from domain.reasons import (
    DenialReason,
    ExtensionReason,
    ExtensionRefusalReason,
    HoldReason,
    ReasonCode,
    ReleaseReason,
    ReopeningReason,
    ResolutionReason,
    RetryReason,
    WaiverReason,
    WithdrawalReason,
)


class SubmissionKind(StrEnum):
    """The kinds of submission; each has its own signal (``workflows/contract.py``)."""

    OPENING = "opening"
    PARTICIPATION = "participation"
    STATEMENT = "statement"
    DISCLOSURES = "disclosures"
    PROGRESS = "progress"
    ATTEMPT = "attempt"
    ANSWERS = "answers"
    EVALUATION = "evaluation"
    SESSION = "session"
    CREDIT = "credit"
    FINALIZATION = "finalization"
    WITHDRAWAL = "withdrawal"
    EXTENSION_REQUEST = "extension_request"
    EXTENSION = "extension"
    EXTENSION_REFUSAL = "extension_refusal"
    RETRY = "retry"
    HOLD = "hold"
    RELEASE = "release"
    WAIVER = "waiver"
    RESOLUTION = "resolution"
    DENIAL = "denial"
    REOPENING = "reopening"
    STAFF_WITHDRAWAL = "staff_withdrawal"


STAFF_KINDS = frozenset(
    {
        SubmissionKind.EXTENSION,
        SubmissionKind.EXTENSION_REFUSAL,
        SubmissionKind.RETRY,
        SubmissionKind.HOLD,
        SubmissionKind.RELEASE,
        SubmissionKind.WAIVER,
        SubmissionKind.RESOLUTION,
        SubmissionKind.DENIAL,
        SubmissionKind.REOPENING,
        SubmissionKind.STAFF_WITHDRAWAL,
    }
)


@dataclass(frozen=True, slots=True)
class Opening:
    """The learner opens a claim under one policy version."""

    ce_activity_id: str
    version_id: str


@dataclass(frozen=True, slots=True)
class ParticipationStated:
    """The learner proves that they took part: a ``ParticipationMethod``, and the option, code or id that goes with it.

    The method ``roster`` needs no value: the roster knows the learner by address or identifier.
    """

    method: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class StatementChosen:
    """The learner chooses the type of credit that their statement is to be of."""

    credit_type: str


@dataclass(frozen=True, slots=True)
class DisclosuresAcknowledged:
    """The learner read the disclosures; ``version`` says which."""

    version: str


@dataclass(frozen=True, slots=True)
class ProgressReported:
    """A platform reported progress with a piece of content; how much is in the record, merged."""

    content: str


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
class SessionClaimed:
    """What the learner claims for one session, with its evaluation; both may be changed until the statement is final.

    Without ``units`` the session is no longer claimed. Without ``responses`` the evaluation stays as it was.
    """

    session: str
    units: Decimal | None
    responses: Mapping[str, str | int] | None = None


@dataclass(frozen=True, slots=True)
class CreditClaimed:
    """The amount a learner claims, with the attestation that it is commensurate with participation (R-AMA-4).

    For a CE activity with sessions the amount is what the sessions add up to, and ``units`` is left out.
    """

    credit_type: str
    units: Decimal | None
    attestation_version: str
    is_attested: bool


@dataclass(frozen=True, slots=True)
class StatementFinalized:
    """The learner confirms, warned, that the statement is final."""

    is_confirmed: bool


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """The learner gives the claim up."""

    reason: str


@dataclass(frozen=True, slots=True)
class ExtensionRequested:
    """The learner asks for more time."""

    reason: str


@dataclass(frozen=True, slots=True)
class ExtensionRefused:
    """Staff answer a request for more time with no. Those of older releases have no code of a reason."""

    reason: str
    reason_code: ExtensionRefusalReason = ExtensionRefusalReason.OTHER


@dataclass(frozen=True, slots=True)
class DeadlineExtended:
    """Staff move one claim's deadline to the end of a local day. Those of older releases have no code of a reason."""

    due_on: date
    reason: str
    reason_code: ExtensionReason = ExtensionReason.OTHER


@dataclass(frozen=True, slots=True)
class StepRetried:
    """Staff ask a parked claim to try its step again. Those of older releases have no code of a reason."""

    reason: str
    reason_code: RetryReason = RetryReason.OTHER


@dataclass(frozen=True, slots=True)
class ClaimHeld:
    """Staff hold a claim: what its learner does is received, and decided when they release it."""

    reason_code: HoldReason
    reason: str


@dataclass(frozen=True, slots=True)
class ClaimReleased:
    """Staff let a held claim go on."""

    reason_code: ReleaseReason
    reason: str


@dataclass(frozen=True, slots=True)
class RequirementWaived:
    """Staff ask nothing more of a learner for one requirement; ``requirement`` is its kind."""

    requirement: str
    reason_code: WaiverReason
    reason: str


@dataclass(frozen=True, slots=True)
class AttentionResolved:
    """Staff did themselves what Laurel could not do, and for which the claim is parked."""

    reason_code: ResolutionReason
    reason: str


@dataclass(frozen=True, slots=True)
class ClaimDenied:
    """Staff end a claim without an award."""

    reason_code: DenialReason
    reason: str


@dataclass(frozen=True, slots=True)
class ClaimReopened:
    """Staff let a claim go on that ended without an award, if need be with a new last day, ``due_on``."""

    reason_code: ReopeningReason
    reason: str
    due_on: date | None = None


@dataclass(frozen=True, slots=True)
class ClaimWithdrawn:
    """Staff give a claim up for its learner."""

    reason_code: WithdrawalReason
    reason: str


SubmissionBody = (
    Opening
    | ParticipationStated
    | StatementChosen
    | DisclosuresAcknowledged
    | ProgressReported
    | AttemptStarted
    | AnswersGiven
    | EvaluationCompleted
    | SessionClaimed
    | CreditClaimed
    | StatementFinalized
    | Withdrawal
    | ExtensionRequested
    | DeadlineExtended
    | ExtensionRefused
    | StepRetried
    | ClaimHeld
    | ClaimReleased
    | RequirementWaived
    | AttentionResolved
    | ClaimDenied
    | ClaimReopened
    | ClaimWithdrawn
)

_BODIES: dict[SubmissionKind, type[SubmissionBody]] = {
    SubmissionKind.OPENING: Opening,
    SubmissionKind.PARTICIPATION: ParticipationStated,
    SubmissionKind.STATEMENT: StatementChosen,
    SubmissionKind.DISCLOSURES: DisclosuresAcknowledged,
    SubmissionKind.PROGRESS: ProgressReported,
    SubmissionKind.ATTEMPT: AttemptStarted,
    SubmissionKind.ANSWERS: AnswersGiven,
    SubmissionKind.EVALUATION: EvaluationCompleted,
    SubmissionKind.SESSION: SessionClaimed,
    SubmissionKind.CREDIT: CreditClaimed,
    SubmissionKind.FINALIZATION: StatementFinalized,
    SubmissionKind.WITHDRAWAL: Withdrawal,
    SubmissionKind.EXTENSION_REQUEST: ExtensionRequested,
    SubmissionKind.EXTENSION: DeadlineExtended,
    SubmissionKind.EXTENSION_REFUSAL: ExtensionRefused,
    SubmissionKind.RETRY: StepRetried,
    SubmissionKind.HOLD: ClaimHeld,
    SubmissionKind.RELEASE: ClaimReleased,
    SubmissionKind.WAIVER: RequirementWaived,
    SubmissionKind.RESOLUTION: AttentionResolved,
    SubmissionKind.DENIAL: ClaimDenied,
    SubmissionKind.REOPENING: ClaimReopened,
    SubmissionKind.STAFF_WITHDRAWAL: ClaimWithdrawn,
}
REASONS: Final[Mapping[SubmissionKind, type[ReasonCode]]] = {
    SubmissionKind.EXTENSION: ExtensionReason,
    SubmissionKind.EXTENSION_REFUSAL: ExtensionRefusalReason,
    SubmissionKind.RETRY: RetryReason,
    SubmissionKind.HOLD: HoldReason,
    SubmissionKind.RELEASE: ReleaseReason,
    SubmissionKind.WAIVER: WaiverReason,
    SubmissionKind.RESOLUTION: ResolutionReason,
    SubmissionKind.DENIAL: DenialReason,
    SubmissionKind.REOPENING: ReopeningReason,
    SubmissionKind.STAFF_WITHDRAWAL: WithdrawalReason,
}
"""The codes of the reasons for which staff may act: there are some for everything that staff submit."""
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
    return {name: _plain(value) for name, value in asdict(body).items()}


def _plain(value: object) -> object:
    if isinstance(value, Decimal | date):
        return str(value)
    return {name: _plain(each) for name, each in value.items()} if isinstance(value, dict) else value


def from_json(kind: SubmissionKind, values: Mapping[str, object]) -> SubmissionBody:
    """Read back what ``to_json`` wrote.

    Raises ``TypeError`` for fields that the kind does not have, and ``ValueError`` for values that none of them takes.
    """
    read = dict(values)
    if read.get("units") is not None:
        read["units"] = Decimal(str(read["units"]))
    if read.get("due_on") is not None:
        read["due_on"] = date.fromisoformat(str(read["due_on"]))
    if "reason_code" in read:
        read["reason_code"] = REASONS[kind](str(read["reason_code"]))
    return _BODIES[kind](**read)  # type: ignore[arg-type]  # the field names are checked by the call itself


def fields_of(kind: SubmissionKind) -> frozenset[str]:
    """The names of the fields that a kind's body has."""
    return frozenset(each.name for each in fields(_BODIES[kind]))


def staff_body(kind: SubmissionKind, given: Mapping[str, str | None]) -> SubmissionBody:
    """What staff ask for, from the words that they gave for it; words that the kind has no field for are passed over.

    Raises ``ValueError`` when something is missing, or is none of the values that a field takes.
    """
    try:
        return from_json(kind, {name: value for name, value in given.items() if name in fields_of(kind) and value})
    except TypeError:
        raise ValueError("field_missing") from None
