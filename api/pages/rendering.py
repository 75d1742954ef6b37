"""Rendering pages: one environment that escapes everything, and a few filters for amounts and times."""

from datetime import date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from api.problems import PROBLEMS, ProblemError, ProblemKind, error_response

_TEMPLATES: Final = Path(__file__).parent.parent / "templates"
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def page(template: str, *, status: int = 200, headers: dict[str, str] | None = None, **values: Any) -> Response:
    """Render a template as a page."""
    html = _environment().get_template(template).render({"is_signed_in": False, **values})
    return HTMLResponse(html, status, headers=headers)


def problem_page(request: Request, error: ProblemError) -> Response:
    """A problem as a page, in the words that its document would have; a stranger is led to sign in."""
    headers = {name: value for name, value in error.headers.items() if name.lower() != "content-type"}
    if error.kind.status == 406:  # noqa: PLR2004
        return error_response(request, error)
    return page(
        "problem.html",
        status=error.kind.status,
        headers=headers,
        problem=error.kind,
        detail=error.detail,
        request_id=getattr(request.state, "request_id", None),
    )


def problems_page() -> Response:
    """Every problem that the API may answer with."""
    kinds: list[tuple[str, ProblemKind]] = sorted(PROBLEMS.items())
    return page("problems.html", kinds=kinds)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(day=day, moment=moment, units=units)
    return environment


def day(value: date | str) -> str:
    """A date as people read it: ``30 Nov 2026``."""
    on = date.fromisoformat(value) if isinstance(value, str) else value
    return f"{on.day} {_MONTHS[on.month - 1]} {on.year}"


def moment(value: datetime | str, time_zone: str) -> str:
    """A time in a zone, with city and offset: ``30 Nov 2026, 23:59 (Chicago, UTC-6)``; in UTC without either."""
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    local = at.astimezone(ZoneInfo(time_zone))
    if time_zone == "UTC":
        return f"{day(local.date())}, {local:%H:%M} UTC"
    city = time_zone.rpartition("/")[2].replace("_", " ")
    return f"{day(local.date())}, {local:%H:%M} ({city}, {_offset(local)})"


def _offset(local: datetime) -> str:
    minutes = int((local.utcoffset() or local - local).total_seconds()) // 60
    hours, rest = divmod(abs(minutes), 60)
    sign = "-" if minutes < 0 else "+"
    return f"UTC{sign}{hours}" + (f":{rest:02}" if rest else "")


def units(value: Decimal | str) -> str:
    """An amount of credit with two decimals."""
    return f"{Decimal(value):.2f}"
