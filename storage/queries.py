"""The read side: what the API and its pages show. Nothing here writes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import RowMapping, TextClause, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.claims import ClaimFacts
from domain.submissions import SubmissionKind
from storage.claims import PARTS_OF_FACTS, PERSON_OF_CLAIM, facts_of
from storage.tables import CEActivityVersionRow, CertificateRow, DocumentRow


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptView:
    """One try at a post-test; the result is None until it is graded."""

    number: int
    started_at: datetime
    submitted_at: datetime | None
    correct: int | None
    total: int | None
    has_passed: bool | None
    graded_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AwardView:
    """Credit that was granted."""

    id: str
    credit_type: str
    rule_version: str
    units: Decimal
    state: str
    completed_on: date
    awarded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateView:
    """The current version of an award's certificate."""

    id: str
    version: int
    state: str
    verification_code: str
    issued_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldView:
    """Since when a claim is on hold, by whom, and the code of the reason."""

    since: datetime
    by: str
    reason_code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimView:
    """One claim as it stands. ``read_at`` is the database's clock; ``stage`` is the projection's, ``facts`` decide.

    A claim whose opening is not decided yet has the facts it was opened with, and ``is_pending``.
    """

    id: str
    learner_id: str
    ce_activity: str
    provider: str
    version_id: str
    stage: str
    stage_since_at: datetime
    attention: str | None
    opened_at: datetime
    closed_at: datetime | None
    facts: ClaimFacts
    attempts: tuple[AttemptView, ...]
    award: AwardView | None
    certificate: CertificateView | None
    read_at: datetime
    hold: HoldView | None = None
    is_purged: bool = False
    is_pending: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CEActivityView:
    """A CE activity with its current version, and the claim that this learner has for it, if any."""

    id: str
    slug: str
    provider: str
    version_id: str
    number: int
    status: str
    claim_id: str | None


@dataclass(frozen=True, slots=True)
class GivenReason:
    """What somebody wrote with something that they submitted, and when; the words may have been removed since."""

    given_at: datetime
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDocument:
    """A document as it was issued; ``sha256`` is the hash of ``content``."""

    sha256: bytes
    media_type: str
    content: bytes


_CLAIM_COLUMNS: Final = f"""
    SELECT c.id, l.id AS learner_id,
           c.version_id, c.stage, c.stage_since_at, c.attention, c.opened_at, c.due_at,
           c.participation, c.statement, c.disclosures_version, c.evaluated_at, c.credit_type, c.claimed_units,
           c.finalized_at, c.awarded_at, c.notified_at, c.extension_requested_at, c.closed_as,
           c.closed_at, c.held_at, c.held_by, c.hold_reason, c.waived, c.attempts_added, c.purged_at,
           a.slug AS ce_activity, a.provider_slug AS provider,
           l.profession, l.given_name, l.family_name, l.credentials,
           {PARTS_OF_FACTS}
           (SELECT json_agg(json_build_object('number', t.number, 'started_at', t.started_at,
                    'submitted_at', t.submitted_at, 'correct', t.correct, 'total', t.total,
                    'has_passed', t.has_passed, 'graded_at', t.graded_at) ORDER BY t.number)
              FROM attempts t WHERE t.claim_id = c.id) AS attempts,
           w.id AS award_id, w.credit_type AS award_credit_type, w.rule_version, w.units, w.state AS award_state,
           w.completed_on, w.awarded_at AS award_awarded_at,
           x.id AS certificate_id, x.version, x.state AS certificate_state, x.verification_code, x.issued_at,
           clock_timestamp() AS read_at
      FROM claims c
           {PERSON_OF_CLAIM}
      JOIN ce_activities a ON a.id = c.ce_activity_id
      LEFT JOIN LATERAL (
          SELECT * FROM awards a WHERE a.claim_id = c.id ORDER BY a.number DESC LIMIT 1
      ) w ON true
      LEFT JOIN LATERAL (
          SELECT * FROM certificates t WHERE t.award_id = w.id ORDER BY t.version DESC LIMIT 1
      ) x ON x.state <> 'elsewhere'
"""  # noqa: S608  # constants only


