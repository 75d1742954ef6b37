"""Accounts and their roles, as administrators give and take them, here or at the command line."""

from collections.abc import Mapping
from typing import Any, NamedTuple, NotRequired, TypedDict

from sqlalchemy import ColumnElement, Connection, Row, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from domain.identities import new_id
from domain.names import email_address
from domain.roles import Role
from storage.acts import LAUREL, Actor, enter
from storage.audit import learner_stream
from storage.integrations import connected
from storage.sealing import SealPurpose
from storage.tables import AccountRow, LearnerRow, LoginSessionRow


def add_staff(database_url: str, email: str, role: Role, actor: Actor = LAUREL) -> str:
    """Give an address a role, making its account if it is new; answers with the account's id.

    Raises ``ValueError`` with a code of ``domain.names.email_address`` for what is no address.
    """
    with connected(database_url) as connection:
        return give_role(connection, email_address(email), role, actor)


def give_role(connection: Connection, email: str, role: Role, actor: Actor, reason: str | None = None) -> str:
    """Give an address a role, making its account if it is new, and let it sign in again; answers with its id.

    Whoever worked in the office under another role has to sign in anew.
    """
    values: dict[str, Any] = {"id": new_id("acc"), "email": email, "role": Role.LEARNER}
    added = insert(AccountRow).values(**values).on_conflict_do_nothing().returning(AccountRow.id)
    is_new = connection.execute(added).one_or_none() is not None
    account = _lock_account(connection, func.lower(AccountRow.email) == email.lower())
    learner = insert(LearnerRow).values(id=new_id("lrn"), account_id=account.id).on_conflict_do_nothing()
    connection.execute(learner)
    before: State = {"role": None, "is_active": False} if is_new else _state_of(account)
    change: AccountChange = {"before": before, "after": {"role": Role(role), "is_active": True}}
    if reason is not None:
        change["reason"] = reason
    _make(connection, account, change, actor)
    account_id: str = account.id
    return account_id


def deactivate(database_url: str, email: str, reason: str, actor: Actor = LAUREL) -> str:
    """Let an address sign in no more, and end its sessions; answers with the account's id.

    Nothing more happens when that was done before. Raises ``LookupError`` when no account has this address.
    """
    with connected(database_url) as connection:
        account = _lock_account(connection, func.lower(AccountRow.email) == email.lower())
        before = _state_of(account)
        _make(connection, account, {"before": before, "after": {**before, "is_active": False}, "reason": reason}, actor)
        account_id: str = account.id
        return account_id


def change_account(
    connection: Connection, account_id: str, changes: Mapping[str, Any], actor: Actor, reason: str
) -> None:
    """Change ``role`` and ``is_active`` of an account, whichever is given. Raises ``LookupError`` without one."""
    account = _lock_account(connection, AccountRow.id == account_id)
    before = _state_of(account)
    _make(connection, account, {"before": before, "after": {**before, **changes}, "reason": reason}, actor)


def change_role(connection: Connection, account_id: str, role: Role, issuer: str) -> None:
    """Give an account the role that an identity provider says it has; its sessions under another role end."""
    account = _lock_account(connection, AccountRow.id == account_id)
    before = _state_of(account)
    if before["role"] != role:
        connection.execute(delete(LoginSessionRow).where(LoginSessionRow.account_id == account_id))
        _make(connection, account, {"before": before, "after": {**before, "role": role, "issuer": issuer}}, LAUREL)


class State(TypedDict):
    """What an account may do, and whether it may sign in."""

    role: str | None
    is_active: bool


def _state_of(account: Row[Any, Any, Any, Any]) -> State:
    return {"role": account.role, "is_active": account.deactivated_at is None}


def _make(connection: Connection, account: Row[Any, Any, Any, Any], change: "AccountChange", actor: Actor) -> None:
    """Make a change and enter it, unless it changes nothing.

    Sessions of an account that is closed, or whose role in the office is another one now, end. A learner who comes to
    work in the office stays signed in: nothing is taken away.
    """
    before, after = change["before"], change["after"]
    if before == after:
        return
    deactivated_at = None if after["is_active"] else func.coalesce(AccountRow.deactivated_at, func.clock_timestamp())
    changes = {"role": after["role"], "deactivated_at": deactivated_at}
    connection.execute(update(AccountRow).where(AccountRow.id == account.id).values(**changes))
    was_of_office = before["role"] not in (None, Role.LEARNER)
    if (was_of_office and before["role"] != after["role"]) or not after["is_active"]:
        connection.execute(delete(LoginSessionRow).where(LoginSessionRow.account_id == account.id))
    is_closed = before["is_active"] and not after["is_active"]
    known = KnownAccount(account.id, account.email, _lock_learner_of(connection, account.id))
    enter_account(connection, "account.deactivated" if is_closed else "account.role_given", actor, known, change)


def _lock_account(connection: Connection, is_meant: ColumnElement[bool]) -> Row[Any, Any, Any, Any]:
    query = select(AccountRow.id, AccountRow.email, AccountRow.role, AccountRow.deactivated_at)
    row = connection.execute(query.where(is_meant).with_for_update(key_share=True)).one_or_none()
    if row is None:
        raise LookupError("no account has this address")
    return row


def _lock_learner_of(connection: Connection, account_id: str) -> str:
    learner_id: str = connection.execute(
        select(LearnerRow.id).where(LearnerRow.account_id == account_id).with_for_update(key_share=True)
    ).scalar_one()
    return learner_id


class KnownAccount(NamedTuple):
    """An account, its address, and the learner whose stream tells of it."""

    id: str
    email: str
    learner_id: str


class AccountChange(TypedDict):
    """Role and state of an account as they were and are, and why if somebody said so."""

    before: Mapping[str, Any]
    after: Mapping[str, Any]
    reason: NotRequired[str]


def enter_account(
    connection: Connection, event: str, actor: Actor, account: KnownAccount, change: AccountChange, /
) -> None:
    """Enter what became of an account in its learner's stream; the address is contact data."""
    enter(
        connection,
        learner_stream(account.learner_id),
        event,
        actor,
        before=change["before"],
        after={"account": account.id, **change["after"]},
        private={"email": account.email} | ({"reason": change["reason"]} if "reason" in change else {}),
        subject=account.learner_id,
        purpose=SealPurpose.CONTACT,
    )
