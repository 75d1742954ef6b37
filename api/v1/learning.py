"""The steps of a claim: participation, attempts and answers, the evaluation, the credit, and giving up."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Body, Depends
from starlette.responses import Response

from api.acting import Step
from api.auth import SignedIn
from api.forms import Json, questions_json
from api.problems import FieldError, ProblemError
from api.services import Services, services_of
from api.v1 import answers
from api.v1.bodies import (
    AnswersRequest,
    CreditRequest,
    EvaluationRequest,
    Nothing,
    ParticipationRequest,
    ReasonRequest,
)
from api.v1.steps import StepDesk, json_response, own_claim
from api.views import attempt_json
from domain.assessments import MAXIMUM_TEXT_LENGTH, Problem, problems_with_answers, problems_with_responses
from domain.claims import attempts_left
from domain.names import clean_text
from domain.policy import CEActivityPolicy, Evaluation
from domain.submissions import (
    AnswersGiven,
    AttemptStarted,
    CreditClaimed,
    EvaluationCompleted,
    ParticipationStated,
    Withdrawal,
)
from storage.queries import ClaimView

router = APIRouter(prefix="/v1/claims/{claim_id}", tags=["steps"], responses=answers.PROBLEMS | answers.TAKEN)

ServicesOf = Annotated[Services, Depends(services_of)]

_MAXIMUM_ATTEMPT_DIGITS = 4


@router.post("/participation", response_model=answers.Claim)
async def state_participation(
    claim_id: str,
    body: ParticipationRequest,
    desk: StepDesk,
) -> Response:
    """Prove that I took part, in one of the ways that the activity offers."""
    view = await desk.own_claim(claim_id)
    return await desk.take(view, ParticipationStated(body.method, body.value))


@router.post("/attempts", status_code=201, response_model=answers.Attempt)
async def start_attempt(
    claim_id: str,
    desk: StepDesk,
    body: Annotated[Nothing | None, Body()] = None,  # noqa: ARG001  # its being there says that fields are refused
) -> Response:
    """Start an attempt at the post-test; answers with its questions. An attempt that is open is the same attempt."""
    view = await desk.own_claim(claim_id)

    def started(step: Step, claim: ClaimView, policy: CEActivityPolicy) -> Response:
        document = _attempt_document(claim, policy, str(step.submission.details.get("attempt", "")))
        return json_response(document, 201, {"Location": document["href"]})

    return await desk.take(view, AttemptStarted(), started)


@router.get("/attempts/{number}", response_model=answers.Attempt)
async def show_attempt(claim_id: str, number: str, principal: SignedIn, services: ServicesOf) -> Response:
    """One attempt: its questions, and its result once it is graded."""
    view = await own_claim(services, principal, claim_id)
    policy = await services.policies.get(view.version_id)
    return json_response(_attempt_document(view, policy, number))


def _attempt_document(view: ClaimView, policy: CEActivityPolicy, number: str) -> Json:
    attempt = next((each for each in view.attempts if str(each.number) == number), None)
    if attempt is None or policy.post_test is None:
        raise ProblemError("not_found")
    href = f"/v1/claims/{view.id}/attempts/{attempt.number}"
    return {
        **attempt_json(attempt),
        "href": href,
        "claim": f"/v1/claims/{view.id}",
        "answers_href": f"{href}/answers",
        "passing_percent": policy.post_test.passing_percent,
        "grading_seconds": policy.post_test.grading_seconds,
        "attempts_left": attempts_left(policy.post_test, view.facts),
        "questions": questions_json(policy.post_test),
    }


@router.post("/attempts/{number}/answers", response_model=answers.Claim)
async def give_answers(
    claim_id: str,
    number: str,
    body: AnswersRequest,
    desk: StepDesk,
) -> Response:
    """Give the final answers of an attempt; grading begins."""
    view = await desk.own_claim(claim_id)
    if not (number.isascii() and number.isdigit() and len(number) <= _MAXIMUM_ATTEMPT_DIGITS):
        raise ProblemError("not_found")
    policy = await desk.policy_of(view)
    if policy.post_test is not None:
        _refuse_problems("/answers", problems_with_answers(policy.post_test, body.answers))
    return await desk.take(view, AnswersGiven(int(number), body.answers))


@router.post("/evaluations", response_model=answers.Claim)
async def complete_evaluation(
    claim_id: str,
    body: EvaluationRequest,
    desk: StepDesk,
) -> Response:
    """Complete the evaluation."""
    view = await desk.own_claim(claim_id)
    policy = await desk.policy_of(view)
    responses = cleaned_responses(policy.evaluation, body.responses) if policy.evaluation else body.responses
    return await desk.take(view, EvaluationCompleted(responses))


def cleaned_responses(evaluation: Evaluation, responses: Mapping[str, str | int]) -> dict[str, str | int]:
    """Responses as they are recorded; refuses what is incomplete or impossible, naming only known questions."""
    known = {question.code for question in evaluation.questions}
    cleaned = {code: _clean_response(code, value, known) for code, value in responses.items()}
    _refuse_problems("/responses", problems_with_responses(evaluation, cleaned))
    return cleaned


def _clean_response(code: str, value: str | int, known: set[str]) -> str | int:
    if not isinstance(value, str):
        return value
    try:
        return clean_text(value, MAXIMUM_TEXT_LENGTH)
    except ValueError as error:
        pointer = f"/responses/{code}" if code in known else "/responses"
        raise ProblemError("validation_failed", errors=[FieldError(pointer, str(error))]) from None


def _refuse_problems(pointer: str, problems: Sequence[Problem]) -> None:
    """Refuse what is incomplete or impossible before it is recorded; only codes that the policy knows are named."""
    if problems:
        errors = [
            FieldError(f"{pointer}/{problem.question}" if problem.question else pointer, problem.reason)
            for problem in problems
        ]
        raise ProblemError("validation_failed", errors=errors)


@router.put("/credit", response_model=answers.Claim)
async def claim_credit(
    claim_id: str,
    body: CreditRequest,
    desk: StepDesk,
) -> Response:
    """Claim an amount of credit, attesting that it is commensurate with my participation.

    For a CE activity with sessions the amount is what they add up to, and ``units`` may be left out.
    """
    view = await desk.own_claim(claim_id)
    if body.units is None and not (await desk.policy_of(view)).sessions:
        raise ProblemError("validation_failed", errors=[FieldError("/units", "required")])
    claimed = CreditClaimed(
        credit_type=body.credit_type,
        units=Decimal(body.units) if body.units is not None else None,
        attestation_version=body.attestation_version,
        is_attested=body.attested,
    )
    return await desk.take(view, claimed)


@router.post("/withdrawal", response_model=answers.Claim)
async def withdraw(
    claim_id: str,
    body: ReasonRequest,
    desk: StepDesk,
) -> Response:
    """Give my claim up."""
    view = await desk.own_claim(claim_id)
    return await desk.take(view, Withdrawal(body.reason))
