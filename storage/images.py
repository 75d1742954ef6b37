"""Named pictures, logos and signatures: each version once, its bytes a document under their SHA-256.

A certificate keeps the hash of the version that was current when it was reserved, so a new logo changes none before.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, RowMapping, func, select
from sqlalchemy.dialects.postgresql import distinct_on, insert

from storage.acts import Actor, enter
from storage.tables import DocumentRow, ImageRow

_NAME: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_MAXIMUM_NAME_LENGTH: Final = 64
_COLUMNS: Final = (
    ImageRow.name,
    ImageRow.version,
    ImageRow.sha256,
    DocumentRow.media_type,
    func.length(DocumentRow.content).label("size"),
    ImageRow.width,
    ImageRow.height,
    ImageRow.uploaded_by,
    ImageRow.uploaded_at,
)


@dataclass(frozen=True, slots=True)
class ImageVersion:
    """One version of a named picture; ``size`` in bytes, ``width`` and ``height`` in pixels."""

    name: str
    version: int
    sha256: bytes
    media_type: str
    size: int
    width: int
    height: int
    uploaded_by: str
    uploaded_at: datetime


@dataclass(frozen=True, slots=True)
class NewImage:
    """A picture as it is stored: already made anew from what was uploaded (``documents.images``)."""

    name: str
    content: bytes
    media_type: str
    width: int
    height: int

    @property
    def sha256(self) -> bytes:
        """The hash under which the bytes are stored."""
        return hashlib.sha256(self.content).digest()


def is_name(text: str) -> bool:
    """Whether a text can be the name of a picture or a template: small letters, digits and hyphens, at most 64."""
    return len(text) <= _MAXIMUM_NAME_LENGTH and _NAME.fullmatch(text) is not None


def add(connection: Connection, image: NewImage, actor: Actor) -> tuple[ImageVersion, bool]:
    """Make a picture the current version of its name; the version, and whether it is new.

    The same bytes as the current version's make none. Writers of one name wait for each other.
    """
    connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(_stream(image.name), 0))))
    current = next(iter(versions(connection, image.name)), None)
    if current is not None and current.sha256 == image.sha256:
        return current, False
    document = insert(DocumentRow).values(sha256=image.sha256, media_type=image.media_type, content=image.content)
    connection.execute(document.on_conflict_do_nothing())
    number = (current.version if current else 0) + 1
    row = {"name": image.name, "version": number, "sha256": image.sha256, "width": image.width, "height": image.height}
    connection.execute(insert(ImageRow).values(**row, uploaded_by=actor.id))
    enter(
        connection,
        _stream(image.name),
        "image.added",
        actor,
        before={"version": current.version} if current else {},
        after={"name": image.name, "version": number, "width": image.width, "height": image.height},
        evidence={"image": image.sha256.hex()},
    )
    return versions(connection, image.name)[0], True


def versions(connection: Connection, name: str) -> list[ImageVersion]:
    """Every version of a picture, newest first; none when there is no such picture."""
    query = select(*_COLUMNS).join(DocumentRow, DocumentRow.sha256 == ImageRow.sha256)
    rows = connection.execute(query.where(ImageRow.name == name).order_by(ImageRow.version.desc()))
    return [_version(row) for row in rows.mappings()]


def listed(connection: Connection, after: str | None = None, limit: int | None = None) -> list[ImageVersion]:
    """The current version of every picture, by name; of those after a name, and at most so many."""
    query = (
        select(*_COLUMNS)
        .ext(distinct_on(ImageRow.name))
        .join(DocumentRow, DocumentRow.sha256 == ImageRow.sha256)
        .where(ImageRow.name > (after or ""))
        .order_by(ImageRow.name, ImageRow.version.desc())
        .limit(limit)
    )
    return [_version(row) for row in connection.execute(query).mappings()]


def current(connection: Connection, names: Iterable[str]) -> dict[str, RowMapping]:
    """The current version of each of these pictures that exists, by name: ``sha256``, ``width`` and ``height``."""
    query = (
        select(ImageRow.name, ImageRow.sha256, ImageRow.width, ImageRow.height)
        .ext(distinct_on(ImageRow.name))
        .where(ImageRow.name.in_(set(names)))
        .order_by(ImageRow.name, ImageRow.version.desc())
    )
    return {row["name"]: row for row in connection.execute(query).mappings()}


def contents(connection: Connection, hashes: Iterable[str]) -> dict[str, bytes]:
    """The bytes of pictures by their SHA-256 in hex, as ``documents.jobs.CertificateJob.images`` wants them."""
    wanted = {bytes.fromhex(each) for each in hashes}
    if not wanted:
        return {}
    rows = connection.execute(
        select(DocumentRow.sha256, DocumentRow.content).where(
            DocumentRow.sha256.in_(wanted), DocumentRow.media_type.in_(("image/png", "image/jpeg"))
        )
    )
    return {bytes(row.sha256).hex(): bytes(row.content) for row in rows}


def _version(row: RowMapping) -> ImageVersion:
    return ImageVersion(**{**row, "sha256": bytes(row["sha256"])})


def _stream(name: str) -> str:
    return f"image:{name}"
