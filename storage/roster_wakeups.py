"""Waking claims that wait for a roster: once it names their learner, participation is stated on their behalf."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, RowMapping, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.claims import Stage
from domain.identities import derived_id
from domain.policy import ParticipationMethod
from domain.roster_changes import Change, Outcome
from domain.roster_columns import EMAIL
from domain.rosters import normalize_key
from domain.submissions import ParticipationStated, SubmissionKind, to_json
from storage.catalog import policy_of
from storage.participation import find_learner

# Addresses of accounts that were merged into the learner's own count as the learner's.
_WAITING: Final = text(
    """
    SELECT c.id, c.learner_id, c.version_id,
           ARRAY(SELECT a.email FROM learners l JOIN accounts a ON a.id = l.account_id
                  WHERE l.id = c.learner_id OR l.merged_into = c.learner_id) AS emails,
           ARRAY(SELECT i.kind FROM learner_identifiers i WHERE i.learner_id = c.learner_id ORDER BY i.kind) AS kinds,
           ARRAY(SELECT i.value FROM learner_identifiers i WHERE i.learner_id = c.learner_id ORDER BY i.kind)
             AS identifiers
      FROM claims c
     WHERE c.ce_activity_id = :ce_activity_id AND c.stage = :stage AND c.closed_at IS NULL
    """
)
# The relay takes what is due, so that applying a roster needs no Temporal.
_STATE: Final = text(
    """
    INSERT INTO submissions (id, claim_id, learner_id, actor, kind, body, request_id, deliver_after)
    SELECT stated.id, stated.claim_id, stated.learner_id, :actor, :kind, :body, :request_id, clock_timestamp()
      FROM unnest(CAST(:ids AS text[]), CAST(:claim_ids AS text[]), CAST(:learner_ids AS text[]))
        AS stated(id, claim_id, learner_id)
    ON CONFLICT DO NOTHING
    """
).bindparams(bindparam("body", type_=JSONB()))


@dataclass(frozen=True, slots=True)
class Application:
    """A roster that is being applied: to which CE activity, by which account, in which request if in one."""

    roster_id: str
    ce_activity_id: str
    actor: str
    request_id: str | None


async def wake_claims(connection: AsyncConnection, application: Application, changes: Iterable[Change]) -> None:
    """State participation for every claim that waits for it and whose learner the applied rows name.

    The ledger judges these statements like any other; one per roster and claim, however often this is repeated.
    """
    keys = _keys_of_people(changes)
    rows = await connection.execute(
        _WAITING, {"ce_activity_id": application.ce_activity_id, "stage": Stage.VERIFYING_PARTICIPATION}
    )
    named = [row for row in rows.mappings() if keys & _keys_of_learner(row)]
    taking = await _taking_rosters(connection, {row["version_id"] for row in named})
    claims = [row for row in named if taking[row["version_id"]]]
    if claims:
        await connection.execute(
            _STATE,
            {
                "ids": [derived_id("sub", application.roster_id, row["id"]) for row in claims],
                "claim_ids": [row["id"] for row in claims],
                "learner_ids": [row["learner_id"] for row in claims],
                "actor": application.actor,
                "kind": SubmissionKind.PARTICIPATION,
                "body": to_json(ParticipationStated(method=ParticipationMethod.ROSTER)),
                "request_id": application.request_id,
            },
        )


_WAITING_OF_LEARNER: Final = text(
    """
    SELECT c.id, c.ce_activity_id, c.learner_id
      FROM claims c JOIN ce_activity_versions v ON v.id = c.version_id
     WHERE c.learner_id IN (SELECT id FROM learners WHERE id = :learner_id OR merged_into = :learner_id)
       AND c.stage = :stage AND c.closed_at IS NULL
       AND EXISTS (SELECT 1 FROM jsonb_array_elements(v.policy -> 'requirements') r
                    WHERE r ->> 'kind' = 'participation' AND r -> 'methods' ? :method)
    """
)


def wake_claims_of_learner(connection: Connection, learner_id: str) -> None:
    """State participation for a learner's waiting claims whose roster names them by what their profile says now.

    One statement per claim and entry, however often the profile changes.
    """
    parameters = {
        "learner_id": learner_id,
        "stage": Stage.VERIFYING_PARTICIPATION,
        "method": ParticipationMethod.ROSTER,
    }
    for claim in connection.execute(_WAITING_OF_LEARNER, parameters).mappings().all():
        match = find_learner(connection, claim["ce_activity_id"], learner_id)
        if match is None or match.is_anothers or match.claim_id not in (None, claim["id"]):
            continue
        connection.execute(
            _STATE,
            {
                "ids": [derived_id("sub", match.entry_id, claim["id"])],
                "claim_ids": [claim["id"]],
                "learner_ids": [claim["learner_id"]],
                "actor": "laurel",
                "kind": SubmissionKind.PARTICIPATION,
                "body": to_json(ParticipationStated(method=ParticipationMethod.ROSTER)),
                "request_id": None,
            },
        )


def _keys_of_people(changes: Iterable[Change]) -> set[tuple[str, str]]:
    """The keys of people that the roster did not have before, or not for them, and that prove no claim yet."""
    return {
        key
        for change in changes
        if change.outcome in (Outcome.NEW, Outcome.CHANGED)
        if not change.line.is_group and not (change.entry and change.entry.is_used)
        for key in change.line.keys.items()
    }


def _keys_of_learner(row: RowMapping) -> set[tuple[str, str]]:
    emails: Sequence[str] = row["emails"]
    identifiers = zip(row["kinds"], row["identifiers"], strict=True)
    known = [*((EMAIL, email) for email in emails), *identifiers]
    return {(kind, normalize_key(kind, value)) for kind, value in known}


async def _taking_rosters(connection: AsyncConnection, version_ids: Iterable[str]) -> Mapping[str, bool]:
    """Which versions of the policy let a roster prove participation."""
    found = {}
    for version_id in version_ids:
        participation = (await connection.run_sync(policy_of, version_id)).participation
        found[version_id] = participation is not None and ParticipationMethod.ROSTER in participation.methods
    return found
