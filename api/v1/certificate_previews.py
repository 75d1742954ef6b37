"""The office: what the certificate of a CE activity will look like, before anybody earns one."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from sqlalchemy import Connection
from starlette.responses import Response

from api import door
from api.auth import Office
from api.problems import FieldError, ProblemError
from api.services import Services, services_of
from api.v1 import answers
from api.v1.bodies import Code
from api.v1.programme import defined_ce_activity
from documents.jobs import CertificateJob, RenderFailedError, TemplateSource
from documents.models import Image
from documents.printed import certificate_of_nobody
from documents.template_trial import words_of
from domain.policy import CEActivityPolicy, CreditOffer
from storage import certificate_templates, images
from storage.catalog import provider_slug

router = APIRouter(prefix="/v1/staff/ce-activities", tags=["staff"], responses=answers.STAFF_PROBLEMS)

_PDF: answers.Responses = {200: {"description": "The certificate.", "content": {"application/pdf": {}}}}


@router.get("/{slug}/certificate", response_class=Response, responses=_PDF)
async def preview_certificate(
    slug: str,
    principal: Office,  # noqa: ARG001  # only the office comes this far
    services: Annotated[Services, Depends(services_of)],
    credit_type: Annotated[Code | None, Query(description="By default that of the first offer.")] = None,
) -> Response:
    """The certificate for the whole amount of an offer, with an invented learner, as PDF; nothing is stored."""
    policy = (await defined_ce_activity(services, slug)).policy
    offer = next((each for each in policy.credit if credit_type in (None, each.credit_type)), None)
    if offer is None:
        raise ProblemError("validation_failed", errors=[FieldError("credit_type", "credit_type_unknown")])
    url = services.settings.public_url
    job = await services.database.statements(lambda c: c.run_sync(_job, policy, offer, url))
    door.leave()
    try:
        # In a process of its own: what a template does wrong ends there.
        pdf = await asyncio.to_thread(services.renderer.render, job)
    except RenderFailedError as error:
        detail = f"With this activity: {words_of(error.code)}."
        raise ProblemError("template_fails", detail=detail, details={"reason": error.code}) from None
    return Response(pdf, media_type="application/pdf")


def _job(connection: Connection, policy: CEActivityPolicy, offer: CreditOffer, public_url: str) -> CertificateJob:
    """The certificate with the pictures and the template that it would have today."""
    pictures = {
        name: Image(sha256=bytes(row["sha256"]).hex(), width=row["width"], height=row["height"])
        for name, row in images.current(connection, policy.picture_names).items()
    }
    data = certificate_of_nobody(policy, offer, pictures, public_url)
    reference = certificate_templates.choose(connection, provider_slug(policy.provider.name), offer.credit_type)
    source = certificate_templates.source_of(connection, reference) if reference else None
    template = TemplateSource(reference=reference, html=source.html, css=source.css) if reference and source else None
    contents = images.contents(connection, [each.sha256 for each in data.images])
    return CertificateJob(data=data, template=template, images=contents)
