"""Reading an uploaded file: counted while it arrives, alone in the body or as a part of a form."""

import hashlib
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Final

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from api.gate import ASKED, upload_types
from api.problems import ProblemError

_FORM_TYPE: Final = "multipart/form-data"
# What a form adds to its file: boundaries, and the headers of parts.
_FORM_BYTES: Final = 64 * 1024
_MOST_FIELDS: Final = 8
_MAXIMUM_NAME_LENGTH: Final = 200
_NOT_IN_NAME: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file as it was sent; ``name`` is the last part of its path, without controls, and may be empty."""

    name: str
    content: bytes

    @property
    def sha256(self) -> bytes:
        """The hash of the content."""
        return hashlib.sha256(self.content).digest()


async def read_upload(request: Request, limit: int, **asked: Any) -> UploadedFile:
    """Read the file of a request that the gate let through unread, at most ``limit`` bytes of it.

    Afterwards ``api.v1.envelope.fingerprint`` tells the request from others: by its file and by what else it ``asked``.
    Raises 413 for a file that is too large, 415 for what is not uploaded there, 400 for a form without one file.
    """
    media_type = _media_type(request)
    if media_type not in upload_types(request.url.path):
        raise ProblemError("content_type_unsupported")
    is_form = media_type == _FORM_TYPE
    body = await _read(request, limit + _FORM_BYTES if is_form else limit)
    file = await _file_of_form(request, body) if is_form else UploadedFile("", body)
    if len(file.content) > limit:
        raise _too_large()
    request.scope[ASKED] = {"sha256": file.sha256.hex(), **asked}
    return file


def plain_name(name: str) -> str:
    """The last part of a file's path, as it can be stored and shown."""
    return _NOT_IN_NAME.sub("", re.split(r"[/\\]", name)[-1]).strip()[:_MAXIMUM_NAME_LENGTH]


async def _read(request: Request, limit: int) -> bytes:
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise _too_large()
    except ClientDisconnect:
        raise ProblemError("request_invalid") from None
    return bytes(body)


def _too_large() -> ProblemError:
    # What is left of the body is not read, so the connection cannot be used again.
    return ProblemError("body_too_large", headers={"Connection": "close"})


async def _file_of_form(request: Request, body: bytes) -> UploadedFile:
    form = await _parsed(request, body)
    try:
        file = next((value for _, value in form.multi_items() if isinstance(value, UploadFile)), None)
        if file is None:
            raise ProblemError("request_invalid")
        return UploadedFile(plain_name(file.filename or ""), await file.read())
    finally:
        await form.close()


async def read_form(request: Request, limit: int) -> FormData:
    """Read a page's form that brings a file of at most ``limit`` bytes; raises like ``read_upload``."""
    if _media_type(request) != _FORM_TYPE:
        raise ProblemError("content_type_unsupported")
    return await _parsed(request, await _read(request, limit + _FORM_BYTES))


async def _parsed(request: Request, body: bytes) -> FormData:
    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    try:
        return await MultiPartParser(request.headers, stream(), max_files=1, max_fields=_MOST_FIELDS).parse()
    except MultiPartException:
        raise ProblemError("request_invalid") from None


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
