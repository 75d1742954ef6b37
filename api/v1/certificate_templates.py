"""Staff: providers' own certificate templates, judged and tried out before they are published, and previewed."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Final, Self

from fastapi import APIRouter, Depends, Header, Query
from pydantic import AfterValidator, BaseModel, Field, StringConstraints, model_validator
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import HTMLResponse, Response

from api import door
from api.auth import Office, Staff
from api.problems import FieldError, ProblemError
from api.services import Services, services_of
from api.v1 import answers
from api.v1.bodies import Body, Reason, ReasonRequest, Slug
from api.v1.once import answer_once
from api.v1.steps import StaffDesk, json_response
from api.views import time_json
from documents.certificate import render_preview_html
from documents.jobs import TemplateSource
from documents.models import Paper
from documents.samples import Sample, sample_job
from documents.template_lint import MAXIMUM_LENGTH, template_problems
from documents.template_trial import TemplateFailsError, render_sample, try_out, words_of
from domain import credit
from storage import certificate_templates as templates
from storage.acts import Actor
from storage.certificate_templates import NewTemplate, ProviderUnknownError, Source, TemplateVersion
from storage.images import is_name

router = APIRouter(prefix="/v1/staff/certificate-templates", tags=["staff"], responses=answers.STAFF_PROBLEMS)

ServicesOf = Annotated[Services, Depends(services_of)]
_UNPUBLISHED: Final = "preview@1"
# The page brings its own style, which our policy forbids elsewhere; and it may do nothing else.
_PREVIEW_POLICY: Final = (
    "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'; style-src 'unsafe-inline'; "
    "font-src 'self'; img-src data:; sandbox"
)
_PREVIEWED: Final[answers.Responses] = {
    200: {"description": "The certificate.", "content": {"application/pdf": {}, "text/html": {}}}
}


def _credit_type(code: str) -> str:
    if code not in {rule.code for rule in credit.rules()}:
        raise ValueError("credit_type_unknown")
    return code


Code = Annotated[str, StringConstraints(max_length=MAXIMUM_LENGTH)]
CreditType = Annotated[str, StringConstraints(max_length=64), AfterValidator(_credit_type)]


class TemplateRequest(Body):
    """A template, and whose certificates it serves: of one provider, one credit type, both, or all."""

    provider: Slug | None = None
    credit_type: CreditType | None = None
    html: Code
    css: Code
    reason: Reason | None = None


class PreviewRequest(Body):
    """What to look at: html and css as they are written, a published template, or neither for the built-in one."""

    html: Code | None = None
    css: Code | None = None
    name: Annotated[str, Field(max_length=64)] | None = None
    version: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None

    @model_validator(mode="after")
    def _names_one_template(self) -> Self:
        is_written = self.html is not None or self.css is not None
        if is_written and (self.html is None or self.css is None or self.name is not None):
            raise ValueError("html_and_css_or_name")
        if self.version is not None and self.name is None:
            raise ValueError("version_without_name")
        return self


class PreviewOptions(BaseModel):
    """With which data, and on which paper."""

    sample: Sample = Sample.ORDINARY
    paper: Paper = Paper.LETTER


class TemplateAnswer(BaseModel):
    """One version of a template; null for provider and credit type stands for all. A retired one serves no more."""

    name: str
    href: str
    version: int
    reference: str
    provider: str | None
    credit_type: str | None
    is_retired: bool
    sha256: str | None
    published_by: str
    published_at: answers.Time


class PublishedTemplate(TemplateAnswer):
    """The newest version; ``is_new`` is false when nothing was to be changed."""

    is_new: bool


class TemplateWithVersions(TemplateAnswer):
    """A version with its source, and all versions, newest first."""

    html: str | None
    css: str | None
    versions: list[TemplateAnswer]


class TemplateList(BaseModel):
    """A page of templates; pass ``next`` as ``after`` to go on."""

    data: list[TemplateAnswer]
    has_more: bool
    next: str | None


@router.put("/{name}", response_model=PublishedTemplate)
async def publish_template(name: str, body: TemplateRequest, desk: StaffDesk) -> Response:
    """Publish a template, once nothing is wrong with it and every sample fits its page."""
    if not is_name(name):
        message = "is made of a-z, 0-9 and -, such as northfield, and is at most 64 long"
        raise ProblemError("validation_failed", errors=[FieldError("name", "name_invalid", message)])
    source = Source(body.html, body.css)
    new = NewTemplate(name=name, provider=body.provider, credit_type=body.credit_type, source=source)
    if await _published_source(desk.services, name) != source:
        await _tried(desk.services, await _judged(TemplateSource(reference=_UNPUBLISHED, html=body.html, css=body.css)))
    actor = Actor(desk.principal.account_id, desk.envelope.request_id)

    async def publish(connection: AsyncConnection) -> Mapping[str, Any]:
        version, is_new = await connection.run_sync(templates.publish, new, actor, body.reason)
        return {**_json(version), "is_new": is_new}

    try:
        return await answer_once(desk.services, desk.envelope.key, publish)
    except ProviderUnknownError:
        message = "is the slug of a provider that has published a CE activity"
        raise ProblemError("validation_failed", errors=[FieldError("/provider", "provider_unknown", message)]) from None


@router.post("/{name}/retire", response_model=PublishedTemplate)
async def retire_template(name: str, body: ReasonRequest, desk: StaffDesk) -> Response:
    """Let a template serve no new certificates; publishing it again lets it."""
    actor = Actor(desk.principal.account_id, desk.envelope.request_id)

    async def retire(connection: AsyncConnection) -> Mapping[str, Any]:
        retired = await connection.run_sync(templates.retire, name, actor, body.reason) if is_name(name) else None
        if retired is None:
            raise ProblemError("not_found")
        return {**_json(retired[0]), "is_new": retired[1]}

    return await answer_once(desk.services, desk.envelope.key, retire)


@router.post("/preview", response_class=Response, responses=_PREVIEWED)
async def preview_template(
    body: PreviewRequest,
    principal: Staff,  # noqa: ARG001  # only staff come this far
    services: ServicesOf,
    wanted: Annotated[PreviewOptions, Query()],
    accept: Annotated[str, Header(description="`application/pdf`, the default, or `text/html`.")] = "application/pdf",
) -> Response:
    """A certificate that nobody holds, made with a template; nothing is stored."""
    template = await _template_of(services, body)
    if accept.strip().startswith("text/html"):
        job = sample_job(wanted.sample, wanted.paper, template)
        page = await asyncio.to_thread(render_preview_html, job, font_url_prefix="/static/fonts")
        return HTMLResponse(page, headers={"Content-Security-Policy": _PREVIEW_POLICY})
    door.leave()
    try:
        # In a process of its own: what a template does wrong ends there.
        pdf = await asyncio.to_thread(render_sample, template, wanted.sample, wanted.paper, services.renderer)
    except TemplateFailsError as error:
        raise _fails(error) from None
    return Response(pdf, media_type="application/pdf")


@router.get("", response_model=TemplateList)
async def list_templates(
    principal: Office,  # noqa: ARG001  # only the office comes this far
    services: ServicesOf,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    after: Annotated[str | None, Query(max_length=80, description="The `next` of the page before.")] = None,
) -> Response:
    """The newest version of every template, by name."""
    if after is not None and not is_name(after):
        raise ProblemError("validation_failed", errors=[FieldError("after", "cursor_invalid")])
    found = await services.database.statements(lambda c: c.run_sync(templates.listed, after, limit + 1))
    shown, has_more = found[:limit], len(found) > limit
    data = [_json(version) for version in shown]
    return json_response({"data": data, "has_more": has_more, "next": shown[-1].name if has_more else None})


@router.get("/{name}", response_model=TemplateWithVersions)
async def show_template(
    name: str,
    principal: Office,  # noqa: ARG001  # only the office comes this far
    services: ServicesOf,
    version: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="By default the newest.")] = None,
) -> Response:
    """One version of a template with its source, and all its versions."""
    found = await services.database.statements(lambda c: c.run_sync(templates.versions, name)) if is_name(name) else []
    shown = next((each for each in found if version in (None, each.version)), None)
    if shown is None:
        raise ProblemError("not_found")
    source = await _source_of(services, shown)
    document = {
        **_json(shown),
        "html": source.html if source else None,
        "css": source.css if source else None,
        "versions": [_json(each) for each in found],
    }
    return json_response(document)


async def _template_of(services: Services, body: PreviewRequest) -> TemplateSource | None:
    """What is to be previewed; None for the built-in template. Raises 404 for one that was not published."""
    if body.html is not None:
        return await _judged(TemplateSource(reference=_UNPUBLISHED, html=body.html, css=body.css or ""))
    if body.name is None:
        return None
    chosen = await _version_of(services, body.name, body.version)
    source = await _source_of(services, chosen)
    return source and TemplateSource(reference=chosen.reference, html=source.html, css=source.css)


async def _version_of(services: Services, name: str, number: int | None) -> TemplateVersion:
    """A version that has a source, by default the newest such."""
    found = await services.database.statements(lambda c: c.run_sync(templates.versions, name)) if is_name(name) else []
    version = next((each for each in found if number in (None, each.version) and not each.is_retired), None)
    if version is None:
        raise ProblemError("not_found")
    return version


async def _published_source(services: Services, name: str) -> Source | None:
    """What a template is made of today, if it is published and not retired."""
    found = await services.database.statements(lambda c: c.run_sync(templates.versions, name))
    return await _source_of(services, found[0]) if found else None


async def _source_of(services: Services, version: TemplateVersion) -> Source | None:
    if version.is_retired:
        return None
    return await services.database.statements(lambda c: c.run_sync(templates.source_of, version.reference))


async def _judged(template: TemplateSource) -> TemplateSource:
    problems = await asyncio.to_thread(template_problems, template.html, template.css)
    if problems:
        errors = [FieldError(f"{each.part} line {each.line}", "template_invalid", each.message) for each in problems]
        raise ProblemError("template_invalid", errors=errors)
    return template


async def _tried(services: Services, template: TemplateSource) -> None:
    door.leave()
    try:
        await asyncio.to_thread(try_out, template, services.renderer)
    except TemplateFailsError as error:
        raise _fails(error) from None


def _fails(error: TemplateFailsError) -> ProblemError:
    return ProblemError(
        "template_fails",
        detail=f"With the sample {error.sample} on {error.paper} paper: {words_of(error.code)}.",
        details={"sample": error.sample, "paper": error.paper, "reason": error.code},
    )


def _json(version: TemplateVersion) -> dict[str, Any]:
    return {
        "name": version.name,
        "href": f"/v1/staff/certificate-templates/{version.name}",
        "version": version.version,
        "reference": version.reference,
        "provider": version.provider,
        "credit_type": version.credit_type,
        "is_retired": version.is_retired,
        "sha256": version.sha256.hex() if version.sha256 else None,
        "published_by": version.published_by,
        "published_at": time_json(version.published_at),
    }
