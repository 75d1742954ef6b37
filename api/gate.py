"""The gate that every body passes before anything else looks at it: size, content type, strict JSON.

Bodies are counted while they arrive. JSON must mean one thing only: no NaN, no infinity, no field twice, no half
characters, no NUL, no towers of brackets (``docs/architecture.md``).
"""

import hashlib
import json
import re
from typing import Any, Final

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import ProblemError, error_response

KIB: Final = 1024
MAXIMUM_JSON_BYTES: Final = 64 * KIB
MAXIMUM_DEFINITION_BYTES: Final = 256 * KIB
MAXIMUM_FORM_BYTES: Final = 16 * KIB
MAXIMUM_LARGE_FORM_BYTES: Final = 3 * MAXIMUM_DEFINITION_BYTES
MAXIMUM_DEPTH: Final = 32
_MAXIMUM_DIGITS: Final = 18
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")

API_PREFIX: Final = "/v1/"
DEFINITION_PREFIX: Final = "/v1/staff/ce-activities/"
JSON_TYPES: Final = frozenset({"application/json"})
YAML_TYPES: Final = frozenset({"application/yaml", "application/x-yaml", "text/yaml"})
FORM_TYPES: Final = frozenset({"application/x-www-form-urlencoded"})
_TABLES: Final = re.compile(r"/v1/staff/(?:ce-activities/[^/]+/roster|employees)")
_TABLE_TYPES: Final = frozenset({"text/csv", "text/tab-separated-values", "multipart/form-data"})
_PICTURES: Final = re.compile(r"/v1/staff/images/[^/]+")
# Pages send their files in forms; these are handed on to the addresses above.
_PAGES_WITH_FILE: Final = re.compile(r"/staff/(?:ce-activities/[^/]+/roster|employees|images)")
# Forms that hold a definition or a template: percent signs make three characters of one.
_LARGE_FORMS: Final = re.compile(
    r"/staff/(?:(?:ce-activities|certificate-templates)/.+|new-certificate-template|certificate-sample\.pdf)"
)
_PICTURE_TYPES: Final = frozenset({"image/png", "image/jpeg", "multipart/form-data"})

ASKED: Final = "laurel.asked"
"""Where a scope holds what its body asks for, if it has one: the JSON document, or the hash of anything else."""


class Gate:
    """Reads the body of a request, judges it, and hands it on; a refused body reaches no route."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Judge one request's body, then let it through."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS") or is_upload(scope):
            await self._app(scope, receive, send)
            return
        try:
            body = await _read(scope, receive)
        except ProblemError as error:
            await error_response(Request(scope), error)(scope, receive, send)
            return
        if body is not None:
            await self._app(scope, _replay(body, receive), send)


def is_upload(scope: Scope) -> bool:
    """Whether a body is a large file, which its route reads (``api/uploads.py``) once it knows who sends it."""
    headers = Headers(scope=scope)
    return not headers.get("content-encoding") and _media_type(headers) in upload_types(scope["path"])


def upload_types(path: str) -> frozenset[str]:
    """The types of files that are uploaded to this path; none to most paths."""
    if _TABLES.fullmatch(path):
        return _TABLE_TYPES
    if _PAGES_WITH_FILE.fullmatch(path):
        return frozenset({"multipart/form-data"})
    return _PICTURE_TYPES if _PICTURES.fullmatch(path) else frozenset()


def _media_type(headers: Headers) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _rules(path: str) -> tuple[int, frozenset[str]]:
    """How large the body may be at this path, and of which types."""
    if path.startswith(DEFINITION_PREFIX):
        return MAXIMUM_DEFINITION_BYTES, JSON_TYPES | YAML_TYPES
    if path.startswith(API_PREFIX):
        return MAXIMUM_JSON_BYTES, JSON_TYPES
    return MAXIMUM_LARGE_FORM_BYTES if _LARGE_FORMS.fullmatch(path) else MAXIMUM_FORM_BYTES, FORM_TYPES


async def _read(scope: Scope, receive: Receive) -> bytes | None:
    """The whole body, judged; None when the client went away before it was complete."""
    headers = Headers(scope=scope)
    limit, types = _rules(scope["path"])
    declared = headers.get("content-length", "0")
    if not (declared.isascii() and declared.isdigit()):
        raise ProblemError("request_invalid")
    if len(declared) > _MAXIMUM_DIGITS or int(declared) > limit:
        raise _too_large()
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > limit:
            raise _too_large()
        if not message.get("more_body", False):
            break
    if body:
        _judge(scope, headers, bytes(body), types)
    return bytes(body)


def _too_large() -> ProblemError:
    # What is left of the body is not read, so the connection cannot be used again.
    return ProblemError("body_too_large", headers={"Connection": "close"})


def _judge(scope: Scope, headers: Headers, body: bytes, types: frozenset[str]) -> None:
    media_type, parameters = _media_type(headers), headers.get("content-type", "").partition(";")[2]
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    if media_type not in types or charset not in ("", "utf-8") or headers.get("content-encoding"):
        raise ProblemError("content_type_unsupported")
    scope[ASKED] = parse_json(body) if media_type in JSON_TYPES else hashlib.sha256(body).hexdigest()


def _replay(body: bytes, receive: Receive) -> Receive:
    is_sent = False

    async def replay() -> Message:
        nonlocal is_sent
        if is_sent:
            return await receive()
        is_sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


class _Refused(ValueError):  # noqa: N818  # it never leaves this module
    """A token that JSON's own grammar allows and we do not."""


def parse_json(raw: bytes) -> Any:
    """Read one JSON document strictly; raises ``ProblemError`` with ``json_invalid`` or ``json_duplicate_key``."""
    try:
        text = raw.decode()
        document = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_refuse,
            parse_float=_float,
            parse_int=_integer,
        )
        if text.count("{") + text.count("[") > MAXIMUM_DEPTH and _depth(document) > MAXIMUM_DEPTH:
            raise _Refused
        if "\\u" in text or "\0" in text:
            # Encoding fails on half a character; PostgreSQL stores no NUL.
            written = json.dumps(document, ensure_ascii=False).encode()
            if _NUL.search(written):
                raise _Refused
    except (ValueError, RecursionError):
        raise ProblemError("json_invalid") from None
    return document


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ProblemError("json_duplicate_key")
    return document


def _refuse(_token: str) -> Any:
    raise _Refused


def _integer(token: str) -> int:
    if len(token) > _MAXIMUM_DIGITS:
        raise _Refused
    return int(token)


def _float(token: str) -> float:
    value = float(token)
    if value in (float("inf"), float("-inf")):
        raise _Refused
    return value


def _depth(document: Any) -> int:
    """How deep lists and objects are nested, found level by level so that no tower breaks it."""
    depth, level = 0, [document] if isinstance(document, dict | list) else []
    while level:
        depth += 1
        contents = [each.values() if isinstance(each, dict) else each for each in level]
        level = [inner for content in contents for inner in content if isinstance(inner, dict | list)]
    return depth
