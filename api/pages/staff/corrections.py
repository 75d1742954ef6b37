"""Corrections of all claims: what waits for a second person, what became of the others, and ending one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from api.pages.staff.addresses import answer_or_page, api_address, form_errors, staff_address
from api.pages.visit import Answer, ApiProblem, Clerk, Reader, Visit
from domain.corrections import CorrectionState
from domain.roles import APPROVING_ROLES

router = APIRouter(include_in_schema=False)

Json = Mapping[str, Any]
_WAITING: Final = 100


@dataclass(frozen=True, slots=True)
class CorrectionsPage:
    """What waits for somebody's word, and the other corrections, the newest first."""

    waiting: Sequence[Json]
    listed: Json
    state: str
    account_id: str
    learner_id: str
    may_approve: bool
    errors: Mapping[str, str] = field(default_factory=dict)
    states: tuple[str, ...] = tuple(CorrectionState)

    def may_decide(self, correction: Json) -> bool:
        """Whether whoever looks may agree to this one: somebody else asked for it, and it is about somebody else."""
        is_own = correction["requested_by"] == self.account_id or correction["learner"]["id"] == self.learner_id
        return self.may_approve and not is_own


@router.get("/staff/corrections")
async def list_corrections(visit: Reader, state: str = "", after: str = "") -> Response:
    """Corrections of all claims."""
    return await _render(visit, state, after)


async def _render(
    visit: Visit, state: str = "", after: str = "", errors: Mapping[str, str] | None = None, status: int = 200
) -> Response:
    principal = visit.principal
    assert principal is not None  # noqa: S101  # the route lets nobody else come here
    chosen = state if state in tuple(CorrectionState) else ""
    waiting = await visit.get(api_address("corrections"), state=CorrectionState.AWAITING_APPROVAL, limit=_WAITING)
    view = CorrectionsPage(
        waiting=waiting["data"],
        listed=await visit.get(api_address("corrections"), state=chosen, after=after),
        state=chosen,
        account_id=principal.account_id,
        learner_id=principal.learner_id,
        may_approve=principal.role in APPROVING_ROLES,
        errors=errors or {},
    )
    return visit.page("staff/corrections.html", status=status, view=view)


@router.post("/staff/corrections/{correction_id}/approve")
async def approve(visit: Reader, correction_id: str) -> Response:
    """Agree to what somebody else asked for."""
    return await _decide(visit, correction_id, "approve", "approved")


@router.post("/staff/corrections/{correction_id}/decline")
async def decline(visit: Reader, correction_id: str) -> Response:
    """Decline what somebody else asked for."""
    return await _decide(visit, correction_id, "decline", "declined")


async def _decide(visit: Visit, correction_id: str, word: str, notice: str) -> Response:
    form = await visit.form()

    async def refused(problem: ApiProblem) -> Response:
        return await _render(visit, errors=form_errors(problem), status=problem.status)

    sending = visit.send("POST", api_address("corrections", correction_id, word), key=form.key)
    answer = await answer_or_page(sending, refused)
    if not isinstance(answer, Answer):
        return answer
    return visit.redirect(staff_address("corrections"), notice=notice)


@dataclass(frozen=True, slots=True)
class EndingPage:
    """The form that ends a correction that is parked."""

    correction: Json
    errors: Mapping[str, str]
    typed: Mapping[str, str]


@router.get("/staff/corrections/{correction_id}/resolve")
async def ask_for_end(visit: Clerk, correction_id: str) -> Response:
    """Say what ending a parked correction means, and ask why."""
    return await _ending(visit, correction_id, {}, {})


async def _ending(
    visit: Visit, correction_id: str, errors: Mapping[str, str], typed: Mapping[str, str], status: int = 200
) -> Response:
    correction = await visit.get(api_address("corrections", correction_id))
    if visit.is_own(correction["learner"]["id"]):
        raise ApiProblem.of("own_claim")
    return visit.page("staff/end_correction.html", status=status, view=EndingPage(correction, errors, typed))


@router.post("/staff/corrections/{correction_id}/resolve")
async def resolve(visit: Reader, correction_id: str) -> Response:
    """End a correction that is parked."""
    form = await visit.form()
    typed = {name: form.text(name) for name in ("reason_code", "reason")}

    async def refused(problem: ApiProblem) -> Response:
        return await _ending(visit, correction_id, form_errors(problem), typed, problem.status)

    sending = visit.send("POST", api_address("corrections", correction_id, "resolve"), typed, key=form.key)
    answer = await answer_or_page(sending, refused)
    if not isinstance(answer, Answer):
        return answer
    claim_id = answer.document["claim"].rpartition("/")[2]
    return visit.redirect(f"{staff_address('claims', claim_id)}#certificates", notice="correction_ended")
