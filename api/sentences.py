"""Entries of the audit trail as sentences: what each event means, with what belongs to it.

An event has sentences from the one that says most to the one that needs nothing; the first is taken whose values the
entry has. ``tests/api/test_sentences.py`` finds events that the code enters and nobody has words for.
"""

from collections.abc import Mapping
from string import Formatter
from typing import Any, Final

from api.formats import day, moment
from api.problems import refusal_kind
from config.keys import KeyPurpose
from config.languages import gettext
from domain import credit
from domain.claims import Attention
from domain.corrections import CorrectionKind, RevocationClass
from domain.credit import CertificateWording, CreditRule
from domain.office import OperatorAction
from domain.platform_events import EventState
from domain.reasons import (
    CorrectionResolutionReason,
    DenialReason,
    ExtensionReason,
    ExtensionRefusalReason,
    HoldReason,
    PauseReason,
    ReleaseReason,
    ReopeningReason,
    ResolutionReason,
    ResumptionReason,
    RetryReason,
    WaiverReason,
    WithdrawalReason,
)
from domain.refusals import RefusalCode
from domain.roles import Role
from storage.definitions import DefinitionStatus

_OF_CLAIMS: Final[Mapping[str, tuple[str, ...]]] = {
    "opening.accepted": ("The claim was opened.",),
    "participation.accepted": ("Participation was proved.",),
    "participation.verified": ("A roster proved participation.",),
    "statement.accepted": ("The statement of credit was chosen: {credit_type}.", "The statement of credit was chosen."),
    "disclosures.accepted": ("The disclosures were acknowledged.",),
    "progress.accepted": ("The learning platform reported progress.",),
    "session.accepted": (
        "Session {session} was saved with {units} units.",
        "Session {session} is not claimed.",
        "The credit claimed for a session was saved.",
    ),
    "finalization.accepted": ("The statement was made final.",),
    "extension_request.accepted": ("More time was asked for.",),
    "extension_refusal.accepted": ("More time was refused: {reason_code}.", "More time was refused."),
    "extension.accepted": ("The deadline was extended to {due_at}.", "The deadline was extended."),
    "attempt.accepted": ("Attempt {attempt} at the post-test was started.", "An attempt at the post-test was started."),
    "answers.accepted": (
        "The answers of attempt {attempt} at the post-test were given.",
        "The answers to the post-test were given.",
    ),
    "attempt.graded": (
        "The post-test was graded. {correct} of {total} answers are right: {has_passed}.",
        "The post-test was graded.",
    ),
    "evaluation.accepted": ("The evaluation was completed.",),
    "window.opened": ("Credit can be claimed from now on.",),
    "credit.accepted": ("Credit was claimed: {units} {credit_type}.", "Credit was claimed."),
    "credit.awarded": (
        "The credit was awarded: {units} {credit_type}.",
        "The credit was awarded: {units}.",
        "The credit was awarded.",
    ),
    "certificate.issued": ("The certificate was issued.",),
    "email.requeued": ("Staff had an e-mail sent once more.",),
    "note.added": ("A member of staff noted something.",),
    "email.sent": ("The certificate was announced by e-mail.",),
    "email.dropped": ("No certificate was announced: the same credit was awarded under another account.",),
    "withdrawal.accepted": ("The claim was withdrawn.",),
    "retry.accepted": (
        "A step that had stopped was tried again: {reason_code}.",
        "A step that had stopped was tried again.",
    ),
    "hold.accepted": ("The claim was put on hold: {reason_code}.", "The claim was put on hold."),
    "release.accepted": ("The hold ended: {reason_code}.", "The hold ended."),
    "waiver.accepted": (
        "A requirement was waived: {requirement} ({reason_code}).",
        "A requirement was waived: {requirement}.",
        "A requirement was waived.",
    ),
    "resolution.accepted": (
        "The office did what could not be sent: {reason_code}.",
        "The office did what could not be sent.",
    ),
    "denial.accepted": ("The claim was denied: {reason_code}.", "The claim was denied."),
    "reopening.accepted": ("The claim was opened again: {reason_code}.", "The claim was opened again."),
    "staff_withdrawal.accepted": (
        "The office withdrew the claim: {reason_code}.",
        "The office withdrew the claim.",
    ),
    "claim.expired": ("The deadline passed, and the claim was closed.",),
    "claim.parked": ("The claim waits for a member of staff: {attention}.", "The claim waits for a member of staff."),
    "claim.continued": ("The claim goes on.",),
    "problem.reported": ("A problem was reported.",),
    "problem.answered": ("The report of a problem was answered.",),
    "problem.closed": ("The report of a problem was closed.",),
    "claim.moved": ("The claim moved here from another account of the same person.",),
}
_OF_AWARDS: Final[Mapping[str, tuple[str, ...]]] = {
    "award.merged": (
        "The award counts no more: the same credit was awarded under another account of the same person.",
    ),
    "correction.requested": ("{kind} was asked for.",),
    "correction.approved": ("A second person agreed: {kind} may be made.",),
    "correction.declined": ("A second person did not agree: {kind} is not made.",),
    "correction.parked": ("{kind} waits for a member of staff: {attention}.",),
    "correction.continued": ("{kind} goes on.",),
    "correction.completed": ("{kind} is complete.",),
    "correction.resolved": ("The office ended {kind}: {reason_code}.", "The office ended {kind}."),
    "credit.corrected": (
        "The credit was corrected: {units} {credit_type}. Version {version} of the certificate follows.",
    ),
    "name.corrected": ("The name was corrected. Version {version} of the certificate follows.",),
    "certificate.reissued": ("The certificate is issued anew, as version {version}.",),
    "credit.revoked": ("The credit and its certificate were revoked: {reason_class}.",),
}
_OF_PEOPLE: Final[Mapping[str, tuple[str, ...]]] = {
    "account.opened": ("An account was opened.",),
    "account.removed": ("The account was removed, because it held nothing.",),
    "account.role_given": ("The account was given the role {role}.", "The account was given a role."),
    "account.linked": ("The account was linked with the identity provider {issuer}.", "The account was linked."),
    "account.deactivated": ("The account was closed for signing in.",),
    "profile.changed": ("The profile was changed: {fields}.", "The profile was changed."),
    "transcript_link.created": (
        "The transcript was shared by a link, until {expires_at}.",
        "The transcript was shared by a link.",
    ),
    "transcript_link.revoked": ("A link to the transcript was revoked.",),
    "lookup.account_found": ("An existing account was found; a link was sent to its address.",),
    "lookup.no_match": ("No existing account was found.",),
    "learner.merge_requested": ("Another account was to become part of this one.",),
    "learner.merged": ("Another account of the same person became part of this one.",),
    "learner.merged_into": ("The account became part of another one of the same person.",),
    "legal_hold.placed": ("A legal hold was placed: nothing is removed while it lasts.",),
    "legal_hold.released": ("A legal hold was lifted.",),
    "retention.purged": ("What was kept long enough was removed.",),
    "erasure.contact": ("The contact data was erased, by destroying its key.",),
    "erasure.record": ("The personal data of the record was erased, by destroying its key.",),
    "historical_award.entered": (
        "Credit from before this record was entered: {units} {credit_type}, completed on {completed_on}.",
        "Credit from before this record was entered.",
    ),
    "historical_award.voided": (
        "Credit from before this record was voided: {units} {credit_type}, completed on {completed_on}.",
        "Credit from before this record was voided.",
    ),
}
_OF_THE_OFFICE: Final[Mapping[str, tuple[str, ...]]] = {
    "ce_activity.published": ("Version {version} of the CE activity {slug} was entered; its status: {status}.",),
    "ce_activity.status_changed": ("The CE activity {slug} has another status: {status}.",),
    "roster.previewed": ("A roster of {row_count} rows was uploaded and previewed.", "A roster was previewed."),
    "roster.applied": ("The roster was applied.",),
    "roster.entry_added": ("A platform added a person to its roster.",),
    "employees.loaded": ("A list of {count} employees was loaded.", "A list of employees was loaded."),
    "employees.cleared": ("The list of employees was cleared.",),
    "integration.added": ("The platform may send events from now on.",),
    "integration.secret_rotated": ("The platform was given a new secret.",),
    "integration.previous_secret_dropped": ("The platform's earlier secret was dropped.",),
    "integration.disabled": ("The platform may send no more events.",),
    "event.assigned": ("An event was assigned to a learner by hand: {state}.",),
    "event.retried": ("An event that waited was tried again: {state}.",),
    "event.dismissed": ("An event was dismissed: it has no effect.",),
    "bulk.started": ("Staff acted on many claims at once: {action}, {claims} claims.",),
    "completion.exported": ("The completion of {ce_activity} was handed out: {rows} rows.",),
    "view.saved": ("The view {name} of the claims list was saved.",),
    "view.removed": ("The view {name} of the claims list was removed.",),
    "certificate_template.published": (
        "Version {version} of the certificate template {name} was published.",
        "A certificate template was published.",
    ),
    "certificate_template.retired": (
        "The certificate template {name} was retired.",
        "A certificate template was retired.",
    ),
    "claim.exported": ("The audit bundle of the claim {claim} was handed out.",),
    "claims.exported": (
        "The list of claims from {from} to {to} was handed out: {rows} rows.",
        "A list of claims was handed out: {rows} rows.",
    ),
    "entries.exported": ("The audit entries from {from} to {to} were handed out: {rows} entries.",),
    "issuance.paused": (
        "Issuance was paused for {provider}: {reason_code}.",
        "Issuance was paused for {provider}.",
        "Issuance was paused for every provider: {reason_code}.",
        "Issuance was paused.",
    ),
    "issuance.resumed": (
        "Issuance goes on for {provider}: {reason_code}.",
        "Issuance goes on for {provider}.",
        "Issuance goes on for every provider: {reason_code}.",
        "Issuance goes on.",
    ),
    "image.added": ("Version {version} of the picture {name} was added.", "A picture was added."),
    "key.registered": ("The key {key} was published; its purpose: {purpose}.", "A key was published."),
    "key.retired": ("The key {key} signs no more; what it signed holds.", "A key was retired."),
    "key.revoked": ("The key {key} was revoked; what it signed is not trusted.", "A key was revoked."),
}
# Participation is no credit, and must not be called so (R-AMA-6).
_OF_PARTICIPATION: Final[Mapping[str, tuple[str, ...]]] = {
    "statement.accepted": ("The statement was chosen: {credit_type}.",),
    "credit.accepted": ("Participation of {units} {unit}s was stated.", "Participation was stated."),
    "credit.awarded": ("Participation of {units} {unit}s was recorded.", "Participation was recorded."),
    "credit.corrected": (
        "The participation was corrected: {units} {unit}s. Version {version} of the certificate follows.",
    ),
    "credit.revoked": ("The certificate of participation was revoked: {reason_class}.",),
    "historical_award.entered": (
        "Participation from before this record was entered: {units} {unit}s, completed on {completed_on}.",
    ),
    "historical_award.voided": (
        "Participation from before this record was voided: {units} {unit}s, completed on {completed_on}.",
    ),
}
WORDS: Final[Mapping[str, tuple[str, ...]]] = {**_OF_CLAIMS, **_OF_AWARDS, **_OF_PEOPLE, **_OF_THE_OFFICE}

