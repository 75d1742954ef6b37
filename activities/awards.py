"""Granting credit: award, lines, reserved certificate and outgoing e-mail, in the caller's one transaction."""

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
    Signatory,
)
from domain import credit
from domain.deadlines import local_date
from domain.identities import derived_id, verification_code
from domain.policy import CEActivityPolicy, CreditOffer, LearningFormat
from domain.submissions import CreditClaimed
from storage import awards
from storage.claims import LockedClaim


@dataclass(frozen=True, slots=True)
class GrantedAward:
    """An award that was just granted, and what follows from it."""

    award_id: str
    certificate_id: str
    email_id: str
    credit_type: str
    units: Decimal
    rule_version: str


@dataclass(frozen=True, slots=True)
class AwardOrder:
    """What is to be granted: the accepted claim of credit, received ``at`` this time, under the pinned policy."""

    claim: LockedClaim
    policy: CEActivityPolicy
    claimed: CreditClaimed
    at: datetime
    public_url: str

    @property
    def offer(self) -> CreditOffer:
        """The offer that was claimed; raises ``LookupError`` when the policy has none of this type."""
        offer = self.policy.offer(self.claimed.credit_type)
        if offer is None:
            raise LookupError(self.claimed.credit_type)
        return offer

    @property
    def completed_on(self) -> date:
        """The local date of completion (R-TZ)."""
        return local_date(self.at, self.policy.time_zone)


def award_credit(connection: Connection, order: AwardOrder) -> GrantedAward | None:
    """Grant what the learner claimed; None when the learner holds this credit for this CE activity already.

    The claimed units are what is recorded, printed and reported, not the designated maximum (R-AMA-1).
    """
    rule, claim, units = credit.rule_of(order.offer), order.claim, order.claimed.units
    award_id = derived_id("awd", claim.id, rule.code)
    is_new = awards.add_award(
        connection,
        {
            "id": award_id,
            "claim_id": claim.id,
            "learner_id": claim.learner_id,
            "ce_activity_id": claim.ce_activity_id,
            "version_id": claim.version_id,
            "credit_type": rule.code,
            "rule_version": rule.version,
            "units": units,
            "state": "active",
            "completed_on": order.completed_on,
            "attestation_version": order.claimed.attestation_version,
            "attested_at": order.at,
            "awarded_at": claim.now,
        },
        [{"award_id": award_id, "number": 1, "title": order.policy.title, "units": units}],
    )
    if not is_new:
        return None
    granted = GrantedAward(
        award_id=award_id,
        certificate_id=derived_id("crt", award_id, "1"),
        email_id=derived_id("eml", "award", award_id),
        credit_type=rule.code,
        units=units,
        rule_version=rule.version,
    )
    _reserve_documents(connection, order, granted)
    return granted


def _reserve_documents(connection: Connection, order: AwardOrder, granted: GrantedAward) -> None:
    claim = order.claim
    recipient = awards.recipient_of(connection, claim.learner_id)
    code = verification_code()
    data = CertificateData(
        certificate_id=granted.certificate_id,
        version=1,
        verification_code=code,
        verification_url=f"{order.public_url}/verify/{code}",
        learner_name=f"{recipient['given_name']} {recipient['family_name']}",
        learner_credentials=recipient["credentials"] or "",
        completed_on=order.completed_on,
        issued_on=local_date(claim.now, order.policy.time_zone),
        **_printed_policy(order.policy, order.offer, granted.units),
    )
    certificate = {
        "id": granted.certificate_id,
        "award_id": granted.award_id,
        "version": 1,
        "state": "reserved",
        "verification_code": code,
        "data": data.to_json(),
        "template_version": TEMPLATE_VERSION,
        "reserved_at": claim.now,
    }
    email = {
        "id": granted.email_id,
        "purpose": "award",
        "subject_id": granted.award_id,
        "recipient": recipient["email"],
        "state": "reserved",
    }
    awards.reserve_certificate(connection, certificate)
    awards.queue_email(connection, email)


def _printed_policy(policy: CEActivityPolicy, offer: CreditOffer, units: Decimal) -> dict[str, Any]:
    """What the certificate prints of the CE activity and the credit, as the pinned policy has it (R-AMA-7)."""
    rule = credit.rule_of(offer)
    provider = policy.provider
    is_live = policy.format is LearningFormat.LIVE_ACTIVITY
    return {
        "kind": CertificateKind(rule.certificate_wording),
        "provider": ProviderDetails(
            name=provider.name,
            address=provider.address or "",
            website=provider.website or "",
            acronym=provider.acronym,
        ),
        "ce_activity_title": policy.title,
        "learning_format": policy.format.words,
        "location": policy.location,
        # R-AMA-7: a live activity prints its dates, other formats the day of completion only.
        "starts_on": policy.starts_on if is_live else None,
        "ends_on": policy.ends_on if is_live else None,
        "credit": CreditDetails(
            name=rule.name.removesuffix("\u2122"),
            awarded_units=units,
            unit_name=rule.unit,
            is_italic=rule.is_italic,
            has_trademark=rule.name.endswith("\u2122"),
        ),
        "accreditation_statement": provider.accreditation_statement,
        "designation_statement": offer.designation_statement,
        "identifiers": tuple(Identifier(label=i.label, value=i.code) for i in offer.identifiers),
        "signatories": tuple(Signatory(name=s.name, title=s.title) for s in policy.signatories),
        "paper": Paper(policy.paper),
    }
