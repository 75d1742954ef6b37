"""Drafts of long forms: kept as a learner goes, removed when the form is accepted.

They are no part of the record: nothing is decided by them, and the audit trail does not speak of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.tables import DraftRow


@dataclass(frozen=True, slots=True)
class Draft:
    """What is filled in of a form so far: question code to response."""

    responses: Mapping[str, str | int]
    saved_at: datetime


async def read(connection: AsyncConnection, claim_id: str, form: str) -> Draft | None:
    """The draft of a form, if there is one."""
    query = select(DraftRow.responses, DraftRow.saved_at).where(DraftRow.claim_id == claim_id, DraftRow.form == form)
    row = (await connection.execute(query)).one_or_none()
    return Draft(row.responses, row.saved_at) if row else None


async def save(connection: AsyncConnection, claim_id: str, form: str, responses: Mapping[str, str | int]) -> Draft:
    """Keep a draft in place of the one before."""
    values: dict[str, Any] = {"responses": dict(responses), "saved_at": func.clock_timestamp()}
    statement = (
        insert(DraftRow)
        .values(claim_id=claim_id, form=form, **values)
        .on_conflict_do_update(index_elements=["claim_id", "form"], set_=values)
        .returning(DraftRow.saved_at)
    )
    return Draft(responses, (await connection.execute(statement)).scalar_one())


def drop(connection: Connection, claim_id: str, form: str) -> None:
    """Remove the draft of a form that was accepted."""
    connection.execute(delete(DraftRow).where(DraftRow.claim_id == claim_id, DraftRow.form == form))
