"""The office: CE activities in every state, with their definitions, versions, what changed, and what learners see."""

import asyncio
import difflib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from api.auth import Office
from api.forms import questions_json
from api.problems import FieldError, ProblemError
from api.services import Services, services_of
from api.v1 import answers
from api.v1.ce_activities import SLUG, CEActivity
from api.v1.steps import json_response
from api.views import ce_activity_json, checklist_json, time_json
from domain.policy import CEActivityPolicy, Profession
from storage import definition_views, queries
from storage.definition_views import DefinedFilter, DefinedVersion, DefinedView
from storage.definitions import (
    DefinitionStatus,
    definition_values,
    definition_yaml,
)

router = APIRouter(prefix="/v1/staff/ce-activities", tags=["staff"], responses=answers.STAFF_PROBLEMS)

ServicesOf = Annotated[Services, Depends(services_of)]
Number = Annotated[int, Query(ge=1, le=2**31 - 1)]
_MAXIMUM_SLUG_LENGTH: Final = 80
_YAML: Final[answers.Responses] = {200: {"description": "The definition.", "content": {"application/yaml": {}}}}
_SIGNS: Final = {"-": "removed", "+": "added"}


class ClaimCounts(BaseModel):
    """How many claims there are: all, those that are open, those that were awarded."""

    total: int
    open: int
    awarded: int


class DefinedCEActivity(BaseModel):
    """A CE activity in a list of the office; ``changed_at`` is when its current version was published."""

    slug: str
    href: str
    title: str
    provider: str
    acronym: str
    format: str
    event_type: str | None
    activity_code: str | None
    starts_on: str
    ends_on: str
    time_zone: str
    status: DefinitionStatus
    version: int
    claims: ClaimCounts
    created_at: answers.Time
    changed_at: answers.Time


class DefinedCEActivityList(BaseModel):
    """A page of CE activities, newest first; pass ``next`` as ``after`` to go on."""

    data: list[DefinedCEActivity]
    has_more: bool
    next: str | None


class VersionAnswer(BaseModel):
    """One version; its claims keep it, whatever is published afterwards."""

    version: int
    created_by: str | None
    created_at: answers.Time
    claims: int


class DefinitionAnswer(DefinedCEActivity):
    """A CE activity with the definition of one version, and all versions, newest first."""

    shown_version: int
    definition: dict[str, Any]
    yaml_href: str
    versions: list[VersionAnswer]


class ChangedLine(BaseModel):
    """One line of a definition in YAML."""

    state: Literal["kept", "removed", "added", "left_out"]
    text: str


class Differences(BaseModel):
    """What one version says otherwise than another; lines that are the same in both are left out but for a few."""

    from_version: int
    to_version: int
    lines: list[ChangedLine]


class ChecklistStep(BaseModel):
    """A step of a claim that was opened now."""

    kind: str
    state: str
    reason: str | None
    until: answers.Time | None


class Preview(CEActivity):
    """What a learner of one profession would see, whether the CE activity is published or not."""

    checklist: list[ChecklistStep]
    post_test_questions: list[dict[str, Any]]


