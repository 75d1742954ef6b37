"""Staff: named pictures, the logos and signatures that certificates print."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Query
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from api.auth import Office
from api.problems import FieldError, ProblemError
from api.services import Services, services_of
from api.uploads import read_upload
from api.v1 import answers
from api.v1.envelope import fingerprint
from api.v1.once import answer_once
from api.v1.steps import StaffDesk, json_response
from api.views import time_json
from documents.images import MAXIMUM_BYTES, CleanImage, ImageRefusedError, clean_image
from storage import images
from storage.acts import Actor
from storage.images import ImageVersion, NewImage

router = APIRouter(prefix="/v1/staff/images", tags=["staff"], responses=answers.STAFF_PROBLEMS)

ServicesOf = Annotated[Services, Depends(services_of)]

_PICTURE: Final[dict[str, Any]] = {"schema": {"type": "string", "format": "binary"}}
_FILE: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "image/png": _PICTURE,
            "image/jpeg": _PICTURE,
            "multipart/form-data": {
                "schema": {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}}
            },
        },
    }
}
_SHOWN: Final[answers.Responses] = {
    200: {"description": "The picture, or what is known of it.", "content": {"image/png": {}, "image/jpeg": {}}}
}


class ImageAnswer(BaseModel):
    """One version of a picture; ``size`` in bytes, ``width`` and ``height`` in pixels."""

    name: str
    href: str
    version: int
    sha256: str
    media_type: str
    size: int
    width: int
    height: int
    uploaded_by: str
    uploaded_at: answers.Time


class AddedImage(ImageAnswer):
    """The current version; ``is_new`` is false when it was this very picture already."""

    is_new: bool


class ImageWithVersions(ImageAnswer):
    """The current version, and all versions, newest first."""

    versions: list[ImageAnswer]


class ImageList(BaseModel):
    """A page of pictures; pass ``next`` as ``after`` to go on."""

    data: list[ImageAnswer]
    has_more: bool
    next: str | None


@router.put("/{name}", response_model=AddedImage, openapi_extra=_FILE)
async def put_image(name: str, desk: StaffDesk) -> Response:
    """Make a PNG or JPEG the current version of a picture; certificates that are reserved from now on print it."""
    if not images.is_name(name):
        message = "is made of a-z, 0-9 and -, such as dean-okafor, and is at most 64 long"
        raise ProblemError("validation_failed", errors=[FieldError("name", "name_invalid", message)])
    file = await read_upload(desk.request, MAXIMUM_BYTES)
    key = desk.envelope.key and replace(desk.envelope.key, fingerprint=fingerprint(desk.request))
    picture = await _cleaned(file.content)
    new = NewImage(name, picture.content, picture.media_type, picture.width, picture.height)
    actor = Actor(desk.principal.account_id, desk.envelope.request_id)

    async def add(connection: AsyncConnection) -> Mapping[str, Any]:
        version, is_new = await connection.run_sync(images.add, new, actor)
        return {**_json(version), "is_new": is_new}

    return await answer_once(desk.services, key, add)


async def _cleaned(raw: bytes) -> CleanImage:
    try:
        # A large picture takes a moment to decode; other requests go on meanwhile.
        return await asyncio.to_thread(clean_image, raw)
    except ImageRefusedError as error:
        raise ProblemError("image_invalid", detail=str(error)) from None


@router.get("", response_model=ImageList)
async def list_images(
    principal: Office,  # noqa: ARG001  # only the office comes this far
    services: ServicesOf,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    after: Annotated[str | None, Query(max_length=80, description="The `next` of the page before.")] = None,
) -> Response:
    """The current version of every picture, by name."""
    if after is not None and not images.is_name(after):
        raise ProblemError("validation_failed", errors=[FieldError("after", "cursor_invalid")])
    found = await services.database.statements(lambda c: c.run_sync(images.listed, after, limit + 1))
    shown, has_more = found[:limit], len(found) > limit
    data = [_json(version) for version in shown]
    return json_response({"data": data, "has_more": has_more, "next": shown[-1].name if has_more else None})


@router.get("/{name}", response_model=ImageWithVersions, responses=_SHOWN)
async def show_image(
    name: str,
    principal: Office,  # noqa: ARG001  # only the office comes this far
    services: ServicesOf,
    accept: Annotated[str, Header(description="`image/*` asks for the picture itself.")] = "application/json",
) -> Response:
    """A picture with its versions; with ``Accept: image/*`` the picture itself."""
    found = (
        await services.database.statements(lambda c: c.run_sync(images.versions, name)) if images.is_name(name) else []
    )
    if not found:
        raise ProblemError("not_found")
    current = found[0]
    if not accept.strip().startswith("image/"):
        return json_response({**_json(current), "versions": [_json(version) for version in found]})
    sha256 = current.sha256.hex()
    contents = await services.database.statements(lambda c: c.run_sync(images.contents, [sha256]))
    return Response(contents[sha256], media_type=current.media_type, headers={"ETag": f'"{sha256}"'})


def _json(version: ImageVersion) -> dict[str, Any]:
    return {
        "name": version.name,
        "href": f"/v1/staff/images/{version.name}",
        "version": version.version,
        "sha256": version.sha256.hex(),
        "media_type": version.media_type,
        "size": version.size,
        "width": version.width,
        "height": version.height,
        "uploaded_by": version.uploaded_by,
        "uploaded_at": time_json(version.uploaded_at),
    }
