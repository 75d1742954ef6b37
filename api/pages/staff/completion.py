"""The completion matrix of a CE activity: learners by steps, page by page, and as a file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from api.pages.staff.addresses import api_address, form_errors, staff_address
from api.pages.staff.claim_filters import Filter
from api.pages.visit import ApiProblem, Reader, Visit
from api.pages.wording import STAGE_NAMES, STATE_WORDS, STEP_WORDS
from config.languages import gettext as _
from domain.progress import StepState

router = APIRouter(prefix="/staff/ce-activities/{slug}/completion", include_in_schema=False)

Json = Mapping[str, Any]
_ON_A_PAGE: Final = 50
_NAMES: Final = ("learner", "stage")
_SIGNS: Final = {
    StepState.DONE: "✓",
    StepState.WAIVED: "◇",
    StepState.TO_DO: "○",
    StepState.LOCKED: "—",
    StepState.WAITING: "…",
}


@dataclass(frozen=True, slots=True)
class MatrixPage:
    """A page of the matrix; ``matrix`` is None when the filter was refused."""

    slug: str
    filter: Filter
    matrix: Json
    older: str | None
    newer: str | None
    signs: Mapping[Any, str]
    state_words: Mapping[Any, str]
    step_words: Mapping[Any, str]
    stage_names: Mapping[Any, str]
    errors: Mapping[str, str]


@router.get("")
async def show_completion(visit: Reader, slug: str, after: str = "") -> Response:
    """Who has done which step."""
    return await _render(visit, slug, Filter.of(visit.request.query_params, _NAMES), after)


async def _render(
    visit: Visit,
    slug: str,
    asked: Filter,
    after: str = "",
    *,
    status: int = 200,
    errors: Mapping[str, str] | None = None,
) -> Response:
    path = staff_address("ce-activities", slug, "completion")
    source = api_address("ce-activities", slug, "completion")
    try:
        matrix = await visit.get(source, **asked.chosen, after=after, limit=_ON_A_PAGE)
    except ApiProblem as problem:
        if problem.status != 422:  # noqa: PLR2004
            raise
        status, errors = 422, form_errors(problem)
        matrix = await visit.get(source, limit=_ON_A_PAGE)
    page = MatrixPage(
        slug=slug,
        filter=asked,
        matrix=matrix,
        older=asked.address(path, after=matrix["next"]) if matrix["has_more"] else None,
        newer=asked.address(path) if after else None,
        signs=_SIGNS,
        state_words={state: _(words) for state, words in STATE_WORDS.items()} | {None: _("does not apply")},
        step_words=STEP_WORDS,
        stage_names={stage: _(words) for stage, words in STAGE_NAMES.items()},
        errors=errors or {},
    )
    return visit.page("staff/completion.html", status=status, view=page, names=_learner_names(matrix["data"]))


def _learner_names(rows: Sequence[Json]) -> dict[str, str]:
    """What to call the learner of each claim."""
    return {row["claim"]: _learner_name(row["learner"]) for row in rows}


def _learner_name(learner: Json) -> str:
    names = [learner["given_name"], learner["family_name"]]
    return " ".join(each for each in names if each) or learner["email"] or _("No name")


@router.get("/export")
async def export_completion(visit: Reader, slug: str) -> Response:
    """The whole matrix as a file."""
    asked = Filter.of(visit.request.query_params, _NAMES)

    async def refused(problem: ApiProblem) -> Response:
        if problem.status not in (422, 429):
            raise problem
        return await _render(visit, slug, asked, status=problem.status, errors=form_errors(problem))

    return visit.forward(api_address("ce-activities", slug, "completion", "export"), refused=refused)
