"""A certificate as an Open Badges 3.0 credential: the same facts, for machines."""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from documents.credential.proofs import CREDENTIALS_CONTEXT, OPEN_BADGES_CONTEXT, timestamp
from documents.credential.status_list import status_entry
from documents.models import CertificateData, CertificateKind
from documents.wording import unit_words
from domain.identifiers import IDENTIFIERS

_ACHIEVEMENT_TYPES: Final = {
    CertificateKind.CREDIT: "CertificateOfCompletion",
    CertificateKind.PARTICIPATION: "Certificate",
}
_OWN_LABELS: Final = frozenset(kind.label for kind in IDENTIFIERS.values())
_LICENSE_LABELS: Final = tuple(IDENTIFIERS[code].label for code in ("license_number", "rn_license"))


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialTerms:
    """What a credential says beyond what its certificate prints.

    ``id`` and ``subject`` are the same for every version of one claim's certificate, and ``first_awarded_at`` is the
    day of the first; ``issued_at`` is this version's (R-OB3-4). ``achievement`` addresses the CE activity and credit
    type. Of ``email``, where there is one, only a salted hash is published. ``status_index`` is the place in the list
    at ``status_list``.
    """

    id: str
    issuer: str
    subject: str
    achievement: str
    email: str | None
    first_awarded_at: datetime
    issued_at: datetime
    status_list: str
    status_index: int


def open_badge(data: CertificateData, terms: CredentialTerms) -> dict[str, Any]:
    """Return the unsigned credential of one version of a certificate (R-OB3-1).

    The vocabulary counts credits as a bare float of unnamed hours. So the amount stands here three times: as that
    number, as an exact decimal whose result names the unit, and in words.
    """
    return {
        "@context": [CREDENTIALS_CONTEXT, OPEN_BADGES_CONTEXT],
        "id": terms.id,
        "type": ["VerifiableCredential", "OpenBadgeCredential"],
        "name": f"{data.ce_activity_title}: {credit_words(data)}",
        "issuer": _issuer(data, terms),
        "validFrom": timestamp(terms.issued_at),
        "awardedDate": timestamp(terms.first_awarded_at),
        "credentialSubject": _subject(data, terms),
        "evidence": _evidence(data),
        "credentialStatus": status_entry(terms.status_list, terms.status_index),
    }


def credit_words(data: CertificateData) -> str:
    """Return the amount with its unit: ``1.25 AMA PRA Category 1 Credit(s)™``."""
    return f"{unit_words(data.credit.awarded_units)} {_unit(data)}"


def email_hash(email: str, salt: str) -> str:
    """Return the hash by which whoever knows an address recognises it; letter case does not count."""
    return "sha256$" + hashlib.sha256((email.lower() + salt).encode()).hexdigest()


def _issuer(data: CertificateData, terms: CredentialTerms) -> dict[str, Any]:
    website = data.provider.website
    address = website if website.startswith(("http://", "https://")) else f"https://{website}"
    return {
        "id": terms.issuer,
        "type": ["Profile"],
        "name": data.provider.name,
        **({"url": address} if website else {}),
    }


def _subject(data: CertificateData, terms: CredentialTerms) -> dict[str, Any]:
    license_numbers = [each.value for each in data.identifiers if each.label in _LICENSE_LABELS]
    return {
        "id": terms.subject,
        "type": ["AchievementSubject"],
        "identifier": _identities(data, terms.email),
        **({"licenseNumber": license_numbers[0]} if license_numbers else {}),
        **({"activityStartDate": data.starts_on.isoformat()} if data.starts_on else {}),
        "activityEndDate": (data.ends_on or data.completed_on).isoformat(),
        "creditsEarned": _number(data.credit.awarded_units),
        "narrative": f"{credit_words(data)}, completed on {data.completed_on.isoformat()}.",
        "result": [
            {
                "type": ["Result"],
                "resultDescription": _result_id(terms),
                "value": str(data.credit.awarded_units),
            }
        ],
        "achievement": _achievement(data, terms),
    }


def _identities(data: CertificateData, email: str | None) -> list[dict[str, Any]]:
    """Whom the credential is about: the name as printed, and a hash that whoever knows the address can make again."""
    # Public with the credential, so it need not be secret; it keeps one table of hashes from opening all credentials.
    salt = hashlib.sha256(f"{data.certificate_id} {data.verification_code}".encode()).hexdigest()[:32]
    name = {"type": "IdentityObject", "hashed": False, "identityHash": data.learner, "identityType": "name"}
    if email is None:
        return [name]
    hashed = {"hashed": True, "identityHash": email_hash(email, salt), "identityType": "emailAddress", "salt": salt}
    return [name, {"type": "IdentityObject", **hashed}]


def _achievement(data: CertificateData, terms: CredentialTerms) -> dict[str, Any]:
    offered = [each for each in data.identifiers if each.label not in _OWN_LABELS]
    statements = (data.designation_statement, data.accreditation_statement)
    criteria = " ".join(["Every step that the provider asks for was completed.", *filter(None, statements)])
    place = f", {data.location}" if data.location else ""
    learning_format = data.learning_format[:1].upper() + data.learning_format[1:]
    return {
        "id": terms.achievement,
        "type": ["Achievement"],
        "achievementType": _ACHIEVEMENT_TYPES[data.kind],
        "name": data.ce_activity_title,
        "description": f"{learning_format} of {data.provider.name}{place}.",
        "criteria": {"narrative": criteria},
        "inLanguage": data.language,
        "resultDescription": [
            {
                "id": _result_id(terms),
                "type": ["ResultDescription"],
                "name": _unit(data),
                "resultType": "ext:ContinuingEducationCredit",
            }
        ],
        **(
            {
                "otherIdentifier": [
                    {
                        "type": "IdentifierEntry",
                        "identifier": each.value,
                        "identifierType": "ext:" + re.sub("[^A-Za-z0-9]+", "_", each.label).strip("_"),
                    }
                    for each in offered
                ]
            }
            if offered
            else {}
        ),
    }


def _evidence(data: CertificateData) -> list[dict[str, Any]]:
    """The page where a person checks the certificate, and the sessions that were claimed."""
    page = {
        "id": data.verification_url,
        "type": ["Evidence"],
        "name": "Public verification",
        "narrative": f"Certificate {data.certificate_id}, version {data.version}, verification code "
        f"{data.verification_code}, issued on {data.issued_on.isoformat()}.",
    }
    sessions = [
        {
            "type": ["Evidence"],
            "name": session.title,
            "narrative": f"{unit_words(session.units)} {_unit(data)}, held on {session.held_on.isoformat()}.",
        }
        for session in data.sessions
    ]
    return [page, *sessions]


def _unit(data: CertificateData) -> str:
    credit = data.credit
    name = credit.name + ("™" if credit.has_trademark else "")
    return f"{name} ({credit.unit_name})" if credit.unit_name and not credit.names_its_unit else name


def _result_id(terms: CredentialTerms) -> str:
    return f"{terms.achievement}.units"


def _number(units: Decimal) -> float | int:
    """The amount as JSON's number, whole where it is whole.

    RDF writes 2 and 2.0 differently, and a verifier in another language cannot tell them apart once it has read them.
    """
    return int(units) if units == units.to_integral_value() else float(units)
