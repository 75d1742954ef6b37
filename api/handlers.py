"""From exceptions to answers: problem documents for clients, the same words as a page for browsers."""

from collections.abc import Iterator
from functools import cache
from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from api.database import UNAVAILABLE
from api.pages.visit import problem_page
from api.problems import FieldError, ProblemError, error_response
from api.v1 import bodies

_log = structlog.get_logger("laurel.api")

_CODE_OF_STATUS: Final = {
    400: "request_invalid",
    401: "not_signed_in",
    403: "not_allowed",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "content_type_unsupported",
}
_CODE_OF_TYPE: Final = {"missing": "required", "extra_forbidden": "unknown_field", "string_pattern_mismatch": "format"}
_OURS: Final = "value_error"


def add_handlers(app: FastAPI) -> None:
    """Answer every expected exception; what is left is answered by ``api.edge``."""
    app.add_exception_handler(ProblemError, _on_problem)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    for unavailable in UNAVAILABLE:
        app.add_exception_handler(unavailable, _on_database_away)


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)  # noqa: S101  # registered for this class only
    return await _answer(request, error)


async def _answer(request: Request, error: ProblemError) -> Response:
    is_page = not request.url.path.startswith("/v1/") and "text/html" in request.headers.get("accept", "")
    if is_page and error.kind.status != HTTPStatus.NOT_ACCEPTABLE:
        return await problem_page(request, error)
    return error_response(request, error)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # registered for this class only
    code = _CODE_OF_STATUS.get(error.status_code, "request_invalid")
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = _allowed(request)
    return await _answer(request, ProblemError(code, headers=headers))


def _allowed(request: Request) -> str:
    """Every method that this address takes; each route knows only its own."""
    routes = [route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE]
    return ", ".join(sorted({method for route in routes for method in getattr(route, "methods", None) or ()}))


async def _on_database_away(request: Request, error: Exception) -> Response:
    _log.warning("database.unavailable", error=type(error).__name__)
    return await _answer(request, ProblemError("database_unavailable", headers={"Retry-After": "1"}))


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  # registered for this class only
    errors = [_field_error(detail) for detail in error.errors()]
    return await _answer(request, ProblemError("validation_failed", errors=list(dict.fromkeys(errors))))


def _field_error(detail: dict[str, Any]) -> FieldError:
    where, *path = detail["loc"]
    if where != "body":
        # What an unknown parameter is called was chosen by the client.
        is_ours = path and detail["type"] != "extra_forbidden"
        return FieldError(str(path[0]) if is_ours else str(where), _code(detail))
    known = []
    for part in path:
        if part not in _fields():
            break
        known.append(str(part))
    return FieldError("".join(f"/{part}" for part in known), _code(detail))


@cache
def _fields() -> frozenset[str]:
    """Names that may appear in a pointer: everything else in a path was chosen by the client."""
    return frozenset(
        field.alias or name for model in _subclasses(bodies.Body) for name, field in model.model_fields.items()
    )


def _subclasses(model: type[bodies.Body]) -> Iterator[type[bodies.Body]]:
    for inner in model.__subclasses__():
        yield inner
        yield from _subclasses(inner)


def _code(detail: dict[str, Any]) -> str:
    """A stable code: our own validators' words, or pydantic's name for the mistake."""
    if detail["type"] == _OURS:
        return str(detail.get("ctx", {}).get("error", "invalid"))
    return str(_CODE_OF_TYPE.get(detail["type"], detail["type"]))
