"""Claiming credit: the statement sought, the sessions attended, the amount, making it final, and correcting it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Final

from domain import assessments, credit, sessions
from domain.claims import (
    ClaimedCredit,
    ClaimFacts,
    content_of,
    earned_units,
    evaluation_asked,
    is_met,
    offer_of,
    offers_of,
)
from domain.corrections import CreditChange
from domain.identifiers import IDENTIFIERS
from domain.policy import CEActivityPolicy, CreditOffer, EvaluationTime, Session
from domain.refusals import Accepted, Decision, RefusalCode, Refused, incomplete
from domain.submissions import CreditClaimed, SessionClaimed, StatementChosen, StatementFinalized

Claiming = StatementChosen | SessionClaimed | CreditClaimed | StatementFinalized

# What an amount is a multiple of as long as nobody knows the credit type: the record keeps two decimals.
_FINEST_STEP: Final = Decimal("0.01")


def decide(policy: CEActivityPolicy, facts: ClaimFacts, body: Claiming, at: datetime) -> Decision:
    """Decide what belongs to claiming, when its turn has come."""
    match body:
        case StatementChosen():
            return _decide_statement(policy, facts, body)
        case SessionClaimed():
            return _decide_session(policy, facts, body, at)
        case CreditClaimed():
            return _decide_credit(policy, facts, body, at)
        case StatementFinalized():  # pragma: no branch -- mypy proves that no other case is left
            return _decide_final(policy, facts, body)


def correct(policy: CEActivityPolicy, facts: ClaimFacts, change: CreditChange, at: datetime) -> Decision:
    """Decide another amount, or other sessions, for credit that was awarded: within what its credit type allows.

    The most is what is designated, whatever content the learner completed: staff know better than progress reports.
    """
    awarded = facts.credit
    offer = offer_of(policy, facts, awarded.credit_type) if awarded else None
    if awarded is None or offer is None:
        return Refused(RefusalCode.CREDIT_MISSING)
    claimed = facts.sessions if change.sessions is None else change.sessions
    units = _units(policy, claimed, change.units, credit.rule_of(offer), at)
    if isinstance(units, Refused):
        return units
    corrected = replace(facts, sessions=dict(claimed), credit=replace(awarded, units=units))
    if corrected == facts:
        return Refused(RefusalCode.NOTHING_TO_CORRECT)
    return _refusal_of_units(policy, facts, offer, units, offer.designated_units) or Accepted(corrected)


def claimable_units(policy: CEActivityPolicy, facts: ClaimFacts, offer: CreditOffer) -> Decimal:
    """The most that this learner may claim of an offer: what it is designated for, or what partial progress earned."""
    content = content_of(policy, facts)
    if content is None or not content.allows_partial:
        return offer.designated_units
    return earned_units(content, facts, offer)


def is_whole_only(policy: CEActivityPolicy, facts: ClaimFacts, offer: CreditOffer) -> bool:
    """Whether the learner claims all that is designated, or nothing.

    Complete content earns all of it, and some credit is never given for a part. With sessions the amount is their sum.
    """
    content = content_of(policy, facts)
    is_by_content = content is not None and not content.allows_partial
    return not policy.sessions and (is_by_content or not credit.rule_of(offer).allows_partial)


def missing_in_profile(policy: CEActivityPolicy, facts: ClaimFacts, rule: credit.CreditRule) -> tuple[str, ...]:
    """What the profile lacks: a certificate names its learner (R-AMA-7), and registries want numbers (R-CPE-3)."""
    names = () if facts.has_name else ("given_name", "family_name")
    known = facts.identifiers | ({"credentials"} if facts.has_credentials else set())
    wanted = dict.fromkeys((*rule.required_identifiers, *policy.profile_fields))
    asked = (field for field in wanted if field in IDENTIFIERS or field == "credentials")
    return (*names, *(field for field in asked if field not in known))


def _decide_final(policy: CEActivityPolicy, facts: ClaimFacts, final: StatementFinalized) -> Decision:
    """Months may have passed since the credit was claimed, and the award is for whom the learner is by now."""
    if not final.is_confirmed:
        return Refused(RefusalCode.CONFIRMATION_REQUIRED)
    if facts.credit is None:  # pragma: no cover -- refused as out of turn
        return Refused(RefusalCode.CREDIT_MISSING)
    offer = _eligible_offer(policy, facts, facts.credit.credit_type)
    return offer if isinstance(offer, Refused) else Accepted(replace(facts, is_final=True))


def _decide_statement(policy: CEActivityPolicy, facts: ClaimFacts, chosen: StatementChosen) -> Decision:
    offer = _eligible_offer(policy, facts, chosen.credit_type)
    if isinstance(offer, Refused):
        return offer
    if chosen.credit_type == facts.statement:
        return Accepted(facts)
    # An amount was attested to for the statement before.
    return Accepted(replace(facts, statement=chosen.credit_type, credit=None))


def _eligible_offer(policy: CEActivityPolicy, facts: ClaimFacts, credit_type: str) -> CreditOffer | Refused:
    """The offer of this type that the learner may claim, or why there is none."""
    offers = [offer for offer in offers_of(policy, facts) if offer.credit_type == credit_type]
    if not offers:
        return Refused(RefusalCode.NOT_ELIGIBLE, {"credit_type": "not_offered"})
    if facts.profession is None:
        return Refused(RefusalCode.PROFILE_INCOMPLETE, {"fields": "profession"})
    offer = next((each for each in offers if credit.may_claim(each, facts.profession)), None)
    if offer is None:
        return Refused(RefusalCode.NOT_ELIGIBLE, {"credit_type": credit_type})
    missing = missing_in_profile(policy, facts, credit.rule_of(offer))
    return Refused(RefusalCode.PROFILE_INCOMPLETE, {"fields": ",".join(missing)}) if missing else offer


def _decide_session(policy: CEActivityPolicy, facts: ClaimFacts, claimed: SessionClaimed, at: datetime) -> Decision:
    session = policy.session(claimed.session)
    if session is None:
        return Refused(RefusalCode.SESSION_UNKNOWN)
    units = {code: amount for code, amount in facts.sessions.items() if code != session.code}
    refusal = _refusal_of_responses(policy, facts, claimed.responses)
    if claimed.units is not None:
        units[session.code] = claimed.units
        refusal = _refusal_of_session(policy, session, units, _rule_of_statement(policy, facts), at) or refusal
    if refusal is not None:
        return refusal
    evaluated = facts.evaluated_sessions | ({session.code} if claimed.responses is not None else set())
    # Whatever amount was attested to, it was for the sessions before; what is only saved again undoes nothing.
    attested = facts.credit if units == facts.sessions else None
    return Accepted(replace(facts, sessions=units, evaluated_sessions=evaluated, credit=attested))


def _refusal_of_responses(
    policy: CEActivityPolicy, facts: ClaimFacts, responses: Mapping[str, str | int] | None
) -> Refused | None:
    if responses is None:
        return None
    evaluation = evaluation_asked(policy, facts, EvaluationTime.PER_SESSION)
    if evaluation is None:
        return Refused(RefusalCode.STEP_NOT_REQUIRED)
    problems = assessments.problems_with_responses(evaluation, responses)
    return incomplete(problems) if problems else None


def _rule_of_statement(policy: CEActivityPolicy, facts: ClaimFacts) -> credit.CreditRule | None:
    offer = offer_of(policy, facts, facts.statement) if facts.statement else None
    return credit.rule_of(offer) if offer else None


def _refusal_of_session(
    policy: CEActivityPolicy,
    session: Session,
    claimed: Mapping[str, Decimal],
    rule: credit.CreditRule | None,
    at: datetime,
) -> Refused | None:
    """Whether what is claimed for one of the claimed sessions may be; ``rule`` is None until the type is known.

    The smallest amount of a credit type is one of the whole: short sessions may add up to it.
    """
    ends_at, units = sessions.interval_of(session, policy.time_zone).ends_at, claimed[session.code]
    if at < ends_at:
        return Refused(RefusalCode.SESSION_NOT_OVER, {"session": session.code, "ends_at": ends_at.isoformat()})
    step = rule.increment if rule else _FINEST_STEP
    refusal = _refusal_of_amount(units, step, session.maximum_units, step)
    if refusal is None and rule is not None and not rule.allows_partial and units != session.maximum_units:
        refusal = Refused(RefusalCode.CREDIT_WHOLE_ONLY, {"limit": str(session.maximum_units)})
    if refusal is not None:
        return Refused(refusal.code, {**refusal.details, "session": session.code})
    overlapping = sessions.overlapping(policy, session, claimed)
    return Refused(RefusalCode.SESSIONS_OVERLAP, {"sessions": ",".join(overlapping)}) if overlapping else None


def _decide_credit(policy: CEActivityPolicy, facts: ClaimFacts, claimed: CreditClaimed, at: datetime) -> Decision:
    if policy.has_statement and claimed.credit_type != facts.statement:
        return Refused(RefusalCode.NOT_ELIGIBLE, {"credit_type": "statement_differs"})
    offer = _eligible_offer(policy, facts, claimed.credit_type)
    if isinstance(offer, Refused):
        return offer
    refusal = _refusal_of_attestation(credit.rule_of(offer), claimed) or _refusal_of_evaluations(policy, facts)
    if refusal is not None:
        return refusal
    units = _units(policy, facts.sessions, claimed.units, credit.rule_of(offer), at)
    if isinstance(units, Refused):
        return units
    accepted = Accepted(replace(facts, credit=ClaimedCredit(credit_type=claimed.credit_type, units=units)))
    return _refusal_of_units(policy, facts, offer, units, claimable_units(policy, facts, offer)) or accepted


def _refusal_of_attestation(rule: credit.CreditRule, claimed: CreditClaimed) -> Refused | None:
    version = {"attestation_version": rule.attestation_version}
    if not claimed.is_attested:
        return Refused(RefusalCode.ATTESTATION_REQUIRED, version)
    is_current = claimed.attestation_version == rule.attestation_version
    return None if is_current else Refused(RefusalCode.ATTESTATION_OUTDATED, version)


def _refusal_of_evaluations(policy: CEActivityPolicy, facts: ClaimFacts) -> Refused | None:
    """No credit without its evaluations; the one that comes before claiming is done when this is asked."""
    at_claim = evaluation_asked(policy, facts, EvaluationTime.AT_CLAIM)
    if at_claim is not None and not is_met(policy, at_claim, facts):
        return Refused(RefusalCode.EVALUATIONS_MISSING)
    of_each = evaluation_asked(policy, facts, EvaluationTime.PER_SESSION)
    is_each_evaluated = of_each is not None and of_each.kind not in facts.waived
    missing = sorted(facts.sessions.keys() - facts.evaluated_sessions) if is_each_evaluated else []
    return Refused(RefusalCode.EVALUATIONS_MISSING, {"sessions": ",".join(missing)}) if missing else None


def _units(
    policy: CEActivityPolicy,
    claimed: Mapping[str, Decimal],
    stated: Decimal | None,
    rule: credit.CreditRule,
    at: datetime,
) -> Decimal | Refused:
    """The amount that is stated, or what the claimed sessions add up to under the rule of the credit type."""
    if not (policy.sessions or claimed):
        return Refused(RefusalCode.CREDIT_MISSING) if stated is None else stated
    if not claimed:
        return Refused(RefusalCode.SESSIONS_MISSING)
    for code in claimed:
        session = policy.session(code)
        if session is None:
            return Refused(RefusalCode.SESSION_UNKNOWN)
        refusal = _refusal_of_session(policy, session, claimed, rule, at)
        if refusal is not None:
            return refusal
    total = sessions.total_units(claimed)
    is_same = stated is None or (stated.is_finite() and stated == total)
    return total if is_same else Refused(RefusalCode.CREDIT_TOTAL_DIFFERS, {"total": str(total)})


def _refusal_of_units(
    policy: CEActivityPolicy, facts: ClaimFacts, offer: CreditOffer, units: Decimal, most: Decimal
) -> Refused | None:
    rule = credit.rule_of(offer)
    refusal = _refusal_of_amount(units, rule.minimum_units, most, rule.increment)
    if refusal is None and is_whole_only(policy, facts, offer) and units != offer.designated_units:
        return Refused(RefusalCode.CREDIT_WHOLE_ONLY, {"limit": str(offer.designated_units)})
    return refusal


def _refusal_of_amount(units: Decimal, least: Decimal, most: Decimal, step: Decimal) -> Refused | None:
    """Whether an amount is one of the multiples of a step between two limits."""
    if units.is_nan():
        return Refused(RefusalCode.CREDIT_INCREMENT, {"limit": str(step)})
    if units > most:
        return Refused(RefusalCode.CREDIT_MAXIMUM, {"limit": str(most)})
    if units < least:
        return Refused(RefusalCode.CREDIT_MINIMUM, {"limit": str(least)})
    return Refused(RefusalCode.CREDIT_INCREMENT, {"limit": str(step)}) if units % step else None
