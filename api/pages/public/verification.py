"""The pages that QR codes lead to: verifying a certificate by its code, or its file by the file's hash."""

import re
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from api.pages.visit import Visit, Visitor
from api.v1.answers import Verification
from api.verification import verify_code, verify_file
from domain.identities import normalize_code
from domain.verification import VerificationStatus

router = APIRouter(include_in_schema=False)

# A page that robots may not read can still be listed by its address, which holds a code or a token. So they may read
# these pages, and are told there to list none of them.
_ROBOTS: Final = "User-agent: *\nAllow: /verify\nAllow: /transcripts/\nDisallow: /\n"
# What somebody may have meant as a code; nothing else is shown again.
_LIKE_A_CODE: Final = re.compile(r"[0-9A-Za-z -]{1,64}")
_NOTHING: Final = dict.fromkeys(Verification.model_fields)


@router.head("/verify")
@router.get("/verify")
async def ask_for_code(visit: Visitor, code: str = "", sha256: str = "") -> Response:
    """Ask for a certificate's code or file; answer a hash here, and lead to the address of a code."""
    if sha256:
        return _shown(visit, await verify_file(visit.request, visit.services, sha256), is_file=True)
    if not code:
        return _shown(visit, None)
    normalized = normalize_code(code)
    if normalized is None:
        return _shown(visit, await verify_code(visit.request, visit.services, code), code)
    return RedirectResponse(f"/verify/{normalized}", 303)


@router.head("/verify/{code}")
@router.get("/verify/{code}")
async def show_verification(visit: Visitor, code: str) -> Response:
    """Whether a certificate is valid, for anyone who has its code."""
    return _shown(visit, await verify_code(visit.request, visit.services, code), code)


def _shown(visit: Visit, verification: dict[str, Any] | None, code: str = "", *, is_file: bool = False) -> Response:
    """The page with what was found; a code that nobody issued stays in its field, to be compared and put right."""
    is_unknown = verification is not None and verification["status"] == VerificationStatus.UNKNOWN
    status = 404 if is_unknown else 200
    values = verification and {**_NOTHING, **verification}
    typed = code if is_unknown and _LIKE_A_CODE.fullmatch(code) else ""
    return visit.page("public/verify.html", status=status, verification=values, is_file=is_file, typed=typed)


@router.get("/robots.txt")
async def show_robots(_visit: Visitor) -> Response:
    """What robots may read here."""
    return PlainTextResponse(_ROBOTS)
