"""Who signs in and who learns: accounts, learners, identifiers, sessions."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables.base import Base


class AccountRow(Base):
    """Who may sign in; every learner and every member of staff has one account.

    ``language`` is a tag of ``config.languages``; None until one was chosen.
    """

    __tablename__ = "accounts"
    __table_args__ = (Index("uq_accounts_email", func.lower(text("email")), unique=True),)

    id: Mapped[str] = mapped_column(primary_key=True)
    email: Mapped[str]
    role: Mapped[str]
    language: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    deactivated_at: Mapped[datetime | None]


class LearnerRow(Base):
    """A person who earns credit. One that was merged into another keeps its row and says into which.

    ``name_key`` is the name as people are compared (``domain/people.py``). ``shows_name`` says whether anyone who
    verifies a certificate is told whose it is. From ``erased_at`` on there is no contact data, and the rest is shown to
    nobody.
    """

    __tablename__ = "learners"
    __table_args__ = (
        Index(None, "name_key"),
        Index("ix_learners_merged_into", "merged_into", postgresql_where=text("merged_into IS NOT NULL")),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[str | None] = mapped_column(ForeignKey("accounts.id"), unique=True)
    given_name: Mapped[str | None]
    family_name: Mapped[str | None]
    name_key: Mapped[str | None]
    credentials: Mapped[str | None]
    profession: Mapped[str | None]
    time_zone: Mapped[str | None]
    wants_reminders: Mapped[bool] = mapped_column(server_default=text("true"))
    shows_name: Mapped[bool] = mapped_column(server_default=text("true"))
    merged_into: Mapped[str | None] = mapped_column(ForeignKey("learners.id"))
    erased_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class LearnerIdentifierRow(Base):
    """A number under which a registry knows a learner."""

    __tablename__ = "learner_identifiers"
    __table_args__ = (Index(None, "kind", "value"),)

    learner_id: Mapped[str] = mapped_column(ForeignKey("learners.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]


class LearnerKeyRow(Base):
    """The key under which one learner's personal data stands in the audit trail; destroyed to erase all of it at once.

    ``purpose`` is a ``SealPurpose``: contact data can be erased earlier than what the record must keep.
    """

    __tablename__ = "learner_keys"
    __table_args__ = (UniqueConstraint("learner_id", "purpose"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    learner_id: Mapped[str]
    purpose: Mapped[str]
    key: Mapped[bytes | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    destroyed_at: Mapped[datetime | None]


class SignInLinkRow(Base):
    """A link that was asked for; the token itself is kept only until its mail has been sent.

    ``asked_by`` is the account without a profile that looked this address's learner up, if that is where it came from.
    ``language`` is the one that its page was read in.
    """

    __tablename__ = "sign_in_links"
    __table_args__ = (Index(None, "requested_at"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    token: Mapped[str | None]
    email: Mapped[str]
    asked_by: Mapped[str | None]
    language: Mapped[str | None]
    requested_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    used_key: Mapped[str | None]


class LoginSessionRow(Base):
    """A signed-in account; only the hash of its 256-bit token is stored.

    ``browser`` and ``system`` are names of products as ``domain.devices`` tells them, by which people know a session of
    theirs again; nothing else is kept of the request. ``last_seen_at`` is moved every five minutes at most.
    """

    __tablename__ = "login_sessions"
    __table_args__ = (Index(None, "account_id"),)

    token_hash: Mapped[bytes] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(unique=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    browser: Mapped[str | None]
    system: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    last_seen_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class AccountIdentityRow(Base):
    """Who an account is to an identity provider: the provider's address and its own, lasting name for the person."""

    __tablename__ = "account_identities"
    __table_args__ = (UniqueConstraint("account_id", "issuer"),)

    issuer: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    linked_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class IdempotencyKeyRow(Base):
    """The answer that belongs to one ``Idempotency-Key`` of one principal."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index(None, "created_at"),)

    principal: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[bytes]
    submission_id: Mapped[str | None]
    status: Mapped[int | None]
    body: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class EmployeeRow(Base):
    """The organisation's list of its people, against which employee ids are checked; empty when none is loaded."""

    __tablename__ = "employees"

    employee_id: Mapped[str] = mapped_column(primary_key=True)
    given_name: Mapped[str | None]
    family_name: Mapped[str | None]
    email: Mapped[str | None]
    loaded_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class LearnerMergeRow(Base):
    """Two learners found to be one person: ``duplicate_id`` became part of ``learner_id``, and why."""

    __tablename__ = "learner_merges"
    __table_args__ = (
        Index(None, "learner_id"),
        Index("ix_learner_merges_unfinished", "requested_at", postgresql_where=text("merged_at IS NULL")),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    learner_id: Mapped[str] = mapped_column(ForeignKey("learners.id"))
    duplicate_id: Mapped[str] = mapped_column(ForeignKey("learners.id"), unique=True)
    reason: Mapped[str]
    requested_by: Mapped[str]
    requested_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    merged_at: Mapped[datetime | None]
    details: Mapped[dict[str, Any] | None]
