"""Accounts, sign-in links, sessions and learners. Tokens are stored as SHA-256 hashes only.

The exception is the token of a sign-in link, which is kept until its mail has been sent.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, bindparam, case, delete, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import aliased

from domain.identities import new_id
from domain.people import name_key
from domain.policy import Profession
from domain.roles import Role
from storage.accounts import AccountChange, KnownAccount, enter_account
from storage.acts import LAUREL, Actor, enter
from storage.audit import learner_stream
from storage.platform_events import retry_for_learner
from storage.roster_wakeups import wake_claims_of_learner
from storage.sealing import SealPurpose, destroy_keys
from storage.tables import (
    AccountRow,
    LearnerIdentifierRow,
    LearnerRow,
    LoginSessionRow,
    OutgoingEmailRow,
    SignInLinkRow,
)

SIGN_IN_PURPOSE: Final = "sign_in_link"

# How long the answer to a used link may be fetched again, by whoever holds the same token and idempotency key.
LINK_REPLAY: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who holds a session. An account whose learner was merged into another one is that other learner."""

    account_id: str
    role: Role
    learner_id: str
    profession: Profession | None


@dataclass(frozen=True, slots=True)
class StartedSession:
    """A session that began; ``is_new`` while its learner has no profile."""

    expires_at: datetime
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnerProfile:
    """What a learner told us about themselves; ``identifiers`` maps kinds to values."""

    email: str
    role: Role
    given_name: str | None
    family_name: str | None
    credentials: str | None
    profession: Profession | None
    time_zone: str | None
    wants_reminders: bool
    shows_name: bool
    identifiers: Mapping[str, str]

    @property
    def is_new(self) -> bool:
        """Whether the learner has still to say who they are."""
        return name_key(self.given_name, self.family_name) is None

    @property
    def fields(self) -> Mapping[str, str | None]:
        """Fields and identifiers side by side, as ``domain.people.missing_fields`` reads them."""
        named = {
            name: getattr(self, name) for name in ("email", "given_name", "family_name", "credentials", "profession")
        }
        return {**named, **self.identifiers}


def token_hash(token: str) -> bytes:
    """What is stored of a token; a 256-bit random token needs no salt."""
    return hashlib.sha256(token.encode()).digest()


_KEPT: Final = aliased(LearnerRow)
_SESSION: Final = (
    select(
        AccountRow.id,
        AccountRow.role,
        func.coalesce(_KEPT.id, LearnerRow.id).label("learner_id"),
        case((_KEPT.id.is_(None), LearnerRow.profession), else_=_KEPT.profession).label("profession"),
    )
    .select_from(LoginSessionRow)
    .join(AccountRow, AccountRow.id == LoginSessionRow.account_id)
    .join(LearnerRow, LearnerRow.account_id == AccountRow.id)
    .outerjoin(_KEPT, _KEPT.id == LearnerRow.merged_into)
    .where(
        LoginSessionRow.token_hash == bindparam("hash"),
        LoginSessionRow.revoked_at.is_(None),
        LoginSessionRow.expires_at > func.clock_timestamp(),
        AccountRow.deactivated_at.is_(None),
    )
)


async def find_session(connection: AsyncConnection, token: str) -> SignedIn | None:
    """Who holds this access token; None when it is unknown, expired or revoked."""
    row = (await connection.execute(_SESSION, {"hash": token_hash(token)})).one_or_none()
    if row is None:
        return None
    return SignedIn(row.id, Role(row.role), row.learner_id, Profession(row.profession) if row.profession else None)


async def end_session(connection: AsyncConnection, token: str) -> None:
    """Sign out: the token is dead from the commit on."""
    await connection.execute(
        update(LoginSessionRow)
        .where(LoginSessionRow.token_hash == token_hash(token))
        .values(revoked_at=func.coalesce(LoginSessionRow.revoked_at, func.clock_timestamp()))
    )


async def request_link(
    connection: AsyncConnection,
    email: str,
    token: str,
    life: timedelta,
    links_per_hour: int,
    *,
    asked_by: str | None = None,
) -> bool:
    """Store a link and queue its mail; False when this address has had its links for the hour.

    Known and unknown addresses take the same path, so that nothing tells them apart. ``asked_by`` is the account that
    is not needed any more once the link is used (see ``use_link``).
    """
    recent = await connection.scalar(
        select(func.count())
        .select_from(SignInLinkRow)
        .where(
            func.lower(SignInLinkRow.email) == email.lower(),
            SignInLinkRow.requested_at > func.clock_timestamp() - timedelta(hours=1),
        )
    )
    if (recent or 0) >= links_per_hour:
        return False
    link_id = new_id("sil")
    expires_at = func.clock_timestamp() + life
    await connection.execute(
        insert(SignInLinkRow).values(
            id=link_id,
            token_hash=token_hash(token),
            token=token,
            email=email,
            expires_at=expires_at,
            asked_by=asked_by,
        )
    )
    await connection.execute(
        insert(OutgoingEmailRow).values(
            id=new_id("eml"), purpose=SIGN_IN_PURPOSE, subject_id=link_id, recipient=email, state="queued"
        )
    )
    return True


