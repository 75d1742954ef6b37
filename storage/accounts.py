"""Accounts and their roles, as operators give and take them at the command line."""

from collections.abc import Mapping
from typing import Any, NamedTuple, NotRequired, TypedDict

from sqlalchemy import Connection, Row, delete, func, select, update
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
        return _give_role(connection, email_address(email), role, actor)


def _give_role(connection: Connection, email: str, role: Role, actor: Actor) -> str:
    values: dict[str, Any] = {"id": new_id("acc"), "email": email, "role": Role.LEARNER}
    added = insert(AccountRow).values(**values).on_conflict_do_nothing().returning(AccountRow.id)
    is_new = connection.execute(added).one_or_none() is not None
    account = _lock_account(connection, email)
    learner = insert(LearnerRow).values(id=new_id("lrn"), account_id=account.id).on_conflict_do_nothing()
    connection.execute(learner)
    before = {"role": None if is_new else account.role, "is_active": not is_new and account.deactivated_at is None}
    after = {"role": Role(role), "is_active": True}
    if before != after:
        changes = {"role": Role(role), "deactivated_at": None}
        connection.execute(update(AccountRow).where(AccountRow.id == account.id).values(**changes))
        known = KnownAccount(account.id, account.email, _lock_learner_of(connection, account.id))
        change: AccountChange = {"before": before, "after": after}
        enter_account(connection, "account.role_given", actor, known, change)
    account_id: str = account.id
    return account_id


def deactivate(database_url: str, email: str, reason: str, actor: Actor = LAUREL) -> str:
    """Let an address sign in no more, and end its sessions; answers with the account's id.

    Nothing more happens when that was done before. Raises ``LookupError`` when no account has this address.
    """
    with connected(database_url) as connection:
        account = _lock_account(connection, email)
        account_id: str = account.id
        if account.deactivated_at is None:
            connection.execute(
                update(AccountRow).where(AccountRow.id == account_id).values(deactivated_at=func.clock_timestamp())
            )
            connection.execute(delete(LoginSessionRow).where(LoginSessionRow.account_id == account_id))
            before, after = ({"role": account.role, "is_active": is_active} for is_active in (True, False))
            known = KnownAccount(account_id, account.email, _lock_learner_of(connection, account_id))
            change: AccountChange = {"before": before, "after": after, "reason": reason}
            enter_account(connection, "account.deactivated", actor, known, change)
        return account_id


def _lock_account(connection: Connection, email: str) -> Row[Any, Any, Any, Any]:
    query = select(AccountRow.id, AccountRow.email, AccountRow.role, AccountRow.deactivated_at)
    row = connection.execute(
        query.where(func.lower(AccountRow.email) == email.lower()).with_for_update(key_share=True)
    ).one_or_none()
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
