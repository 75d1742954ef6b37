"""CE activities and their published policies. A version is written once; claims keep the one they opened with."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import OperationalError

from domain import policy_problems
from domain.identities import new_id
from domain.policy import CEActivityPolicy
from storage import images
from storage.audit import AuditEntry, AuditStream
from storage.canonical import canonical_json
from storage.database import create_sync_engine
from storage.definitions import (
    Definition,
    DefinitionError,
    DefinitionProblem,
    DefinitionStatus,
    policy_from_json,
    policy_to_json,
    read_definition,
)
from storage.tables import CEActivityRow, CEActivityVersionRow, ProviderRow

_NOT_IN_SLUG: Final = re.compile(r"[^a-z0-9]+")
_MAXIMUM_SLUG_LENGTH: Final = 80
_NO_PICTURE: Final = "is the name of a stored picture; add it first, with laurel images add"
COMMAND_LINE: Final = "command_line"
"""The actor of what is published without anybody being named."""


@dataclass(frozen=True, slots=True)
class Published:
    """The current version of a CE activity; ``is_new`` is False when the definition changed nothing.

    ``sha256`` is of the version's policy.
    """

    slug: str
    ce_activity_id: str
    version_id: str
    number: int
    is_new: bool
    sha256: bytes = b""


def publish(connection: Connection, definition: Definition, actor: str | None) -> Published:
    """Make a definition the current one: a new version only if its policy differs from the current version's.

    Two publishers of one CE activity, or of one provider, wait for each other. The caller commits. Without an actor it
    is done at the command line. Raises ``DefinitionError`` when the activity code is another CE activity's, or the
    definition names a picture that nobody added.
    """
    check_pictures(connection, definition)
    provider_slug = _upsert_provider(connection, definition)
    new = {
        "id": new_id("cea"),
        "slug": definition.slug,
        "provider_slug": provider_slug,
        "status": DefinitionStatus.DRAFT,
        "version_id": "",
    }
    connection.execute(insert(CEActivityRow).values(**new).on_conflict_do_nothing())
    row = connection.execute(
        select(CEActivityRow.id, CEActivityRow.version_id, CEActivityRow.status)
        .where(CEActivityRow.slug == definition.slug)
        .with_for_update(key_share=True)
    ).one()
    _check_activity_code(connection, definition, provider_slug)
    version = _version_of(connection, row.id, row.version_id, definition, actor)
    connection.execute(
        update(CEActivityRow)
        .where(CEActivityRow.id == row.id)
        .values(
            provider_slug=provider_slug,
            status=definition.status,
            version_id=version.version_id,
            activity_code=definition.policy.activity_code,
        )
    )
    if version.is_new or row.status != definition.status:
        before = {"status": row.status, "version_id": row.version_id} if row.version_id else {}
        _enter(connection, version, before, definition.status, actor)
    return version


class DefinitionOutdatedError(Exception):
    """The definition was changed since it was read."""


def set_status(connection: Connection, definition: Definition, actor: str | None) -> Published:
    """Let a CE activity be what its current version says, in another status; no version is added.

    Raises ``DefinitionOutdatedError`` when another version is current by now, besides what ``publish`` raises.
    """
    published = publish(connection, definition, actor)
    if published.is_new:
        raise DefinitionOutdatedError
    return published


def _check_activity_code(connection: Connection, definition: Definition, provider_slug: str) -> None:
    """Learners type the code, so capitals make no difference. No other can come meanwhile: the provider is locked."""
    code = definition.policy.activity_code
    if code is None:
        return
    holder = connection.execute(
        select(CEActivityRow.slug).where(
            CEActivityRow.provider_slug == provider_slug,
            CEActivityRow.slug != definition.slug,
            func.lower(CEActivityRow.activity_code) == code.lower(),
        )
    ).first()
    if holder is not None:
        raise definition.error(("activity_code",), f"is used once by each provider; {holder.slug} has this one")


def check_pictures(connection: Connection, definition: Definition) -> None:
    """Raises ``DefinitionError`` when the definition names logos or signatures that are not stored."""
    policy = definition.policy
    if not policy.picture_names:
        return
    stored = images.current(connection, policy.picture_names)
    named: list[tuple[policy_problems.Path, str | None]] = [(("provider", "logo"), policy.provider.logo)]
    named += [(("signatories", at, "signature"), each.signature) for at, each in enumerate(policy.signatories)]
    absent = [(path, _NO_PICTURE) for path, name in named if name and name not in stored]
    if absent:
        raise definition.errors(absent)


def _enter(
    connection: Connection, version: Published, before: Mapping[str, str], status: DefinitionStatus, actor: str | None
) -> None:
    """One entry in the audit trail for each new version, or change of status."""
    stream = AuditStream.open(connection, ce_activity_stream(version.ce_activity_id))
    at: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    stream.append(
        AuditEntry(
            step_key=f"definition:{stream.seq + 1}",
            event="ce_activity.published" if version.is_new else "ce_activity.status_changed",
            at=at,
            actor=actor or COMMAND_LINE,
            before=before,
            after={"slug": version.slug, "status": status, "version": version.number, "version_id": version.version_id},
            evidence={"policy": version.sha256.hex()},
        )
    )


def ce_activity_stream(ce_activity_id: str) -> str:
    """The stream of the audit trail that tells one CE activity's history."""
    return f"ce_activity:{ce_activity_id}"


