"""Accounts that sign in through an identity provider: linked once by a verified address, known by their subject since.

A subject is the provider's own name for a person and lasts; addresses change and are given to somebody else.
"""

from enum import StrEnum
from typing import Final

from sqlalchemy import Connection, exists, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.roles import Role
from storage.accounts import AccountChange, KnownAccount, change_role, enter_account
from storage.acts import Actor
from storage.people import account_of
from storage.tables import AccountIdentityRow, AccountRow, LearnerRow


class IdentityRefusal(StrEnum):
    """Why nobody is signed in although the provider vouches for them."""

    ACCOUNT_CLOSED = "account_closed"
    ANOTHER_IDENTITY = "another_identity"


class IdentityRefusedError(Exception):
    """A person whom the provider knows has no account that they may use."""

    def __init__(self, refusal: IdentityRefusal) -> None:
        super().__init__(refusal)
        self.refusal = refusal


_IS_OPEN: Final = AccountRow.deactivated_at.is_(None)


async def account_of_identity(connection: AsyncConnection, issuer: str, subject: str, email: str) -> str:
    """The account of whoever a provider calls ``subject``; linked, or made, by ``email`` when they first come.

    The caller has made sure that the address is theirs. Raises ``IdentityRefusedError`` when the account is closed, or
    when somebody else of this provider was linked to it, whose address this must have been before.
    """
    is_theirs = (AccountIdentityRow.issuer == issuer) & (AccountIdentityRow.subject == subject)
    known: str | None = await connection.scalar(select(AccountIdentityRow.account_id).where(is_theirs))
    if known is not None:
        if not await connection.scalar(select(exists().where(AccountRow.id == known, _IS_OPEN))):
            raise IdentityRefusedError(IdentityRefusal.ACCOUNT_CLOSED)
        return known
    account_id = await account_of(connection, email)
    if account_id is None:
        raise IdentityRefusedError(IdentityRefusal.ACCOUNT_CLOSED)
    values = {"issuer": issuer, "subject": subject, "account_id": account_id}
    added = await connection.execute(insert(AccountIdentityRow).values(**values).on_conflict_do_nothing())
    linked = await connection.scalar(select(AccountIdentityRow.account_id).where(is_theirs))
    if linked != account_id:
        raise IdentityRefusedError(IdentityRefusal.ANOTHER_IDENTITY)
    if added.rowcount:
        await connection.run_sync(_enter_link, account_id, issuer)
    return account_id


def _enter_link(connection: Connection, account_id: str, issuer: str) -> None:
    """Enter that a provider vouches for an account from now on; the subject is nobody's business."""
    found = connection.execute(
        select(AccountRow.email, LearnerRow.id)
        .join(LearnerRow, LearnerRow.account_id == AccountRow.id)
        .where(AccountRow.id == account_id)
        .with_for_update(key_share=True, of=LearnerRow)
    ).one()
    change: AccountChange = {"before": {"issuer": None}, "after": {"issuer": issuer}}
    account = KnownAccount(account_id, found.email, found.id)
    enter_account(connection, "account.linked", Actor(account_id), account, change)


async def take_role(connection: AsyncConnection, account_id: str, role: Role, issuer: str) -> None:
    """Give an account the role that a provider says it has; sessions under another role end."""
    await connection.run_sync(change_role, account_id, role, issuer)