_STEPS: Final[Mapping[str, str]] = {
    "opening": "Opening the claim",
    "participation": "Proving participation",
    "statement": "Choosing the statement of credit",
    "disclosures": "Acknowledging the disclosures",
    "progress": "Recording progress",
    "session": "Claiming a session",
    "finalization": "Making the statement final",
    "extension_request": "Asking for more time",
    "extension_refusal": "Refusing more time",
    "correction": "Correcting the award",
    "attempt": "Starting an attempt",
    "answers": "Giving the answers",
    "evaluation": "Completing the evaluation",
    "credit": "Claiming credit",
    "withdrawal": "Withdrawing the claim",
    "extension": "Extending the deadline",
    "retry": "Trying a step again",
    "hold": "Putting the claim on hold",
    "release": "Ending the hold",
    "waiver": "Waiving a requirement",
    "resolution": "Doing a step without Laurel",
    "denial": "Denying the claim",
    "reopening": "Opening the claim again",
    "staff_withdrawal": "Withdrawing the claim",
}
# What a refusal's details add to its title.
_LIMITS: Final[Mapping[str, tuple[str, ...]]] = {
    RefusalCode.CREDIT_MAXIMUM: ("{limit}",),
    RefusalCode.CREDIT_MINIMUM: ("{limit}",),
    RefusalCode.CREDIT_INCREMENT: ("steps of {limit}",),
    RefusalCode.CREDIT_WHOLE_ONLY: ("{limit}",),
    RefusalCode.CREDIT_TOTAL_DIFFERS: ("{total}",),
    RefusalCode.DEADLINE_PASSED: ("{due_at}",),
    RefusalCode.DEADLINE_TOO_LATE: ("{latest_on} at the latest",),
    RefusalCode.WINDOW_NOT_OPEN: ("it opens {opens_at}",),
    RefusalCode.TOO_MANY_TRIES: ("until {again_at}",),
    RefusalCode.SESSION_NOT_OVER: ("it ends {ends_at}",),
    RefusalCode.SESSIONS_OVERLAP: ("{sessions}",),
    RefusalCode.EVALUATIONS_MISSING: ("{sessions}",),
    RefusalCode.PROFILE_INCOMPLETE: ("{fields}",),
    RefusalCode.NAME_NOT_PRINTABLE: ("{characters}",),
}
_ATTENTION: Final[Mapping[str, str]] = {
    Attention.CERTIFICATE_FAILED: "the certificate could not be made",
    Attention.EMAIL_FAILED: "the e-mail could not be sent",
    Attention.ON_HOLD: "the office holds it",
    Attention.ISSUANCE_PAUSED: "the office has paused issuing",
}
# Why the office acts on a claim, as its learner reads it; another reason is not told.
REASON_CODES: Final[Mapping[str, str]] = {
    HoldReason.PARTICIPATION_CHECK: "participation is being checked",
    HoldReason.IDENTITY_CHECK: "it is being checked who the learner is",
    HoldReason.ELIGIBILITY_CHECK: "it is being checked who may claim this credit",
    HoldReason.DUPLICATE_CHECK: "it is being checked whether the credit was claimed before",
    HoldReason.ACTIVITY_REVIEW: "the activity is being reviewed",
    ReleaseReason.CHECKED: "everything was checked",
    ReleaseReason.CORRECTED: "what was wrong was corrected",
    ReleaseReason.HELD_IN_ERROR: "the hold was an error",
    ExtensionReason.VERIFIED_LATE: "participation could be verified only late",
    ExtensionRefusalReason.PERIOD_OVER: "the credit of this activity can't be claimed any longer",
    ExtensionRefusalReason.NOT_JUSTIFIED: "what was said was no sufficient reason",
    RetryReason.REPAIRED: "what had stopped it was repaired",
    RetryReason.ADDRESS_CORRECTED: "the learner's address was corrected",
    WaiverReason.DONE_OTHERWISE: "it was done in another way",
    WaiverReason.TECHNICAL_FAULT: "something did not work",
    WaiverReason.ACCOMMODATION: "as an accommodation",
    WaiverReason.ACTIVITY_CHANGED: "the activity was changed",
    ResolutionReason.HANDED_OVER: "the certificate was handed over",
    ResolutionReason.TOLD_OTHERWISE: "the learner was told in another way",
    CorrectionResolutionReason.CORRECTED_AGAIN: "it is corrected once more",
    CorrectionResolutionReason.NOT_WANTED: "it is not wanted any more",
    DenialReason.PARTICIPATION_NOT_VERIFIED: "participation could not be verified",
    DenialReason.NOT_ELIGIBLE: "this credit is not for the learner's profession",
    DenialReason.DUPLICATE: "the same credit was claimed twice",
    DenialReason.MISCONDUCT: "the credit was not earned honestly",
    ReopeningReason.ENDED_IN_ERROR: "it had ended in error",
    ReopeningReason.APPEAL_GRANTED: "an appeal was granted",
    ReopeningReason.LEARNER_ASKED: "the learner asked for it",
    WithdrawalReason.OPENED_IN_ERROR: "it was opened in error",
    PauseReason.CREDIT_IN_DOUBT: "credit may have been awarded wrongly",
    PauseReason.CERTIFICATE_IN_DOUBT: "certificates may be wrong",
    PauseReason.KEY_COMPROMISED: "a signing key may be in the wrong hands",
    PauseReason.ACCREDITATION_IN_DOUBT: "the accreditation is in question",
    ResumptionReason.PAUSED_IN_ERROR: "the pause was an error",
}
REQUIREMENTS: Final[Mapping[str, str]] = {
    "participation": "the proof of participation",
    "disclosures": "the acknowledgement of the disclosures",
    "content": "the content",
    "post_test": "the post-test",
    "evaluation": "the evaluation",
}
REVOKED: Final[Mapping[str, str]] = {
    RevocationClass.ISSUED_IN_ERROR: "it was issued in error",
    RevocationClass.PARTICIPATION_NOT_VERIFIED: "participation could not be verified",
    RevocationClass.DUPLICATE: "the same credit was certified twice",
    RevocationClass.MISCONDUCT: "the credit was not earned honestly",
    RevocationClass.REQUESTED: "its holder asked for it",
}
_CORRECTIONS: Final[Mapping[str, str]] = {
    CorrectionKind.CREDIT: "a correction of the credit",
    CorrectionKind.NAME: "a correction of the name",
    CorrectionKind.REISSUE: "a reissue of the certificate",
    CorrectionKind.REVOCATION: "a revocation",
}
_CODES: Final[Mapping[str, Mapping[str, str]]] = {
    "attention": _ATTENTION,
    "reason_class": REVOKED,
    "kind": _CORRECTIONS,
    "reason_code": REASON_CODES,
    "requirement": REQUIREMENTS,
}
# Codes that are read as they are written, in a language in which they are words.
_READ_AS_WRITTEN: Final[Mapping[str, Mapping[str, str]]] = {
    name: {str(code): str(code).replace("_", " ") for code in codes}
    for name, codes in {
        "action": OperatorAction,
        "fields": (
            "given_name",
            "family_name",
            "credentials",
            "profession",
            "time_zone",
            "language",
            "wants_reminders",
            "shows_name",
        ),
        "purpose": KeyPurpose,
        "role": Role,
        "state": EventState,
        "status": DefinitionStatus,
    }.items()
}
_YES_OR_NO: Final = ("no", "yes")
_TRUTH: Final[Mapping[str, tuple[str, str]]] = {"has_passed": ("not passed", "passed")}
TOLD: Final = (WORDS, _OF_PARTICIPATION, _STEPS, _LIMITS, _CODES, _READ_AS_WRITTEN, _YES_OR_NO, _TRUTH)
"""Every sentence and every word that a history is told with, for its translation."""


