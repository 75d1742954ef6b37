"""Providers' own certificate templates: immutable versions, and which of them a certificate is made with.

A template is named ``<name>@<version>``. A version without a source ends the template: it takes no new certificates,
and what was reserved with an earlier version is still made with that.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, RowMapping, Select, func, null, select
from sqlalchemy.dialects.postgresql import distinct_on, insert

from storage.acts import Actor, enter
from storage.canonical import canonical_json
from storage.tables import CertificateTemplateRow, ProviderRow

_Row: Final = CertificateTemplateRow


class ProviderUnknownError(LookupError):
    """There is no such provider: none of its CE activities was ever published."""


class Source(NamedTuple):
    """What a template is made of."""

    html: str
    css: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTemplate:
    """A template to publish. ``provider`` (its slug) and ``credit_type`` say whose certificates; None means all."""

    name: str
    provider: str | None
    credit_type: str | None
    source: Source

    @property
    def sha256(self) -> bytes:
        """The hash of the source and of what it is for."""
        values = {"provider": self.provider, "credit_type": self.credit_type, **self.source._asdict()}
        return hashlib.sha256(canonical_json(values)).digest()


@dataclass(frozen=True, slots=True)
class TemplateVersion:
    """One published version; ``is_retired`` when it ended the template."""

    name: str
    version: int
    provider: str | None
    credit_type: str | None
    is_retired: bool
    sha256: bytes | None
    published_by: str
    published_at: datetime

    @property
    def reference(self) -> str:
        """What certificates call it."""
        return f"{self.name}@{self.version}"


def publish(
    connection: Connection, template: NewTemplate, actor: Actor, reason: str | None = None
) -> tuple[TemplateVersion, bool]:
    """Make a template the current version of its name; the version, and whether it is new.

    What equals the current version makes none. The caller has checked the source (``documents.template_lint``). Raises
    ``ProviderUnknownError``.
    """
    newest = _newest_to_change(connection, template.name)
    if newest is not None and newest.sha256 == template.sha256:
        return newest, False
    if template.provider is not None:
        known = connection.execute(select(ProviderRow.slug).where(ProviderRow.slug == template.provider))
        if known.one_or_none() is None:
            raise ProviderUnknownError(template.provider)
    row = {
        "provider_slug": template.provider,
        "credit_type": template.credit_type,
        "source": template.source._asdict(),
        "sha256": template.sha256,
    }
    after = {"provider": template.provider, "credit_type": template.credit_type}
    evidence = {"template": template.sha256.hex()}
    added = _add(connection, template.name, newest, row, actor)
    _enter(
        connection,
        "certificate_template.published",
        _Change(newest, added, reason),
        actor,
        after=after,
        evidence=evidence,
    )
    return added, True


def retire(
    connection: Connection, name: str, actor: Actor, reason: str | None = None
) -> tuple[TemplateVersion, bool] | None:
    """End a template; its last version, and whether that is new. None when there is no such template."""
    newest = _newest_to_change(connection, name)
    if newest is None:
        return None
    if newest.is_retired:
        return newest, False
    row = {"provider_slug": newest.provider, "credit_type": newest.credit_type, "source": null(), "sha256": None}
    added = _add(connection, name, newest, row, actor)
    _enter(connection, "certificate_template.retired", _Change(newest, added, reason), actor)
    return added, True


def choose(connection: Connection, provider: str, credit_type: str) -> str | None:
    """The template that fits a certificate best, as ``<name>@<version>``; None stands for the built-in one.

    One for this provider and credit type comes before one for the provider, that before one for the credit type, and
    that before one for all certificates; of equals the newest wins.
    """
    newest = _versions().ext(distinct_on(_Row.name)).order_by(_Row.name, _Row.version.desc()).subquery()
    query = (
        select(newest.c.name, newest.c.version)
        .where(
            ~newest.c.is_retired,
            func.coalesce(newest.c.provider, provider) == provider,
            func.coalesce(newest.c.credit_type, credit_type) == credit_type,
        )
        .order_by(
            newest.c.provider.is_(None), newest.c.credit_type.is_(None), newest.c.published_at.desc(), newest.c.name
        )
        .limit(1)
    )
    chosen = connection.execute(query).one_or_none()
    return f"{chosen.name}@{chosen.version}" if chosen else None


def source_of(connection: Connection, reference: str) -> Source | None:
    """The source of ``<name>@<version>``; None for the built-in template, whose name has no ``@``.

    Raises ``LookupError`` when there is no such version, or it has no source.
    """
    name, at, version = reference.partition("@")
    if not at:
        return None
    query = select(_Row.source).where(_Row.name == name, _Row.version == int(version), _Row.source.is_not(None))
    stored = connection.execute(query).scalar_one_or_none()
    if stored is None:
        raise LookupError(reference)
    return Source(**stored)


def versions(connection: Connection, name: str) -> list[TemplateVersion]:
    """Every version of a template, newest first; none when there is no such template."""
    rows = connection.execute(_versions().where(_Row.name == name).order_by(_Row.version.desc()))
    return [_version(row) for row in rows.mappings()]


def listed(connection: Connection, after: str | None = None, limit: int | None = None) -> list[TemplateVersion]:
    """The newest version of every template, by name; of those after a name, and at most so many."""
    query = _versions().ext(distinct_on(_Row.name)).where(_Row.name > (after or ""))
    rows = connection.execute(query.order_by(_Row.name, _Row.version.desc()).limit(limit))
    return [_version(row) for row in rows.mappings()]


def _versions() -> Select[*tuple[Any, ...]]:
    return select(
        _Row.name,
        _Row.version,
        _Row.provider_slug.label("provider"),
        _Row.credit_type,
        _Row.source.is_(None).label("is_retired"),
        _Row.sha256,
        _Row.published_by,
        _Row.published_at,
    )


def _version(row: RowMapping) -> TemplateVersion:
    return TemplateVersion(**{**row, "sha256": row["sha256"] and bytes(row["sha256"])})


def _newest_to_change(connection: Connection, name: str) -> TemplateVersion | None:
    """The newest version of a template, once nobody else is about to add another."""
    connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(_stream(name), 0))))
    return next(iter(versions(connection, name)), None)


def _add(
    connection: Connection, name: str, newest: TemplateVersion | None, row: Mapping[str, Any], actor: Actor
) -> TemplateVersion:
    number = (newest.version if newest else 0) + 1
    connection.execute(insert(_Row).values(name=name, version=number, published_by=actor.id, **row))
    return versions(connection, name)[0]


@dataclass(frozen=True, slots=True)
class _Change:
    """The version that was the newest, the one that is now, and why."""

    before: TemplateVersion | None
    after: TemplateVersion
    reason: str | None


def _enter(
    connection: Connection,
    event: str,
    change: _Change,
    actor: Actor,
    *,
    after: Mapping[str, Any] | None = None,
    evidence: Mapping[str, str] | None = None,
) -> None:
    enter(
        connection,
        _stream(change.after.name),
        event,
        actor,
        before={"version": change.before.version} if change.before else {},
        after={"name": change.after.name, "version": change.after.version, **(after or {})},
        private={"reason": change.reason} if change.reason else {},
        evidence=evidence,
    )


def _stream(name: str) -> str:
    return f"certificate_template:{name}"