def _claims_where(condition: str) -> TextClause:
    return text(f"{_CLAIM_COLUMNS} WHERE {condition}")


_ONE_CLAIM: Final = _claims_where("c.id = :claim_id")
_CLAIMS_OF_LEARNER: Final = _claims_where(
    """
    c.learner_id IN (SELECT :learner_id UNION ALL SELECT m.id FROM learners m WHERE m.merged_into = :learner_id)
    AND (CAST(:stages AS text[]) IS NULL OR c.stage = ANY(:stages))
    AND (CAST(:after AS text) IS NULL OR (c.opened_at, c.id) < (
           SELECT p.opened_at, p.id FROM claims p WHERE p.id = :after))
    ORDER BY c.opened_at DESC, c.id DESC LIMIT :limit
    """
)
_CLAIMS_AMONG: Final = _claims_where("c.id = ANY(:ids)")
_PENDING_CLAIM: Final = text(
    """
    SELECT l.id AS learner_id, s.body ->> 'version_id' AS version_id, s.received_at, a.slug AS ce_activity,
           a.provider_slug AS provider, l.profession, l.given_name, l.family_name, l.credentials,
           ARRAY(SELECT i.kind FROM learner_identifiers i WHERE i.learner_id = l.id) AS identifiers,
           (SELECT json_object_agg(p.content, p.seconds) FROM content_progress p
             WHERE p.learner_id = l.id AND p.ce_activity_id = a.id) AS content_seconds,
           clock_timestamp() AS read_at
      FROM submissions s
      JOIN learners o ON o.id = s.learner_id
      JOIN learners l ON l.id = coalesce(o.merged_into, o.id)
      JOIN ce_activities a ON a.id = s.body ->> 'ce_activity_id'
     WHERE s.claim_id = :claim_id AND s.kind = 'opening' AND s.decided_at IS NULL
     ORDER BY s.received_at, s.id LIMIT 1
    """
)


async def claim(connection: AsyncConnection, claim_id: str) -> ClaimView | None:
    """One claim, whoever's it is; None when neither the record nor the intake has it."""
    row = (await connection.execute(_ONE_CLAIM, {"claim_id": claim_id})).mappings().one_or_none()
    if row is not None:
        return _claim_view(row)
    pending = (await connection.execute(_PENDING_CLAIM, {"claim_id": claim_id})).mappings().one_or_none()
    return _pending_view(claim_id, pending) if pending else None


_NEWEST_REASON: Final = text(
    """
    SELECT received_at, body ->> 'reason' AS reason FROM submissions
     WHERE claim_id = :claim_id AND kind = :kind AND outcome = 'accepted'
     ORDER BY received_at DESC LIMIT 1
    """
)


async def newest_reason(connection: AsyncConnection, claim_id: str, kind: SubmissionKind) -> GivenReason | None:
    """What was written with the last accepted submission of a kind: by staff with a hold, by a learner who asked."""
    row = (await connection.execute(_NEWEST_REASON, {"claim_id": claim_id, "kind": kind})).one_or_none()
    return GivenReason(row.received_at, row.reason) if row else None


async def claims_of_learner(
    connection: AsyncConnection, learner_id: str, stages: list[str] | None, after: str | None, limit: int
) -> list[ClaimView]:
    """A learner's claims, newest first, optionally in these stages only and after this claim."""
    values = {"learner_id": learner_id, "stages": stages, "after": after, "limit": limit}
    rows = await connection.execute(_CLAIMS_OF_LEARNER, values)
    return [_claim_view(row) for row in rows.mappings()]


async def claims_among(connection: AsyncConnection, ids: list[str]) -> list[ClaimView]:
    """The claims with these ids, in their order."""
    rows = await connection.execute(_CLAIMS_AMONG, {"ids": ids})
    views = {row["id"]: _claim_view(row) for row in rows.mappings()}
    return [views[each] for each in ids if each in views]


