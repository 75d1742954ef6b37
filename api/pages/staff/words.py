"""What codes of the office's pages are called, in English; translated where they are shown."""

from typing import Final

from config.languages import marked as _
from domain.claims import Attention
from domain.corrections import AwardState, CorrectionKind, CorrectionState, RevocationClass
from domain.notices import NoticePurpose
from domain.office import OperatorAction
from domain.people import Likeness
from domain.progress import Action
from domain.reasons import CorrectionResolutionReason, PauseReason, ResumptionReason
from domain.roles import Role
from domain.submissions import SubmissionKind

ACTION_WORDS: Final = {
    OperatorAction.EXTEND: _("Give more time"),
    OperatorAction.REFUSE_EXTENSION: _("Refuse more time"),
    OperatorAction.HOLD: _("Put on hold"),
    OperatorAction.RELEASE: _("End the hold"),
    OperatorAction.WAIVE: _("Waive a requirement"),
    OperatorAction.RETRY: _("Try the step again"),
    OperatorAction.RESOLVE: _("Mark as done without Laurel"),
    OperatorAction.WITHDRAW: _("Withdraw the claim"),
    OperatorAction.DENY: _("Deny the claim"),
    OperatorAction.REOPEN: _("Open the claim again"),
}
ACTION_HINTS: Final = {
    OperatorAction.EXTEND: _(
        "The claim stays open until the end of the day that you choose, in the activity's time zone. "
        "The learner is told by e-mail and reads your reason. A claim whose deadline has passed goes on."
    ),
    OperatorAction.REFUSE_EXTENSION: _("The learner is told by e-mail and reads your reason. The deadline stays."),
    OperatorAction.HOLD: _(
        "What the learner does is received and decided when the hold ends. Deadlines wait until then. "
        "The learner reads the kind of reason, not your words."
    ),
    OperatorAction.RELEASE: _("What was received meanwhile is decided now, as of the time it was received."),
    OperatorAction.WAIVE: _(
        "Nothing more is asked of the learner for this requirement. The record says that you waived it."
    ),
    OperatorAction.RETRY: _("Do this once what stopped the claim is repaired."),
    OperatorAction.RESOLVE: _(
        "Do this if the learner was told, or given the certificate, in another way. The claim is complete then."
    ),
    OperatorAction.WITHDRAW: _(
        "The claim ends without an award. Do this only if the learner wants it, or never meant to claim."
    ),
    OperatorAction.DENY: _("The claim ends without an award. The learner reads the kind of reason, not your words."),
    OperatorAction.REOPEN: _("The claim goes on where it ended. If no attempt is left, there is one more."),
}
# What ends a claim is confirmed by typing this word.
CONFIRMATIONS: Final = {OperatorAction.WITHDRAW: _("withdraw"), OperatorAction.DENY: _("deny")}

LEARNER_ACTION_WORDS: Final = {
    Action.STATE_PARTICIPATION: _("Say how they took part"),
    Action.CHOOSE_STATEMENT: _("Choose their statement of credit"),
    Action.ACKNOWLEDGE_DISCLOSURES: _("Read the disclosures"),
    Action.COMPLETE_CONTENT: _("Complete the content"),
    Action.START_ATTEMPT: _("Start an attempt at the post-test"),
    Action.SUBMIT_ANSWERS: _("Hand in the answers to the post-test"),
    Action.COMPLETE_EVALUATION: _("Complete the evaluation"),
    Action.CLAIM_SESSION: _("Claim sessions"),
    Action.CLAIM_CREDIT: _("Claim the credit"),
    Action.FINALIZE: _("Make their statement final"),
    Action.REQUEST_EXTENSION: _("Ask for more time"),
    Action.VIEW_CERTIFICATE: _("See and print the certificate"),
    Action.WITHDRAW: _("Give the claim up"),
}

