"""What may be changed about an award and its certificate after they were made, and by whom.

Whatever it changes, a correction makes a new version of the certificate, or ends it; nothing is ever rewritten.
"""

import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from domain import credit
from domain.claims import CLOSED_STAGES, ClaimFacts, Stage, format_of, offer_of
from domain.policy import CEActivityPolicy
from domain.refusals import RefusalCode, Refused
from domain.roles import APPROVING_ROLES, Role


class CorrectionKind(StrEnum):
    """What staff may ask for once credit is awarded.

    ``credit`` changes the amount or the sessions: a new award, a new version of the certificate. ``name`` and
    ``reissue`` make a new version of the certificate: with the corrected name, or with what is true today.
    ``revocation`` ends award and certificate.
    """

    CREDIT = "credit"
    NAME = "name"
    REISSUE = "reissue"
    REVOCATION = "revocation"


class CorrectionState(StrEnum):
    """How far a correction has come: asked for, agreed to by a second person, in the record, told; or not to be.

    ``resolved`` is one that was parked and that the office ended as it was, without what it was parked for.
    """

    AWAITING_APPROVAL = "awaiting_approval"
    APPROVED = "approved"
    APPLIED = "applied"
    COMPLETED = "completed"
    REFUSED = "refused"
    DECLINED = "declined"
    RESOLVED = "resolved"


UNFINISHED_STATES: Final = frozenset(
    {CorrectionState.AWAITING_APPROVAL, CorrectionState.APPROVED, CorrectionState.APPLIED}
)
FINISHED_STATES: Final = frozenset(CorrectionState) - UNFINISHED_STATES


class RevocationClass(StrEnum):
    """Why a certificate was revoked, as the public may read it."""

    ISSUED_IN_ERROR = "issued_in_error"
    PARTICIPATION_NOT_VERIFIED = "participation_not_verified"
    DUPLICATE = "duplicate"
    MISCONDUCT = "misconduct"
    REQUESTED = "requested_by_learner"


class AwardState(StrEnum):
    """Whether an award counts. One that was corrected is superseded; one of two that grant the same credit, merged."""

    ACTIVE = "active"
    SUPERSEDED = "superseded"
    REVOKED = "revoked"
    MERGED = "merged"


@dataclass(frozen=True, slots=True)
class CreditChange:
    """Another amount, or what is claimed of each session."""

    units: Decimal | None = None
    sessions: Mapping[str, Decimal] | None = None


@dataclass(frozen=True, slots=True)
class NameChange:
    """Parts of the learner's name, as they should be; None leaves a part as it is, and empty credentials are none."""

    given_name: str | None = None
    family_name: str | None = None
    credentials: str | None = None


@dataclass(frozen=True, slots=True)
class Reissue:
    """The certificate anew, with what is true today; it also takes a revocation back that was an error."""


@dataclass(frozen=True, slots=True)
class Revocation:
    """The end of award and certificate."""

    reason_class: RevocationClass


Change = CreditChange | NameChange | Reissue | Revocation

_CHANGES: Final[Mapping[CorrectionKind, type[Change]]] = {
    CorrectionKind.CREDIT: CreditChange,
    CorrectionKind.NAME: NameChange,
    CorrectionKind.REISSUE: Reissue,
    CorrectionKind.REVOCATION: Revocation,
}
_KINDS: Final = {change: kind for kind, change in _CHANGES.items()}


def kind_of(change: Change) -> CorrectionKind:
    """The kind that belongs to a change."""
    return _KINDS[type(change)]


def to_json(change: Change) -> dict[str, object]:
    """The change as JSON values: units as strings, without what is None."""
    return {name: _plain(value) for name, value in asdict(change).items() if value is not None}


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {name: str(units) for name, units in value.items()}
    return str(value)


def from_json(kind: CorrectionKind, values: Mapping[str, object]) -> Change:
    """Read back what ``to_json`` wrote."""
    match kind:
        case CorrectionKind.CREDIT:
            units, sessions = values.get("units"), values.get("sessions")
            claimed = {code: Decimal(each) for code, each in sessions.items()} if isinstance(sessions, dict) else None
            return CreditChange(None if units is None else Decimal(str(units)), claimed)
        case CorrectionKind.REVOCATION:
            return Revocation(RevocationClass(str(values["reason_class"])))
        case _:
            return _CHANGES[kind](**values)  # type: ignore[arg-type]  # the field names are checked by the call itself