def _claim_view(row: RowMapping) -> ClaimView:
    attempts = row["attempts"] or []
    return ClaimView(
        id=row["id"],
        learner_id=row["learner_id"],
        ce_activity=row["ce_activity"],
        provider=row["provider"],
        version_id=row["version_id"],
        stage=row["stage"],
        stage_since_at=row["stage_since_at"],
        attention=row["attention"],
        opened_at=row["opened_at"],
        closed_at=row["closed_at"],
        facts=facts_of(row, attempts),
        attempts=tuple(_attempt_view(attempt) for attempt in attempts),
        award=_award_view(row),
        certificate=_certificate_view(row),
        read_at=row["read_at"],
        hold=_hold_view(row),
        is_purged=row["purged_at"] is not None,
    )


def _hold_view(row: RowMapping) -> HoldView | None:
    if row["held_at"] is None:
        return None
    return HoldView(since=row["held_at"], by=row["held_by"], reason_code=row["hold_reason"])


def _attempt_view(values: Mapping[str, Any]) -> AttemptView:
    times = {name: value and datetime.fromisoformat(value) for name, value in values.items() if name.endswith("_at")}
    return AttemptView(**{**values, **times})


def _award_view(row: RowMapping) -> AwardView | None:
    if row["award_id"] is None:
        return None
    return AwardView(
        id=row["award_id"],
        credit_type=row["award_credit_type"],
        rule_version=row["rule_version"],
        units=row["units"],
        state=row["award_state"],
        completed_on=row["completed_on"],
        awarded_at=row["award_awarded_at"],
    )


def _certificate_view(row: RowMapping) -> CertificateView | None:
    if row["certificate_id"] is None:
        return None
    return CertificateView(
        id=row["certificate_id"],
        version=row["version"],
        state=row["certificate_state"],
        verification_code=row["verification_code"],
        issued_at=row["issued_at"],
    )


_NOT_YET: Final = (
    "due_at",
    "participation",
    "statement",
    "disclosures_version",
    "evaluated_at",
    "sessions",
    "credit_type",
    "finalized_at",
    "awarded_at",
    "notified_at",
    "extension_requested_at",
    "attention",
    "waived",
    "attempts_added",
    "closed_as",
)


def _pending_view(claim_id: str, row: RowMapping) -> ClaimView:
    nothing_yet: dict[str, Any] = dict.fromkeys(_NOT_YET) | {"evaluated_sessions": ()}
    return ClaimView(
        id=claim_id,
        learner_id=row["learner_id"],
        ce_activity=row["ce_activity"],
        provider=row["provider"],
        version_id=row["version_id"],
        stage="",
        stage_since_at=row["received_at"],
        attention=None,
        opened_at=row["received_at"],
        closed_at=None,
        facts=facts_of({**row, **nothing_yet}, []),
        attempts=(),
        award=None,
        certificate=None,
        read_at=row["read_at"],
        is_pending=True,
    )


_CE_ACTIVITIES: Final = """
    SELECT a.id, a.slug, a.provider_slug AS provider, a.version_id, v.number, a.status, c.id AS claim_id
      FROM ce_activities a
      JOIN ce_activity_versions v ON v.id = a.version_id
      LEFT JOIN LATERAL (
          SELECT x.id FROM claims x
           WHERE x.ce_activity_id = a.id
             AND x.learner_id IN (
                     SELECT :learner_id UNION ALL SELECT m.id FROM learners m WHERE m.merged_into = :learner_id)
           ORDER BY x.awarded_at NULLS LAST, x.closed_at IS NOT NULL, x.learner_id <> :learner_id
           LIMIT 1
      ) c ON true
"""
_ONE_CE_ACTIVITY: Final = text(f"{_CE_ACTIVITIES} WHERE a.slug = :slug")
# Two activities may have one title, as every year's meeting does.
_ORDER: Final = "lower(v.policy ->> 'title')"
_PUBLISHED_CE_ACTIVITIES: Final = text(
    f"""
    {_CE_ACTIVITIES}
     WHERE a.status = 'published'
       AND (CAST(:after AS text) IS NULL
            OR ({_ORDER}, a.slug) > (SELECT lower(w.policy ->> 'title'), b.slug FROM ce_activities b
                                       JOIN ce_activity_versions w ON w.id = b.version_id WHERE b.slug = :after))
       AND (CAST(:format AS text) IS NULL OR v.policy ->> 'format' = :format)
       AND (CAST(:event_type AS text) IS NULL OR v.policy ->> 'event_type' = :event_type)
       AND (CAST(:activity_code AS text) IS NULL OR lower(a.activity_code) = lower(:activity_code))
     ORDER BY {_ORDER}, a.slug LIMIT :limit
    """  # noqa: S608  # constants only
)


