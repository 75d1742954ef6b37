"""What an accreditor asks of the words and numbers with which credit is designated."""

import re
from collections.abc import Iterator
from decimal import Decimal

from domain import credit
from domain.policy import CEActivityPolicy, CreditOffer, LearningFormat
from domain.policy_problems import Path, PolicyProblem

MAXIMUM_UNITS = Decimal(200)
COMMENSURATE_SENTENCE = (
    "Physicians should claim only the credit commensurate with the extent of their participation in the activity."
)

_UAN = re.compile(r"[0-9]{4}-[0-9]{4}-[0-9]{2}-[0-9]{3,4}-[A-Z][0-9]{2}-[PT]")
_MAXIMUM_OF = re.compile(r"maximum of ([0-9]+(?:\.[0-9]+)?)")
_BARE_CATEGORY_1 = re.compile(r"(?<!AMA PRA )Category 1")
_FORMATS_WITH_ASSESSMENT = (LearningFormat.ENDURING_MATERIAL, LearningFormat.JOURNAL_BASED)


def credit_problems(policy: CEActivityPolicy) -> Iterator[PolicyProblem]:
    """Everything that is wrong with what the policy says about credit, and about its accreditation."""
    if not policy.credit:
        yield PolicyProblem(("credit",), "offers at least one type of credit; participation is one")
    for at, offer in enumerate(policy.credit):
        path: Path = ("credit", at)
        if offer.credit_type in [earlier.credit_type for earlier in policy.credit[:at]]:
            yield PolicyProblem((*path, "credit_type"), "is used once only")
        try:
            rule = credit.rule_of(offer)
        except credit.UnknownCreditTypeError:
            yield _unknown_rule(path, offer)
        else:
            yield from _units((*path, "designated_units"), offer, rule)
        yield from _statement((*path, "designation_statement"), offer.designation_statement)
        if offer.credit_type == "ama_pra_category_1":
            yield from _ama(path, policy, offer)
        if offer.credit_type == "acpe_contact_hours":
            yield from _acpe((*path, "identifiers"), offer)
    yield from _statement(("provider", "accreditation_statement"), policy.provider.accreditation_statement)


def _unknown_rule(path: Path, offer: CreditOffer) -> PolicyProblem:
    known = sorted({rule.code for rule in credit.rules()})
    if offer.credit_type not in known:
        return PolicyProblem((*path, "credit_type"), f"is one of {', '.join(known)}")
    versions = [rule.version for rule in credit.rules() if rule.code == offer.credit_type]
    return PolicyProblem((*path, "rule_version"), f"is one of {', '.join(versions)}; leave it out for the newest")


def _units(path: Path, offer: CreditOffer, rule: credit.CreditRule) -> Iterator[PolicyProblem]:
    units = offer.designated_units
    if not rule.is_step(units) or not rule.minimum_units <= units <= MAXIMUM_UNITS:
        message = f"is a multiple of {rule.increment}, from {rule.minimum_units} to {MAXIMUM_UNITS}"
        yield PolicyProblem(path, message)


def _statement(path: Path, statement: str) -> Iterator[PolicyProblem]:
    """Words that no statement may use (R-AMA-5, R-AMA-9)."""
    lowered = statement.lower()
    if "accme credit" in lowered:
        yield PolicyProblem(path, "does not say ACCME credit: the ACCME accredits providers and gives no credit")
    if _BARE_CATEGORY_1.search(statement):
        yield PolicyProblem(path, "writes the credit's name in full: AMA PRA Category 1 Credit(s)™")
    if "applied for" in lowered:
        yield PolicyProblem(path, "does not say that credit was applied for")


def _ama(path: Path, policy: CEActivityPolicy, offer: CreditOffer) -> Iterator[PolicyProblem]:
    """The designation statement's parts (R-AMA-3), and the assessment that some formats need (R-AMA-8)."""
    statement = " ".join(offer.designation_statement.split())
    here = (*path, "designation_statement")
    parts = {
        policy.provider.name: "names the provider",
        f"this {policy.format.words}": "names the learning format",
        "AMA PRA Category 1 Credit(s)™": "names the credit in full",
        COMMENSURATE_SENTENCE: "ends with the sentence on commensurate credit",
    }
    for part, meaning in parts.items():
        if part.lower() not in statement.lower():
            yield PolicyProblem(here, f"{meaning}: {part}")
    maximum = _MAXIMUM_OF.search(statement)
    if maximum is None or Decimal(maximum[1]) != offer.designated_units:
        yield PolicyProblem(here, f"says: a maximum of {offer.designated_units}")
    if policy.format in _FORMATS_WITH_ASSESSMENT and policy.post_test is None:
        yield PolicyProblem(("requirements",), f"has a post_test, which {policy.format.words} needs for AMA credit")


def _acpe(path: Path, offer: CreditOffer) -> Iterator[PolicyProblem]:
    """Pharmacy credit is reported under a Universal Activity Number per audience (R-CPE-1, R-CPE-2)."""
    if not offer.identifiers:
        yield PolicyProblem(path, "holds the Universal Activity Number")
    for at, identifier in enumerate(offer.identifiers):
        if not _UAN.fullmatch(identifier.code):
            yield PolicyProblem((*path, at, "code"), "is a Universal Activity Number, such as 0123-0000-26-001-H01-P")
