"""The shapes of answers, for the documentation; answers themselves are encoded without passing through these."""

from typing import Any, Final, Literal

from pydantic import BaseModel

from domain.claims import Stage
from domain.corrections import RevocationClass
from domain.progress import Action, DeadlineName, StepKind, StepState, WaitingFor
from domain.verification import VerificationStatus

Time = str
Units = str


class FieldProblem(BaseModel):
    """One wrong place in a request."""

    pointer: str
    code: str
    message: str | None = None


class Problem(BaseModel):
    """A problem document (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str
    errors: list[FieldProblem] | None = None
    details: dict[str, Any] | None = None
    next_actions: list[dict[str, Any]] | None = None
    incident: str | None = None


class LinkSent(BaseModel):
    """The same for every address."""

    message: str


class NextAction(BaseModel):
    """What may be done now: where to send it, and the form to fill in."""

    action: Action
    method: str
    href: str
    form: dict[str, Any] | None = None


class StepOfClaim(BaseModel):
    """One step of a claim."""

    kind: StepKind
    state: StepState
    reason: str | None
    until: Time | None


class ProgressOfClaim(BaseModel):
    """How far a claim is."""

    done: int
    total: int
    steps: list[StepOfClaim]


class Deadline(BaseModel):
    """A time that matters, with the offset that holds in its zone."""

    name: DeadlineName
    at: Time
    time_zone: str


class CEActivityOfClaim(BaseModel):
    """The CE activity that a claim is for."""

    slug: str
    title: str
    provider: str
    acronym: str
    format: str
    time_zone: str
    course_url: str | None
    contact: str
    href: str


class AttemptOfClaim(BaseModel):
    """One attempt at the post-test."""

    number: int
    started_at: Time
    submitted_at: Time | None
    graded_at: Time | None
    has_passed: bool | None
    correct: int | None
    total: int | None
    percent: int | None


class Award(BaseModel):
    """Credit that was granted."""

    id: str
    credit_type: str
    credit_name: str
    credit_is_italic: bool
    units: Units
    unit: str
    state: str
    completed_on: str
    awarded_at: Time


class CertificateOfClaim(BaseModel):
    """The certificate: reserved with the award, then issued."""

    id: str
    version: int
    state: str
    issued_at: Time | None
    href: str
    page_url: str
    verification_code: str
    verification_url: str


class CertificateElsewhere(BaseModel):
    """The system that issues the certificate, and its page, when Laurel does not."""

    system: str | None
    url: str | None


class SessionsSummary(BaseModel):
    """What is claimed of a meeting's sessions, and what is missing."""

    href: str
    count: int
    claimed: int
    total_units: Units
    designated_units: Units | None
    evaluations_missing: list[str]


class SessionOfClaim(BaseModel):
    """A session, and what is claimed for it."""

    code: str
    href: str
    title: str
    held_on: str
    starts_at: Time
    ends_at: Time
    time_zone: str
    location: str | None
    maximum_units: Units
    units: Units | None
    is_evaluated: bool
    overlaps: list[str]


class SessionList(BaseModel):
    """A page of sessions in the programme's order; pass ``next`` as ``after`` to go on."""

    data: list[SessionOfClaim]
    has_more: bool
    next: str | None


class ClaimedCredit(BaseModel):
    """The amount claimed."""

    credit_type: str
    units: Units


class HoldOfClaim(BaseModel):
    """Since when the office holds a claim, and why, as a code and in plain words."""

    since: Time
    reason_code: str
    message: str


class Claim(BaseModel):
    """The status of a claim. ``due_at`` is its deadline, whether it is still to come or has passed."""

    id: str
    href: str
    ce_activity: CEActivityOfClaim
    stage: Stage
    stage_since: Time
    is_pending: bool
    attention: str | None
    hold: HoldOfClaim | None
    opened_at: Time
    closed_at: Time | None
    due_at: Time | None
    waiting_for: WaitingFor
    waiting_until: Time | None
    next_actions: list[NextAction]
    blocked_by: list[StepKind]
    progress: ProgressOfClaim
    deadlines: list[Deadline]
    participation: str | None
    statement: str | None
    content: dict[str, Any] | None
    sessions: SessionsSummary | None
    credit: ClaimedCredit | None
    is_final: bool
    is_extension_requested: bool
    attempts: list[AttemptOfClaim]
    attempts_left: int | None
    award: Award | None
    certificate: CertificateOfClaim | None
    certificate_elsewhere: CertificateElsewhere | None


class ClaimList(BaseModel):
    """A page of claims; pass ``next`` as ``after`` to go on."""

    data: list[Claim]
    has_more: bool
    next: str | None


class LearnerOfClaim(BaseModel):
    """Whose claim it is; for staff."""

    id: str
    given_name: str | None
    family_name: str | None
    email: str


