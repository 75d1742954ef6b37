"""Machine credentials, the keys that verify them, and the lists that say which hold no more."""

import json
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path
from starlette.requests import Request
from starlette.responses import Response

from api.auth import SignedIn, public
from api.problems import ProblemError
from api.services import Services, services_of
from api.v1 import answers
from api.v1.steps import own_claim
from api.verification import look_up_code
from config.keys import KeyPurpose
from documents.credential.issuer import VerificationKey, did_document, issuer_did
from domain.verification import VerificationStatus, verification_status
from storage import credentials
from storage.credentials import MEDIA_TYPE

router = APIRouter(tags=["credentials"], responses=answers.PROBLEMS)

ServicesOf = Annotated[Services, Depends(services_of)]

_JWT: Final = "application/vc+jwt"
_CREDENTIAL: Final[answers.Responses] = {
    200: {
        "description": "The signed credential: JSON with an embedded proof, or a token where `Accept` names one.",
        "content": {MEDIA_TYPE: {}, _JWT: {}},
    },
}
_REVOKED: Final[answers.Responses] = {
    410: {"model": answers.Problem, "description": "The certificate was revoked, or the key that signed this."}
}
_LARGEST_NUMBER: Final = 2**31 - 1
# Wallets and verifiers run in browsers too, on sites that we do not know.
_FOR_ALL_SITES: Final = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}


# A DID without a path is resolved at the first address, one with a path below that path at the second.
@router.get("/.well-known/did.json", include_in_schema=False, dependencies=[Depends(public)])
@router.get("/did.json", include_in_schema=False, dependencies=[Depends(public)])
async def show_keys(services: ServicesOf) -> Response:
    """The public keys that credentials are verified with; a revoked key is not among them."""
    keys = await services.database.statements(lambda c: credentials.published_keys(c, KeyPurpose.CREDENTIAL))
    document = did_document(
        issuer_did(services.settings.public_url), [VerificationKey(key.id, key.public_key) for key in keys]
    )
    headers = {**_FOR_ALL_SITES, "Cache-Control": "public, max-age=300"}
    return Response(json.dumps(document, indent=1).encode(), headers=headers, media_type="application/json")


@router.get("/v1/status-lists/{number}", response_class=Response, responses=_CREDENTIAL, dependencies=[Depends(public)])
async def show_status_list(
    request: Request, number: Annotated[int, Path(ge=1, le=_LARGEST_NUMBER)], services: ServicesOf
) -> Response:
    """Which credentials hold no more, as a signed Bitstring Status List; by default as a token."""
    found = await services.database.statements(lambda c: credentials.status_list(c, number))
    if found is None:
        raise ProblemError("not_found")
    # Verifiers that only know one form know the token.
    wants_json = _names(request, MEDIA_TYPE) and not _names(request, _JWT)
    content, media_type = (found["credential"], MEDIA_TYPE) if wants_json else (found["jwt"], _JWT)
    headers = {**_FOR_ALL_SITES, "Cache-Control": "public, max-age=30", "Vary": "Accept"}
    return Response(content, headers=headers, media_type=media_type)


@router.get(
    "/v1/credentials/{code}",
    response_class=Response,
    responses=_CREDENTIAL | _REVOKED,
    dependencies=[Depends(public)],
)
async def show_credential(request: Request, code: str, services: ServicesOf) -> Response:
    """The credential of a certificate, for anyone who has its code; absent where its learner hides the name."""
    found = await look_up_code(request, services, code)
    if found is None:
        raise ProblemError("not_found")
    status = verification_status(found.newest_state, found.newest_award_state, is_newest=found.is_newest)
    if status is VerificationStatus.REVOKED:
        raise ProblemError("certificate_revoked")
    signed = await services.database.statements(lambda c: credentials.credential_by_code(c, found.code))
    if signed is None:
        raise ProblemError("not_found")
    return _answer(request, signed, _FOR_ALL_SITES)


@router.get(
    "/v1/claims/{claim_id}/credential",
    response_class=Response,
    responses=_CREDENTIAL | {409: answers.TAKEN[409], **_REVOKED},
)
async def download_credential(request: Request, claim_id: str, principal: SignedIn, services: ServicesOf) -> Response:
    """The credential of my certificate, the same bytes every time."""
    certificate = (await own_claim(services, principal, claim_id)).certificate
    if certificate is None:
        raise ProblemError("not_found")
    if certificate.state == "revoked":
        raise ProblemError("certificate_revoked")
    if certificate.issued_at is None:
        raise ProblemError("certificate_not_issued", headers={"Retry-After": "2"})
    signed = await services.database.statements(lambda c: credentials.credential_of(c, certificate.id))
    if signed is None:
        raise ProblemError("not_found")
    return _answer(request, signed, {"Cache-Control": "private, no-cache"})


def _answer(request: Request, signed: credentials.SignedCredential, headers: dict[str, str]) -> Response:
    """The credential in the form that is asked for: the JSON that the PDF carries, unless a token is named.

    Raises 410 once the key that signed it was revoked: nobody should be given what every verifier refuses.
    """
    if signed.is_key_revoked:
        raise ProblemError("credential_key_revoked")
    headers = {**headers, "Vary": "Accept"}
    if _names(request, _JWT):
        return Response(signed.jwt, headers=headers, media_type=_JWT)
    headers["ETag"] = f'"{signed.sha256.hex()}"'
    return Response(signed.content, headers=headers, media_type=MEDIA_TYPE)


def _names(request: Request, media_type: str) -> bool:
    return media_type in {each.partition(";")[0].strip() for each in request.headers.get("accept", "").split(",")}
