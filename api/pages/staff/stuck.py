"""Stuck claims by their reasons, and e-mails that do not arrive, each with what to do about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.responses import Response

from api.pages.staff.addresses import answer_or_page, api_address, form_errors
from api.pages.staff.durations import duration_words
from api.pages.staff.words import ACTION_WORDS, EMAIL_STATES, EMAIL_WORDS
from api.pages.visit import Answer, ApiProblem, Reader, Visit
from domain.claims import Attention
from domain.office import OperatorAction
from domain.roles import STAFF_ROLES

router = APIRouter(prefix="/staff", include_in_schema=False)

Json = Mapping[str, Any]
_ON_A_PAGE: Final = 50


@dataclass(frozen=True, slots=True)
class Group:
    """Claims that are stuck for one reason. ``act_href`` leads to the suggested action, for those who may take it."""

    group: Json
    age: str
    act_href: str | None
    action: str | None
    list_href: str | None


@dataclass(frozen=True, slots=True)
class StuckPage:
    """Every reason for which claims are stuck."""

    groups: Sequence[Group]
    claims: int


@router.get("/stuck")
async def show_stuck_claims(visit: Reader) -> Response:
    """Stuck claims, grouped by the reason."""
    groups = (await visit.get("/v1/staff/claims/stuck"))["data"]
    page = StuckPage([_group(visit, group) for group in groups], sum(group["claims"] for group in groups))
    return visit.page("staff/stuck.html", view=page)


def _group(visit: Visit, group: Json) -> Group:
    since = datetime.fromisoformat(group["since"])
    is_attention = group["reason"] in set(Attention)
    filtered = {"attention": group["reason"]}
    action = group["suggested_action"]
    may_act = action is not None and visit.principal is not None and visit.principal.role in STAFF_ROLES
    return Group(
        group=group,
        age=duration_words((datetime.now(UTC) - since).total_seconds()),
        act_href=f"/staff/bulk?{urlencode({**filtered, 'action': action})}" if may_act and is_attention else None,
        action=ACTION_WORDS[OperatorAction(action)] if action else None,
        list_href=f"/staff/claims?{urlencode(filtered)}" if is_attention else None,
    )


@dataclass(frozen=True, slots=True)
class EmailsPage:
    """A page of e-mails that do not arrive; ``errors`` are by the field of one of their forms."""

    emails: Sequence[Json]
    older: str | None
    newer: str | None
    errors: Mapping[str, str]
    typed: Mapping[str, str]
    purpose_words: Mapping[Any, str]
    state_words: Mapping[str, str]


@router.get("/emails")
async def show_failing_emails(visit: Reader, after: str = "") -> Response:
    """E-mails that do not arrive, the oldest first."""
    return await _render_emails(visit, after)


async def _render_emails(
    visit: Visit,
    after: str = "",
    *,
    status: int = 200,
    errors: Mapping[str, str] | None = None,
    typed: Mapping[str, str] | None = None,
) -> Response:
    found = await visit.get("/v1/staff/emails", state="failing", after=after, limit=_ON_A_PAGE)
    page = EmailsPage(
        emails=found["data"],
        older=f"/staff/emails?after={found['next']}" if found["has_more"] else None,
        newer="/staff/emails" if after else None,
        errors=errors or {},
        typed=typed or {},
        purpose_words=EMAIL_WORDS,
        state_words=EMAIL_STATES,
    )
    return visit.page("staff/emails.html", status=status, view=page)


@router.post("/emails/{email_id}/retry")
async def retry_email(visit: Reader, email_id: str) -> Response:
    """Send an e-mail once more."""
    form = await visit.form()
    reason = form.text("reason")

    async def refused(problem: ApiProblem) -> Response:
        words = next(iter(form_errors(problem).values()))
        name = f"reason-{email_id}"
        return await _render_emails(visit, status=problem.status, errors={name: words}, typed={name: reason})

    sending = visit.send("POST", api_address("emails", email_id, "retry"), {"reason": reason}, key=form.key)
    answer = await answer_or_page(sending, refused)
    if not isinstance(answer, Answer):
        return answer
    return visit.redirect("/staff/emails", notice="email_queued")
