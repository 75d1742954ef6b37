"""Who is signed in, and where: sessions begin, are found by their token, shown to their owner, and end.

A session ends when its life is over, when it was not used for a while, when it is signed out, or with its account.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Interval, bindparam, case, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import aliased

from domain.devices import Device
from domain.identities import new_id
from domain.people import name_key
from domain.policy import Profession
from domain.roles import Role
from storage.tables import AccountRow, LearnerRow, LoginSessionRow

# Seen again within this time, a session's row stays as it is: reading is cheap, and writing for each request is not.
_SEEN_AGAIN: Final = timedelta(minutes=5)
_NOW: Final = func.clock_timestamp()


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who holds a session. An account whose learner was merged into another one is that other learner.

    ``language`` is the one that was chosen under this account, if one was.
    """

    account_id: str
    role: Role
    learner_id: str
    profession: Profession | None
    language: str | None


@dataclass(frozen=True, slots=True)
class StartedSession:
    """A session that began; ``is_new`` while its learner has no profile."""

    expires_at: datetime
    is_new: bool


@dataclass(frozen=True, slots=True)
class ShownSession:
    """A session as its owner sees it; ``last_seen_at`` is exact to five minutes."""

    id: str
    browser: str | None
    system: str | None
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    is_current: bool


def token_hash(token: str) -> bytes:
    """What is stored of a token; a 256-bit random token needs no salt."""
    return hashlib.sha256(token.encode()).digest()


_KEPT: Final = aliased(LearnerRow)
_IS_LIVE: Final = (
    LoginSessionRow.revoked_at.is_(None)
    & (LoginSessionRow.expires_at > _NOW)
    & (LoginSessionRow.last_seen_at > _NOW - bindparam("idle", type_=Interval()))
)
_SESSION: Final = (
    select(
        AccountRow.id,
        AccountRow.role,
        AccountRow.language,
        func.coalesce(_KEPT.id, LearnerRow.id).label("learner_id"),
        case((_KEPT.id.is_(None), LearnerRow.profession), else_=_KEPT.profession).label("profession"),
        (LoginSessionRow.last_seen_at < _NOW - _SEEN_AGAIN).label("is_seen_anew"),
    )
    .select_from(LoginSessionRow)
    .join(AccountRow, AccountRow.id == LoginSessionRow.account_id)
    .join(LearnerRow, LearnerRow.account_id == AccountRow.id)
    .outerjoin(_KEPT, _KEPT.id == LearnerRow.merged_into)
    .where(LoginSessionRow.token_hash == bindparam("hash"), _IS_LIVE, AccountRow.deactivated_at.is_(None))
)
_SEEN: Final = update(LoginSessionRow).where(LoginSessionRow.token_hash == bindparam("hash")).values(last_seen_at=_NOW)


async def find_session(connection: AsyncConnection, token: str, idle: timedelta) -> SignedIn | None:
    """Who holds this access token; None when it is unknown, expired, revoked, or was not used for ``idle``."""
    row = (await connection.execute(_SESSION, {"hash": token_hash(token), "idle": idle})).one_or_none()
    if row is None:
        return None
    if row.is_seen_anew:
        await connection.execute(_SEEN, {"hash": token_hash(token)})
    profession = Profession(row.profession) if row.profession else None
    return SignedIn(row.id, Role(row.role), row.learner_id, profession, row.language)


async def start_session(
    connection: AsyncConnection, account_id: str, access_token: str, life: timedelta, device: Device
) -> StartedSession:
    """Sign an account in under ``access_token``. Done again, it finds the session: the first answer may be lost."""
    new = insert(LoginSessionRow).values(
        token_hash=token_hash(access_token),
        id=new_id("ses"),
        account_id=account_id,
        browser=device.browser,
        system=device.system,
        expires_at=_NOW + life,
    )
    started = await connection.execute(
        new.on_conflict_do_update(
            index_elements=[LoginSessionRow.token_hash], set_={"token_hash": new.excluded.token_hash}
        ).returning(LoginSessionRow.expires_at)
    )
    own = select(func.coalesce(LearnerRow.merged_into, LearnerRow.id)).where(LearnerRow.account_id == account_id)
    names = await connection.execute(
        select(LearnerRow.given_name, LearnerRow.family_name).where(LearnerRow.id == own.scalar_subquery())
    )
    return StartedSession(started.scalar_one(), is_new=name_key(*names.one()) is None)


async def sessions_of(connection: AsyncConnection, account_id: str, token: str, idle: timedelta) -> list[ShownSession]:
    """The sessions of an account that still work, the one with this token first, then those seen last."""
    is_current = LoginSessionRow.token_hash == token_hash(token)
    rows = await connection.execute(
        select(
            LoginSessionRow.id,
            LoginSessionRow.browser,
            LoginSessionRow.system,
            LoginSessionRow.created_at,
            LoginSessionRow.last_seen_at,
            LoginSessionRow.expires_at,
            is_current.label("is_current"),
        )
        .where(LoginSessionRow.account_id == account_id, _IS_LIVE)
        .order_by(is_current.desc(), LoginSessionRow.last_seen_at.desc(), LoginSessionRow.id),
        {"idle": idle},
    )
    return [ShownSession(**row) for row in rows.mappings()]


async def end_session(connection: AsyncConnection, token: str) -> None:
    """Sign out: the token is dead from the commit on."""
    await _end(connection, LoginSessionRow.token_hash == token_hash(token))


async def end_session_of(connection: AsyncConnection, account_id: str, session_id: str) -> bool:
    """End one session of an account, whether or not it has ended already; False when the account has none like it."""
    return await _end(connection, LoginSessionRow.account_id == account_id, LoginSessionRow.id == session_id) > 0


async def end_other_sessions(connection: AsyncConnection, account_id: str, token: str) -> None:
    """End every session of an account but the one with this token."""
    await _end(connection, LoginSessionRow.account_id == account_id, LoginSessionRow.token_hash != token_hash(token))


async def _end(connection: AsyncConnection, *which: ColumnElement[bool]) -> int:
    ended = await connection.execute(
        update(LoginSessionRow).where(*which).values(revoked_at=func.coalesce(LoginSessionRow.revoked_at, _NOW))
    )
    return ended.rowcount
