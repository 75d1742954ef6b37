"""What belongs to the site itself: the problems and their words, its mark, the certificate's style."""

from functools import cache
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from starlette.responses import FileResponse, Response

from api.pages.visit import Visitor
from api.problems import PROBLEMS
from documents.certificate import certificate_stylesheet

router = APIRouter(include_in_schema=False)

_ICON: Final = Path(__file__).parents[2] / "static" / "favicon.svg"


@router.get("/problems")
async def show_problems(visit: Visitor) -> Response:
    """What each problem means."""
    return visit.page("public/problems.html", kinds=sorted(PROBLEMS.items()))


@router.get("/favicon.ico")
async def show_icon(_visit: Visitor) -> Response:
    """Laurel's mark, for browsers that ask without being told where it is: beside a printed certificate or JSON."""
    headers = {"Cache-Control": "public, max-age=86400"}
    return FileResponse(_ICON, media_type="image/svg+xml", headers=headers)


@router.get("/static/certificate.css")
async def show_certificate_stylesheet(_visit: Visitor) -> Response:
    """The certificate's style sheet with the fonts that this server serves."""
    headers = {"Cache-Control": "public, max-age=3600"}
    return Response(_certificate_stylesheet(), media_type="text/css", headers=headers)


@cache
def _certificate_stylesheet() -> str:
    return certificate_stylesheet(font_url_prefix="/static/fonts")