SUBMISSION_WORDS: Final = {
    SubmissionKind.OPENING: _("Opening the claim"),
    SubmissionKind.PARTICIPATION: _("Proof of participation"),
    SubmissionKind.STATEMENT: _("Statement of credit"),
    SubmissionKind.DISCLOSURES: _("Acknowledgement of the disclosures"),
    SubmissionKind.PROGRESS: _("Progress reported by a platform"),
    SubmissionKind.ATTEMPT: _("Start of an attempt"),
    SubmissionKind.ANSWERS: _("Answers to the post-test"),
    SubmissionKind.EVALUATION: _("Evaluation"),
    SubmissionKind.SESSION: _("Credit for a session"),
    SubmissionKind.CREDIT: _("Amount of credit"),
    SubmissionKind.FINALIZATION: _("Final statement"),
    SubmissionKind.WITHDRAWAL: _("Withdrawal by the learner"),
    SubmissionKind.EXTENSION_REQUEST: _("Request for more time"),
    SubmissionKind.EXTENSION: _("More time"),
    SubmissionKind.EXTENSION_REFUSAL: _("Refusal of more time"),
    SubmissionKind.RETRY: _("Another try"),
    SubmissionKind.HOLD: _("Hold"),
    SubmissionKind.RELEASE: _("End of a hold"),
    SubmissionKind.WAIVER: _("Waiver of a requirement"),
    SubmissionKind.RESOLUTION: _("Done without Laurel"),
    SubmissionKind.DENIAL: _("Denial"),
    SubmissionKind.REOPENING: _("Opening the claim again"),
    SubmissionKind.STAFF_WITHDRAWAL: _("Withdrawal by the office"),
}
OUTCOME_WORDS: Final = {"undecided": _("Not decided yet"), "accepted": _("Accepted"), "refused": _("Refused")}