async def use_link(
    connection: AsyncConnection, token: str, key: str | None, access_token: str, life: timedelta
) -> StartedSession | None:
    """Consume a link and start a session under ``access_token``; None when the link does not work.

    A link works once. Whoever repeats the request with the same idempotency key within ten minutes gets a session
    again, because the first answer may have been lost. An unknown address becomes a learner's account. The account
    that asked for the link of another one, because its learner turned out to have that one, is removed if it is empty.
    """
    now = func.clock_timestamp()
    is_fresh = SignInLinkRow.used_at.is_(None) & (SignInLinkRow.expires_at > now)
    is_repeated = (SignInLinkRow.used_key == key) & (SignInLinkRow.used_at > now - LINK_REPLAY)
    used = await connection.execute(
        update(SignInLinkRow)
        .where(SignInLinkRow.token_hash == token_hash(token), or_(is_fresh, is_repeated) if key else is_fresh)
        .values(used_at=func.coalesce(SignInLinkRow.used_at, now), used_key=key, token=None)
        .returning(SignInLinkRow.email, SignInLinkRow.asked_by)
    )
    link = used.one_or_none()
    account_id = await _account_of(connection, link.email) if link else None
    if link is None or account_id is None:
        return None
    if link.asked_by is not None:
        await _remove_if_empty(connection, link.asked_by, account_id)
    started = await connection.execute(
        insert(LoginSessionRow)
        .values(token_hash=token_hash(access_token), account_id=account_id, expires_at=now + life)
        .returning(LoginSessionRow.expires_at)
    )
    own = select(func.coalesce(LearnerRow.merged_into, LearnerRow.id)).where(LearnerRow.account_id == account_id)
    names = await connection.execute(
        select(LearnerRow.given_name, LearnerRow.family_name).where(LearnerRow.id == own.scalar_subquery())
    )
    return StartedSession(started.scalar_one(), is_new=name_key(*names.one()) is None)


async def _remove_if_empty(connection: AsyncConnection, account_id: str, actor: str) -> None:
    """Remove a learner's account that has neither profile nor anything else; whatever refers to it keeps it."""
    is_learners = exists().where(AccountRow.id == account_id, AccountRow.role == Role.LEARNER)
    profile = (LearnerRow.given_name, LearnerRow.family_name, LearnerRow.credentials, LearnerRow.profession)
    try:
        async with connection.begin_nested():
            learner_id = await connection.scalar(
                delete(LearnerRow)
                .where(LearnerRow.account_id == account_id, is_learners, *(each.is_(None) for each in profile))
                .returning(LearnerRow.id)
            )
            if learner_id is None:
                return
            await connection.execute(delete(LoginSessionRow).where(LoginSessionRow.account_id == account_id))
            await connection.execute(delete(AccountRow).where(AccountRow.id == account_id))
            after = {"account": account_id, "role": None}
            await record_act(connection, learner_id, "account.removed", actor, after, before=_IS_LEARNER)
            await connection.run_sync(destroy_keys, [learner_id], SealPurpose.CONTACT, SealPurpose.RECORD)
    except IntegrityError:
        # A claim, an identifier or anything else of theirs: the foreign keys know every table, and so keep the account.
        return


_IS_LEARNER: Final = {"role": Role.LEARNER}


async def record_act(
    connection: AsyncConnection,
    learner_id: str,
    event: str,
    actor: str,
    after: Mapping[str, Any],
    *,
    before: Mapping[str, Any] | None = None,
    request_id: str | None = None,
) -> None:
    """Enter what was done about a learner in their audit stream; the caller holds what others would write there for."""

    def write(each: Connection) -> None:
        stream, by = learner_stream(learner_id), Actor(actor, request_id)
        enter(each, stream, event, by, step_key=new_id("act"), before=before, after=after)

    await connection.run_sync(write)


async def _account_of(connection: AsyncConnection, email: str) -> str | None:
    """The account of an address, made if it is new; None when it was deactivated."""
    await connection.execute(
        insert(AccountRow).values(id=new_id("acc"), email=email, role=Role.LEARNER).on_conflict_do_nothing()
    )
    account_id: str | None = await connection.scalar(
        select(AccountRow.id).where(func.lower(AccountRow.email) == email.lower(), AccountRow.deactivated_at.is_(None))
    )
    if account_id is not None:
        statement = insert(LearnerRow).values(id=new_id("lrn"), account_id=account_id).on_conflict_do_nothing()
        learner_id: str | None = await connection.scalar(statement.returning(LearnerRow.id))
        if learner_id is not None:
            account = KnownAccount(account_id, email, learner_id)
            opened: AccountChange = {"before": {"role": None}, "after": _IS_LEARNER}
            await connection.run_sync(enter_account, "account.opened", Actor(account_id), account, opened)
            await connection.run_sync(retry_for_learner, learner_id)
    return account_id