@dataclass(frozen=True, slots=True)
class ApprovalPolicy:
    """For what an office wants a second person."""

    of_corrections: bool = False
    of_revocations: bool = False

    def is_asked(self, kind: CorrectionKind, award: str | None) -> bool:
        """Whether somebody else must agree; what takes a revocation back is as grave as the revocation."""
        is_about_revocation = kind is CorrectionKind.REVOCATION or award == AwardState.REVOKED
        return self.of_revocations if is_about_revocation else self.of_corrections


def may_decide(role: Role, account: str, requested_by: str) -> bool:
    """Whether an account may agree to what another account asked for."""
    return role in APPROVING_ROLES and account != requested_by


def refusal_by_standing(kind: CorrectionKind, stage: Stage, award: str | None) -> Refused | None:
    """Why a claim in this stage, whose newest award is in this state (None without one), takes no such correction.

    A certificate that cannot be made, for a character that no font has, is freed by a corrected name; but what is still
    being issued can't be revoked yet.
    """
    takes_revoked = kind is CorrectionKind.REISSUE and award == AwardState.REVOKED
    if award is None or (kind is CorrectionKind.REVOCATION and stage not in CLOSED_STAGES):
        return Refused(RefusalCode.WRONG_STATE, {"stage": stage})
    if award != AwardState.ACTIVE and not takes_revoked:
        return Refused(RefusalCode.NO_ACTIVE_AWARD, {"award": award})
    return None


def corrected_name(stored: Mapping[str, str | None], change: NameChange) -> dict[str, str | None]:
    """The whole name as it is to be: what is to be corrected, and the rest as the profile has it."""
    wanted = {part: getattr(change, part) for part in stored}
    name = {part: stored[part] if value is None else value for part, value in wanted.items()}
    return name | {"credentials": name["credentials"] or None}


def refusal_of_name(printed: tuple[str, str], name: Mapping[str, str | None]) -> Refused | None:
    """Why a name can't be corrected to this one; ``printed`` is the name and the credentials on the certificate."""
    missing = [part for part in ("given_name", "family_name") if not name[part]]
    if missing:
        return Refused(RefusalCode.PROFILE_INCOMPLETE, {"fields": ",".join(missing)})
    is_same = printed == printed_name(name)
    return Refused(RefusalCode.NOTHING_TO_CORRECT) if is_same else None


def refusal_of_characters(unprintable: Collection[str]) -> Refused | None:
    """Why no certificate can be made for a name with these characters, each with its marks, that no typeface holds.

    They are named as Unicode does, so that they can be told apart however they look.
    """
    if not unprintable:
        return None
    named = ", ".join(" with ".join(map(_named, each)) for each in sorted(unprintable))
    return Refused(RefusalCode.NAME_NOT_PRINTABLE, {"characters": named})


def _named(character: str) -> str:
    return f"U+{ord(character):04X} {unicodedata.name(character, '')}".rstrip()


def printed_name(name: Mapping[str, str | None]) -> tuple[str, str]:
    """Name and credentials as a certificate prints them."""
    return f"{name['given_name']} {name['family_name']}", name["credentials"] or ""


def printed_policy(pinned: CEActivityPolicy, current: CEActivityPolicy, facts: ClaimFacts) -> CEActivityPolicy:
    """The policy whose words a reissued certificate prints: today's, if what was awarded has its place in it.

    The credit itself stays under the policy that the claim was opened with.
    """
    awarded = facts.credit
    if awarded is None or format_of(current, facts) is not format_of(pinned, facts):
        return pinned
    before, today = (offer_of(policy, facts, awarded.credit_type) for policy in (pinned, current))
    if before is None or today is None or today.designated_units < awarded.units:
        return pinned
    known = {session.code: session.maximum_units for session in current.sessions}
    has_sessions = all(units <= known.get(code, Decimal(0)) for code, units in facts.sessions.items())
    return current if has_sessions and credit.rule_of(before) == credit.rule_of(today) else pinned