EMAIL_WORDS: Final = {
    NoticePurpose.SIGN_IN_LINK: _("Sign-in link"),
    NoticePurpose.AWARD: _("Certificate is ready"),
    NoticePurpose.DEADLINE_REMINDER: _("Reminder of the deadline"),
    NoticePurpose.WINDOW_OPENED: _("Claiming is open"),
    NoticePurpose.CLAIM_EXPIRED: _("The deadline has passed"),
    NoticePurpose.DEADLINE_EXTENDED: _("More time"),
    NoticePurpose.EXTENSION_REFUSED: _("No more time"),
    NoticePurpose.CLAIM_HELD: _("The claim is on hold"),
    NoticePurpose.CLAIM_RELEASED: _("The hold has ended"),
    NoticePurpose.CLAIM_DENIED: _("The claim was denied"),
    NoticePurpose.CLAIM_REOPENED: _("The claim is open again"),
    NoticePurpose.CERTIFICATE_LINK: _("Link to the certificate"),
    NoticePurpose.AWARD_REVOKED: _("Credit was revoked"),
    NoticePurpose.PROBLEM_REPORTED: _("Report of a problem, to the office"),
    NoticePurpose.PROBLEM_ANSWERED: _("Answer to a report"),
    NoticePurpose.AUDIT_CHECKPOINT: _("Checkpoint of the audit trail"),
}
EMAIL_STATES: Final = {
    "reserved": _("Follows the certificate"),
    "queued": _("Waits to be sent"),
    "sending": _("Being sent"),
    "sent": _("Sent"),
    "failed": _("Not sent"),
    "dropped": _("Not needed any more"),
}
CERTIFICATE_STATES: Final = {
    "reserved": _("Being made"),
    "issued": _("Valid"),
    "superseded": _("Replaced"),
    "revoked": _("Revoked"),
    "elsewhere": _("Issued by another system"),
}
AWARD_STATES: Final = {
    AwardState.ACTIVE: _("Counts"),
    AwardState.SUPERSEDED: _("Corrected"),
    AwardState.REVOKED: _("Revoked"),
    AwardState.MERGED: _("Counts once, with the same credit of another account"),
}
CORRECTION_WORDS: Final = {
    CorrectionKind.CREDIT: _("Other amount of credit"),
    CorrectionKind.NAME: _("Other name"),
    CorrectionKind.REISSUE: _("Certificate issued anew"),
    CorrectionKind.REVOCATION: _("Revocation"),
}
CORRECTION_STATES: Final = {
    CorrectionState.AWAITING_APPROVAL: _("Waits for a second person"),
    CorrectionState.APPROVED: _("Being made"),
    CorrectionState.APPLIED: _("Made; the certificate follows"),
    CorrectionState.COMPLETED: _("Complete"),
    CorrectionState.REFUSED: _("Not possible"),
    CorrectionState.DECLINED: _("Declined"),
    CorrectionState.RESOLVED: _("Ended by the office"),
}
CORRECTION_RESOLUTIONS: Final = {
    CorrectionResolutionReason.HANDED_OVER: _("The certificate was handed over"),
    CorrectionResolutionReason.TOLD_OTHERWISE: _("The learner was told in another way"),
    CorrectionResolutionReason.CORRECTED_AGAIN: _("It is corrected once more"),
    CorrectionResolutionReason.NOT_WANTED: _("It is not wanted any more"),
    CorrectionResolutionReason.OTHER: _("Another reason"),
}
REVOCATION_WORDS: Final = {
    RevocationClass.ISSUED_IN_ERROR: _("Issued in error"),
    RevocationClass.PARTICIPATION_NOT_VERIFIED: _("Participation could not be verified"),
    RevocationClass.DUPLICATE: _("The same credit was awarded twice"),
    RevocationClass.MISCONDUCT: _("The credit was not earned honestly"),
    RevocationClass.REQUESTED: _("The learner asked for it"),
}
ATTENTION_WORDS: Final = {
    Attention.CERTIFICATE_FAILED: _("The certificate could not be made"),
    Attention.EMAIL_FAILED: _("The e-mail could not be sent"),
    Attention.ON_HOLD: _("On hold"),
    Attention.ISSUANCE_PAUSED: _("Issuance is paused"),
}
PAUSE_WORDS: Final = {
    PauseReason.CREDIT_IN_DOUBT: _("Credit may have been awarded wrongly"),
    PauseReason.CERTIFICATE_IN_DOUBT: _("Certificates may be wrong"),
    PauseReason.KEY_COMPROMISED: _("A signing key may be in the wrong hands"),
    PauseReason.ACCREDITATION_IN_DOUBT: _("The accreditation is in question"),
    PauseReason.TECHNICAL_FAULT: _("Something does not work"),
    PauseReason.OTHER: _("Another reason"),
}
RESUMPTION_WORDS: Final = {
    ResumptionReason.CHECKED: _("Everything was checked"),
    ResumptionReason.CORRECTED: _("What was wrong is corrected"),
    ResumptionReason.PAUSED_IN_ERROR: _("The pause was an error"),
    ResumptionReason.OTHER: _("Another reason"),
}
ROLE_WORDS: Final = {
    Role.LEARNER: _("Learner"),
    Role.VIEWER: _("Viewer"),
    Role.COORDINATOR: _("Coordinator"),
    Role.APPROVER: _("Approver"),
    Role.AUDITOR: _("Auditor"),
    Role.ADMINISTRATOR: _("Administrator"),
}
ROLE_HINTS: Final = {
    Role.VIEWER: _("reads what coordinators read"),
    Role.COORDINATOR: _("runs activities and helps with claims"),
    Role.APPROVER: _("a coordinator who also agrees to what others ask for, denies and reopens"),
    Role.AUDITOR: _("reads everything, the audit trail included, and changes nothing"),
    Role.ADMINISTRATOR: _("may do everything, and says who works here"),
}
LIKENESS_WORDS: Final = {
    Likeness.SAME_IDENTIFIER: _("the same identifier"),
    Likeness.SAME_NAME_AND_BIRTH_DAY: _("the same name and birthday"),
}