async def ce_activity(connection: AsyncConnection, slug: str, learner_id: str | None = None) -> CEActivityView | None:
    """One CE activity, published or not."""
    row = (
        (await connection.execute(_ONE_CE_ACTIVITY, {"slug": slug, "learner_id": learner_id})).mappings().one_or_none()
    )
    return CEActivityView(**row) if row else None


@dataclass(frozen=True, slots=True, kw_only=True)
class CEActivityFilter:
    """Which published CE activities to list; what is None does not matter. ``after`` is the slug to go on from."""

    learning_format: str | None = None
    event_type: str | None = None
    activity_code: str | None = None
    after: str | None = None
    limit: int


async def published_ce_activities(
    connection: AsyncConnection, learner_id: str | None, wanted: CEActivityFilter
) -> list[CEActivityView]:
    """What can be claimed, by title."""
    values = {
        "learner_id": learner_id,
        "format": wanted.learning_format,
        "event_type": wanted.event_type,
        "activity_code": wanted.activity_code,
        "after": wanted.after,
        "limit": wanted.limit,
    }
    rows = await connection.execute(_PUBLISHED_CE_ACTIVITIES, values)
    return [CEActivityView(**row) for row in rows.mappings()]


async def policy_json(connection: AsyncConnection, version_id: str) -> Mapping[str, Any]:
    """The stored policy of a version; raises ``NoResultFound`` when there is none."""
    found = await connection.execute(select(CEActivityVersionRow.policy).where(CEActivityVersionRow.id == version_id))
    policy: Mapping[str, Any] = found.scalar_one()
    return policy


async def certificate_document(connection: AsyncConnection, certificate_id: str) -> StoredDocument | None:
    """The bytes of a certificate; None until it is issued, and once they were purged."""
    row = (
        await connection.execute(
            select(DocumentRow.sha256, DocumentRow.media_type, DocumentRow.content)
            .join(CertificateRow, CertificateRow.sha256 == DocumentRow.sha256)
            # Bytes whose retention is over are empty.
            .where(CertificateRow.id == certificate_id, func.octet_length(DocumentRow.content) > 0)
        )
    ).one_or_none()
    if row is None:
        return None
    return StoredDocument(sha256=bytes(row.sha256), media_type=row.media_type, content=bytes(row.content))


_CERTIFICATE_DATA: Final = text("SELECT data FROM certificates WHERE id = :certificate_id")


async def certificate_data(connection: AsyncConnection, certificate_id: str) -> Mapping[str, Any] | None:
    """What a certificate prints; the caller has checked whose it is."""
    data: Mapping[str, Any] | None = await connection.scalar(_CERTIFICATE_DATA, {"certificate_id": certificate_id})
    return data


async def contact_of(connection: AsyncConnection, learner_id: str) -> Mapping[str, Any]:
    """Name and address of a learner, for staff: ``given_name``, ``family_name``, ``email``."""
    rows = await connection.execute(
        text(
            "SELECT l.given_name, l.family_name, a.email FROM learners l "
            "JOIN accounts a ON a.id = l.account_id WHERE l.id = :learner_id"
        ),
        {"learner_id": learner_id},
    )
    return dict(rows.mappings().one())