class CEActivitySearch(BaseModel):
    """Which CE activities to list; ``search`` looks into title, slug and activity code."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    status: DefinitionStatus | None = None
    search: Annotated[str, Field(max_length=100, pattern=r"^[^\x00]*$")] | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 50
    after: Annotated[str, Field(max_length=80, description="The `next` of the page before.")] | None = None


@dataclass(frozen=True, slots=True)
class Defined:
    """A CE activity with its current policy."""

    view: DefinedView
    policy: CEActivityPolicy


async def defined_ce_activity(services: Services, slug: str) -> Defined:
    """A CE activity in whichever state; else 404."""
    is_slug = SLUG.fullmatch(slug) and len(slug) <= _MAXIMUM_SLUG_LENGTH
    view = await services.database.statements(lambda c: definition_views.one(c, slug)) if is_slug else None
    if view is None:
        raise ProblemError("not_found")
    return Defined(view, await services.policies.get(view.version_id))


@router.get("", response_model=DefinedCEActivityList)
async def listdefined_ce_activity(
    principal: Office,  # noqa: ARG001  # only the office comes this far
    services: ServicesOf,
    wanted: Annotated[CEActivitySearch, Query()],
) -> Response:
    """CE activities in every state, newest first."""
    if wanted.after is not None and not SLUG.fullmatch(wanted.after):
        raise ProblemError("validation_failed", errors=[FieldError("after", "cursor_invalid")])
    words = (wanted.search or "").strip() or None
    searched = DefinedFilter(status=wanted.status, words=words, after=wanted.after, limit=wanted.limit + 1)
    views = await services.database.statements(lambda c: definition_views.listed(c, searched))
    shown, has_more = views[: wanted.limit], len(views) > wanted.limit
    data = [summary_json(Defined(view, await services.policies.get(view.version_id))) for view in shown]
    return json_response({"data": data, "has_more": has_more, "next": shown[-1].slug if has_more else None})


@router.get("/{slug}", response_model=DefinitionAnswer)
async def show_definition(
    slug: str,
    principal: Office,  # noqa: ARG001  # only the office comes this far
    services: ServicesOf,
    version: Annotated[Number | None, Query(description="By default the current one.")] = None,
) -> Response:
    """The definition of a CE activity in one of its versions, and all versions."""
    defined, shown, versions = await _shown(services, slug, version)
    policy = await services.policies.get(shown.version_id)
    document = {
        **summary_json(defined),
        "shown_version": shown.number,
        "definition": definition_values(slug, DefinitionStatus(defined.view.status), policy),
        "yaml_href": f"/v1/staff/ce-activities/{slug}/definition.yaml?version={shown.number}",
        "versions": [_version_json(each) for each in versions],
    }
    return json_response(document)


@router.get("/{slug}/definition.yaml", response_class=Response, responses=_YAML)
async def show_yaml(
    slug: str,
    principal: Office,  # noqa: ARG001  # only the office comes this far
    services: ServicesOf,
    version: Annotated[Number | None, Query(description="By default the current one.")] = None,
) -> Response:
    """The definition of a CE activity in one of its versions as YAML, which reads back as the same."""
    defined, shown, _ = await _shown(services, slug, version)
    text = await _yaml(services, defined, shown)
    headers = {"Content-Disposition": f'attachment; filename="{slug}.yaml"'}
    return Response(text, media_type="application/yaml", headers=headers)


async def _shown(
    services: Services, slug: str, version: int | None
) -> tuple[Defined, DefinedVersion, list[DefinedVersion]]:
    """A CE activity, the version of it that is asked for, and all versions; else 404."""
    defined = await defined_ce_activity(services, slug)
    versions = await services.database.statements(lambda c: definition_views.versions(c, defined.view.id))
    return defined, _version(versions, version or defined.view.number), versions


async def _yaml(services: Services, defined: Defined, version: DefinedVersion) -> str:
    policy = await services.policies.get(version.version_id)
    values = definition_values(defined.view.slug, DefinitionStatus(defined.view.status), policy)
    # A large definition takes a while to write; other requests go on meanwhile.
    return await asyncio.to_thread(definition_yaml, values)


def _version(versions: list[DefinedVersion], number: int) -> DefinedVersion:
    found = next((each for each in versions if each.number == number), None)
    if found is None:
        raise ProblemError("not_found")
    return found


@router.get("/{slug}/differences", response_model=Differences)
async def show_differences(
    slug: str,
    principal: Office,  # noqa: ARG001  # only the office comes this far
    services: ServicesOf,
    older: Annotated[Number, Query(alias="from")],
    newer: Annotated[Number, Query(alias="to")],
) -> Response:
    """What one version of a definition says otherwise than another, line by line."""
    defined, version, versions = await _shown(services, slug, older)
    texts = [await _yaml(services, defined, each) for each in (version, _version(versions, newer))]
    lines = await asyncio.to_thread(_changed_lines, *(text.splitlines() for text in texts))
    return json_response({"from_version": older, "to_version": newer, "lines": lines})


def _changed_lines(older: list[str], newer: list[str]) -> list[dict[str, str]]:
    found = list(difflib.unified_diff(older, newer, n=3, lineterm=""))[2:]
    return [
        {"state": "left_out", "text": ""}
        if line.startswith("@@")
        else {"state": _SIGNS.get(line[:1], "kept"), "text": line[1:]}
        for line in found
    ]


@router.get("/{slug}/preview", response_model=Preview)
async def preview_ce_activity(
    slug: str,
    principal: Office,  # noqa: ARG001  # only the office comes this far
    services: ServicesOf,
    profession: Profession | None = None,
) -> Response:
    """A CE activity as a learner of some profession would see it, drafts too, with the steps of a new claim."""
    defined = await defined_ce_activity(services, slug)
    view = await services.database.statements(lambda c: queries.ce_activity(c, slug))
    if view is None:
        raise ProblemError("not_found")
    now, policy = datetime.now(UTC), defined.policy
    document = {
        **ce_activity_json(view, policy, profession, now),
        "missing_in_profile": [],
        "checklist": checklist_json(policy, profession, now),
        "post_test_questions": questions_json(policy.post_test) if policy.post_test else [],
    }
    return json_response(document)


def summary_json(defined: Defined) -> dict[str, Any]:
    """A CE activity in a list of the office."""
    view, policy = defined.view, defined.policy
    return {
        "slug": view.slug,
        "href": f"/v1/staff/ce-activities/{view.slug}",
        "title": policy.title,
        "provider": policy.provider.name,
        "acronym": policy.provider.acronym,
        "format": policy.format,
        "event_type": policy.event_type,
        "activity_code": policy.activity_code,
        "starts_on": policy.starts_on.isoformat(),
        "ends_on": policy.ends_on.isoformat(),
        "time_zone": policy.time_zone,
        "status": view.status,
        "version": view.number,
        "claims": {"total": view.claims, "open": view.open_claims, "awarded": view.awarded_claims},
        "created_at": time_json(view.created_at),
        "changed_at": time_json(view.changed_at),
    }


def _version_json(version: DefinedVersion) -> dict[str, Any]:
    return {
        "version": version.number,
        "created_by": version.created_by,
        "created_at": time_json(version.created_at),
        "claims": version.claims,
    }
