"""Accounts, sign-in links and learners. Tokens are stored as SHA-256 hashes only.

The exception is the token of a sign-in link, which is kept until its mail has been sent.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Connection, delete, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import aliased

from domain.devices import UNKNOWN_DEVICE, Device
from domain.identities import new_id
from domain.people import name_key
from domain.policy import Profession
from domain.roles import Role
from storage.accounts import AccountChange, KnownAccount, enter_account
from storage.acts import LAUREL, Actor, enter
from storage.audit import learner_stream
from storage.login_sessions import StartedSession, start_session, token_hash
from storage.platform_events import retry_for_learner
from storage.roster_wakeups import wake_claims_of_learner
from storage.sealing import SealPurpose, destroy_keys
from storage.tables import (
    AccountIdentityRow,
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
    language: str | None
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


async def request_link(
    connection: AsyncConnection,
    email: str,
    token: str,
    life: timedelta,
    links_per_hour: int,
    *,
    asked_by: str | None = None,
    language: str | None = None,
) -> bool:
    """Store a link and queue its mail; False when this address has had its links for the hour.

    Known and unknown addresses take the same path, so that nothing tells them apart. ``asked_by`` is the account that
    is not needed any more once the link is used (see ``use_link``); ``language`` is the one that its mail is in, unless
    the address has an account with another.
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
            language=language,
        )
    )
    await connection.execute(
        insert(OutgoingEmailRow).values(
            id=new_id("eml"), purpose=SIGN_IN_PURPOSE, subject_id=link_id, recipient=email, state="queued"
        )
    )
    return True


async def use_link(
    connection: AsyncConnection,
    token: str,
    key: str | None,
    access_token: str,
    life: timedelta,
    *,
    device: Device = UNKNOWN_DEVICE,
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
    account_id = await account_of(connection, link.email) if link else None
    if link is None or account_id is None:
        return None
    if link.asked_by is not None:
        await _remove_if_empty(connection, link.asked_by, account_id)
    return await start_session(connection, account_id, access_token, life, device)


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
            await _move_identities(connection, account_id, actor)
            await connection.execute(delete(AccountRow).where(AccountRow.id == account_id))
            after = {"account": account_id, "role": None}
            await record_act(connection, learner_id, "account.removed", actor, after, before=_IS_LEARNER)
            await connection.run_sync(destroy_keys, [learner_id], SealPurpose.CONTACT, SealPurpose.RECORD)
    except IntegrityError:
        # A claim, an identifier or anything else of theirs: the foreign keys know every table, and so keep the account.
        return


async def _move_identities(connection: AsyncConnection, account_id: str, to: str) -> None:
    """Let whoever signs in through a provider find the account that stays, unless that has an identity there too."""
    other = aliased(AccountIdentityRow)
    is_taken = exists().where(other.account_id == to, other.issuer == AccountIdentityRow.issuer)
    await connection.execute(
        update(AccountIdentityRow).where(AccountIdentityRow.account_id == account_id, ~is_taken).values(account_id=to)
    )


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


async def account_of(connection: AsyncConnection, email: str) -> str | None:
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
                    AccountRow.language,
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
    *,
    reason: str | None = None,
) -> None:
    """Change fields of a profile, ``language`` of its account among them; an identifier that is None is removed.

    Events that wait for them are applied, and claims go on whose roster names the learner by them. Without an actor it
    is Laurel that does it; staff give a ``reason``.
    """
    before = await _profile_for_change(connection, learner_id)
    if "language" in changes:
        is_theirs = AccountRow.id == before["account_id"]
        await connection.execute(update(AccountRow).where(is_theirs).values(language=changes["language"]))
    of_learner = {name: value for name, value in changes.items() if name != "language"}
    changed = await connection.execute(
        update(LearnerRow)
        .where(LearnerRow.id == learner_id)
        .values(**of_learner, updated_at=func.clock_timestamp())
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
        await connection.run_sync(_enter_profile, learner_id, actor or LAUREL, before, differing, reason=reason)
    await connection.run_sync(retry_for_learner, learner_id)
    await connection.run_sync(wake_claims_of_learner, learner_id)


async def _profile_for_change(connection: AsyncConnection, learner_id: str) -> Mapping[str, Any]:
    """Fields and identifiers of a profile side by side, locked until the transaction ends."""
    columns = LearnerRow.__table__.columns
    locked = await connection.execute(
        select(*columns, AccountRow.language)
        .outerjoin(AccountRow, AccountRow.id == LearnerRow.account_id)
        .where(LearnerRow.id == learner_id)
        .with_for_update(key_share=True, of=LearnerRow)
    )
    identifiers = await connection.execute(
        select(LearnerIdentifierRow.kind, LearnerIdentifierRow.value).where(
            LearnerIdentifierRow.learner_id == learner_id
        )
    )
    return {**locked.mappings().one(), **{each.kind: each.value for each in identifiers}}


# What an entry says of a profile in the clear: that a person wants e-mails, shows a name, or reads a language, says
# nothing of who they are. A time zone is contact data, of which the trail keeps no values at all.
_CLEAR: Final = frozenset({"language", "wants_reminders", "shows_name"})
_NAMED_ONLY: Final = frozenset({"time_zone"})


def _enter_profile(
    connection: Connection,
    learner_id: str,
    actor: Actor,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    *,
    reason: str | None,
) -> None:
    """Enter which fields changed; what they were and are is sealed, and why staff changed them."""
    sealed = after.keys() - _CLEAR - _NAMED_ONLY
    values = {side: {name: each.get(name) for name in sealed} for side, each in (("before", before), ("after", after))}
    private = (values if sealed else {}) | ({"reason": reason} if reason else {})
    enter(
        connection,
        learner_stream(learner_id),
        "profile.changed",
        actor,
        before={name: before.get(name) for name in sorted(after.keys() & _CLEAR)},
        after={name: after[name] for name in sorted(after.keys() & _CLEAR)} | {"fields": sorted(after)},
        private=private,
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
