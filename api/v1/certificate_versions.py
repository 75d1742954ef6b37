"""Every version of a claim's certificate, as it was issued: for staff whatever became of it, for its learner too."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from api.auth import Office, SignedIn
from api.problems import ProblemError
from api.services import Services, services_of
from api.v1 import answers
from api.v1.certificates import PDF, served
from api.v1.steps import any_claim, json_response, own_claim
from api.views import time_json
from domain.corrections import RevocationClass
from storage import queries
from storage.certificate_versions import CertificateVersion, versions_of_claim

router = APIRouter(prefix="/v1/staff/claims/{claim_id}", tags=["certificates"], responses=answers.STAFF_PROBLEMS)
own_router = APIRouter(prefix="/v1/claims/{claim_id}", tags=["certificates"], responses=answers.PROBLEMS)

ServicesOf = Annotated[Services, Depends(services_of)]

_REVOKED: Final = "revoked"


class VersionDocument(BaseModel):
    """One version: of the claim's award ``number``; ``href`` is where its bytes are, once they are stored."""

    id: str
    number: int
    version: int
    state: str
    template: str
    verification_code: str
    sha256: str | None
    issued_at: str | None
    ended_at: str | None
    superseded_by: int | None
    revocation_class: RevocationClass | None
    href: str | None


class VersionList(BaseModel):
    """All versions of a claim's certificate, the first one first."""

    data: list[VersionDocument]


@router.get("/certificates", response_model=VersionList)
async def list_certificate_versions(
    claim_id: str,
    principal: Office,  # noqa: ARG001  # only the office comes this far
    services: ServicesOf,
) -> Response:
    """Every version of a claim's certificate: what replaced or ended it, and the hash of its bytes."""
    view = await any_claim(services, claim_id)
    versions = await services.database.statements(lambda c: versions_of_claim(c, view.id))
    return json_response({"data": [_version_json(f"/v1/staff/claims/{view.id}", each) for each in versions]})


@router.get("/certificates/{version}", response_class=Response, responses={200: PDF[200], 304: PDF[304]})
async def download_certificate_version(
    request: Request,
    claim_id: str,
    version: str,
    principal: Office,  # noqa: ARG001  # only the office comes this far
    services: ServicesOf,
) -> Response:
    """One version as PDF, exactly as it was issued, superseded or revoked ones too; 404 if it has no bytes."""
    view = await any_claim(services, claim_id)
    return await _version(request, services, view.id, version)


@own_router.get("/certificates", response_model=VersionList)
async def list_own_versions(claim_id: str, principal: SignedIn, services: ServicesOf) -> Response:
    """Every version of my certificate; of one that was revoked nothing can be downloaded."""
    view = await own_claim(services, principal, claim_id)
    versions = await services.database.statements(lambda c: versions_of_claim(c, view.id))
    return json_response({"data": [_own_version_json(view.id, each) for each in versions]})


@own_router.get("/certificates/{version}", response_class=Response, responses=PDF)
async def download_own_version(
    request: Request, claim_id: str, version: str, principal: SignedIn, services: ServicesOf
) -> Response:
    """One version of my certificate as PDF, exactly as it was issued; 410 once it was revoked."""
    view = await own_claim(services, principal, claim_id)
    return await _version(request, services, view.id, version, without_revoked=True)


async def _version(
    request: Request, services: Services, claim_id: str, version: str, *, without_revoked: bool = False
) -> Response:
    versions = await services.database.statements(lambda c: versions_of_claim(c, claim_id))
    found = next((each for each in versions if str(each.version) == version), None)
    if found is None:
        raise ProblemError("not_found")
    if without_revoked and found.state == _REVOKED:
        raise ProblemError("certificate_revoked")
    document = await services.database.statements(lambda c: queries.certificate_document(c, found.id))
    if document is None:
        raise ProblemError("not_found")
    return served(request, document, found.verification_code)


def _own_version_json(claim_id: str, version: CertificateVersion) -> dict[str, Any]:
    document = _version_json(f"/v1/claims/{claim_id}", version)
    return {**document, "href": None} if version.state == _REVOKED else document


def _version_json(href_of_claim: str, version: CertificateVersion) -> dict[str, Any]:
    is_stored = version.sha256 is not None
    return {
        "id": version.id,
        "number": version.number,
        "version": version.version,
        "state": version.state,
        "template": version.template,
        "verification_code": version.verification_code,
        "sha256": version.sha256.hex() if version.sha256 else None,
        "issued_at": time_json(version.issued_at),
        "ended_at": time_json(version.ended_at),
        "superseded_by": version.superseded_by,
        "revocation_class": version.revocation_class,
        "href": f"{href_of_claim}/certificates/{version.version}" if is_stored else None,
    }
