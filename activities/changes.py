"""What a correction changes in the record: the claim's next award, or the next version of its certificate, or its end.

What was granted and printed is never changed itself. The one before ends, and names what replaced it, so that whoever
holds the old certificate is told what became of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection

from activities.awards import (
    AwardOrder,
    deciding_rules,
    draw_up,
    grant,
    new_version,
    printed_credit,
    printed_learner,
    reserve_certificate,
)
from activities.ledger import ClaimLedger
from activities.policies import PolicyCache
from documents.models import CertificateData
from documents.typefaces import missing_glyphs
from domain import credit
from domain.claiming import correct
from domain.claims import ClaimFacts, completed_on
from domain.corrections import (
    AwardState,
    CorrectionState,
    CreditChange,
    NameChange,
    Reissue,
    Revocation,
    corrected_name,
    printed_name,
    printed_policy,
    refusal_by_standing,
    refusal_of_characters,
    refusal_of_name,
)
from domain.notices import NoticePurpose
from domain.refusals import RefusalCode, Refused
from storage import acts, awards, claims, corrections, emails
from storage.audit import learner_stream
from storage.awards import StandingAward
from storage.corrections import Correction


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A change that was made: how far that brings the correction, what its entry says, and the claim's new columns.

    ``outcome`` names the award and the certificate that it is about. ``before`` and ``after`` say how the claim's
    newest award and certificate stand; ``rule`` names the rules of an award that was granted.
    """

    event: str
    state: CorrectionState
    outcome: Mapping[str, Any]
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    rule: str | None = None
    private: Mapping[str, Any] = field(default_factory=dict)
    columns: Mapping[str, Any] = field(default_factory=dict)


