"""A learner's transcript, put together from the record, as JSON, as CSV and as what the PDF prints."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from api.services import Services
from documents.models import Paper
from documents.transcript import TranscriptDocument
from domain import credit
from domain.claims import ClaimFacts, format_of
from domain.policy import CEActivityPolicy
from domain.spreadsheet import BYTE_ORDER_MARK, csv_text
from domain.transcripts import (
    CertificateProof,
    CreditTotal,
    Transcript,
    TranscriptEntry,
    TranscriptFilter,
    rule_at,
    transcript_of,
)
from storage import historical_awards, transcripts
from storage.historical_awards import HistoricalAward
from storage.transcripts import AwardRecord, LearnerName

Json = dict[str, Any]

_COLUMNS: Final = (
    "Completed on",
    "Title",
    "Provider",
    "Learning format",
    "Credit type",
    "Units",
    "Unit",
    "Sessions",
    "Final",
    "Historical",
    "Reference",
    "Certificate",
    "Verification code",
    "Verification address",
)


@dataclass(frozen=True, slots=True)
class LearnerTranscript:
    """A transcript, whose it is, what was asked for, and on which paper that learner's certificates are printed."""

    learner: LearnerName
    wanted: TranscriptFilter
    transcript: Transcript
    paper: Paper

    @property
    def made_on(self) -> date:
        """Which day it is for the learner."""
        return datetime.now(ZoneInfo(self.learner.time_zone or "UTC")).date()

    @property
    def name(self) -> str | None:
        """The learner's name, if they have given one."""
        return " ".join(filter(None, (self.learner.given_name, self.learner.family_name))) or None


async def learner_transcript(services: Services, learner_id: str, wanted: TranscriptFilter) -> LearnerTranscript | None:
    """What a learner has completed, under every account that is theirs; None when there is no such learner."""

    async def read(
        connection: AsyncConnection,
    ) -> tuple[LearnerName | None, list[AwardRecord], list[HistoricalAward]]:
        return (
            await transcripts.learner_name(connection, learner_id),
            await transcripts.awards_of(connection, learner_id),
            await historical_awards.awards_of(connection, learner_id),
        )

    learner, awards, historical = await services.database.statements(read)
    if learner is None:
        return None
    policies = {award.version_id: await services.policies.get(award.version_id) for award in awards}
    entries = [_entry(award, policies[award.version_id]) for award in awards]
    entries += [_historical_entry(award) for award in historical]
    newest = max(awards, key=lambda award: (award.completed_on, award.id), default=None)
    paper = Paper(policies[newest.version_id].paper) if newest else Paper.LETTER
    return LearnerTranscript(learner, wanted, transcript_of(entries, wanted), paper)


def _entry(award: AwardRecord, policy: CEActivityPolicy) -> TranscriptEntry:
    """An award as its claim's own version of the policy describes it."""
    facts = ClaimFacts(profession=None, due_at=None, participation=award.participation)
    return TranscriptEntry(
        id=award.id,
        title=policy.title,
        provider=policy.provider.name,
        completed_on=award.completed_on,
        recorded_at=award.awarded_at,
        rule=credit.rule(award.credit_type, award.rule_version),
        units=award.units,
        learning_format=format_of(policy, facts),
        sessions=award.sessions,
        is_final=policy.finalization is None or award.finalized_at is not None,
        claim_id=award.claim_id,
        certificate=CertificateProof(
            issue=policy.certificate, state=award.certificate_state, verification_code=award.verification_code
        ),
    )


def _historical_entry(award: HistoricalAward) -> TranscriptEntry:
    return TranscriptEntry(
        id=award.id,
        title=award.title,
        provider=award.provider,
        completed_on=award.completed_on,
        recorded_at=award.entered_at,
        rule=rule_at(award.credit_type, award.completed_on),
        units=award.units,
        is_historical=True,
        reference=award.reference,
    )


