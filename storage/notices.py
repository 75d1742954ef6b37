"""Notices about claims in the record: what they say is read here, and links to certificates are asked for here."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, func, select, text

from domain.claims import ClaimFacts, Stage
from domain.corrections import RevocationClass
from domain.notices import NoticePurpose
from storage.claims import PARTS_OF_FACTS, PERSON_OF_CLAIM, facts_of
from storage.emails import queue_notice
from storage.tables import OutgoingEmailRow, SubmissionRow

_LINKS_PER_DAY: Final = 5
_A_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimOfNotice:
    """What decides about a claim's notices and stands in them, as the record has it now.

    The reader is the learner, or into whom they were merged; ``address`` is None when that account is closed, and
    ``language`` until one was chosen.
    """

    learner_id: str
    version_id: str
    stage: Stage
    attention: str | None
    facts: ClaimFacts
    name: str
    address: str | None
    language: str | None
    time_zone: str | None
    wants_reminders: bool
    now: datetime


_CLAIM_OF_NOTICE: Final = text(
    f"""
    SELECT c.*, l.profession, l.given_name, l.family_name, l.credentials, clock_timestamp() AS now,
           {PARTS_OF_FACTS}
           (SELECT json_agg(t ORDER BY t.number) FROM attempts t WHERE t.claim_id = c.id) AS attempts,
           concat_ws(' ', l.given_name, l.family_name) AS name, l.time_zone, l.wants_reminders, m.email AS address,
           m.language
      FROM claims c
           {PERSON_OF_CLAIM}
      LEFT JOIN accounts m ON m.id = l.account_id AND m.deactivated_at IS NULL
     WHERE c.id = :claim_id
    """  # noqa: S608  # constants only
)


def claim_of_notice(connection: Connection, claim_id: str) -> ClaimOfNotice | None:
    """The claim that a notice is about; None when the record does not have it."""
    row = connection.execute(_CLAIM_OF_NOTICE, {"claim_id": claim_id}).mappings().one_or_none()
    if row is None:
        return None
    return ClaimOfNotice(
        learner_id=row["learner_id"],
        version_id=row["version_id"],
        stage=Stage(row["stage"]),
        attention=row["attention"],
        facts=facts_of(row, row["attempts"] or []),
        name=row["name"],
        address=row["address"],
        language=row["language"],
        time_zone=row["time_zone"],
        wants_reminders=row["wants_reminders"],
        now=row["now"],
    )


@dataclass(frozen=True, slots=True)
class Revoked:
    """What a revocation ended: what the certificate printed, and why it was revoked."""

    data: Mapping[str, Any]
    reason_class: RevocationClass


_REVOKED: Final = text(
    """
    SELECT x.data, r.reason_class FROM corrections r JOIN certificates x ON x.id = r.outcome ->> 'certificate'
     WHERE r.id = :correction_id
    """
)


def revocation(connection: Connection, correction_id: str) -> Revoked:
    """What a correction revoked; raises ``NoResultFound``."""
    row = connection.execute(_REVOKED, {"correction_id": correction_id}).one()
    return Revoked(row.data, RevocationClass(row.reason_class))


def reason_code_of(connection: Connection, submission_id: str) -> str | None:
    """The kind of reason that staff gave for what they did; None when they gave none, or it is kept no more."""
    code: str | None = connection.execute(
        select(SubmissionRow.body["reason_code"].astext).where(SubmissionRow.id == submission_id)
    ).scalar_one_or_none()
    return code


def queue_certificate_link(connection: Connection, claim_id: str) -> timedelta | None:
    """Queue the e-mail with a link to a claim's certificate; None, or how long to wait after five within a day.

    Asking twice within a minute, as a double click does, queues one.
    """
    purpose = OutgoingEmailRow.purpose == NoticePurpose.CERTIFICATE_LINK
    recent = connection.execute(
        select(func.clock_timestamp().label("now"), func.array_agg(OutgoingEmailRow.created_at).label("times")).where(
            OutgoingEmailRow.claim_id == claim_id,
            purpose,
            OutgoingEmailRow.created_at > func.clock_timestamp() - _A_DAY,
        )
    ).one()
    times = sorted(recent.times or [])
    minute = f"{recent.now.astimezone(UTC):%Y-%m-%dT%H:%M}"
    if len(times) < _LINKS_PER_DAY:
        queue_notice(connection, NoticePurpose.CERTIFICATE_LINK, claim_id, minute)
        return None
    wait: timedelta = times[-_LINKS_PER_DAY] + _A_DAY - recent.now
    return wait