class Changes:
    """The change that one correction of a locked claim asks for: whether it can be made, and making it."""

    def __init__(self, ledger: ClaimLedger, correction: Correction, policies: PolicyCache, public_url: str) -> None:
        self._ledger = ledger
        self._claim = ledger.claim
        self._correction = correction
        self._policies = policies
        self._public_url = public_url
        self._standing = awards.standing_award(ledger.connection, ledger.claim.id)

    @property
    def _connection(self) -> Connection:
        return self._ledger.connection

    def refusal(self) -> Refused | None:
        """Why the change cannot be made: it breaks the rules of the credit, changes nothing, or cannot be printed."""
        change, standing = self._correction.change, self._standing
        refused = refusal_by_standing(self._correction.kind, self._ledger.stage, standing.state if standing else None)
        if refused is not None or standing is None:
            return refused
        match change:
            case CreditChange():
                corrected = self._corrected(change)
                refused = corrected if isinstance(corrected, Refused) else None
            case NameChange():
                printed = (standing.data["learner_name"], standing.data["learner_credentials"])
                refused = refusal_of_name(printed, self._name(change))
            case Revocation():
                return None
        return refused or self._refusal_of_print(change if isinstance(change, NameChange) else NameChange())

    def _refusal_of_print(self, change: NameChange) -> Refused | None:
        """Why the next version could not be made under the name that it prints, with this change if it is one."""
        if not self._ledger.policy.certificate.is_here:
            return None
        return refusal_of_characters(missing_glyphs(" ".join(printed_name(self._name(change)))))

    def _corrected(self, change: CreditChange) -> ClaimFacts | Refused:
        decision = correct(self._ledger.policy, self._claim.facts, change, self._correction.requested_at)
        return decision if isinstance(decision, Refused) else decision.facts

    def _name(self, change: NameChange) -> dict[str, str | None]:
        return corrected_name(corrections.name_of(self._connection, self._claim.learner_id), change)

    def make(self) -> Made | Refused:
        """Make the change, unless it cannot be made."""
        refused, standing = self.refusal(), self._standing
        if refused is not None:
            return refused
        if standing is None:  # pragma: no cover -- refused as out of turn
            raise LookupError(self._correction.id)
        match self._correction.change:
            case CreditChange() as change:
                return self._correct_credit(standing, change)
            case NameChange() as change:
                return self._correct_name(standing, change)
            case Reissue():
                return self._reissue(standing)
            case Revocation() as revocation:  # pragma: no branch -- mypy proves that no other case is left
                return self._revoke(standing, revocation)

    def _correct_credit(self, standing: StandingAward, change: CreditChange) -> Made | Refused:
        corrected = self._corrected(change)
        if isinstance(corrected, Refused):
            return corrected
        order, number = self._order(standing, corrected), standing.number + 1
        awards.end_award(self._connection, standing.id, AwardState.SUPERSEDED)
        award_id = grant(self._connection, order, number)
        if award_id is None:  # pragma: no cover -- the award that stood in the way has just ended
            raise LookupError(standing.id)
        after = _award_said(order, award_id, number) | {"supersedes": standing.id}
        if change.sessions is not None:
            claims.replace_sessions(self._connection, self._claim.id, change.sessions, self._correction.requested_at)
            after["sessions"] = {code: f"{units:.2f}" for code, units in change.sessions.items()}
        data = self._next_version(standing, order, printed_credit(order))
        made = self._replaced(standing, order, data, "credit.corrected", after)
        return replace(made, columns={"claimed_units": order.credit.units})

    def _correct_name(self, standing: StandingAward, change: NameChange) -> Made:
        learner_id = self._claim.learner_id
        before, name = corrections.name_of(self._connection, learner_id), self._name(change)
        changed = sorted(part for part in name if name[part] != before[part])
        if changed:
            self._save_profile(before, name, changed)
        order = self._order(standing, self._claim.facts)
        data = self._next_version(standing, order, {})
        made = self._replaced(standing, order, data, "name.corrected", {"award": standing.id})
        printed = ("learner_name", "learner_credentials")
        return replace(
            made,
            private={
                "before": {part: standing.data[part] for part in printed},
                "after": {part: getattr(data, part) for part in printed},
            },
        )

    def _save_profile(
        self, before: Mapping[str, str | None], name: Mapping[str, str | None], changed: list[str]
    ) -> None:
        """Correct the name in the profile, too, which has a history of its own."""
        learner_id = self._claim.learner_id
        corrections.save_name(self._connection, learner_id, name)
        acts.enter(
            self._connection,
            learner_stream(learner_id),
            "profile.changed",
            acts.Actor(self._correction.requested_by),
            step_key=f"correction:{self._correction.id}",
            at=self._claim.now,
            after={"fields": changed, "correction": self._correction.id},
            private={
                "before": {part: before[part] for part in changed},
                "after": {part: name[part] for part in changed},
            },
            subject=learner_id,
        )

    def _reissue(self, standing: StandingAward) -> Made | Refused:
        order = self._order(standing, self._claim.facts)
        after = {"award": standing.id}
        if standing.state is AwardState.REVOKED:
            number = standing.number + 1
            award_id = grant(self._connection, order, number)
            if award_id is None:
                return Refused(RefusalCode.ALREADY_CLAIMED, {"credit_type": standing.credit_type})
            after = _award_said(order, award_id, number)
        version_id = corrections.current_version(self._connection, self._claim.ce_activity_id)
        pinned, current = self._ledger.policy, self._policies.get(self._connection, version_id)
        printed = printed_policy(pinned, current, order.facts)
        after["printed_policy"] = version_id if printed is current else self._claim.version_id
        # Which system issues certificates stays as it was when the claim was opened.
        todays = replace(order, policy=replace(printed, certificate=pinned.certificate))
        data = draw_up(self._connection, todays, standing.version + 1)
        return self._replaced(standing, todays, data, "certificate.reissued", after)

    def _revoke(self, standing: StandingAward, revocation: Revocation) -> Made:
        awards.end_award(self._connection, standing.id, AwardState.REVOKED)
        awards.revoke_certificate(self._connection, standing.certificate_id, revocation.reason_class, self._claim.now)
        emails.queue_notice(self._connection, NoticePurpose.AWARD_REVOKED, self._claim.id, self._correction.id)
        ended = {"award": standing.id, "certificate": standing.certificate_id}
        is_here = standing.certificate_state != "elsewhere"
        after = {
            **ended,
            "award_state": AwardState.REVOKED,
            "certificate_state": "revoked" if is_here else standing.certificate_state,
            "credit_type": standing.credit_type,
            "reason_class": revocation.reason_class,
        }
        # Nothing is left to do: the outbox tells the learner.
        return Made(
            event="credit.revoked",
            state=CorrectionState.COMPLETED,
            outcome=ended,
            before=_standing_said(standing),
            after=after,
        )

    def _order(self, standing: StandingAward, facts: ClaimFacts) -> AwardOrder:
        """The award that these facts amount to, completed on the day on which it was completed in the first place.

        Other sessions may have been held on other days.
        """
        if facts.credit is None:  # pragma: no cover -- there is an award, so credit was claimed
            raise LookupError(self._claim.id)
        policy, is_by_sessions = self._ledger.policy, bool(facts.sessions)
        return AwardOrder(
            claim=self._claim,
            policy=policy,
            facts=facts,
            credit=facts.credit,
            attestation_version=standing.attestation_version,
            attested_at=standing.attested_at,
            completed_on=completed_on(policy, facts, standing.first_awarded_at)
            if is_by_sessions
            else standing.completed_on,
            public_url=self._public_url,
        )

    def _next_version(
        self, standing: StandingAward, order: AwardOrder, corrected: Mapping[str, Any]
    ) -> CertificateData:
        """The certificate as it was, but for what is corrected and for its learner, who is named as of today."""
        before = CertificateData.from_json(dict(standing.data))
        learner = printed_learner(self._connection, order)
        return replace(before, **new_version(order, standing.version + 1), **learner, **corrected)

    def _replaced(
        self, standing: StandingAward, order: AwardOrder, data: CertificateData, event: str, after: Mapping[str, Any]
    ) -> Made:
        """End the version before in favour of the next one, and of the e-mail that announces it."""
        awards.supersede_certificate(self._connection, standing.certificate_id, self._claim.now)
        reserve_certificate(self._connection, order, after["award"], data)
        awards.name_successor(self._connection, standing.certificate_id, data.certificate_id)
        made = {"certificate": data.certificate_id, "version": data.version}
        said = {
            "award_state": AwardState.ACTIVE,
            "certificate_state": "reserved" if order.policy.certificate.is_here else "elsewhere",
            "supersedes_certificate": standing.certificate_id,
        }
        return Made(
            event=event,
            state=CorrectionState.APPLIED,
            outcome={"award": after["award"], **made},
            before=_standing_said(standing),
            after={**after, **made, **said},
            rule=_rules_of(after),
        )


def _standing_said(standing: StandingAward) -> dict[str, Any]:
    """How the award and its certificate stood before the change."""
    return {
        "award": standing.id,
        "award_state": standing.state,
        "certificate": standing.certificate_id,
        "certificate_state": standing.certificate_state,
    }


def _rules_of(after: Mapping[str, Any]) -> str | None:
    """The rules of an award that the entry says was granted; None where the award stays."""
    if "number" not in after:
        return None
    return deciding_rules(after["policy_version"], after["credit_type"], after["rule_version"])


def _award_said(order: AwardOrder, award_id: str, number: int) -> dict[str, Any]:
    """What the audit trail says of an award, as it does of the claim's first one."""
    rule = credit.rule_of(order.offer)
    return {
        "award": award_id,
        "number": number,
        "credit_type": rule.code,
        "units": str(order.credit.units),
        "rule_version": rule.version,
        "policy_version": order.claim.version_id,
    }