def sentence(
    event: str, after: Mapping[str, Any], time_zone: str = "UTC", titles: Mapping[str, str] | None = None
) -> str:
    """What an event means, with the result or the reason that belongs to it; times are told in this zone.

    ``titles`` are those of sessions by their codes, which say little to people. An event that this release has no
    words for is told by its code.
    """
    values = _spoken(after, time_zone) | _titled(after, titles or {})
    step, _, what = event.rpartition(".")
    if what == "refused":
        code = str(after.get("refusal"))
        title = refusal_kind(code).title
        limit = _first(_LIMITS.get(code, ()), values)
        ends = f" ({limit})" if limit else ""
        refused = values.get("kind", _STEPS[step]) if step == "correction" else _STEPS.get(step, "A step")
        reason = gettext(title)
        return gettext("{step} was refused: {reason}{ends}.").format(
            step=_capital(gettext(refused)), reason=f"{reason[0].lower()}{reason[1:]}", ends=ends
        )
    rule = _rule(after.get("credit_type"))
    words = WORDS.get(event, ())
    if rule is not None and rule.certificate_wording is CertificateWording.PARTICIPATION:
        words = (*_OF_PARTICIPATION.get(event, ()), *words)
        values |= {"unit": rule.unit}
    said = _first(words, values) or f"{event.replace('.', ': ').replace('_', ' ')}."
    return _capital(said)


