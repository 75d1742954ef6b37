"""My certificate: its details, as a page to print, and as PDF."""

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from api.pages.visit import ApiProblem, Reader
from documents.certificate import TEMPLATE_VERSION, render_certificate_html
from documents.models import CertificateData
from storage import queries
from storage.images import contents

router = APIRouter(include_in_schema=False)


@router.get("/claims/{claim_id}/certificate")
async def show_certificate(visit: Reader, claim_id: str) -> Response:
    """My certificate's details, to print or to download."""
    claim = await visit.get(f"/v1/claims/{claim_id}")
    if claim["certificate"] is None:
        raise ApiProblem.not_found()
    return visit.page("learner/certificate.html", claim=claim)


@router.get("/claims/{claim_id}/certificate/print")
async def print_certificate(visit: Reader, claim_id: str) -> Response:
    """The certificate as a page that prints like the PDF, or else that PDF.

    Only the built-in look of this release is at hand as a page: a provider's own template, and the look of years ago,
    are in the stored bytes.
    """
    claim = await visit.get(f"/v1/claims/{claim_id}")
    if claim["certificate"] is None or claim["certificate"]["state"] != "issued":
        return visit.forward(f"/v1/claims/{claim_id}/certificate")
    stored = await visit.services.database.statements(lambda c: queries.certificate_data(c, claim["certificate"]["id"]))
    if stored is None:
        raise ApiProblem.not_found()
    data = CertificateData.from_json(dict(stored))
    if data.template_version != TEMPLATE_VERSION:
        return RedirectResponse(f"/claims/{claim_id}/certificate.pdf", 303)
    hashes = [image.sha256 for image in data.images]
    images = await visit.services.database.statements(lambda c: c.run_sync(contents, hashes))
    html = render_certificate_html(data, stylesheet_url="/static/certificate.css", images=images)
    return Response(html, media_type="text/html")


@router.get("/claims/{claim_id}/certificate.pdf")
async def download_certificate(visit: Reader, claim_id: str) -> Response:
    """The certificate as PDF, for the browser that is signed in."""
    return visit.forward(f"/v1/claims/{claim_id}/certificate")
