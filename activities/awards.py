"""Granting credit: award, lines, reserved certificate and outgoing e-mail, in the caller's one transaction."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from documents.models import (
    TEMPLATE_VERSION,
    CertificateData,
    CertificateKind,
    CreditDetails,
    Identifier,
    Paper,
    ProviderDetails,
    SessionLine,
    Signatory,
)
from domain import credit
from domain.claims import ClaimedCredit, ClaimFacts, format_of, offer_of
from domain.deadlines import local_date
from domain.identifiers import IDENTIFIERS
from domain.identities import derived_id, verification_code
from domain.notices import NoticePurpose
from domain.policy import CEActivityPolicy, CreditOffer, LearningFormat, Session
from storage import awards
from storage.claims import LockedClaim


@dataclass(frozen=True, slots=True)
class GrantedAward:
    """An award that was just granted, and the one that it corrects, if any."""

    award_id: str
    credit_type: str
    units: Decimal
    rule_version: str
    number: int = 1
    supersedes: str | None = None

    @property
    def certificate_id(self) -> str:
        """The certificate that was reserved with the award."""
        return derived_id("crt", self.award_id, "1")


@dataclass(frozen=True, slots=True, kw_only=True)
class AwardOrder:
    """What is to be granted: the credit that a claim's facts amount to, as of ``at``, under the pinned policy."""

    claim: LockedClaim
    policy: CEActivityPolicy
    facts: ClaimFacts
    credit: ClaimedCredit
    attestation_version: str
    attested_at: datetime
    at: datetime
    public_url: str

    @property
    def offer(self) -> CreditOffer:
        """The offer that was claimed; raises ``LookupError`` when the policy has none of this type."""
        offer = offer_of(self.policy, self.facts, self.credit.credit_type)
        if offer is None:
            raise LookupError(self.credit.credit_type)
        return offer

    @property
    def learning_format(self) -> LearningFormat:
        """The format in which this learner took part."""
        return format_of(self.policy, self.facts)

    @property
    def sessions(self) -> tuple[Session, ...]:
        """The sessions that were claimed, in the programme's order."""
        return tuple(session for session in self.policy.sessions if session.code in self.facts.sessions)

    @property
    def completed_on(self) -> date:
        """The local date of completion (R-TZ); what was live was completed when it was held (R-CPE-4)."""
        claimed_on = local_date(self.at, self.policy.time_zone)
        if self.sessions:
            return min(claimed_on, max(session.held_on for session in self.sessions))
        is_live = self.learning_format is LearningFormat.LIVE_ACTIVITY
        return min(claimed_on, self.policy.ends_on) if is_live else claimed_on


def award_credit(connection: Connection, order: AwardOrder) -> GrantedAward | None:
    """Grant what the learner claimed; None when the learner holds this credit for this CE activity already.

    The claimed units are what is recorded, printed and reported, not the designated maximum (R-AMA-1).
    """
    return _grant(connection, order, number=1, supersedes=None)


def correct_award(connection: Connection, order: AwardOrder) -> GrantedAward | None:
    """Grant the corrected credit in place of the claim's award, which stays in the record as superseded."""
    earlier = awards.supersede_award(connection, order.claim.id)
    if earlier is None:
        return None
    return _grant(connection, order, number=earlier["number"] + 1, supersedes=earlier["id"])


def _grant(connection: Connection, order: AwardOrder, number: int, supersedes: str | None) -> GrantedAward | None:
    rule, claim, units = credit.rule_of(order.offer), order.claim, order.credit.units
    award_id = derived_id("awd", claim.id, rule.code, *([str(number)] if number > 1 else []))
    is_new = awards.add_award(
        connection,
        {
            "id": award_id,
            "claim_id": claim.id,
            "number": number,
            "learner_id": claim.learner_id,
            "ce_activity_id": claim.ce_activity_id,
            "version_id": claim.version_id,
            "credit_type": rule.code,
            "rule_version": rule.version,
            "units": units,
            "state": "active",
            "completed_on": order.completed_on,
            "attestation_version": order.attestation_version,
            "attested_at": order.attested_at,
            "awarded_at": claim.now,
        },
        _lines(order, award_id),
    )
    if not is_new:
        return None
    granted = GrantedAward(award_id, rule.code, units, rule.version, number, supersedes)
    _reserve_documents(connection, order, granted)
    return granted


