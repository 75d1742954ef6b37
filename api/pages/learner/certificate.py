"""My certificate: its details and versions, as a page to print, as PDF, as a badge, and as a link by e-mail."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from api.pages.learner.steps import claim_address
from api.pages.visit import ApiProblem, Reader, Visit
from config.languages import current_language
from config.languages import gettext as _
from documents.certificate import TEMPLATE_VERSION, render_certificate_html
from documents.models import CertificateData
from storage import queries
from storage.images import contents

router = APIRouter(include_in_schema=False)

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CertificatePage:
    """A certificate with its earlier versions, the newest of those first.

    ``certificate`` is None where another system issues it, and ``elsewhere`` names that one. ``has_badge`` says whether
    there is a signed credential; ``own_zone`` is the learner's time zone, if one is known.
    """

    claim: Json
    certificate: Json | None
    elsewhere: Json | None
    earlier: Sequence[Json]
    has_badge: bool
    own_zone: str | None
    error: str

    @property
    def is_revoked(self) -> bool:
        """Whether the credit counts no more."""
        return bool(self.claim["award"]["state"] == "revoked")

    @property
    def is_being_made(self) -> bool:
        """Whether the newest version is still on its way."""
        return self.certificate is not None and self.certificate["state"] == "reserved"


@router.get("/claims/{claim_id}/certificate")
async def show_certificate(visit: Reader, claim_id: str) -> Response:
    """My certificate, to print, to download, or to have sent."""
    return await _render(visit, claim_id)


async def _render(visit: Visit, claim_id: str, error: str = "", status: int = HTTPStatus.OK) -> Response:
    address = f"/v1{claim_address(claim_id)}"
    claim = await visit.get(address)
    if claim["award"] is None:
        raise ApiProblem.not_found()
    certificate = claim["certificate"]
    versions = (await visit.get(f"{address}/certificates"))["data"] if certificate else []
    is_issued = certificate is not None and certificate["state"] == "issued"
    view = CertificatePage(
        claim=claim,
        certificate=certificate,
        elsewhere=claim["certificate_elsewhere"],
        earlier=[each for each in reversed(versions) if each["version"] != certificate["version"]],
        has_badge=is_issued and await _has_badge(visit, address),
        own_zone=(await visit.get("/v1/me"))["time_zone"],
        error=error,
    )
    return visit.page("learner/certificate.html", status=status, view=view)


async def _has_badge(visit: Visit, address: str) -> bool:
    """Whether there is a signed credential: none where no key was at hand, or where its key was revoked since."""
    try:
        await visit.get(f"{address}/credential")
    except ApiProblem:
        return False
    return True


@router.post("/claims/{claim_id}/certificate/link")
async def send_link(visit: Reader, claim_id: str) -> Response:
    """Send me a link by e-mail, to view and print the certificate later."""
    form = await visit.form()
    address = claim_address(claim_id, "certificate")
    try:
        await visit.send("POST", f"/v1{address}/link", key=form.key)
    except ApiProblem as problem:
        if problem.status == HTTPStatus.TOO_MANY_REQUESTS:
            error = _("You asked for five e-mails within a day. Open the newest one, or ask again tomorrow.")
            return await _render(visit, claim_id, error, problem.status)
        raise
    return visit.redirect(address, notice="link_sent")


@router.get("/claims/{claim_id}/certificate/print")
async def print_certificate(visit: Reader, claim_id: str) -> Response:
    """The certificate as a page that prints like the PDF, or else that PDF.

    Only the built-in look of this release is at hand as a page: a provider's own template, and the look of years ago,
    are in the stored bytes.
    """
    address = claim_address(claim_id)
    claim = await visit.get(f"/v1{address}")
    if claim["certificate"] is None or claim["certificate"]["state"] != "issued":
        return visit.forward(f"/v1{address}/certificate")
    stored = await visit.services.database.statements(lambda c: queries.certificate_data(c, claim["certificate"]["id"]))
    if stored is None:
        raise ApiProblem.not_found()
    data = CertificateData.from_json(dict(stored))
    if data.template_version != TEMPLATE_VERSION:
        return RedirectResponse(f"{address}/certificate.pdf", 303)
    hashes = [image.sha256 for image in data.images]
    images = await visit.services.database.statements(lambda c: c.run_sync(contents, hashes))
    html = render_certificate_html(data, stylesheet_url="/static/certificate.css", images=images)
    button = f'data-words="{escape(_("Print"))}" data-language="{current_language()}"'
    script = f'<script src="/static/print.js" {button} defer></script>'
    return Response(html.replace("</body>", f"{script}</body>", 1), media_type="text/html")


@router.get("/claims/{claim_id}/certificate.pdf")
async def download_certificate(visit: Reader, claim_id: str) -> Response:
    """The certificate as PDF, for the browser that is signed in."""
    return visit.forward(f"/v1{claim_address(claim_id, 'certificate')}")


@router.get("/claims/{claim_id}/certificates/{version}.pdf")
async def download_version(visit: Reader, claim_id: str, version: str) -> Response:
    """An earlier version as PDF."""
    return visit.forward(f"/v1{claim_address(claim_id, 'certificates', version)}")


@router.get("/claims/{claim_id}/badge.json")
async def download_badge(visit: Reader, claim_id: str) -> Response:
    """The signed credential, for wallets of badges."""
    return visit.forward(f"/v1{claim_address(claim_id, 'credential')}")


@router.get("/claims/{claim_id}/deadline.ics")
async def download_deadline(visit: Reader, claim_id: str) -> Response:
    """My claim's deadline, for a calendar."""
    return visit.forward(f"/v1{claim_address(claim_id, 'deadline.ics')}")
