"""Certificates: the learner's own as PDF, and anyone's by its code."""

import math
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from api.auth import SignedIn, public
from api.problems import ProblemError
from api.services import Services, services_of
from api.v1 import answers
from api.v1.envelope import Envelope, envelope
from api.v1.once import Work, answer_once
from api.v1.steps import json_response, own_claim
from api.verification import verify_code, verify_file
from config.languages import gettext, marked
from domain.verification import VerificationStatus
from storage import notices, queries
from storage.queries import ClaimView, StoredDocument

router = APIRouter(tags=["certificates"], responses=answers.PROBLEMS)

ServicesOf = Annotated[Services, Depends(services_of)]

LINK_SENT: Final = marked("A link to your certificate is on its way to your e-mail address.")
PDF: Final[answers.Responses] = {
    200: {"description": "The certificate.", "content": {"application/pdf": {}}},
    304: {"description": "You have it already."},
    409: answers.TAKEN[409],
    410: {**answers.TAKEN[409], "description": "The certificate was revoked."},
}


class LinkQueued(BaseModel):
    """The e-mail is on its way."""

    message: str


@router.get("/v1/claims/{claim_id}/certificate", response_class=Response, responses=PDF)
async def download_certificate(request: Request, claim_id: str, principal: SignedIn, services: ServicesOf) -> Response:
    """My certificate as PDF, the same bytes every time."""
    return await pdf_response(request, services, await own_claim(services, principal, claim_id))


async def pdf_response(request: Request, services: Services, view: ClaimView) -> Response:
    """The certificate of a claim as PDF: 404 without an award, 409 until it is issued, 304 if the client has it."""
    document = await document_of(services, view)
    return served(request, document, view.certificate.verification_code if view.certificate else "")


def served(request: Request, document: StoredDocument, code: str) -> Response:
    """The bytes of a certificate with this code; 304 if the client has them."""
    etag = f'"{document.sha256.hex()}"'
    headers = {
        "ETag": etag,
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f'inline; filename="certificate-{code}.pdf"',
    }
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(document.content, media_type=document.media_type, headers=headers)


async def document_of(services: Services, view: ClaimView) -> StoredDocument:
    """The stored certificate of a claim; raises 404 without an award, 409 until it is issued, 410 once revoked."""
    certificate = view.certificate
    if certificate is None:
        raise ProblemError("not_found")
    if certificate.state == "revoked":
        raise ProblemError("certificate_revoked")
    document = await services.database.statements(lambda c: queries.certificate_document(c, certificate.id))
    if document is None and certificate.issued_at is not None:
        # Its retention has ended, and only its hash was kept.
        raise ProblemError("not_found")
    if document is None:
        raise ProblemError("certificate_not_issued", headers={"Retry-After": "2"})
    return document


@router.post(
    "/v1/claims/{claim_id}/certificate/link",
    status_code=202,
    response_model=LinkQueued,
    responses={409: answers.TAKEN[409]},
)
async def send_certificate_link(
    claim_id: str,
    principal: SignedIn,
    head: Annotated[Envelope, Depends(envelope)],
    services: ServicesOf,
) -> Response:
    """Send me an e-mail with a link to my certificate, to view and print it later; at most five a day."""
    view = await own_claim(services, principal, claim_id)
    return await answer_once(services, head.key, await sending_of_link(services, view), 202)


async def sending_of_link(services: Services, view: ClaimView) -> Work:
    """What queues the e-mail with the link; raises 404 without an award, and 409 until the certificate is issued.

    The work raises 429 after five e-mails in a day.
    """
    policy = await services.policies.get(view.version_id)
    if view.award is None:
        raise ProblemError("not_found")
    if policy.certificate.is_here:
        await document_of(services, view)

    async def queue(connection: AsyncConnection) -> dict[str, str]:
        wait = await connection.run_sync(notices.queue_certificate_link, view.id)
        if wait:
            raise ProblemError("rate_limited", headers={"Retry-After": str(math.ceil(wait.total_seconds()))})
        return {"message": gettext(LINK_SENT)}

    return queue


# Monitors and link checkers ask with HEAD; FastAPI answers only what is declared.
@router.head("/v1/certificates/{code}", include_in_schema=False, dependencies=[Depends(public)])
@router.get(
    "/v1/certificates/{code}",
    response_model=answers.Verification,
    responses={404: {"model": answers.Verification, "description": "There is no certificate with this code."}},
    dependencies=[Depends(public)],
)
async def verify_certificate(request: Request, code: str, services: ServicesOf) -> Response:
    """Whether a certificate is valid: for anyone who has its code."""
    return _verified(await verify_code(request, services, code))


@router.head("/v1/certificates/by-hash/{sha256}", include_in_schema=False, dependencies=[Depends(public)])
@router.get(
    "/v1/certificates/by-hash/{sha256}",
    response_model=answers.Verification,
    responses={404: {"model": answers.Verification, "description": "No certificate has these bytes."}},
    dependencies=[Depends(public)],
)
async def verify_certificate_by_hash(request: Request, sha256: str, services: ServicesOf) -> Response:
    """Whether a file is exactly a certificate as it was issued, by its SHA-256 in hex; the file stays where it is."""
    return _verified(await verify_file(request, services, sha256))


def _verified(verification: dict[str, Any]) -> Response:
    return json_response(verification, 404 if verification["status"] == VerificationStatus.UNKNOWN else 200)
