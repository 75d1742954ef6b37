"""Taking a step of a claim: recorded, delivered, waited for, answered. Every step takes this same way."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import Depends
from starlette.requests import Request
from starlette.responses import Response

from api import acting
from api.acting import ClaimOfLearner, Sender, Step
from api.auth import Approver, Principal, SignedIn, Staff
from api.gateway import ClaimContext
from api.problems import MEDIA_TYPE, ProblemError, refusal_response
from api.services import Services, services_of
from api.v1.envelope import Envelope, envelope
from api.views import claim_json, next_actions_json, submission_json
from domain.identities import is_id
from domain.policy import CEActivityPolicy
from domain.submissions import SubmissionBody
from storage import intake, queries
from storage.intake import StoredAnswer
from storage.queries import ClaimView

_RETRY_AFTER_SECONDS: Final = "1"


def json_response(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with JSON, encoded once."""
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(body, status, headers=dict(headers or {}), media_type="application/json")


async def own_claim(services: Services, principal: Principal, claim_id: str) -> ClaimView:
    """A claim of the learner who asks; a foreign, an absent and a malformed one are the same 404."""
    view = await any_claim(services, claim_id)
    if view.learner_id != principal.learner_id:
        raise ProblemError("not_found")
    return view


async def any_claim(services: Services, claim_id: str) -> ClaimView:
    """A claim of anyone, for staff."""
    view = await services.database.statements(lambda c: queries.claim(c, claim_id)) if is_id(claim_id, "clm") else None
    if view is None:
        raise ProblemError("not_found")
    return view


Accepted = Callable[[Step, ClaimView, CEActivityPolicy], Response]


@dataclass(frozen=True, slots=True)
class Desk:
    """Where one request hands in a step: who asks, under which key, and how long they wait."""

    request: Request
    services: Services
    principal: Principal
    envelope: Envelope

    async def own_claim(self, claim_id: str) -> ClaimView:
        """The claim of the learner who asks; else 404."""
        return await own_claim(self.services, self.principal, claim_id)

    async def policy_of(self, view: ClaimView) -> CEActivityPolicy:
        """The policy that the claim was opened with."""
        return await self.services.policies.get(view.version_id)

    async def take(self, view: ClaimView, body: SubmissionBody, accepted: Accepted | None = None) -> Response:
        """Record, deliver and wait for one step of a claim that the principal may change, and answer.

        ``accepted`` makes the answer to an accepted step; by default it is the claim's status.
        """
        step = await acting.hand_in(self.services, view, body, self._sender)
        return await self.answer(step, accepted or self.status())

    async def submit(self, claim_id: str, learner_id: str, body: SubmissionBody, context: ClaimContext) -> Step:
        """Hand in a submission, and read what became of it."""
        return await acting.submit(self.services, ClaimOfLearner(claim_id, learner_id), body, context, self._sender)

    async def read(self, claim_id: str, submission_id: str, *, is_new: bool) -> Step:
        """What became of a submission that is recorded."""
        return await acting.read_step(self.services, claim_id, submission_id, is_new=is_new)

    @property
    def _sender(self) -> Sender:
        head = self.envelope
        return Sender(self.principal.account_id, head.request_id, head.key, head.patience)

    async def answer(self, step: Step, accepted: Accepted) -> Response:
        """Answer: 202 while the step is undecided, 409 when it was refused, else what ``accepted`` makes of it.

        The answer to a decided step is stored under the request's key; the same request gets the same answer again.
        """
        key, database = self.envelope.key, self.services.database
        stored = None
        if key is not None and not step.is_new:
            stored = await database.statements(lambda c: intake.stored_answer(c, key))
        response = _as_stored(stored) if stored else await self._answer(step, accepted)
        if key is not None and stored is None and step.submission.outcome is not None:
            document = json.loads(bytes(response.body))
            await database.statements(lambda c: intake.finish_answer(c, key, response.status_code, document))
        if not step.is_new:
            response.headers["Idempotent-Replayed"] = "true"
        return response

    async def _answer(self, step: Step, accepted: Accepted) -> Response:
        submission, claim = step.submission, step.claim
        if submission.outcome is None:
            document = submission_json(submission)
            headers = {"Location": document["href"], "Retry-After": _RETRY_AFTER_SECONDS}
            return json_response(document, 202, headers)
        policy = await self.policy_of(claim) if claim else None
        if submission.refusal is not None or claim is None or policy is None:
            actions = next_actions_json(claim, policy) if claim and policy else []
            return refusal_response(self.request, submission.refusal or "refused", submission.details, actions)
        return accepted(step, claim, policy)

    def status(self, status: int = 200) -> Accepted:
        """Answers an accepted step with the claim's status."""

        def respond(_step: Step, view: ClaimView, policy: CEActivityPolicy) -> Response:
            document = claim_json(view, policy, self.services.settings.public_url)
            return json_response(
                document, status, {"Location": document["href"]} if status == HTTPStatus.CREATED else {}
            )

        return respond


def _as_stored(stored: StoredAnswer) -> Response:
    status = stored.status or HTTPStatus.OK
    headers = {"Location": stored.body["href"]} if status == HTTPStatus.CREATED and "href" in stored.body else {}
    response = json_response(stored.body, status, headers)
    if status >= HTTPStatus.BAD_REQUEST:
        response.headers["Content-Type"] = MEDIA_TYPE
    return response


async def desk(
    request: Request,
    services: Annotated[Services, Depends(services_of)],
    principal: SignedIn,
    head: Annotated[Envelope, Depends(envelope)],
) -> Desk:
    """The desk for a request of someone who is signed in."""
    return Desk(request, services, principal, head)


async def staff_desk(at: Annotated[Desk, Depends(desk)], _principal: Staff) -> Desk:
    """The desk for staff."""
    return at


async def approver_desk(at: Annotated[Desk, Depends(desk)], _principal: Approver) -> Desk:
    """The desk for those who may agree to what others asked for."""
    return at


StepDesk = Annotated[Desk, Depends(desk)]
StaffDesk = Annotated[Desk, Depends(staff_desk)]
ApproverDesk = Annotated[Desk, Depends(approver_desk)]
