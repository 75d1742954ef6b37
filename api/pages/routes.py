"""The pages that mails lead to: signing in, the dashboard, a course, a certificate."""

import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response

from api.auth import Principal, client_address, count_request, find_principal, public, refuse_cross_site
from api.pages.rendering import page, problems_page
from api.problems import ProblemError
from api.services import Services, services_of
from api.v1.ce_activities import visible_ce_activity
from api.v1.certificates import document_of, pdf_response
from api.v1.session import request_link, start_session
from api.v1.steps import own_claim
from api.views import ce_activity_json, claim_json
from documents.certificate import TEMPLATE_VERSION, certificate_stylesheet, render_certificate_html
from documents.models import CertificateData
from domain import credit
from domain.claims import CLOSED_STAGES, Stage
from domain.names import email_address
from storage import people, queries
from storage.images import contents
from storage.queries import ClaimView

router = APIRouter(include_in_schema=False)

ServicesOf = Annotated[Services, Depends(services_of)]

_COOKIE: Final = "laurel_session"
_NEXT_COOKIE: Final = "laurel_next"
_MOST_CLAIMS: Final = 100
# Where signing in may lead: nothing that a stranger could put into a link.
_NEXT: Final = re.compile(r"/|/ce-activities/[a-z0-9-]{1,80}|/claims/clm_[0-9a-z]{26}/certificate")

STAGE_WORDS: Final = {
    Stage.VERIFYING_PARTICIPATION: "Say how you took part",
    Stage.AWAITING_STATEMENT: "Choose your statement of credit",
    Stage.AWAITING_DISCLOSURES: "Read the disclosures",
    Stage.AWAITING_CONTENT: "Complete the content",
    Stage.AWAITING_TEST: "Take the post-test",
    Stage.GRADING: "Being graded",
    Stage.AWAITING_EVALUATION: "Complete the evaluation",
    Stage.AWAITING_WINDOW: "Claiming is not open yet",
    Stage.READY_TO_CLAIM: "Ready to claim",
    Stage.AWAITING_FINALIZATION: "Make your statement final",
    Stage.AWARDING: "Being awarded",
    Stage.ISSUING: "Certificate is being made",
    Stage.COMPLETED: "Completed",
    Stage.EXPIRED: "Deadline passed",
    Stage.DENIED: "Not passed",
    Stage.WITHDRAWN: "Withdrawn",
}


class SignInNeededError(Exception):
    """Nobody is signed in in this browser; answered by leading to the sign-in page and back."""


async def visitor(request: Request, services: ServicesOf) -> Principal | None:
    """Who is signed in in this browser, if anyone; counted like every request."""
    principal = await find_principal(services, request.cookies.get(_COOKIE, ""))
    count_request(request, services, principal.account_id if principal else client_address(request))
    return principal


async def reader(principal: Annotated[Principal | None, Depends(visitor)]) -> Principal:
    """Whoever is signed in in this browser; anyone else is led to sign in."""
    if principal is None:
        raise SignInNeededError
    return principal


_ICON: Final = Path(__file__).parents[1] / "static" / "favicon.svg"
ACCESS: Final = frozenset({visitor, reader})
Visitor = Annotated[Principal | None, Depends(visitor)]
Reader = Annotated[Principal, Depends(reader)]


async def lead_to_sign_in(request: Request, _error: Exception) -> Response:
    """Send a browser to the sign-in page, and remember where it wanted to go."""
    response = RedirectResponse("/sign-in", 303)
    if request.method == "GET" and _NEXT.fullmatch(request.url.path):
        _set_cookie(request, response, _NEXT_COOKIE, request.url.path, 3600)
    return response


def _set_cookie(request: Request, response: Response, name: str, value: str, seconds: int) -> None:
    services: Services = request.app.state.services
    is_https = services.settings.public_url.startswith("https://")
    response.set_cookie(name, value, max_age=seconds, path="/", secure=is_https, httponly=True, samesite="lax")


@router.get("/sign-in", dependencies=[Depends(public)])
async def show_sign_in(token: str = "") -> Response:
    """Ask for an address; with a link's token, ask for a click, because mail scanners open links too."""
    return page("sign_in.html", token=token[:100], sent=False, error=None)


@router.post("/sign-in/links", dependencies=[Depends(public)])
async def send_link(
    request: Request, services: ServicesOf, email: Annotated[str, Form(max_length=320)] = ""
) -> Response:
    """Send a link; the page says the same for every address."""
    refuse_cross_site(request, services.settings.public_url)
    try:
        address = email_address(email)
    except ValueError:
        return page("sign_in.html", status=422, token="", sent=False, error="Enter an address such as ada@example.org.")
    await request_link(request, services, address, None)
    return page("sign_in.html", token="", sent=True, error=None)


@router.post("/sign-in", dependencies=[Depends(public)])
async def sign_in(request: Request, services: ServicesOf, token: Annotated[str, Form(max_length=100)] = "") -> Response:
    """Use a link, and go where the learner wanted to go."""
    refuse_cross_site(request, services.settings.public_url)
    try:
        session = await start_session(services, token, None)
    except ProblemError as error:
        return page("sign_in.html", status=error.kind.status, token="", sent=False, error=error.detail)
    wanted = request.cookies.get(_NEXT_COOKIE, "/")
    response = RedirectResponse(wanted if _NEXT.fullmatch(wanted) else "/", 303)
    seconds = int(services.settings.session_life.total_seconds())
    _set_cookie(request, response, _COOKIE, str(session["access_token"]), seconds)
    response.delete_cookie(_NEXT_COOKIE)
    return response


