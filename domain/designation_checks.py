"""What an accreditor asks of the words and numbers with which credit is designated.

Certificates print an offer's statement and identifiers word for word, so what a kind of certificate must show has to
stand in the policy (field matrix of the reference, section (b)).
"""

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Final

from domain import credit
from domain.certificate_fields import StatementFault, fields_of_offer, missing_fields, statement_faults
from domain.policy import CEActivityPolicy, CreditOffer, LearningFormat, PostTest
from domain.policy_problems import Path, PolicyProblem, unique
from domain.requirement_checks import fields_of, kinds_read, reachable_formats, reachable_formats_read

MAXIMUM_UNITS = Decimal(200)
COMMENSURATE_SENTENCE = (
    "Physicians should claim only the credit commensurate with the extent of their participation in the activity."
)

_AMA_CREDIT: Final = "AMA PRA Category 1 Credit(s)™"
_AAPA_CREDIT: Final = "AAPA Category 1 CME credit"
_MAXIMUM_OF = re.compile(r"maximum of ([0-9]+(?:\.[0-9]+)?)")
_AMOUNT_OF_AAPA = re.compile(rf"([0-9]+(?:\.[0-9]+)?) {_AAPA_CREDIT}", re.IGNORECASE)
_FORMATS_WITH_ASSESSMENT = (LearningFormat.ENDURING_MATERIAL, LearningFormat.JOURNAL_BASED)
_AUDIENCES = {
    credit.Audience.PHARMACISTS: "pharmacists (P)",
    credit.Audience.TECHNICIANS: "pharmacy technicians (T)",
}

_FAULTS: Final = {
    StatementFault.ACCME_CREDIT: "does not say ACCME credit: the ACCME accredits providers and gives no credit",
    StatementFault.BARE_CATEGORY_1: f"writes the credit's name in full: {_AMA_CREDIT}",
    StatementFault.APPLIED_FOR: "does not say that credit was applied for",
}
_OF_OFFER: Final = frozenset({"identifiers", "designation_statement"})
_FIELDS: Final[dict[credit.CertificateField, tuple[tuple[str, ...], str]]] = {
    credit.CertificateField.PROVIDER_ADDRESS: (
        ("provider", "address"),
        "is needed: certificates of {} show it",
    ),
    credit.CertificateField.PROVIDER_WHEREABOUTS: (
        ("provider", "address"),
        "is needed, or else the website: certificates of {} show one of them",
    ),
    credit.CertificateField.LOCATION: (
        ("location",),
        "is needed: certificates of {} for a live activity show it",
    ),
    credit.CertificateField.SIGNATURE: (
        ("signatories",),
        "has at least one: certificates of {} are signed",
    ),
    credit.CertificateField.PROVIDER_NUMBER: (
        ("identifiers",),
        "holds the provider number of the Board of Registered Nursing",
    ),
    credit.CertificateField.SPONSOR_ID: (
        ("identifiers",),
        "holds the sponsor's identification number of the NASBA registry",
    ),
    credit.CertificateField.RETENTION_NOTICE: (
        ("designation_statement",),
        "says that the certificate must be retained for a period of four years",
    ),
    credit.CertificateField.FIELD_OF_STUDY: (("designation_statement",), "names the field of study"),
    credit.CertificateField.DELIVERY_METHOD: (("designation_statement",), "names the delivery method"),
    credit.CertificateField.TIME_STATEMENT: (("designation_statement",), "says that a credit is a 50-minute hour"),
}
"""Where an author mends a field that no other check is about, and the sentence that says how; ``{}`` is the credit."""


def credit_problems(policy: CEActivityPolicy) -> Iterator[PolicyProblem]:
    """Everything that is wrong with what the policy says about credit, and about its accreditation."""
    if not policy.credit:
        yield PolicyProblem(("credit",), "offers at least one type of credit; participation is one")
    for at, offer in enumerate(policy.credit):
        path: Path = ("credit", at)
        try:
            rule = credit.rule_of(offer)
        except credit.UnknownCreditTypeError:
            yield _unknown_rule(path, offer)
        else:
            yield from _units(path, offer, rule)
            yield from _printed(policy, at, rule)
        yield from _apart(policy, at)
        yield from _statement((*path, "designation_statement"), offer.designation_statement)
        check = _moc if offer.credit_type.endswith("_moc_points") else _CHECKS.get(offer.credit_type)
        for problem in check(policy, at) if check else ():
            yield PolicyProblem(problem.path, problem.message, (*problem.reads, (*path, "credit_type")))
    yield from _statement(("provider", "accreditation_statement"), policy.provider.accreditation_statement)


