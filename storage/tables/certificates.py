"""What certificates are made with, and what befalls them: templates, images, keys, status lists, corrections."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables.base import Base


class CertificateTemplateRow(Base):
    """One published version of a provider's own certificate template; never changed (a trigger refuses it).

    It serves the certificates of its provider and credit type; an empty one of the two stands for all of them. A
    version without a source ends the template.
    """

    __tablename__ = "certificate_templates"

    name: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    provider_slug: Mapped[str | None] = mapped_column(ForeignKey("providers.slug"))
    credit_type: Mapped[str | None]
    source: Mapped[dict[str, Any] | None]
    sha256: Mapped[bytes | None]
    published_by: Mapped[str]
    published_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class ImageRow(Base):
    """One version of a named image, a logo or a signature; its bytes are a document."""

    __tablename__ = "images"

    name: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    sha256: Mapped[bytes] = mapped_column(ForeignKey("documents.sha256"))
    width: Mapped[int]
    height: Mapped[int]
    uploaded_by: Mapped[str]
    uploaded_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class SigningKeyRow(Base):
    """The public half of a key that signs credentials or checkpoints; the private half is a file (``config.keys``)."""

    __tablename__ = "signing_keys"
    __table_args__ = (Index(None, "purpose", "created_at"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    purpose: Mapped[str]
    algorithm: Mapped[str]
    public_key: Mapped[bytes] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    retired_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class StatusListRow(Base):
    """One Bitstring Status List: which of its certificates' credentials hold no more, as it was last signed.

    ``credential`` is the list as JSON with an embedded proof, ``jwt`` the same as a token.
    """

    __tablename__ = "status_lists"

    number: Mapped[int] = mapped_column(primary_key=True)
    credential: Mapped[str | None]
    jwt: Mapped[str | None]
    signed_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class CorrectionRow(Base):
    """What staff want changed about an award or its certificate, and how far it has come.

    ``kind`` is a ``CorrectionKind``, ``body`` what is to be changed, ``state`` a ``CorrectionState``. A second person's
    word is ``is_approved``, by ``decided_by``; ``attention`` says why the correction is parked. That it is to end as it
    is, although it is parked, is said by ``resolved_by``, with a code and in words.
    """

    __tablename__ = "corrections"
    __table_args__ = (
        Index(None, "claim_id", "requested_at"),
        Index("ix_corrections_attention", "attention", postgresql_where=text("attention IS NOT NULL")),
        # Two changes of one certificate at the same time would each rest on what the other changes.
        Index(
            "uq_corrections_unfinished",
            "claim_id",
            unique=True,
            postgresql_where=text("state IN ('awaiting_approval', 'approved', 'applied')"),
        ),
        CheckConstraint("decided_by IS NULL OR decided_by <> requested_by", "second_person"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    claim_id: Mapped[str] = mapped_column(ForeignKey("claims.id"))
    kind: Mapped[str]
    state: Mapped[str]
    attention: Mapped[str | None]
    body: Mapped[dict[str, Any]]
    reason_class: Mapped[str | None]
    reason: Mapped[str]
    requested_by: Mapped[str]
    request_id: Mapped[str | None]
    requested_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    is_approved: Mapped[bool | None]
    decided_by: Mapped[str | None]
    decision_request_id: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    resolved_by: Mapped[str | None]
    resolution_code: Mapped[str | None]
    resolution: Mapped[str | None]
    resolution_request_id: Mapped[str | None]
    resolved_at: Mapped[datetime | None]
    applied_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    outcome: Mapped[dict[str, Any] | None]


class CredentialRow(Base):
    """The signed machine credential of one certificate, and its place in a status list, never used twice."""

    __tablename__ = "credentials"
    __table_args__ = (UniqueConstraint("status_list", "status_index"),)

    certificate_id: Mapped[str] = mapped_column(ForeignKey("certificates.id"), primary_key=True)
    status_list: Mapped[int] = mapped_column(ForeignKey("status_lists.number"))
    status_index: Mapped[int]
    sha256: Mapped[bytes | None] = mapped_column(ForeignKey("documents.sha256"))
    jwt: Mapped[str | None]
    key_id: Mapped[str | None] = mapped_column(ForeignKey("signing_keys.id"))
    signed_at: Mapped[datetime | None]
