"""What is wrong with a certificate, found before it is issued and not by the board that it is shown to."""

from collections.abc import Iterator
from decimal import Decimal

from documents.models import CertificateData
from documents.typefaces import missing_glyphs
from domain.certificate_fields import PrintedFields, missing_fields, statement_faults
from domain.credit import CreditRule


def faults(data: CertificateData, required: CreditRule) -> list[str]:
    """Return a code for everything that keeps this certificate from being issued under the award's credit rule.

    - ``GlyphsMissing``: a character that no bundled typeface has
    - ``ProviderAddressMissing``, ``SignatureMissing`` and so on: a field of the matrix (``CertificateField``)
    - ``KindDiffers``, ``CreditNameDiffers``: credit where there was participation only, or credit named otherwise than
      its owner does (R-AMA-5, R-AMA-6)
    - ``AccmeCredit``, ``BareCategory1``, ``AppliedFor``: words that no statement may use (R-AMA-5, R-AMA-9)
    - ``UnitsNotInSteps``, ``SessionsDoNotAddUp``, ``DatesOutOfOrder``, ``VerificationUrlDiffers``
    """
    return list(dict.fromkeys(_faults(data, required)))


def _faults(data: CertificateData, rule: CreditRule) -> Iterator[str]:
    if missing_glyphs(data.printed_text):
        yield "GlyphsMissing"
    yield from (f"{_camel(field)}Missing" for field in missing_fields(_printed(data), rule.certificate_fields))
    if data.kind.value != rule.certificate_wording.value:
        yield "KindDiffers"
    credit = data.credit
    name = f"{credit.name}™" if credit.has_trademark else credit.name
    if (name, credit.is_italic) != (rule.name, rule.is_italic):
        yield "CreditNameDiffers"
    for statement in (data.accreditation_statement, data.designation_statement):
        yield from (_camel(fault) for fault in statement_faults(statement))
    yield from _arithmetic(data, rule)


def _arithmetic(data: CertificateData, rule: CreditRule) -> Iterator[str]:
    if not rule.is_step(data.credit.awarded_units):
        yield "UnitsNotInSteps"
    if data.sessions and sum((session.units for session in data.sessions), Decimal(0)) != data.credit.awarded_units:
        yield "SessionsDoNotAddUp"
    held = [day for day in (data.starts_on, data.ends_on) if day]
    if held != sorted(held) or data.completed_on > data.issued_on:
        yield "DatesOutOfOrder"
    linked = data.verification_url.rpartition("/")[2]
    if linked.replace("-", "") != data.verification_code.replace("-", ""):
        yield "VerificationUrlDiffers"


def _printed(data: CertificateData) -> PrintedFields:
    return PrintedFields(
        learner=data.learner,
        provider=data.provider.name,
        provider_address=data.provider.address,
        provider_website=data.provider.website,
        title=data.ce_activity_title,
        learning_format=data.learning_format,
        location=data.location or "",
        completed_on=data.completed_on.isoformat(),
        units=str(data.credit.awarded_units),
        statement=data.designation_statement,
        signatories=tuple(signatory.name for signatory in data.signatories),
        identifiers=tuple((identifier.label, identifier.value) for identifier in data.identifiers),
    )


def _camel(words: str) -> str:
    return "".join(word.capitalize() for word in words.split("_"))
