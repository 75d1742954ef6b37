"""Claiming credit: the statement sought, the sessions attended, the amount, making it final, and correcting it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from domain import assessments, credit, sessions
from domain.claims import (
    ClaimedCredit,
    ClaimFacts,
    completed_minutes,
    offer_of,
    requirements_of,
)
from domain.policy import CEActivityPolicy, CreditOffer, Session
from domain.refusals import Accepted, Decision, RefusalCode, Refused, incomplete
from domain.submissions import CreditClaimed, CreditCorrected, SessionClaimed, StatementChosen, StatementFinalized

Claiming = StatementChosen | SessionClaimed | CreditClaimed | StatementFinalized | CreditCorrected


def decide(policy: CEActivityPolicy, facts: ClaimFacts, body: Claiming, at: datetime) -> Decision:
    """Decide what belongs to claiming, when its turn has come."""
    match body:
        case StatementChosen():
            return _decide_statement(policy, facts, body)
        case SessionClaimed():
            return _decide_session(policy, facts, body, at)
        case CreditClaimed():
            return _decide_credit(policy, facts, body)
        case CreditCorrected():
            return _decide_correction(policy, facts, body)
        case StatementFinalized():  # pragma: no branch -- mypy proves that no other case is left
            final = replace(facts, is_final=True)
            return Accepted(final) if body.is_confirmed else Refused(RefusalCode.CONFIRMATION_REQUIRED)


def claimable_units(policy: CEActivityPolicy, facts: ClaimFacts, offer: CreditOffer) -> Decimal:
    """The most that this learner may claim of an offer: what it is designated for, or what partial progress earned."""
    content = policy.content
    if content is None or not content.allows_partial or content not in requirements_of(policy, facts):
        return offer.designated_units
    return min(offer.designated_units, credit.rule_of(offer).units_for(completed_minutes(content, facts)))


def is_whole_only(policy: CEActivityPolicy, facts: ClaimFacts) -> bool:
    """Whether the amount is not the learner's to choose: content that is complete earns all of it."""
    content = policy.content
    return content is not None and not content.allows_partial and content in requirements_of(policy, facts)


def missing_in_profile(policy: CEActivityPolicy, facts: ClaimFacts, rule: credit.CreditRule) -> tuple[str, ...]:
    """What the profile lacks: a certificate names its learner (R-AMA-7), and registries want numbers (R-CPE-3)."""
    names = () if facts.has_name else ("given_name", "family_name")
    wanted = dict.fromkeys((*rule.required_identifiers, *policy.profile_fields))
    return (*names, *(kind for kind in wanted if kind not in facts.identifiers and kind not in _NAMES))


_NAMES = frozenset({"given_name", "family_name", "profession", "credentials", "email"})


def _decide_statement(policy: CEActivityPolicy, facts: ClaimFacts, chosen: StatementChosen) -> Decision:
    refusal = _refusal_of_type(policy, facts, chosen.credit_type)
    if refusal is not None:
        return refusal
    if chosen.credit_type == facts.statement:
        return Accepted(facts)
    # An amount was attested to for the statement before.
    return Accepted(replace(facts, statement=chosen.credit_type, credit=None))


def _refusal_of_type(policy: CEActivityPolicy, facts: ClaimFacts, credit_type: str) -> Refused | None:
    offer = offer_of(policy, facts, credit_type)
    if offer is None:
        return Refused(RefusalCode.NOT_ELIGIBLE, {"credit_type": "not_offered"})
    rule = credit.rule_of(offer)
    if facts.profession not in rule.professions:
        return Refused(RefusalCode.NOT_ELIGIBLE, {"credit_type": rule.code})
    missing = missing_in_profile(policy, facts, rule)
    return Refused(RefusalCode.PROFILE_INCOMPLETE, {"fields": ",".join(missing)}) if missing else None


