"""What a certificate prints of a CE activity and of its credit, and such a certificate for nobody to look at."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from documents.models import (
    CertificateData,
    CertificateKind,
    CreditDetails,
    Identifier,
    Image,
    Paper,
    ProviderDetails,
    SessionLine,
    Signatory,
)
from domain import credit
from domain.credit import CreditRule
from domain.identifiers import IDENTIFIERS
from domain.policy import CEActivityPolicy, CreditOffer, LearningFormat, Profession

_TRADE_MARK: Final = "\u2122"
_CODE: Final = "SAMP-LE00-0000-00"
_MOST_SESSIONS: Final = 8


def printed_policy(
    policy: CEActivityPolicy, offer: CreditOffer, learning_format: LearningFormat, pictures: Mapping[str, Image]
) -> dict[str, Any]:
    """What is printed of the CE activity and the offer, as the policy has it (R-AMA-7).

    ``pictures`` are those that have the names of its logo and signatures.
    """
    provider, is_live = policy.provider, learning_format is LearningFormat.LIVE_ACTIVITY
    return {
        "kind": CertificateKind(credit.rule_of(offer).certificate_wording),
        "provider": ProviderDetails(
            name=provider.name,
            address=provider.address or "",
            website=provider.website or "",
            acronym=provider.acronym,
            logo=pictures.get(provider.logo or ""),
        ),
        "ce_activity_title": policy.title,
        "learning_format": learning_format.words,
        "location": policy.location,
        # R-AMA-7: a live activity prints its dates, other formats the day of completion only.
        "starts_on": policy.starts_on if is_live else None,
        "ends_on": policy.ends_on if is_live else None,
        "accreditation_statement": provider.accreditation_statement,
        "designation_statement": offer.designation_statement,
        "signatories": tuple(
            Signatory(name=each.name, title=each.title, signature=pictures.get(each.signature or ""))
            for each in policy.signatories
        ),
        "paper": Paper(policy.paper),
    }


def printed_units(rule: CreditRule, units: Decimal) -> CreditDetails:
    """An amount of credit of this type."""
    return CreditDetails(
        name=rule.name.removesuffix(_TRADE_MARK),
        awarded_units=units,
        unit_name=rule.unit,
        is_italic=rule.is_italic,
        has_trademark=rule.name.endswith(_TRADE_MARK),
    )


def printed_identifiers(
    offer: CreditOffer, profession: Profession | None, learning_format: LearningFormat, profile: Mapping[str, str]
) -> tuple[Identifier, ...]:
    """The numbers that this credit must print: the offer's for this audience and format, and the learner's own."""
    offered = credit.identifiers_for(offer, profession, learning_format)
    own = [kind for kind in credit.rule_of(offer).printed_identifiers if kind in profile]
    return (
        *(Identifier(label=each.label, value=each.code) for each in offered),
        *(Identifier(label=IDENTIFIERS[kind].label, value=profile[kind]) for kind in own),
    )


def certificate_of_nobody(
    policy: CEActivityPolicy, offer: CreditOffer, pictures: Mapping[str, Image], public_url: str
) -> CertificateData:
    """What the certificate of this offer would look like for the whole amount, with an invented learner."""
    rule = credit.rule_of(offer)
    learning_format = offer.formats[0] if offer.formats else policy.format
    profession = next((each for each in Profession if credit.may_claim(offer, each)), None)
    return CertificateData(
        certificate_id="crt_sample0000",
        version=1,
        verification_code=_CODE,
        verification_url=f"{public_url}/verify/{_CODE}",
        learner_name="Alice Moreau",
        learner_credentials="Sample",
        identifiers=printed_identifiers(
            offer, profession, learning_format, {code: kind.example for code, kind in IDENTIFIERS.items()}
        ),
        completed_on=policy.ends_on,
        issued_on=policy.ends_on + timedelta(days=1),
        credit=printed_units(rule, offer.designated_units),
        sessions=tuple(
            SessionLine(title=each.title, held_on=each.held_on, units=each.maximum_units)
            for each in policy.sessions[:_MOST_SESSIONS]
        ),
        **printed_policy(policy, offer, learning_format, pictures),
    )
