"""The office's lists of claims: which claims a filter means, in which order, page by page.

The list, its export and what is done to many claims at once all mean the same claims by the same filter.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.identities import is_id
from domain.people import name_words, possible_identifiers
from storage.claims import PERSON_OF_CLAIM

# Whether more than so many claims are meant is not counted.
MOST_COUNTED: Final = 1_000


class ClaimOrder(StrEnum):
    """Newest first; or those that are open and have a deadline, the earliest first."""

    NEWEST = "newest"
    DUE = "due"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimFilter:
    """Which claims are meant; what is None or false does not matter. Days are of UTC and inclusive.

    ``due_before`` means open claims with an earlier deadline. ``learner`` is an e-mail address, an identifier of any
    kind, words of a name, or a claim's own id.
    """

    stage: str | None = None
    attention: str | None = None
    ce_activity: str | None = None
    provider: str | None = None
    due_before: datetime | None = None
    is_extension_requested: bool = False
    opened_from: date | None = None
    opened_until: date | None = None
    learner: str | None = None


_CONDITIONS: Final[Mapping[str, str]] = {
    "stage": "c.stage = :stage",
    "attention": "c.attention = :attention",
    "ce_activity": "c.ce_activity_id = (SELECT y.id FROM ce_activities y WHERE y.slug = :ce_activity)",
    "provider": "c.ce_activity_id IN (SELECT y.id FROM ce_activities y WHERE y.provider_slug = :provider)",
    "due_before": "c.due_at < :due_before AND c.closed_at IS NULL",
    "is_extension_requested": "c.extension_requested_at IS NOT NULL",
    "opened_from": "c.opened_at >= :opened_from",
    "opened_until": "c.opened_at < :opened_until",
}
# Whoever was merged into a learner is that learner.
_OF_PEOPLE: Final = """
    c.learner_id IN (
        WITH people AS MATERIALIZED ({0})
        SELECT p.id FROM people p UNION SELECT m.id FROM learners m JOIN people p ON m.merged_into = p.id)
"""
_BY_EMAIL: Final = """
    SELECT l.id FROM learners l JOIN accounts b ON b.id = l.account_id
     WHERE lower(b.email) = lower(:email) AND l.erased_at IS NULL
"""
_BY_NAME_OR_IDENTIFIER: Final = """
    SELECT l.id FROM learners l
     WHERE cardinality(CAST(:words AS text[])) > 0 AND l.name_key LIKE ALL (CAST(:words AS text[]))
       AND l.erased_at IS NULL
    UNION
    SELECT i.learner_id FROM learner_identifiers i
      JOIN unnest(CAST(:kinds AS text[]), CAST(:numbers AS text[])) AS w (kind, value)
        ON i.kind = w.kind AND i.value = w.value