def transcript_json(made: LearnerTranscript, public_url: str, *, is_shared: bool = False) -> Json:
    """The transcript with its totals; amounts are strings. Shared, it leaves out what others cannot open."""
    wanted, transcript = made.wanted, made.transcript
    learner_id = None if is_shared else made.learner.learner_id
    return {
        "learner": {"id": learner_id, "name": made.name, "credentials": made.learner.credentials},
        "from": wanted.from_on.isoformat() if wanted.from_on else None,
        "to": wanted.until_on.isoformat() if wanted.until_on else None,
        "year": wanted.year,
        "credit_type": wanted.credit_type,
        "made_on": made.made_on.isoformat(),
        "entries": [entry_json(entry, public_url, is_shared=is_shared) for entry in transcript.entries],
        "totals": [total_json(total) for total in transcript.totals],
        "years": [
            {"year": year.year, "totals": [total_json(total) for total in year.totals]} for year in transcript.years
        ],
    }


def _credit_json(rule: credit.CreditRule) -> Json:
    return {"credit_type": rule.code, "credit_name": rule.name, "credit_is_italic": rule.is_italic, "unit": rule.unit}


def total_json(total: CreditTotal) -> Json:
    """How much credit of one type there is."""
    return {**_credit_json(total.rule), "units": str(total.units), "awards": total.awards}


def entry_json(entry: TranscriptEntry, public_url: str, *, is_shared: bool = False) -> Json:
    """One award; shared, without the address of its claim."""
    claim_id = None if is_shared else entry.claim_id
    return {
        "id": entry.id,
        "historical": entry.is_historical,
        "title": entry.title,
        "provider": entry.provider,
        "learning_format": entry.learning_format,
        "completed_on": entry.completed_on.isoformat(),
        **_credit_json(entry.rule),
        "units": str(entry.units),
        "sessions": [
            {"title": part.title, "held_on": part.held_on and part.held_on.isoformat(), "units": str(part.units)}
            for part in entry.sessions
        ],
        "is_final": entry.is_final,
        "reference": entry.reference,
        "claim": f"/v1/claims/{claim_id}" if claim_id else None,
        "certificate": _certificate_json(entry.certificate, claim_id, public_url) if entry.certificate else None,
    }


def _certificate_json(proof: CertificateProof, claim_id: str | None, public_url: str) -> Json:
    code = proof.verification_code
    is_linked = code is not None and claim_id is not None
    return {
        "issued": proof.issue.issued,
        "state": proof.state,
        "href": f"/v1/claims/{claim_id}/certificate" if is_linked else None,
        "page_url": f"{public_url}/claims/{claim_id}/certificate" if is_linked else None,
        "verification_code": code,
        "verification_url": f"{public_url}/verify/{code}" if code else None,
        "system": proof.issue.system,
        "url": proof.issue.url,
    }


def transcript_csv(made: LearnerTranscript, public_url: str, *, is_marked: bool) -> bytes:
    """One record for each award, so that a column can be added up; ``is_marked`` puts Excel's mark first."""
    rows = [_COLUMNS, *(_row(entry, public_url) for entry in made.transcript.entries)]
    return f"{BYTE_ORDER_MARK if is_marked else ''}{csv_text(rows)}".encode()


def _row(entry: TranscriptEntry, public_url: str) -> tuple[str, ...]:
    proof = entry.certificate
    code = (proof and proof.verification_code) or ""
    where = "" if proof is None else proof.state or "" if proof.issue.is_here else proof.issue.system or "elsewhere"
    return (
        entry.completed_on.isoformat(),
        entry.title,
        entry.provider,
        entry.learning_format.words if entry.learning_format else "",
        entry.rule.name,
        str(entry.units),
        entry.rule.unit,
        "; ".join(f"{part.title} ({part.held_on}): {part.units}" for part in entry.sessions),
        "yes" if entry.is_final else "no",
        "yes" if entry.is_historical else "no",
        entry.reference or "",
        where,
        code,
        f"{public_url}/verify/{code}" if code else "",
    )


def transcript_document(made: LearnerTranscript, public_url: str) -> TranscriptDocument:
    """What the PDF prints."""
    name = made.name or "Name not on record"
    return TranscriptDocument(
        learner=f"{name}, {made.learner.credentials}" if made.learner.credentials else name,
        transcript=made.transcript,
        wanted=made.wanted,
        made_on=made.made_on,
        site=public_url,
        paper=made.paper,
    )