class Option(BaseModel):
    """A choice."""

    code: str
    label: str


class Question(BaseModel):
    """A question of a post-test, without its key."""

    code: str
    text: str
    options: list[Option]


class Attempt(AttemptOfClaim):
    """An attempt with its questions."""

    href: str
    claim: str
    answers_href: str
    passing_percent: int
    grading_seconds: int
    attempts_left: int | None
    questions: list[Question]


class Submission(BaseModel):
    """A submission: received, and decided or not yet."""

    id: str
    href: str
    claim: str
    kind: str
    received_at: Time
    decided_at: Time | None
    outcome: Literal["undecided", "accepted", "refused"]
    code: str | None
    details: dict[str, Any]


class HistoryEntry(BaseModel):
    """Something that happened. What was entered as ``personal``, and the ``reason``, may have been erased since."""

    seq: int
    at: Time | None
    event: str | None
    text: str
    actor: Literal["you", "system", "other"]
    reason: str | None
    personal: dict[str, Any]
    is_erased: bool
    stage: str | None
    details: dict[str, Any]
    submission: str | None
    request_id: str | None


class History(BaseModel):
    """A page of history; pass ``next`` as ``after`` to go on."""

    data: list[HistoryEntry]
    has_more: bool
    next: int | None


class AuditActor(BaseModel):
    """Who did something; ``name`` and ``email`` as far as they are known."""

    kind: Literal["account", "system", "operator", "command_line", "platform"]
    id: str
    name: str | None
    email: str | None


class AuditEntry(BaseModel):
    """One entry in full. Hashes are SHA-256 in hex; ``evidence`` maps what the entry rested on to its hash."""

    stream: str
    seq: int
    recorded_at: Time
    at: Time | None
    event: str | None
    text: str
    actor: AuditActor | None
    before: dict[str, Any]
    after: dict[str, Any]
    reason: str | None
    personal: dict[str, Any]
    is_erased: bool
    rule: str | None
    evidence: dict[str, str]
    submission: str | None
    request_id: str | None
    body_hash: str
    hash: str


class AuditTrail(BaseModel):
    """A page of entries; pass ``next`` as ``after`` to go on."""

    data: list[AuditEntry]
    has_more: bool
    next: int | str | None


class PublishedCEActivity(BaseModel):
    """The version that is current after a definition was taken."""

    slug: str
    version: int
    is_new: bool
    href: str


class Verification(BaseModel):
    """What anyone with the code, or the file, may know of a certificate; of one that was revoked only that it was.

    ``learner_name`` is null when its learner hides it. ``document`` is told of a file only.
    """

    status: VerificationStatus
    message: str
    checked_at: Time | None = None
    code: str | None = None
    version: int | None = None
    document: Literal["newest_version", "older_version"] | None = None
    superseded_by: str | None = None
    ended_on: str | None = None
    revocation_class: RevocationClass | None = None
    learner_name: str | None = None
    learner_credentials: str | None = None
    kind: str | None = None
    ce_activity: str | None = None
    learning_format: str | None = None
    location: str | None = None
    starts_on: str | None = None
    ends_on: str | None = None
    completed_on: str | None = None
    provider: str | None = None
    accreditation_statement: str | None = None
    designation_statement: str | None = None
    credit_name: str | None = None
    credit_is_italic: bool | None = None
    units: Units | None = None
    unit: str | None = None
    issued_on: str | None = None
    credential_url: str | None = None


class Health(BaseModel):
    """Whether a part answers."""

    status: str
    checks: dict[str, bool] | None = None


def _problem(words: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": words, "content": {"application/problem+json": {"schema": schema}}}


Responses = dict[int | str, dict[str, Any]]

PROBLEMS: Final[Responses] = {
    400: _problem("The request cannot be read."),
    401: _problem("Not signed in."),
    404: _problem("Absent, or not yours to see."),
    413: _problem("The body is too large."),
    415: _problem("The content type is not supported."),
    422: _problem("Some fields are not right."),
    429: _problem("Too many requests."),
    500: _problem("Something went wrong here; `incident` is its id."),
    503: _problem("The record cannot be reached; nothing was changed."),
}
TAKEN: Final[Responses] = {
    202: {"model": Submission, "description": "Received and recorded; `Location` tells the outcome."},
    409: _problem("Refused: `code` says why, `next_actions` what is possible."),
}
OPENED: Final[Responses] = {**TAKEN, 200: {"model": Claim, "description": "The claim I have already."}}
STAFF_PROBLEMS: Final[Responses] = {**PROBLEMS, 403: _problem("For staff only.")}
EVENTS: Final[Responses] = {
    200: {"description": "`status` events with a claim's status.", "content": {"text/event-stream": {}}}
}