@router.post("/sign-out")
async def sign_out(request: Request, services: ServicesOf, principal: Visitor) -> Response:
    """Sign out in this browser."""
    refuse_cross_site(request, services.settings.public_url)
    if principal is not None:
        await services.database.statements(lambda c: people.end_session(c, principal.token))
    response = RedirectResponse("/sign-in", 303)
    response.delete_cookie(_COOKIE)
    return response


@dataclass(frozen=True, slots=True)
class Total:
    """What a learner earned of one type of credit in one year."""

    year: int
    credit_name: str
    credit_is_italic: bool
    units: Decimal


@router.get("/")
async def show_dashboard(principal: Reader, services: ServicesOf) -> Response:
    """My claims, my certificates and my totals."""
    views = await services.database.statements(
        lambda c: queries.claims_of_learner(c, principal.learner_id, None, None, _MOST_CLAIMS)
    )
    shown = [await _claim(services, view) for view in views]
    return page(
        "dashboard.html",
        is_signed_in=True,
        open_claims=[each for each in shown if each["stage"] not in CLOSED_STAGES and not each["award"]],
        awards=[each for each in shown if each["award"]],
        closed_claims=[each for each in shown if each["stage"] in CLOSED_STAGES and not each["award"]],
        totals=totals(views),
        stage_words=STAGE_WORDS,
    )


async def _claim(services: Services, view: ClaimView) -> dict[str, Any]:
    return claim_json(view, await services.policies.get(view.version_id), services.settings.public_url)


def totals(views: list[ClaimView]) -> list[Total]:
    """Sums of awarded units by year and credit type, newest year first."""
    sums: defaultdict[tuple[int, str, bool], Decimal] = defaultdict(Decimal)
    for view in views:
        if view.award is not None and view.award.state == "active":
            rule = credit.rule(view.award.credit_type, view.award.rule_version)
            sums[view.award.completed_on.year, rule.name, rule.is_italic] += view.award.units
    return [
        Total(year, name, is_italic, units)
        for (year, name, is_italic), units in sorted(sums.items(), key=lambda each: (-each[0][0], each[0][1]))
    ]


@router.get("/ce-activities/{slug}")
async def show_course(slug: str, principal: Visitor, services: ServicesOf) -> Response:
    """A course: what it asks, what it offers, and where its own page is."""
    view = await visible_ce_activity(services, slug, principal.learner_id if principal else None)
    policy = await services.policies.get(view.version_id)
    profession = principal.profession if principal else None
    offers = [(offer, credit.rule_of(offer)) for offer in policy.credit]
    return page(
        "ce_activity.html",
        is_signed_in=principal is not None,
        ce_activity=ce_activity_json(view, policy, profession, datetime.now(UTC)),
        policy=policy,
        offers=offers,
    )


@router.get("/claims/{claim_id}/certificate")
async def show_certificate(claim_id: str, principal: Reader, services: ServicesOf) -> Response:
    """My certificate's details, to print or to download."""
    view = await _own(services, principal, claim_id)
    if view.certificate is None:
        raise ProblemError("not_found")
    claim = await _claim(services, view)
    return page("certificate.html", is_signed_in=True, claim=claim, stage_words=STAGE_WORDS)


@router.get("/claims/{claim_id}/certificate/print")
async def print_certificate(claim_id: str, principal: Reader, services: ServicesOf) -> Response:
    """The certificate as a page that prints like the PDF, or else that PDF.

    Only the built-in look of this release is at hand as a page: a provider's own template, and the look of years ago,
    are in the stored bytes.
    """
    view = await _own(services, principal, claim_id)
    await document_of(services, view)
    certificate_id = view.certificate.id if view.certificate else ""
    stored = await services.database.statements(lambda c: queries.certificate_data(c, certificate_id))
    if stored is None:
        raise ProblemError("not_found")
    data = CertificateData.from_json(dict(stored))
    if data.template_version != TEMPLATE_VERSION:
        return RedirectResponse(f"/claims/{claim_id}/certificate.pdf", 303)
    hashes = [image.sha256 for image in data.images]
    images = await services.database.statements(lambda c: c.run_sync(contents, hashes))
    html = render_certificate_html(data, stylesheet_url="/static/certificate.css", images=images)
    return Response(html, media_type="text/html")


@router.get("/claims/{claim_id}/certificate.pdf")
async def download_certificate(request: Request, claim_id: str, principal: Reader, services: ServicesOf) -> Response:
    """The certificate as PDF, for the browser that is signed in."""
    return await pdf_response(request, services, await _own(services, principal, claim_id))


async def _own(services: Services, principal: Principal, claim_id: str) -> ClaimView:
    return await own_claim(services, principal, claim_id)


@router.get("/problems", dependencies=[Depends(public)])
async def show_problems() -> Response:
    """What each problem means."""
    return problems_page()


@router.get("/favicon.ico", dependencies=[Depends(public)])
async def show_icon() -> Response:
    """Laurel's mark, for browsers that ask without being told where it is: beside a printed certificate or JSON."""
    headers = {"Cache-Control": "public, max-age=86400"}
    return FileResponse(_ICON, media_type="image/svg+xml", headers=headers)


@router.get("/static/certificate.css", dependencies=[Depends(public)])
async def show_certificate_stylesheet() -> Response:
    """The certificate's style sheet with the fonts that this server serves."""
    headers = {"Cache-Control": "public, max-age=3600"}
    return Response(_certificate_stylesheet(), media_type="text/css", headers=headers)


@cache
def _certificate_stylesheet() -> str:
    return certificate_stylesheet(font_url_prefix="/static/fonts")
