"""Staff: who has done which step of a CE activity, on the screen and as a file."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from api.auth import Office
from api.limits import Limit
from api.problems import ProblemError
from api.services import Services, services_of
from api.v1 import answers
from api.v1.bodies import Reason
from api.v1.ce_activities import SLUG
from api.v1.claims import check_cursor
from api.v1.staff_claims import Learner, ListedLearner
from api.v1.steps import json_response
from config import __version__
from documents.claims_list import ListFormat
from documents.completion_list import Sheet, write_sheet
from domain.claims import Stage
from domain.completion import cells, columns
from domain.policy import CEActivityPolicy
from domain.progress import StepKind, StepState, progress_of
from storage import claim_lists, disclosures, outcomes, queries
from storage.acts import Actor
from storage.claim_lists import ClaimFilter, ClaimOrder
from storage.disclosures import Disclosure
from storage.queries import ClaimView

router = APIRouter(prefix="/v1/staff/ce-activities/{slug}/completion", tags=["staff"], responses=answers.STAFF_PROBLEMS)

ServicesOf = Annotated[Services, Depends(services_of)]

_EXPORTS: Final = Limit("exports", 10)
_ROWS_AT_ONCE: Final = 500
_MAXIMUM_SLUG_LENGTH: Final = 80


class Whose(BaseModel):
    """Whose claims are shown."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    stage: Stage | None = None
    learner: Annotated[Learner | None, Field(description="An address, an identifier, words of a name, a claim.")] = None


class CompletionQuery(Whose):
    """Which page is shown."""

    limit: Annotated[int, Field(ge=1, le=100)] = 50
    after: Annotated[str, Field(max_length=80)] | None = None


class ExportQuery(Whose):
    """As what the matrix is written, and why it is needed."""

    reason: Annotated[Reason, Field(description="Why it is needed; entered in the audit trail.")]
    format: Literal["csv", "xlsx"] = "csv"


class CompletionRow(BaseModel):
    """One claim; a step that does not apply to it is null."""

    claim: str
    href: str
    learner: ListedLearner
    stage: Stage
    opened_at: answers.Time
    steps: dict[StepKind, StepState | None]


class CompletionMatrix(BaseModel):
    """A page of the matrix, the newest claims first; pass ``next`` as ``after`` to go on."""

    ce_activity: str
    title: str
    time_zone: str
    steps: list[StepKind]
    data: list[CompletionRow]
    has_more: bool
    next: str | None


@dataclass(frozen=True, slots=True)
class _Matrix:
    """A CE activity with the steps that any of its claims' versions asks for."""

    services: Services
    slug: str
    policy: CEActivityPolicy
    steps: tuple[StepKind, ...]

    async def rows(self, wanted: ClaimFilter, after: str | None, limit: int) -> tuple[list[dict[str, Any]], bool]:
        """A page of rows, and whether there are more."""

        async def read(connection: AsyncConnection) -> tuple[list[str], list[ClaimView], dict[str, Any]]:
            ids = await claim_lists.claim_ids(connection, wanted, ClaimOrder.NEWEST, after, limit + 1)
            views = await queries.claims_among(connection, ids[:limit])
            return ids, views, await claim_lists.contacts(connection, [view.learner_id for view in views])

        ids, views, people = await self.services.database.statements(read)
        return [await self._row(view, people[view.learner_id]) for view in views], len(ids) > limit

    async def _row(self, view: ClaimView, learner: dict[str, Any]) -> dict[str, Any]:
        policy = await self.services.policies.get(view.version_id)
        progress = progress_of(policy, view.facts, view.read_at, view.attention)
        return {
            "claim": view.id,
            "href": f"/v1/staff/claims/{view.id}",
            "learner": dict(learner),
            "stage": progress.stage,
            "opened_at": view.opened_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "steps": cells(progress, self.steps),
        }

    async def all_rows(self, wanted: ClaimFilter) -> AsyncIterator[dict[str, Any]]:
        """Every row, read page by page, so that no connection is held for long."""
        after, has_more = None, True
        while has_more:
            rows, has_more = await self.rows(wanted, after, _ROWS_AT_ONCE)
            for row in rows:
                yield row
            after = rows[-1]["claim"] if rows else None
            has_more = has_more and after is not None


