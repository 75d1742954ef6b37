"""The accounts of the office, as administrators see them. What becomes of one is in ``storage.accounts``."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.roles import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffAccount:
    """An account with more rights than a learner's; with ``deactivated_at`` it can't sign in."""

    id: str
    email: str
    role: Role
    name: str | None
    created_at: datetime
    deactivated_at: datetime | None


_ACCOUNTS: Final = """
    SELECT a.id, a.email, a.role, nullif(concat_ws(' ', l.given_name, l.family_name), '') AS name,
           a.created_at, a.deactivated_at
      FROM accounts a
      LEFT JOIN learners o ON o.account_id = a.id
      LEFT JOIN learners l ON l.id = coalesce(o.merged_into, o.id)
     WHERE a.role <> 'learner'
"""
_PAGE: Final = text(f"{_ACCOUNTS} AND (CAST(:after AS text) IS NULL OR a.id > :after) ORDER BY a.id LIMIT :limit")
_ONE: Final = text(f"{_ACCOUNTS} AND a.id = :account_id")
_ADMINISTRATORS: Final = text(
    "SELECT id FROM accounts WHERE role = 'administrator' AND deactivated_at IS NULL ORDER BY id FOR NO KEY UPDATE"
)


async def staff_accounts(connection: AsyncConnection, after: str | None, limit: int) -> list[StaffAccount]:
    """Accounts of the office, closed ones too, the oldest first; ``after`` is the id to go on from."""
    rows = await connection.execute(_PAGE, {"after": after, "limit": limit})
    return [StaffAccount(**{**row, "role": Role(row["role"])}) for row in rows.mappings()]


async def staff_account(connection: AsyncConnection, account_id: str) -> StaffAccount | None:
    """One account of the office; None when there is none, or it is a learner's."""
    row = (await connection.execute(_ONE, {"account_id": account_id})).mappings().one_or_none()
    return StaffAccount(**{**row, "role": Role(row["role"])}) if row else None


def lock_administrators(connection: Connection) -> frozenset[str]:
    """The ids of the administrators that can sign in, none of whom anybody else changes until the transaction ends.

    Two administrators who take each other's rights at the same time would leave none.
    """
    return frozenset(connection.execute(_ADMINISTRATORS).scalars())
