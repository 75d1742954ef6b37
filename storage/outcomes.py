"""Responses to evaluations and first answers to post-tests, for outcome reports. Nothing here says whose they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.outcomes import Tally


@dataclass(frozen=True, slots=True)
class ClaimedVersion:
    """A version of the policy that claims were opened with, and the number of those claims and of their awards."""

    version_id: str
    number: int
    claims: int
    awards: int


@dataclass(frozen=True, slots=True)
class SessionTallies:
    """The responses to one session's evaluation, or to the whole CE activity's where ``session`` is empty."""

    session: str
    responses: int
    tallies: tuple[Tally, ...]


@dataclass(frozen=True, slots=True)
class FirstAttempts:
    """Everybody's first graded attempt at the post-test."""

    attempts: int
    passed: int
    tallies: tuple[Tally, ...]


@dataclass(frozen=True, slots=True)
class ResponseRow:
    """One response: to which version, for which session, and the profession of who gave it.

    ``mark`` is new for every export, so that nobody can tell which rows of two exports are the same person's.
    """

    mark: str
    version: int
    session: str
    profession: str | None
    responses: Mapping[str, Any]


_VERSIONS: Final = text(
    """
    SELECT v.id AS version_id, v.number, count(DISTINCT c.id) AS claims,
           count(w.id) FILTER (WHERE w.state = 'active') AS awards
      FROM claims c
      JOIN ce_activity_versions v ON v.id = c.version_id
      LEFT JOIN awards w ON w.claim_id = c.id
     WHERE c.ce_activity_id = :ce_activity_id
     GROUP BY v.id, v.number ORDER BY v.number
    """
)
_RESPONSES: Final = text(
    """
    SELECT e.session, count(*) AS responses
      FROM evaluations e JOIN claims c ON c.id = e.claim_id
     WHERE c.ce_activity_id = :ce_activity_id GROUP BY e.session
    """
)
# An answer in words counts as one way to answer, so that no text leaves the record here.
_TALLIES: Final = text(
    """
    SELECT e.session, v.number AS version, r.key AS question,
           CASE WHEN concat(v.number, ' ', r.key) = ANY(:texts) THEN '' ELSE r.value END AS value, count(*) AS count
      FROM evaluations e
      JOIN claims c ON c.id = e.claim_id
      JOIN ce_activity_versions v ON v.id = c.version_id
     CROSS JOIN LATERAL jsonb_each_text(e.responses) r
     WHERE c.ce_activity_id = :ce_activity_id AND btrim(r.value) <> ''
     GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
    """
)
_FIRST_ATTEMPTS: Final = text(
    """
    SELECT count(*) AS attempts, count(*) FILTER (WHERE t.has_passed) AS passed
      FROM attempts t JOIN claims c ON c.id = t.claim_id
     WHERE c.ce_activity_id = :ce_activity_id AND t.number = 1 AND t.graded_at IS NOT NULL
    """
)
_ANSWERS: Final = text(
    """
    SELECT v.number AS version, r.key AS question, r.value, count(*) AS count
      FROM attempts t
      JOIN claims c ON c.id = t.claim_id
      JOIN ce_activity_versions v ON v.id = c.version_id
     CROSS JOIN LATERAL jsonb_each_text(t.answers) r
     WHERE c.ce_activity_id = :ce_activity_id AND t.number = 1 AND t.graded_at IS NOT NULL
     GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    """
)
# Rows in the order of a hash that is new for every export: neither by time nor by person, and cut into pages by key.
_ROWS: Final = text(
    """
    SELECT m.mark, v.number AS version, e.session, l.profession, e.responses
      FROM evaluations e
      JOIN claims c ON c.id = e.claim_id
      JOIN ce_activity_versions v ON v.id = c.version_id
      JOIN learners l ON l.id = c.learner_id
     CROSS JOIN LATERAL (SELECT md5(concat_ws(' ', CAST(:salt AS text), e.claim_id, e.session)) AS mark) m
     WHERE c.ce_activity_id = :ce_activity_id AND m.mark > :after
     ORDER BY m.mark LIMIT :limit
    """
)


async def claimed_versions(connection: AsyncConnection, ce_activity_id: str) -> list[ClaimedVersion]:
    """The versions that claims were opened with, the oldest first."""
    rows = await connection.execute(_VERSIONS, {"ce_activity_id": ce_activity_id})
    return [ClaimedVersion(**row) for row in rows.mappings()]


async def evaluation_tallies(
    connection: AsyncConnection, ce_activity_id: str, texts: Sequence[str]
) -> list[SessionTallies]:
    """Every response, counted; ``texts`` names what is answered in words: ``"2 change"`` is a question of version 2."""
    counted = await connection.execute(_RESPONSES, {"ce_activity_id": ce_activity_id})
    responses = {row.session: row.responses for row in counted}
    tallies: dict[str, list[Tally]] = {session: [] for session in sorted(responses)}
    rows = await connection.execute(_TALLIES, {"ce_activity_id": ce_activity_id, "texts": list(texts)})
    for row in rows:
        tallies.setdefault(row.session, []).append(Tally(row.version, row.question, row.value, row[-1]))
    return [SessionTallies(session, responses.get(session, 0), tuple(found)) for session, found in tallies.items()]


async def first_attempts(connection: AsyncConnection, ce_activity_id: str) -> FirstAttempts:
    """Everybody's first attempt at the post-test, as far as it is graded."""
    row = (await connection.execute(_FIRST_ATTEMPTS, {"ce_activity_id": ce_activity_id})).one()
    rows = await connection.execute(_ANSWERS, {"ce_activity_id": ce_activity_id})
    return FirstAttempts(row.attempts, row.passed, tuple(Tally(*each) for each in rows))


async def response_rows(
    connection: AsyncConnection, ce_activity_id: str, salt: str, after: str, limit: int
) -> list[ResponseRow]:
    """A page of responses after a mark, empty for the first; ``salt`` is a secret that is new for every export."""
    values = {"ce_activity_id": ce_activity_id, "salt": salt, "after": after, "limit": limit}
    rows = await connection.execute(_ROWS, values)
    return [ResponseRow(**row) for row in rows.mappings()]
