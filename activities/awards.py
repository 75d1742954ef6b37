"""Granting credit: award, lines, reserved certificate and outgoing e-mail, in the caller's one transaction.

What is granted is never changed. A correction (``activities.corrections``) grants anew, or reserves another version of
the certificate, with the same functions.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from documents.models import TEMPLATE_VERSION, CertificateData, Image, SessionLine
from documents.printed import printed_identifiers, printed_policy, printed_units
from domain import credit
from domain.claims import ClaimedCredit, ClaimFacts, format_of, offer_of
from domain.corrections import AwardState
from domain.deadlines import local_date
from domain.identities import derived_id, verification_code
from domain.notices import NoticePurpose
from domain.policy import CEActivityPolicy, CreditOffer, LearningFormat, Session
from storage import awards, certificate_templates, images
from storage.catalog import provider_slug
from storage.claims import LockedClaim


@dataclass(frozen=True, slots=True)
class GrantedAward:
    """An award that was just granted, and the certificate that is reserved with it."""

    award_id: str
    credit_type: str
    units: Decimal
    rule_version: str
    number: int
    certificate_id: str


def deciding_rules(version_id: str, credit_type: str, rule_version: str) -> str:
    """The rules that an award was granted by, as its audit entry names them: the policy's and the credit type's."""
    return f"{version_id} {credit_type}@{rule_version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AwardOrder:
    """What is to be granted: the credit that a claim's facts amount to, under a policy, to whom the claim is."""

    claim: LockedClaim
    policy: CEActivityPolicy
    facts: ClaimFacts
    credit: ClaimedCredit
    attestation_version: str
    attested_at: datetime
    completed_on: date
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
    def issued_on(self) -> date:
        """The local date of today (R-TZ), and never before the day of completion, whichever clock named that."""
        return max(self.completed_on, local_date(self.claim.now, self.policy.time_zone))


def award_credit(connection: Connection, order: AwardOrder) -> GrantedAward | None:
    """Grant what the learner claimed; None when the learner holds this credit for this CE activity already.

    The claimed units are what is recorded, printed and reported, not the designated maximum (R-AMA-1).
    """
    award_id = grant(connection, order, number=1)
    if award_id is None:
        return None
    data = draw_up(connection, order, version=1)
    reserve_certificate(connection, order, award_id, data)
    rule = credit.rule_of(order.offer)
    return GrantedAward(award_id, rule.code, order.credit.units, rule.version, 1, data.certificate_id)


def grant(connection: Connection, order: AwardOrder, number: int) -> str | None:
    """Add the claim's award of this number with its lines, and answer with its id; None as for ``award_credit``."""
    rule, claim = credit.rule_of(order.offer), order.claim
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
            "units": order.credit.units,
            "state": AwardState.ACTIVE,
            "completed_on": order.completed_on,
            "attestation_version": order.attestation_version,
            "attested_at": order.attested_at,
            "awarded_at": claim.now,
        },
        _lines(order, award_id),
    )
    return award_id if is_new else None


def _lines(order: AwardOrder, award_id: str) -> list[dict[str, Any]]:
    """One line for each session, or one for the whole CE activity; they add up to the award's units."""
    lines: list[dict[str, Any]] = [
        {"title": session.title, "session": session.code, "held_on": session.held_on, "units": units}
        for session in order.sessions
        if (units := order.facts.sessions[session.code])
    ]
    whole = {"title": order.policy.title, "session": None, "held_on": None, "units": order.credit.units}
    return [{"award_id": award_id, "number": number, **line} for number, line in enumerate(lines or [whole], start=1)]


def draw_up(connection: Connection, order: AwardOrder, version: int) -> CertificateData:
    """What this version of the claim's certificate prints: everything as it is today."""
    return CertificateData(
        **new_version(order, version),
        **printed_learner(connection, order),
        **printed_credit(order),
        # The policy names the logo and signatures; printed are the pictures that have these names today.
        **printed_policy(order.policy, order.offer, order.learning_format, _pictures(connection, order.policy)),
    )


def new_version(order: AwardOrder, version: int) -> dict[str, Any]:
    """What is each version's own."""
    code = verification_code()
    return {
        "certificate_id": derived_id("crt", order.claim.id, str(version)),
        "version": version,
        "verification_code": code,
        "verification_url": f"{order.public_url}/verify/{code}",
        "issued_on": order.issued_on,
    }


def printed_learner(connection: Connection, order: AwardOrder) -> dict[str, Any]:
    """What a certificate prints of the learner, as the profile has it now."""
    recipient = awards.recipient_of(connection, order.claim.learner_id)
    return {
        "learner_name": f"{recipient['given_name']} {recipient['family_name']}",
        "learner_credentials": recipient["credentials"] or "",
        "identifiers": printed_identifiers(
            order.offer, order.facts.profession, order.learning_format, recipient["identifiers"]
        ),
    }


def reserve_certificate(connection: Connection, order: AwardOrder, award_id: str, data: CertificateData) -> None:
    """Reserve a version of the certificate, and the e-mail that announces it; its bytes follow.

    It is made with the template that fits best today, whichever the version before was made with.
    """
    claim, provider = order.claim, provider_slug(order.policy.provider.name)
    template = certificate_templates.choose(connection, provider, order.credit.credit_type)
    data = replace(data, template_version=template or TEMPLATE_VERSION)
    certificate = {
        "id": data.certificate_id,
        "award_id": award_id,
        "version": data.version,
        # Kept as what the award's e-mail says, and never rendered, when another system issues the certificate.
        "state": "reserved" if order.policy.certificate.is_here else "elsewhere",
        "verification_code": data.verification_code,
        "data": data.to_json(),
        "template_version": data.template_version,
        "reserved_at": claim.now,
    }
    email = {
        "id": derived_id("eml", "award", data.certificate_id),
        "purpose": NoticePurpose.AWARD,
        "subject_id": data.certificate_id,
        "claim_id": claim.id,
        "recipient": "",
        "state": "reserved",
    }
    awards.reserve_certificate(connection, certificate)
    awards.queue_email(connection, email)


def printed_credit(order: AwardOrder) -> dict[str, Any]:
    """What a certificate prints of the credit that was awarded, with the sessions as they followed each other."""
    return {
        "completed_on": order.completed_on,
        "credit": printed_units(credit.rule_of(order.offer), order.credit.units),
        "sessions": tuple(
            SessionLine(title=each.title, held_on=each.held_on, units=order.facts.sessions[each.code])
            for each in sorted(order.sessions, key=lambda each: (each.held_on, each.starts_at))
        ),
    }


def _pictures(connection: Connection, policy: CEActivityPolicy) -> dict[str, Image]:
    return {
        name: Image(sha256=bytes(row["sha256"]).hex(), width=row["width"], height=row["height"])
        for name, row in images.current(connection, policy.picture_names).items()
    }
