"""Certificates: the learner's own as PDF, and anyone's by its code."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from api.auth import SignedIn, client_address, public
from api.limits import Limit
from api.problems import ProblemError
from api.services import Services, services_of
from api.v1 import answers
from api.v1.steps import json_response, own_claim
from domain.identities import normalize_code
from storage import queries
from storage.queries import CertificateRecord, ClaimView, StoredDocument

router = APIRouter(tags=["certificates"], responses=answers.PROBLEMS)

ServicesOf = Annotated[Services, Depends(services_of)]

_LOOK_UPS: Final = Limit("verification", 30)
_MAXIMUM_CODE_LENGTH: Final = 64
_PDF: Final[answers.Responses] = {
    200: {"description": "The certificate.", "content": {"application/pdf": {}}},
    304: {"description": "You have it already."},
    409: answers.TAKEN[409],
}


@router.get("/v1/claims/{claim_id}/certificate", response_class=Response, responses=_PDF)
async def download_certificate(request: Request, claim_id: str, principal: SignedIn, services: ServicesOf) -> Response:
    """My certificate as PDF, the same bytes every time."""
    return await pdf_response(request, services, await own_claim(services, principal, claim_id))


async def pdf_response(request: Request, services: Services, view: ClaimView) -> Response:
    """The certificate of a claim as PDF: 404 without an award, 409 until it is issued, 304 if the client has it."""
    document = await document_of(services, view)
    etag = f'"{document.sha256.hex()}"'
    code = view.certificate.verification_code if view.certificate else ""
    headers = {
        "ETag": etag,
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f'inline; filename="certificate-{code}.pdf"',
    }
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(document.content, media_type=document.media_type, headers=headers)


async def document_of(services: Services, view: ClaimView) -> StoredDocument:
    """The stored certificate of a claim; raises 404 without an award and 409 until it is issued."""
    certificate = view.certificate
    if certificate is None:
        raise ProblemError("not_found")
    document = await services.database.statements(lambda c: queries.certificate_document(c, certificate.id))
    if document is None:
        raise ProblemError("certificate_not_issued", headers={"Retry-After": "2"})
    return document


@router.get(
    "/v1/certificates/{code}",
    response_model=answers.Verification,
    responses={404: {"model": answers.Verification, "description": "There is no certificate with this code."}},
    dependencies=[Depends(public)],
)
async def verify_certificate(request: Request, code: str, services: ServicesOf) -> Response:
    """Whether a certificate is valid: for anyone who has its code."""
    verification = await verify(request, services, code)
    return json_response(verification, 404 if verification["status"] == "unknown" else 200)


async def verify(request: Request, services: Services, code: str) -> dict[str, Any]:
    """Look a certificate up; at most 30 times a minute for one client, so that nobody goes through all codes."""
    request.state.limit_headers = services.limiter.hit(_LOOK_UPS, client_address(request))
    normalized = normalize_code(code) if len(code) <= _MAXIMUM_CODE_LENGTH else None
    if normalized is None:
        return {"status": "unknown", "code": None}
    record = await services.database.statements(lambda c: queries.certificate_by_code(c, normalized))
    if record is None or record.state == "reserved":
        return {"status": "unknown", "code": None}
    return _verification(record)


def _verification(record: CertificateRecord) -> dict[str, Any]:
    """What a certificate prints, in short; of one that was revoked only that it was."""
    if record.state == "revoked" or record.award_state == "revoked":
        return {"status": "revoked", "code": record.verification_code}
    data, credit = record.data, record.data["credit"]
    return {
        "status": "valid" if record.state == "issued" else "superseded",
        "code": record.verification_code,
        "learner_name": data["learner_name"],
        "ce_activity": data["ce_activity_title"],
        "provider": data["provider"]["name"],
        "credit_name": credit["name"] + ("™" if credit["has_trademark"] else ""),
        "credit_is_italic": credit["is_italic"],
        "units": str(credit["awarded_units"]),
        "completed_on": data["completed_on"],
        "issued_on": data["issued_on"],
        "version": record.version,
    }