async def profile(connection: AsyncConnection, learner_id: str) -> LearnerProfile:
    """A learner's profile with its identifiers."""
    row = (
        (
            await connection.execute(
                select(
                    AccountRow.email,
                    AccountRow.role,
                    LearnerRow.given_name,
                    LearnerRow.family_name,
                    LearnerRow.credentials,
                    LearnerRow.profession,
                    LearnerRow.time_zone,
                    LearnerRow.wants_reminders,
                    LearnerRow.shows_name,
                )
                .join(AccountRow, AccountRow.id == LearnerRow.account_id)
                .where(LearnerRow.id == learner_id)
            )
        )
        .mappings()
        .one()
    )
    identifiers = await connection.execute(
        select(LearnerIdentifierRow.kind, LearnerIdentifierRow.value)
        .where(LearnerIdentifierRow.learner_id == learner_id)
        .order_by(LearnerIdentifierRow.kind)
    )
    profession = Profession(row["profession"]) if row["profession"] else None
    values = {**row, "role": Role(row["role"]), "profession": profession}
    return LearnerProfile(**values, identifiers={each.kind: each.value for each in identifiers})


async def change_profile(
    connection: AsyncConnection,
    learner_id: str,
    changes: Mapping[str, str | bool | None],
    identifiers: Mapping[str, str | None],
    actor: Actor | None = None,
) -> None:
    """Change fields of a profile; an identifier that is None is removed.

    Events that wait for them are applied, and claims go on whose roster names the learner by them. Without an actor it
    is Laurel that does it.
    """
    before = await _profile_for_change(connection, learner_id)
    changed = await connection.execute(
        update(LearnerRow)
        .where(LearnerRow.id == learner_id)
        .values(**changes, updated_at=func.clock_timestamp())
        .returning(LearnerRow.given_name, LearnerRow.family_name)
    )
    key = name_key(*changed.one())
    await connection.execute(
        update(LearnerRow)
        .where(LearnerRow.id == learner_id, LearnerRow.name_key.is_distinct_from(key))
        .values(name_key=key)
    )
    for kind, value in sorted(identifiers.items()):
        await _change_identifier(connection, learner_id, kind, value)
    differing = {name: value for name, value in {**changes, **identifiers}.items() if before.get(name) != value}
    if differing:
        await connection.run_sync(_enter_profile, learner_id, actor or LAUREL, before, differing)
    await connection.run_sync(retry_for_learner, learner_id)
    await connection.run_sync(wake_claims_of_learner, learner_id)


async def _profile_for_change(connection: AsyncConnection, learner_id: str) -> Mapping[str, Any]:
    """Fields and identifiers of a profile side by side, locked until the transaction ends."""
    columns = LearnerRow.__table__.columns
    locked = await connection.execute(
        select(*columns).where(LearnerRow.id == learner_id).with_for_update(key_share=True)
    )
    identifiers = await connection.execute(
        select(LearnerIdentifierRow.kind, LearnerIdentifierRow.value).where(
            LearnerIdentifierRow.learner_id == learner_id
        )
    )
    return {**locked.mappings().one(), **{each.kind: each.value for each in identifiers}}


# What an entry says of a profile in the clear: that a person wants e-mails, or shows a name, says nothing of them. A
# time zone is contact data, of which the trail keeps no values at all.
_CLEAR: Final = frozenset({"wants_reminders", "shows_name"})
_NAMED_ONLY: Final = frozenset({"time_zone"})


def _enter_profile(
    connection: Connection, learner_id: str, actor: Actor, before: Mapping[str, Any], after: Mapping[str, Any]
) -> None:
    """Enter which fields changed; what they were and are is sealed."""
    sealed = after.keys() - _CLEAR - _NAMED_ONLY
    enter(
        connection,
        learner_stream(learner_id),
        "profile.changed",
        actor,
        before={name: before.get(name) for name in sorted(after.keys() & _CLEAR)},
        after={name: after[name] for name in sorted(after.keys() & _CLEAR)} | {"fields": sorted(after)},
        private={
            "before": {name: before.get(name) for name in sealed},
            "after": {name: after[name] for name in sealed},
        }
        if sealed
        else None,
        subject=learner_id,
    )


async def _change_identifier(connection: AsyncConnection, learner_id: str, kind: str, value: str | None) -> None:
    if value is None:
        is_it = (LearnerIdentifierRow.learner_id == learner_id) & (LearnerIdentifierRow.kind == kind)
        await connection.execute(delete(LearnerIdentifierRow).where(is_it))
        return
    statement = insert(LearnerIdentifierRow).values(learner_id=learner_id, kind=kind, value=value)
    await connection.execute(
        statement.on_conflict_do_update(index_elements=["learner_id", "kind"], set_={"value": value})
    )