async def _matrix(services: Services, slug: str) -> _Matrix:
    is_slug = SLUG.fullmatch(slug) and len(slug) <= _MAXIMUM_SLUG_LENGTH
    view = await services.database.statements(lambda c: queries.ce_activity(c, slug)) if is_slug else None
    if view is None:
        raise ProblemError("not_found")
    claimed = await services.database.statements(lambda c: outcomes.claimed_versions(c, view.id))
    policy = await services.policies.get(view.version_id)
    versions = [await services.policies.get(version.version_id) for version in claimed]
    return _Matrix(services, slug, policy, columns(versions or [policy]))


@router.get("", response_model=CompletionMatrix)
async def show_completion(
    slug: str,
    principal: Office,  # noqa: ARG001  # only the office comes this far
    services: ServicesOf,
    asked: Annotated[CompletionQuery, Query()],
) -> Response:
    """Who has done which step, claim by claim, the newest first. A waived step is said to be waived."""
    check_cursor(asked.after)
    matrix = await _matrix(services, slug)
    wanted = ClaimFilter(ce_activity=slug, stage=asked.stage, learner=asked.learner)
    rows, has_more = await matrix.rows(wanted, asked.after, asked.limit)
    document = {
        "ce_activity": slug,
        "title": matrix.policy.title,
        "time_zone": matrix.policy.time_zone,
        "steps": list(matrix.steps),
        "data": rows,
        "has_more": has_more,
        "next": rows[-1]["claim"] if has_more else None,
    }
    return json_response(document)


_FILE: Final = {"schema": {"type": "string", "format": "binary"}}
_LISTS: Final[answers.Responses] = {
    200: {
        "description": "The matrix.",
        "content": {each.media_type: _FILE for each in (ListFormat.CSV, ListFormat.XLSX)},
    }
}


@router.get("/export", response_class=Response, responses=_LISTS)
async def export_completion(
    request: Request,
    slug: str,
    principal: Office,
    services: ServicesOf,
    asked: Annotated[ExportQuery, Query()],
) -> Response:
    """The whole matrix as CSV or XLSX; that it was handed out is entered."""
    matrix = await _matrix(services, slug)
    request.state.limit_headers = services.limiter.hit(_EXPORTS, principal.account_id)
    made_at, file_format = datetime.now(UTC), ListFormat(asked.format)
    wanted = ClaimFilter(ce_activity=slug, stage=asked.stage, learner=asked.learner)
    rows = [_cells(row, matrix.steps) async for row in matrix.all_rows(wanted)]
    sheet = Sheet(_lines(matrix, asked, made_at), _headings(matrix.steps), rows)
    content, sha256 = await asyncio.to_thread(write_sheet, sheet, file_format)
    to = Disclosure(Actor(principal.account_id, request.state.request_id), asked.reason)
    after = {"ce_activity": slug, "stage": asked.stage, "format": file_format, "rows": len(rows)}
    after |= {"is_of_learner": True} if asked.learner else {}
    await services.database.transaction(
        lambda c: c.run_sync(disclosures.enter, "completion.exported", to, after=after, evidence={"file": sha256.hex()})
    )
    name = f"completion-{slug}-made-{made_at:%Y%m%dT%H%M%SZ}.{file_format}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=file_format.media_type, headers=headers)


def _lines(matrix: _Matrix, asked: ExportQuery, made_at: datetime) -> list[str]:
    chosen = f"stage: {asked.stage or 'any'}" + (f", learner: {asked.learner}" if asked.learner else "")
    return [
        f"Completion of {matrix.policy.title} ({matrix.slug}), {chosen}",
        "An empty cell is a step that does not apply to the learner.",
        f"Made at {made_at:%Y-%m-%d %H:%M:%S} UTC by Laurel {__version__}.",
    ]


def _headings(steps: Sequence[StepKind]) -> list[str]:
    return ["Family name", "Given name", "E-mail", "Claim", *(_words(kind) for kind in steps), "Claim number"]


def _cells(row: dict[str, Any], steps: Sequence[StepKind]) -> list[str]:
    learner = row["learner"]
    names = [learner[name] or "" for name in ("family_name", "given_name", "email")]
    return [*names, _words(row["stage"]), *(_words(row["steps"][kind] or "") for kind in steps), row["claim"]]


def _words(code: str) -> str:
    """A code as files have it: ``post_test`` is ``Post test``."""
    return code.replace("_", " ").capitalize()