def _decide_session(policy: CEActivityPolicy, facts: ClaimFacts, claimed: SessionClaimed, at: datetime) -> Decision:
    session = policy.session(claimed.session)
    if session is None:
        return Refused(RefusalCode.SESSION_UNKNOWN)
    others = {code: units for code, units in facts.sessions.items() if code != session.code}
    if claimed.units is None:
        return Accepted(replace(facts, sessions=others, credit=None))
    ends_at = sessions.interval_of(session, policy.time_zone).ends_at
    if at < ends_at:
        return Refused(RefusalCode.SESSION_NOT_OVER, {"session": session.code, "ends_at": ends_at.isoformat()})
    refusal = (
        _refusal_of_responses(policy, claimed.responses)
        or _refusal_of_session(_rule_of_statement(policy, facts), session, claimed.units)
        or _refusal_of_overlap(policy, session, others)
    )
    if refusal is not None:
        return refusal
    evaluated = facts.evaluated_sessions | ({session.code} if claimed.responses is not None else set())
    units = {**others, session.code: claimed.units}
    return Accepted(replace(facts, sessions=units, evaluated_sessions=evaluated, credit=None))


def _refusal_of_responses(policy: CEActivityPolicy, responses: Mapping[str, str | int] | None) -> Refused | None:
    if responses is None:
        return None
    evaluation = policy.session_evaluation
    if evaluation is None:
        return Refused(RefusalCode.STEP_NOT_REQUIRED)
    problems = assessments.problems_with_responses(evaluation, responses)
    return incomplete(problems) if problems else None


def _rule_of_statement(policy: CEActivityPolicy, facts: ClaimFacts) -> credit.CreditRule | None:
    offer = offer_of(policy, facts, facts.statement) if facts.statement else None
    return credit.rule_of(offer) if offer else None


def _refusal_of_session(rule: credit.CreditRule | None, session: Session, units: Decimal) -> Refused | None:
    refusal = _refusal_of_amount(units, session.maximum_units, rule)
    return Refused(refusal.code, {**refusal.details, "session": session.code}) if refusal else None


def _refusal_of_overlap(policy: CEActivityPolicy, session: Session, others: Mapping[str, Decimal]) -> Refused | None:
    overlapping = sessions.overlapping(policy, session, others)
    return Refused(RefusalCode.SESSIONS_OVERLAP, {"sessions": ",".join(overlapping)}) if overlapping else None


def _decide_credit(policy: CEActivityPolicy, facts: ClaimFacts, claimed: CreditClaimed) -> Decision:
    if policy.has_statement and claimed.credit_type != facts.statement:
        return Refused(RefusalCode.NOT_ELIGIBLE, {"credit_type": "statement_differs"})
    refusal = _refusal_of_type(policy, facts, claimed.credit_type)
    offer = offer_of(policy, facts, claimed.credit_type)
    if refusal is not None or offer is None:
        return refusal or Refused(RefusalCode.NOT_ELIGIBLE)
    rule = credit.rule_of(offer)
    if not claimed.is_attested:
        return Refused(RefusalCode.ATTESTATION_REQUIRED, {"attestation_version": rule.attestation_version})
    if claimed.attestation_version != rule.attestation_version:
        return Refused(RefusalCode.ATTESTATION_OUTDATED, {"attestation_version": rule.attestation_version})
    refusal = _refusal_of_evaluations(policy, facts)
    if refusal is not None:
        return refusal
    units = sessions.total_units(facts.sessions) if policy.sessions else claimed.units
    refusal = _refusal_of_total(policy, facts, claimed.units, rule) or _refusal_of_units(policy, facts, offer, units)
    if refusal is not None or units is None:
        return refusal or Refused(RefusalCode.CREDIT_MISSING)
    return Accepted(replace(facts, credit=ClaimedCredit(credit_type=claimed.credit_type, units=units)))


def _refusal_of_evaluations(policy: CEActivityPolicy, facts: ClaimFacts) -> Refused | None:
    """No credit without its evaluations; the one that comes before claiming is done when this is asked."""
    evaluation = policy.evaluation
    if evaluation in requirements_of(policy, facts) and not facts.is_evaluated:
        return Refused(RefusalCode.EVALUATIONS_MISSING)
    missing = sorted(facts.sessions.keys() - facts.evaluated_sessions) if policy.session_evaluation else []
    return Refused(RefusalCode.EVALUATIONS_MISSING, {"sessions": ",".join(missing)}) if missing else None


