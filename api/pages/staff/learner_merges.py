"""Learners that may be one person: who they are, side by side, and making them one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from api.pages.staff.addresses import answer_or_page, api_address, form_errors, staff_address
from api.pages.staff.learners import name_of
from api.pages.visit import Answer, ApiProblem, Clerk, Reader, Visit
from api.pages.wording import profile_words
from config.languages import gettext as _
from domain.roles import STAFF_ROLES

router = APIRouter(include_in_schema=False)

Json = Mapping[str, Any]
_FIELDS: Final = ("given_name", "family_name", "credentials", "profession", "email")


@dataclass(frozen=True, slots=True)
class DuplicatesPage:
    """Pairs of learners that may be one person; ``kinds`` are what the identifiers that pairs share are called."""

    pairs: Sequence[Json]
    next: str | None
    kinds: Mapping[str, str]
    may_merge: bool


@router.get("/staff/learners/duplicates")
async def list_duplicates(visit: Reader, after: str = "") -> Response:
    """Pairs of learners that may be one person."""
    page = await visit.get(api_address("duplicates"), after=after)
    kinds = {kind: profile_words(kind) for pair in page["data"] for kind in pair["identifiers"]}
    may_merge = visit.principal is not None and visit.principal.role in STAFF_ROLES
    view = DuplicatesPage(page["data"], page["next"], kinds, may_merge)
    return visit.page("staff/learners/duplicates.html", view=view)


@dataclass(frozen=True, slots=True)
class MergePage:
    """Two learners side by side. ``rows`` are what is compared: a label, and what each of the two has."""

    learner: Json
    duplicate: Json
    rows: Sequence[tuple[str, str, str]]
    errors: Mapping[str, str]
    reason: str

    @property
    def name(self) -> str:
        """Who both will be."""
        return name_of(self.learner)

    @property
    def word(self) -> str:
        """What is typed before the two become one, in the present language."""
        return _("merge")


@router.get("/staff/learners/{learner_id}/merge")
async def preview_merge(visit: Clerk, learner_id: str, duplicate: str = "") -> Response:
    """Show two learners side by side, before they become one."""
    return await _render(visit, learner_id, duplicate.strip(), {}, "")


async def _render(visit: Visit, learner_id: str, duplicate_id: str, errors: Mapping[str, str], reason: str) -> Response:
    learner = await visit.get(api_address("learners", learner_id))
    duplicate = await visit.get(api_address("learners", duplicate_id or "none"))
    if learner["id"] == duplicate["id"]:
        raise ApiProblem.not_found()
    if visit.is_own(learner["id"]) or visit.is_own(duplicate["id"]):
        raise ApiProblem.of("own_account")
    view = MergePage(learner, duplicate, _rows(learner, duplicate), errors, reason)
    return visit.page("staff/learners/merge.html", status=422 if errors else 200, view=view)


def _rows(one: Json, other: Json) -> list[tuple[str, str, str]]:
    fields = [(profile_words(name), one[name] or "", other[name] or "") for name in _FIELDS]
    kinds = sorted({*one["identifiers"], *other["identifiers"]})
    numbers = [
        (profile_words(each), one["identifiers"].get(each, ""), other["identifiers"].get(each, "")) for each in kinds
    ]
    lengths = [
        (_("Claims"), str(len(one["claims"])), str(len(other["claims"]))),
        (_("Awards"), str(len(one["awards"])), str(len(other["awards"]))),
        (_("Since"), one["created_at"][:10], other["created_at"][:10]),
    ]
    return fields + numbers + lengths


@router.post("/staff/learners/{learner_id}/merge")
async def merge(visit: Reader, learner_id: str) -> Response:
    """Make a duplicate part of this learner."""
    form = await visit.form()
    duplicate, reason = form.text("duplicate"), form.text("reason")
    if form.text("confirmation").casefold() != _("merge"):
        words = {"confirmation": _("Type the word to confirm that you mean it.")}
        return await _render(visit, learner_id, duplicate, words, reason)

    async def refused(problem: ApiProblem) -> Response:
        return await _render(visit, learner_id, duplicate, form_errors(problem), reason)

    document = {"duplicate": duplicate, "reason": reason}
    sending = visit.send("POST", api_address("learners", learner_id, "merge"), document, key=form.key)
    answer = await answer_or_page(sending, refused)
    if not isinstance(answer, Answer):
        return answer
    notice = "merged" if answer.document["merged_at"] else "received"
    return visit.redirect(staff_address("learners", learner_id), notice=notice)