def _unknown_rule(path: Path, offer: CreditOffer) -> PolicyProblem:
    known = sorted({rule.code for rule in credit.rules()})
    if offer.credit_type not in known:
        return PolicyProblem((*path, "credit_type"), f"is one of {', '.join(known)}")
    versions = [rule.version for rule in credit.rules() if rule.code == offer.credit_type]
    message = f"is one of {', '.join(versions)}; leave it out for the newest"
    return PolicyProblem((*path, "rule_version"), message, ((*path, "credit_type"),))


def _units(path: Path, offer: CreditOffer, rule: credit.CreditRule) -> Iterator[PolicyProblem]:
    units = offer.designated_units
    if not rule.is_step(units) or not rule.minimum_units <= units <= MAXIMUM_UNITS:
        message = f"is a multiple of {rule.increment}, from {rule.minimum_units} to {MAXIMUM_UNITS}"
        reads: tuple[Path, ...] = ((*path, "credit_type"), (*path, "rule_version"))
        yield PolicyProblem((*path, "designated_units"), message, reads)


def _apart(policy: CEActivityPolicy, at: int) -> Iterator[PolicyProblem]:
    """Offers of one type are for different learning formats, so that every learner finds one, judged by one rule."""
    offer, path = policy.credit[at], ("credit", at)
    others = [n for n, other in enumerate(policy.credit[:at]) if other.credit_type == offer.credit_type]
    for earlier in others:
        other: Path = ("credit", earlier)
        formats = policy.credit[earlier].formats
        if not offer.formats or not formats or set(offer.formats) & set(formats):
            name = "formats" if offer.formats else "credit_type"
            message = "is used once only, unless all offers of the type have learning formats of their own"
            names = ("credit_type", "formats")
            reads: tuple[Path, ...] = tuple((*each, field) for each in (path, other) for field in names)
            yield PolicyProblem((*path, name), message, reads)
            return
    if others and policy.credit[others[0]].rule_version != offer.rule_version:
        message = f"is the same in every offer of {offer.credit_type}"
        reads = tuple(("credit", others[0], field) for field in ("credit_type", "rule_version"))
        yield PolicyProblem((*path, "rule_version"), message, reads)


def _statement(path: Path, statement: str) -> Iterator[PolicyProblem]:
    """Words that no statement may use (R-AMA-5, R-AMA-9)."""
    for fault in statement_faults(statement):
        yield PolicyProblem(path, _FAULTS[fault])


def _printed(policy: CEActivityPolicy, at: int, rule: credit.CreditRule) -> Iterator[PolicyProblem]:
    """What certificates of this credit must show, and would not: the office hears of it now, not the learner later."""
    offer, path = policy.credit[at], ("credit", at)
    missing = {
        field
        for learning_format in _formats_of(policy, at)
        for field in missing_fields(fields_of_offer(policy, offer, learning_format), rule.certificate_fields)
    }
    for field, (names, message) in _FIELDS.items():
        if field in missing:
            here: Path = (*path, names[0]) if names[0] in _OF_OFFER else names
            reads = _formats_read(policy, at) if field is credit.CertificateField.LOCATION else ()
            also = (("provider", "website"),) if field is credit.CertificateField.PROVIDER_WHEREABOUTS else ()
            yield PolicyProblem(here, message.format(rule.code), (*reads, *also, (*path, "credit_type")))


def _ama(policy: CEActivityPolicy, at: int) -> Iterator[PolicyProblem]:
    """The designation statement's parts (R-AMA-3), and the assessment that some formats need (R-AMA-8)."""
    offer, path = policy.credit[at], ("credit", at)
    statement = _one_line(offer).lower()
    formats = [f"this {each.words}" for each in offer.formats or (policy.format,)]
    here = (*path, "designation_statement")
    parts = (
        ([policy.provider.name], "names the provider", (("provider", "name"),)),
        (formats, "names the learning format", ((*path, "formats"), ("format",))),
        ([_AMA_CREDIT], "names the credit in full", ()),
        ([COMMENSURATE_SENTENCE], "ends with the sentence on commensurate credit", ()),
    )
    for words, meaning, reads in parts:
        if not any(word.lower() in statement for word in words):
            yield PolicyProblem(here, f"{meaning}: {' or '.join(words)}", reads)
    maximum = _MAXIMUM_OF.search(statement)
    if maximum is None or Decimal(maximum[1]) != offer.designated_units:
        yield PolicyProblem(here, f"says: a maximum of {offer.designated_units}", ((*path, "designated_units"),))
    yield from _assessment(policy, at)