def _refusal_of_total(
    policy: CEActivityPolicy, facts: ClaimFacts, stated: Decimal | None, rule: credit.CreditRule
) -> Refused | None:
    """With sessions the amount is their sum, each in the steps of the credit type that is claimed."""
    if not policy.sessions:
        return None
    if not facts.sessions:
        return Refused(RefusalCode.SESSIONS_MISSING)
    total = sessions.total_units(facts.sessions)
    if stated is not None and stated != total:
        return Refused(RefusalCode.CREDIT_TOTAL_DIFFERS, {"total": str(total)})
    uneven = [code for code, units in facts.sessions.items() if not rule.is_step(units)]
    if uneven:
        return Refused(RefusalCode.CREDIT_INCREMENT, {"limit": str(rule.increment), "sessions": ",".join(uneven)})
    return None


def _refusal_of_units(
    policy: CEActivityPolicy, facts: ClaimFacts, offer: CreditOffer, units: Decimal | None
) -> Refused | None:
    if units is None:
        return Refused(RefusalCode.CREDIT_MISSING)
    if is_whole_only(policy, facts) and units != offer.designated_units:
        return Refused(RefusalCode.CREDIT_WHOLE_ONLY, {"limit": str(offer.designated_units)})
    return _refusal_of_amount(units, claimable_units(policy, facts, offer), credit.rule_of(offer))


def _refusal_of_amount(units: Decimal, most: Decimal, rule: credit.CreditRule | None) -> Refused | None:
    """Whether an amount may be claimed; without a rule, because none is chosen yet, only its maximum counts."""
    if units.is_nan() or units <= 0:
        return Refused(RefusalCode.CREDIT_INCREMENT, {"limit": str(rule.increment)} if rule else {})
    if units > most:
        return Refused(RefusalCode.CREDIT_MAXIMUM, {"limit": str(most)})
    if rule is None:
        return None
    if units < rule.minimum_units:
        return Refused(RefusalCode.CREDIT_MINIMUM, {"limit": str(rule.minimum_units)})
    return None if rule.is_step(units) else Refused(RefusalCode.CREDIT_INCREMENT, {"limit": str(rule.increment)})


def _decide_correction(policy: CEActivityPolicy, facts: ClaimFacts, corrected: CreditCorrected) -> Decision:
    """Staff may correct what an award is for, within what its credit type allows; it is awarded and told anew."""
    awarded = facts.credit
    offer = offer_of(policy, facts, awarded.credit_type) if awarded else None
    if awarded is None or offer is None:
        return Refused(RefusalCode.CREDIT_MISSING)
    claimed = facts.sessions if corrected.sessions is None else corrected.sessions
    units = corrected.units or awarded.units
    if corrected.sessions is not None:
        refusal = _refusal_of_sessions(policy, corrected.sessions, credit.rule_of(offer))
        if refusal is not None:
            return refusal
        units = sessions.total_units(corrected.sessions)
    elif corrected.units is not None and policy.sessions:
        return Refused(RefusalCode.SESSIONS_MISSING)
    refusal = _refusal_of_amount(units, offer.designated_units, credit.rule_of(offer))
    if refusal is not None:
        return refusal
    changed = ClaimedCredit(credit_type=awarded.credit_type, units=units)
    return Accepted(replace(facts, sessions=dict(claimed), credit=changed, is_notified=False))


def _refusal_of_sessions(
    policy: CEActivityPolicy, claimed: Mapping[str, Decimal], rule: credit.CreditRule
) -> Refused | None:
    for code, units in claimed.items():
        session = policy.session(code)
        if session is None:
            return Refused(RefusalCode.SESSION_UNKNOWN)
        refusal = _refusal_of_session(rule, session, units) or _refusal_of_overlap(policy, session, claimed)
        if refusal is not None:
            return refusal
    return None if claimed else Refused(RefusalCode.SESSIONS_MISSING)
