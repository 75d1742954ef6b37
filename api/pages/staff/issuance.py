"""The issuance pause: whether one is in force, why and what waits for it, and the forms that place and lift it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from api.pages.staff.addresses import answer_or_page, api_address, form_errors
from api.pages.staff.words import PAUSE_WORDS, RESUMPTION_WORDS
from api.pages.visit import ApiProblem, Reader, Visit
from api.pages.wording import field_words
from domain.issuance import may_pause

router = APIRouter(prefix="/staff/issuance", include_in_schema=False)

Json = Mapping[str, Any]

_PATH: Final = "/staff/issuance"
_EVERYBODY: Final = "*"


@dataclass(frozen=True, slots=True)
class IssuancePage:
    """Pauses in force and before, what waits, and the form that was refused: of the pause ``lifting``, or a new one."""

    in_force: Sequence[Json]
    earlier: Sequence[Json]
    waiting: Json
    providers: Sequence[Json]
    may_pause: bool
    typed: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    lifting: str = ""
    everybody: str = _EVERYBODY
    pause_words: Mapping[Any, str] = field(default_factory=lambda: PAUSE_WORDS)
    resumption_words: Mapping[Any, str] = field(default_factory=lambda: RESUMPTION_WORDS)


@router.get("")
async def show_issuance(visit: Reader) -> Response:
    """Whether issuance is paused, and what it was paused for before."""
    return await _show(visit)


async def _show(visit: Visit, status: int = HTTPStatus.OK, **shown: Any) -> Response:
    found = await visit.get("/v1/staff/issuance-pauses", with_lifted="true")
    principal = visit.principal
    view = IssuancePage(
        in_force=[each for each in found["data"] if each["lifted_at"] is None],
        earlier=[each for each in found["data"] if each["lifted_at"] is not None],
        waiting=found["waiting"],
        providers=found["providers"],
        may_pause=principal is not None and may_pause(principal.role),
        **shown,
    )
    return visit.page("staff/issuance.html", status=status, view=view)


@router.post("")
async def pause_issuance(visit: Reader) -> Response:
    """Pause issuance of a provider, or of all."""
    form = await visit.form()
    typed = {name: form.text(name) for name in ("provider", "reason_code", "reason")}
    provider = None if typed["provider"] == _EVERYBODY else typed["provider"]

    async def refused(problem: ApiProblem) -> Response:
        errors = form_errors(problem) | ({} if typed["provider"] else {"provider": field_words("required")})
        return await _show(visit, problem.status, typed=typed, errors=errors)

    sending = visit.send("POST", "/v1/staff/issuance-pauses", {**typed, "provider": provider}, key=form.key)
    answer = await answer_or_page(sending, refused)
    return answer if isinstance(answer, Response) else visit.redirect(_PATH, notice="issuance_paused")


@router.post("/{pause_id}/lift")
async def lift_issuance_pause(visit: Reader, pause_id: str) -> Response:
    """Let issuance go on."""
    form = await visit.form()
    typed = {name: form.text(name) for name in ("reason_code", "reason")}

    async def refused(problem: ApiProblem) -> Response:
        return await _show(visit, problem.status, typed=typed, errors=form_errors(problem), lifting=pause_id)

    sending = visit.send("POST", api_address("issuance-pauses", pause_id, "lift"), typed, key=form.key)
    answer = await answer_or_page(sending, refused)
    return answer if isinstance(answer, Response) else visit.redirect(_PATH, notice="issuance_resumed")
