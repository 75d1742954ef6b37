"""Events of learning platforms: those that could not be applied, and what staff decide about them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.responses import Response

from api.pages.filtering import listed, status_of
from api.pages.staff.addresses import api_address, form_errors
from api.pages.visit import ApiProblem, Reader, Visit
from config.languages import gettext as _
from config.languages import marked
from domain.platform_events import EventProblem, EventState

router = APIRouter(prefix="/staff/integration-events", include_in_schema=False)

Json = Mapping[str, Any]

PROBLEM_WORDS: Final = {
    EventProblem.LEARNER_UNKNOWN: marked("Nobody is known by what the platform calls this learner."),
    EventProblem.LEARNER_AMBIGUOUS: marked("More than one learner is known by what the platform says."),
    EventProblem.CE_ACTIVITY_UNKNOWN: marked("There is no activity of this name or code."),
    EventProblem.CE_ACTIVITY_AMBIGUOUS: marked("More than one activity has this code."),
    EventProblem.CONTENT_UNKNOWN: marked("The activity has no content of this code."),
    EventProblem.INTERVALS_TOO_MANY: marked("The platform told of more pieces of time than are kept."),
    EventProblem.ROSTER_NOT_ACCEPTED: marked("The activity's participation is not proved by a roster."),
}
STATE_WORDS: Final = {
    EventState.QUARANTINED: marked("In quarantine"),
    EventState.APPLIED: marked("Applied"),
    EventState.IGNORED: marked("Without effect"),
    EventState.DISMISSED: marked("Dismissed"),
}
# Nobody may assign an event to themselves; that too is said beside the form.
_BESIDE_THE_FORM: Final = frozenset({403, 409, 422})


@dataclass(frozen=True, slots=True)
class EventLine:
    """One event, with what keeps it in quarantine in words, and what its platform sent."""

    event: Json
    problem: str
    sent: str


@dataclass(frozen=True, slots=True)
class Events:
    """A page of events in one state; ``errors`` are about the form that was sent last."""

    events: Sequence[EventLine]
    state: str
    states: Sequence[tuple[str, str]]
    integration: str
    next_page: str | None
    errors: Mapping[str, str]


@router.get("")
async def list_events(
    visit: Reader, state: str = EventState.QUARANTINED, integration: str = "", after: str = ""
) -> Response:
    """Events in a state, oldest first."""
    return await _page(visit, state, integration, after)


async def _page(
    visit: Visit, state: str, integration: str, after: str = "", problem: ApiProblem | None = None
) -> Response:
    wanted = {"state": state, "integration": integration}
    found, errors = await listed(visit, "/v1/staff/integration-events", wanted, after=after, limit=25)
    query = urlencode({**wanted, "after": found["next"] or ""})
    view = Events(
        events=[_line(event) for event in found["data"]],
        state=state,
        states=[(str(code), _(words)) for code, words in STATE_WORDS.items()],
        integration=integration,
        next_page=f"/staff/integration-events?{query}" if found["has_more"] else None,
        errors=errors | (form_errors(problem) if problem else {}),
    )
    status = problem.status if problem else status_of(errors)
    return visit.page("staff/integration_events.html", status=status, view=view)


def _line(event: Json) -> EventLine:
    problem = event["problem"]
    sent = json.dumps(event["body"], indent=2, ensure_ascii=False)
    return EventLine(event, _(PROBLEM_WORDS[EventProblem(problem)]) if problem else "", sent)


@router.post("/{integration}/{event_id}/{decision}")
async def settle_event(visit: Reader, integration: str, event_id: str, decision: str) -> Response:
    """Say whose event it is, try it again, or let it have no effect."""
    form = await visit.form()
    documents = {"assign": {"learner": form.text("learner")}, "retry": None, "dismiss": {"reason": form.text("reason")}}
    if decision not in documents:
        raise ApiProblem.not_found()
    path = api_address("integration-events", integration, event_id, decision)
    try:
        answer = await visit.send("POST", path, documents[decision], key=form.key)
    except ApiProblem as problem:
        if problem.status not in _BESIDE_THE_FORM or problem.code == "not_allowed":
            raise
        return await _page(visit, EventState.QUARANTINED, form.text("only"), problem=problem)
    is_settled = answer.document["state"] != EventState.QUARANTINED
    query = f"?{urlencode({'integration': form.text('only')})}" if form.text("only") else ""
    return visit.redirect(f"/staff/integration-events{query}", "saved" if is_settled else "event_stays")