def _version_of(
    connection: Connection, ce_activity_id: str, current_id: str, definition: Definition, actor: str | None
) -> Published:
    current = connection.execute(
        select(CEActivityVersionRow.number, CEActivityVersionRow.sha256).where(CEActivityVersionRow.id == current_id)
    ).one_or_none()
    today: date = connection.execute(select(func.current_date())).scalar_one()
    policy = policy_to_json(definition.policy, today)
    sha256 = hashlib.sha256(canonical_json(policy)).digest()
    if current is not None and bytes(current.sha256) == sha256:
        return Published(definition.slug, ce_activity_id, current_id, current.number, is_new=False, sha256=sha256)
    number = (current.number if current else 0) + 1
    version_id = new_id("ver")
    connection.execute(
        insert(CEActivityVersionRow).values(
            id=version_id,
            ce_activity_id=ce_activity_id,
            number=number,
            policy=policy,
            sha256=sha256,
            created_by=actor,
        )
    )
    return Published(definition.slug, ce_activity_id, version_id, number, is_new=True, sha256=sha256)


def _upsert_provider(connection: Connection, definition: Definition) -> str:
    provider = definition.policy.provider
    statement = insert(ProviderRow).values(
        slug=provider_slug(provider.name), name=provider.name, acronym=provider.acronym
    )
    changes = {"name": statement.excluded.name, "acronym": statement.excluded.acronym}
    slug: str = connection.execute(
        statement.on_conflict_do_update(index_elements=["slug"], set_=changes).returning(ProviderRow.slug)
    ).scalar_one()
    return slug


def provider_slug(name: str) -> str:
    """The name of a provider for addresses and search attributes: ``Rush University`` becomes ``rush-university``."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = _NOT_IN_SLUG.sub("-", ascii_name).strip("-")[:_MAXIMUM_SLUG_LENGTH].strip("-")
    # A name without a single letter of ASCII still needs a slug of its own.
    return slug or f"provider-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def policy_of(connection: Connection, version_id: str) -> CEActivityPolicy:
    """The policy of a published version; immutable, so callers may keep it. Raises ``NoResultFound``."""
    stored = connection.execute(select(CEActivityVersionRow.policy).where(CEActivityVersionRow.id == version_id))
    return policy_from_json(stored.scalar_one())


class ImportRefusedError(ValueError):
    """Files that cannot be published; its text has one line for each mistake, with file, line and field."""

    def __init__(self, problems: Mapping[Path, DefinitionError]) -> None:
        self.problems = problems
        super().__init__(
            "\n".join(
                f"{path}:{problem.line}: {problem.field or 'the definition'}: {problem.message}"
                for path, error in problems.items()
                for problem in error.problems
            )
        )


def import_files(database_url: str, paths: Iterable[Path], actor: str | None = None) -> list[Published]:
    """Publish the definitions in these files, all or none. Raises ``ImportRefusedError`` for all mistakes of all."""
    definitions = read_files(paths)
    published: list[Published] = []
    problems: dict[Path, DefinitionError] = {}
    engine = create_sync_engine(database_url, pool_size=1)
    try:
        with engine.begin() as connection:
            connection.execute(text("SET LOCAL lock_timeout = '30s'"))
            for path, definition in definitions.items():
                try:
                    published.append(publish(connection, definition, actor))
                except DefinitionError as error:
                    problems[path] = error
            if problems:
                raise ImportRefusedError(problems)
    finally:
        engine.dispose()
    return published


def check_files(database_url: str, definitions: Mapping[Path, Definition]) -> bool:
    """Look for mistakes that only the record shows; False when there is no database to look into.

    Raises ``ImportRefusedError``.
    """
    if not any(definition.policy.picture_names for definition in definitions.values()):
        return True
    problems: dict[Path, DefinitionError] = {}
    engine = create_sync_engine(database_url, pool_size=1)
    try:
        with engine.connect() as connection:
            for path, definition in definitions.items():
                try:
                    check_pictures(connection, definition)
                except DefinitionError as error:
                    problems[path] = error
    except OperationalError:
        return False
    finally:
        engine.dispose()
    if problems:
        raise ImportRefusedError(problems)
    return True


def read_files(paths: Iterable[Path]) -> dict[Path, Definition]:
    """The definitions in these files. Raises ``ImportRefusedError`` for all mistakes of all files."""
    definitions: dict[Path, Definition] = {}
    problems: dict[Path, DefinitionError] = {}
    for path in dict.fromkeys(paths):
        try:
            definition = _read_file(path)
            if any(definition.slug == earlier.slug for earlier in definitions.values()):
                raise definition.error(("slug",), "is used once among the files that are imported together")
            definitions[path] = definition
        except DefinitionError as error:
            problems[path] = error
    if problems:
        raise ImportRefusedError(problems)
    return definitions


def _read_file(path: Path) -> Definition:
    try:
        return read_definition(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise DefinitionError([DefinitionProblem(1, "", "is not text in UTF-8")]) from error