def _assessment(policy: CEActivityPolicy, at: int) -> Iterator[PolicyProblem]:
    test = policy.post_test
    for each in _formats_of(policy, at):
        is_tested = test is not None and (not test.formats or each in test.formats)
        if each in _FORMATS_WITH_ASSESSMENT and not is_tested:
            message = f"has a post_test, which {each.words} needs for AMA credit"
            reads = (*_formats_read(policy, at), *kinds_read(policy), *fields_of(policy, PostTest, "formats"))
            yield PolicyProblem(("requirements",), message, reads)


def _aapa(policy: CEActivityPolicy, at: int) -> Iterator[PolicyProblem]:
    """The name by which physician assistants know their credit, with the right amount (R-AAPA)."""
    offer, path = policy.credit[at], ("credit", at)
    here, statement = (*path, "designation_statement"), _one_line(offer)
    stated = _AMOUNT_OF_AAPA.findall(statement)
    if _AAPA_CREDIT.lower() not in statement.lower():
        yield PolicyProblem(here, f"names the credit in full: {_AAPA_CREDIT}s")
    if any(Decimal(amount) != offer.designated_units for amount in stated):
        message = f"says: {offer.designated_units} {_AAPA_CREDIT}s"
        yield PolicyProblem(here, message, ((*path, "designated_units"),))


def _acpe(policy: CEActivityPolicy, at: int) -> Iterator[PolicyProblem]:
    """Pharmacy credit is reported under a Universal Activity Number per audience and format (R-CPE-1, R-CPE-2)."""
    here: Path = ("credit", at, "identifiers")
    codes = [identifier.code for identifier in policy.credit[at].identifiers]
    uans = [credit.read_uan(code) for code in codes]
    if not uans:
        yield PolicyProblem(here, "holds the Universal Activity Number")
    yield from unique(here, codes, "code")
    for number, uan in enumerate(uans):
        if uan is None:
            message = "is a Universal Activity Number, such as 0123-0000-26-001-H01-P"
            yield PolicyProblem((*here, number, "code"), message)
    reads = (*_formats_read(policy, at), *((*here, number, "code") for number in range(len(codes))))
    for audience, people in _AUDIENCES.items():
        registered = [uan for uan in uans if uan is not None and uan.audience is audience]
        for each in _formats_of(policy, at) if registered else ():
            if not any(uan.fits(each) for uan in registered):
                letter = "L" if each is LearningFormat.LIVE_ACTIVITY else "H"
                message = f"holds a number for {people} who take part in {each.words}: one of format {letter}"
                yield PolicyProblem(here, message, reads)


def _moc(policy: CEActivityPolicy, at: int) -> Iterator[PolicyProblem]:
    """The board takes points until a day that is registered with it (R-PARS-8)."""
    if policy.claim_window.closes_on is None:
        message = (
            f"is the last day on which {policy.credit[at].credit_type} may be claimed, as registered with the board"
        )
        yield PolicyProblem(("claim_window", "closes_on"), message)


_CHECKS: Final[dict[str, Callable[[CEActivityPolicy, int], Iterator[PolicyProblem]]]] = {
    "ama_pra_category_1": _ama,
    "aapa_category_1": _aapa,
    "acpe_contact_hours": _acpe,
}


def _one_line(offer: CreditOffer) -> str:
    return " ".join(offer.designation_statement.split())


def _formats_of(policy: CEActivityPolicy, at: int) -> tuple[LearningFormat, ...]:
    """The learning formats of those who may claim an offer."""
    return policy.credit[at].formats or reachable_formats(policy)


def _formats_read(policy: CEActivityPolicy, at: int) -> tuple[Path, ...]:
    own: Path = ("credit", at, "formats")
    return (own,) if policy.credit[at].formats else (own, *reachable_formats_read(policy))