def _capital(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}"


def _first(templates: tuple[str, ...], values: Mapping[str, str]) -> str | None:
    """The first of these templates whose values are there, filled in."""
    for template in templates:
        if all(name in values for _, name, _, _ in Formatter().parse(template) if name):
            return gettext(template).format_map(values)
    return None


def _spoken(values: Mapping[str, Any], time_zone: str) -> dict[str, str]:
    """An entry's values as people say them; what is None or a list of things is left out."""
    return {name: said for name, value in values.items() if (said := _said(name, value, time_zone)) is not None}


def _titled(after: Mapping[str, Any], titles: Mapping[str, str]) -> dict[str, str]:
    """The sessions that an entry names, by their titles as far as these are known."""
    named = {name: after[name].split(",") for name in ("session", "sessions") if isinstance(after.get(name), str)}
    return {
        name: ", ".join(f"“{titles[code]}”" if code in titles else code for code in codes)
        for name, codes in named.items()
        if not titles.keys().isdisjoint(codes)
    }


def _said(name: str, value: Any, time_zone: str) -> str | None:
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ", ".join(gettext(each.replace("_", " ")) for each in value)
    if isinstance(value, bool):
        return gettext(_TRUTH.get(name, _YES_OR_NO)[value])
    if not isinstance(value, str | int):
        return None
    words = _CODES.get(name)
    if words is not None:
        return gettext(words[str(value)]) if str(value) in words else None
    if name == "credit_type":
        rule = _rule(value)
        return rule.name if rule else str(value)
    if name in _READ_AS_WRITTEN or name == "sessions":
        return ", ".join(gettext(each.replace("_", " ")) for each in str(value).split(","))
    try:
        if name.endswith("_at"):
            return moment(str(value), time_zone)
        return day(str(value)) if name.endswith("_on") else str(value)
    except ValueError:
        return str(value)


def _rule(code: object) -> CreditRule | None:
    """The newest rule of a credit type; None for one that this release does not know."""
    try:
        return credit.rule(str(code))
    except credit.UnknownCreditTypeError:
        return None