def _lines(order: AwardOrder, award_id: str) -> list[dict[str, Any]]:
    """One line for each session, or one for the whole CE activity; they add up to the award's units."""
    lines: list[dict[str, Any]] = [
        {"title": session.title, "session": session.code, "held_on": session.held_on, "units": units}
        for session in order.sessions
        if (units := order.facts.sessions[session.code])
    ]
    whole = {"title": order.policy.title, "session": None, "held_on": None, "units": order.credit.units}
    return [{"award_id": award_id, "number": number, **line} for number, line in enumerate(lines or [whole], start=1)]


def _reserve_documents(connection: Connection, order: AwardOrder, granted: GrantedAward) -> None:
    claim = order.claim
    recipient = awards.recipient_of(connection, claim.learner_id)
    certificate_id, code = granted.certificate_id, verification_code()
    data = CertificateData(
        certificate_id=certificate_id,
        version=granted.number,
        verification_code=code,
        verification_url=f"{order.public_url}/verify/{code}",
        learner_name=f"{recipient['given_name']} {recipient['family_name']}",
        learner_credentials=recipient["credentials"] or "",
        completed_on=order.completed_on,
        issued_on=local_date(claim.now, order.policy.time_zone),
        identifiers=_identifiers(order, recipient["identifiers"]),
        **_printed_policy(order),
    )
    certificate = {
        "id": certificate_id,
        "award_id": granted.award_id,
        "version": granted.number,
        # Kept as what the award's e-mail says, and never rendered, when another system issues the certificate.
        "state": "reserved" if order.policy.certificate.is_here else "elsewhere",
        "verification_code": code,
        "data": data.to_json(),
        "template_version": TEMPLATE_VERSION,
        "reserved_at": claim.now,
    }
    email = {
        "id": derived_id("eml", "award", granted.award_id),
        "purpose": NoticePurpose.AWARD,
        "subject_id": granted.award_id,
        "claim_id": claim.id,
        "recipient": recipient["email"],
        "state": "reserved",
    }
    awards.reserve_certificate(connection, certificate)
    awards.queue_email(connection, email)


def _identifiers(order: AwardOrder, profile: Mapping[str, str]) -> tuple[Identifier, ...]:
    """The numbers that this credit must print: the offer's for this audience and format, and the learner's own."""
    offered = credit.identifiers_for(order.offer, order.facts.profession, order.learning_format)
    own = [kind for kind in credit.rule_of(order.offer).printed_identifiers if kind in profile]
    return (
        *(Identifier(label=each.label, value=each.code) for each in offered),
        *(Identifier(label=IDENTIFIERS[kind].label, value=profile[kind]) for kind in own),
    )


def _printed_policy(order: AwardOrder) -> dict[str, Any]:
    """What the certificate prints of the CE activity and the credit, as the pinned policy has it (R-AMA-7)."""
    policy, offer = order.policy, order.offer
    rule, provider, learning_format = credit.rule_of(offer), policy.provider, order.learning_format
    is_live = learning_format is LearningFormat.LIVE_ACTIVITY
    return {
        "kind": CertificateKind(rule.certificate_wording),
        "provider": ProviderDetails(
            name=provider.name,
            address=provider.address or "",
            website=provider.website or "",
            acronym=provider.acronym,
        ),
        "ce_activity_title": policy.title,
        "learning_format": learning_format.words,
        "location": policy.location,
        # R-AMA-7: a live activity prints its dates, other formats the day of completion only.
        "starts_on": policy.starts_on if is_live else None,
        "ends_on": policy.ends_on if is_live else None,
        "credit": CreditDetails(
            name=rule.name.removesuffix("\u2122"),
            awarded_units=order.credit.units,
            unit_name=rule.unit,
            is_italic=rule.is_italic,
            has_trademark=rule.name.endswith("\u2122"),
        ),
        "accreditation_statement": provider.accreditation_statement,
        "designation_statement": offer.designation_statement,
        "sessions": tuple(
            SessionLine(title=each.title, held_on=each.held_on, units=order.facts.sessions[each.code])
            for each in order.sessions
        ),
        "signatories": tuple(Signatory(name=s.name, title=s.title) for s in policy.signatories),
        "paper": Paper(policy.paper),
    }