"""


def where(wanted: ClaimFilter) -> tuple[str, dict[str, Any]]:
    """The condition on a row ``c`` of claims, with its values; only what matters is in it, so that indexes serve."""
    values: dict[str, Any] = {
        name: value for name in _CONDITIONS if (value := getattr(wanted, name)) is not None and value is not False
    }
    conditions = [_CONDITIONS[name] for name in values]
    values.pop("is_extension_requested", None)
    if wanted.opened_from is not None:
        values["opened_from"] = _midnight(wanted.opened_from)
    if wanted.opened_until is not None:
        values["opened_until"] = _midnight(wanted.opened_until) + timedelta(days=1)
    if wanted.learner is not None:
        condition, of_learner = _of_learner(wanted.learner)
        conditions.append(condition)
        values |= of_learner
    return " AND ".join(f"({each})" for each in conditions) or "true", values


def _of_learner(words: str) -> tuple[str, dict[str, Any]]:
    if is_id(words, "clm"):
        return "c.id = :claim_id", {"claim_id": words}
    if "@" in words:
        return _OF_PEOPLE.format(_BY_EMAIL), {"email": words.strip()}
    numbers = possible_identifiers(words)
    return _OF_PEOPLE.format(_BY_NAME_OR_IDENTIFIER), {
        # Words hold nothing that LIKE reads as a sign.
        "words": [f"%{word}%" for word in name_words(words)],
        "kinds": [kind for kind, _ in numbers],
        "numbers": [value for _, value in numbers],
    }


def _midnight(on: date) -> datetime:
    return datetime.combine(on, time(), tzinfo=UTC)


_ORDERS: Final[Mapping[ClaimOrder, tuple[str, str, str]]] = {
    ClaimOrder.NEWEST: (
        "true",
        "(c.opened_at, c.id) < (SELECT p.opened_at, p.id FROM claims p WHERE p.id = :after)",
        "c.opened_at DESC, c.id DESC",
    ),
    ClaimOrder.DUE: (
        "c.closed_at IS NULL AND c.due_at IS NOT NULL",
        "(c.due_at, c.id) > (SELECT p.due_at, p.id FROM claims p WHERE p.id = :after)",
        "c.due_at, c.id",
    ),
}


async def claim_ids(
    connection: AsyncConnection, wanted: ClaimFilter, order: ClaimOrder, after: str | None, limit: int
) -> list[str]:
    """The ids of a page of claims, after the claim ``after``."""
    condition, values = where(wanted)
    always, beyond, sorted_by = _ORDERS[order]
    query = f"SELECT c.id FROM claims c WHERE {condition} AND {always}"  # noqa: S608  # our own constants
    if after is not None:
        query, values = f"{query} AND {beyond}", values | {"after": after}
    rows = await connection.execute(text(f"{query} ORDER BY {sorted_by} LIMIT :limit"), values | {"limit": limit})
    return list(rows.scalars())


async def count(connection: AsyncConnection, wanted: ClaimFilter, order: ClaimOrder = ClaimOrder.NEWEST) -> int:
    """How many claims are meant; one more than ``MOST_COUNTED`` stands for any number above it."""
    condition, values = where(wanted)
    always = _ORDERS[order][0]
    some = f"SELECT 1 FROM claims c WHERE {condition} AND {always} LIMIT {MOST_COUNTED + 1}"  # noqa: S608  # our own
    counted = await connection.execute(text(f"SELECT count(*) FROM ({some}) AS meant"), values)  # noqa: S608  # our own
    number: int = counted.scalar_one()
    return number


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedClaim:
    """A claim in a list: where the record has it, and whose it is. Names of whoever was erased are None."""

    id: str
    stage: str
    stage_since_at: datetime
    attention: str | None
    opened_at: datetime
    closed_at: datetime | None
    due_at: datetime | None
    is_extension_requested: bool
    ce_activity: str
    version_id: str
    learner_id: str
    given_name: str | None
    family_name: str | None
    email: str | None


# What must be kept of the erased is shown to nobody.
_LISTED: Final = text(
    f"""
    SELECT c.id, c.stage, c.stage_since_at, c.attention, c.opened_at, c.closed_at, c.due_at,
           c.extension_requested_at IS NOT NULL AS is_extension_requested, y.slug AS ce_activity, c.version_id,
           l.id AS learner_id, b.email,
           CASE WHEN l.erased_at IS NULL THEN l.given_name END AS given_name,
           CASE WHEN l.erased_at IS NULL THEN l.family_name END AS family_name
      FROM claims c
           {PERSON_OF_CLAIM}
      JOIN ce_activities y ON y.id = c.ce_activity_id
      LEFT JOIN accounts b ON b.id = l.account_id
     WHERE c.id = ANY(:ids)
    """  # noqa: S608  # constants only
)


async def listed(connection: AsyncConnection, ids: Sequence[str]) -> list[ListedClaim]:
    """The claims with these ids, in their order."""
    rows = await connection.execute(_LISTED, {"ids": list(ids)})
    claims = {row["id"]: ListedClaim(**row) for row in rows.mappings()}
    return [claims[each] for each in ids if each in claims]


_CONTACTS: Final[TextClause] = text(
    """
    SELECT l.id, a.email,
           CASE WHEN l.erased_at IS NULL THEN l.given_name END AS given_name,
           CASE WHEN l.erased_at IS NULL THEN l.family_name END AS family_name
      FROM learners l LEFT JOIN accounts a ON a.id = l.account_id WHERE l.id = ANY(:ids)
    """
)


async def contacts(connection: AsyncConnection, learner_ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """Name and address of each of these learners by id; both None of whoever was erased."""
    rows = await connection.execute(_CONTACTS, {"ids": list(learner_ids)})
    return {row["id"]: dict(row) for row in rows.mappings()}
