"""Why claims are stuck, why e-mails fail, and what to do about it, in plain words; translated where they are shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from config.languages import marked as _
from domain.stuck import DEFECT_ERRORS, StuckCause, StuckReason


@dataclass(frozen=True, slots=True)
class StuckWords:
    """What a reason is called, what it means, and what is suggested."""

    title: str
    meaning: str
    suggestion: str


STUCK_WORDS: Final[Mapping[StuckReason, StuckWords]] = {
    StuckReason.CERTIFICATE_FAILED: StuckWords(
        _("The certificate could not be made"),
        _("The credit is awarded. Making its certificate failed several times, so the claim waits for you."),
        _("Repair what the last error names, then retry. A template: publish it mended, then reissue the certificate."),
    ),
    StuckReason.EMAIL_FAILED: StuckWords(
        _("The e-mail about the award could not be sent"),
        _("The certificate is issued. The learner was not told, because the mail server did not take the e-mail."),
        _("Correct the learner's address or repair the mail server, then retry the step."),
    ),
    StuckReason.ON_HOLD: StuckWords(
        _("On hold"),
        _("The office put these claims on hold. Steps of their learners are kept, and decided after the release."),
        _("Release what has been checked."),
    ),
    StuckReason.ISSUANCE_PAUSED: StuckWords(
        _("Issuance is paused"),
        _("The office has paused issuing. What was claimed is kept, with its time, and nobody becomes late by it."),
        _("Lift the pause once its cause is clear; everything that waits then goes on by itself."),
    ),
    StuckReason.CORRECTION_CERTIFICATE_FAILED: StuckWords(
        _("The certificate of a correction could not be made"),
        _("The correction is made. Making its certificate failed several times, so the correction waits for you."),
        _("Repair what the last error names, then run laurel claims retry with the correction's ID."),
    ),
    StuckReason.CORRECTION_EMAIL_FAILED: StuckWords(
        _("The e-mail about a correction could not be sent"),
        _("The correction is made. The learner was not told, because the mail server did not take the e-mail."),
        _(
            "Correct the learner's address or repair the mail server, then run laurel claims retry with the "
            "correction's ID."
        ),
    ),
    StuckReason.ENTRY_OF_ANOTHER: StuckWords(
        _("The roster has the learner's ID under another name"),
        _("These learners gave an ID that the roster has for somebody else. They were only told that it is not right."),
        _(
            "Open the claim and compare. If it is the same person, waive participation, or add the learner's e-mail "
            "address to the roster's row and let them give the ID again."
        ),
    ),
    StuckReason.PARTICIPATION_REFUSED: StuckWords(
        _("The roster does not know the learner"),
        _("These learners said how they took part, and no roster has what they gave. They can take no further step."),
        _("Upload the roster corrected: whom it names then goes on by itself, or may state participation once more."),
    ),
    StuckReason.EVENT_QUARANTINED: StuckWords(
        _("A learning platform's report could not be taken"),
        _("The claim waits for what a platform reports, and its report names something that is not known here."),
        _("Open the reports in quarantine, correct what they name here or on the platform, then try them again."),
    ),
    StuckReason.WORKFLOW_FAILING: StuckWords(
        _("Laurel itself fails at these claims"),
        _("A defect, or workers of an older or newer release. Nothing that is recorded is lost."),
        _(
            "Run workers of the release that fits, or install the one that mends it; the claims then go on by "
            "themselves. Terminating them is safe, but not needed."
        ),
    ),
    StuckReason.SUBMISSION_UNDECIDED: StuckWords(
        _("A step is received and not decided"),
        _("The step is recorded and keeps its time of receipt. Nothing that works on claims has decided it yet."),
        _("Look whether Temporal and the workers run. What is recorded is delivered by itself as soon as they do."),
    ),
    StuckReason.GRADING_OVERDUE: StuckWords(
        _("A result is overdue"),
        _("A post-test should have been graded by now."),
        _("Look whether Temporal and the workers run. Grading goes on by itself as soon as they do."),
    ),
    StuckReason.OPENING_OVERDUE: StuckWords(
        _("Claiming should be open"),
        _("The time from which these learners may claim has come, and their claims have not moved on."),
        _("Look whether Temporal and the workers run. The claims move on by themselves as soon as they do."),
    ),
    StuckReason.CLOSING_OVERDUE: StuckWords(
        _("The deadline passed and the claim is still open"),
        _("These claims should have been closed. Their learners can take no step that the deadline forbids."),
        _("Look whether Temporal and the workers run. The claims are closed by themselves as soon as they do."),
    ),
    StuckReason.CERTIFICATE_OVERDUE: StuckWords(
        _("The credit is awarded, and the certificate is not out"),
        _("Making the certificate takes longer than it should; it is tried again by itself."),
        _("Look whether a worker for documents runs, and repair what the last error names."),
    ),
    StuckReason.EMAIL_OVERDUE: StuckWords(
        _("The credit is awarded, and the learner is not told"),
        _("The e-mail about the award takes longer than it should; it is tried again by itself for a day."),
        _("Repair the mail server, or what else the last error names. The e-mail is then sent by itself."),
    ),
    StuckReason.NOTICE_FAILED: StuckWords(
        _("An e-mail about the claim fails"),
        _("A reminder or another notice could not be sent. The claim itself goes on."),
        _("Look at the failing e-mails, correct the address or the mail server, then send them once more."),
    ),
}

CAUSE_WORDS: Final[Mapping[StuckCause, StuckWords]] = {
    StuckCause.TEMPORAL_AWAY: StuckWords(
        _("Temporal does not answer"),
        _("Steps are received and kept, and nothing works on claims."),
        _("Start Temporal. What is recorded is delivered by itself as soon as it answers."),
    ),
    StuckCause.SEARCH_ATTRIBUTES_MISSING: StuckWords(
        _("Temporal lacks search attributes"),
        _("Temporal takes no claim without them; perhaps its database was set up anew."),
        _("Run laurel temporal setup. What is recorded is delivered by itself afterwards."),
    ),
    StuckCause.CLAIMS_WORKER_MISSING: StuckWords(
        _("No worker for claims runs"),
        _("Nobody has asked Temporal for claims in the last minutes."),
        _("Start a worker: laurel worker --role claims. The claims go on by themselves."),
    ),
    StuckCause.DOCUMENTS_WORKER_MISSING: StuckWords(
        _("No worker for documents runs"),
        _("Nobody has asked Temporal for certificates in the last minutes."),
        _("Start a worker: laurel worker --role documents. The certificates are made by themselves."),
    ),
    StuckCause.DATABASE_AWAY: StuckWords(
        _("The database does not answer"),
        _("What is recorded is safe; nothing can be written to it now."),
        _("Start PostgreSQL, or repair the way to it. The claims go on by themselves as soon as it answers."),
    ),
    StuckCause.DEFECT: StuckWords(
        _("A step fails because of a defect"),
        _("The step is tried again by itself and fails each time. The worker's log has the error."),
        _("Install the release that mends it. The step is tried again by itself, and nothing is lost meanwhile."),
    ),
}

_UNKNOWN_ERROR: Final = _("Something else failed; the log has it under this name")
_DEFECT: Final = _("A defect in Laurel; the worker's log has it under this name")
_ERROR_WORDS: Final[Mapping[str, str]] = {
    **dict.fromkeys(DEFECT_ERRORS, _DEFECT),
    "OperationalError": _("The database does not answer"),
    "InterfaceError": _("The database does not answer"),
    "NonDeterministicError": _("The workers' release does not fit the claim's history"),
    "WorkflowWorkerUnhandledFailure": _DEFECT,
    "BadSearchAttributes": _("Temporal lacks search attributes"),
    "identifier_not_found": _("No roster has this id, code or learner"),
    "identifier_taken": _("Another claim used this id"),
    "learner_unknown": _("The platform names a learner whom nobody knows"),
    "learner_ambiguous": _("The platform names a learner who may be one of several"),
    "ce_activity_unknown": _("The platform names an activity that is not published here"),
    "ce_activity_ambiguous": _("The platform names an activity by a code that several have"),
    "content_unknown": _("The platform names content that the activity does not have"),
    "intervals_too_many": _("The platform reports too many pieces of viewing"),
    "roster_not_accepted": _("The activity takes no participation from platforms"),
    **dict.fromkeys(
        (
            "TemplateError",
            "PageOverflows",
            "PaperDiffers",
            "QrCodeNotReadable",
            "RenderTooDeep",
            "TooManyPages",
            "WordsCovered",
            "WordsOverlap",
        ),
        _("The certificate's template has a mistake"),
    ),
    "RenderMemoryExhausted": _("Making the certificate took too much memory"),
    "LearnerNotShown": _("The certificate's template leaves the learner's name out"),
    "GlyphsMissing": _("A name has a letter that no font can print"),
    "AddressRejected": _("The mail server refuses this address"),
    "AddressRejectedError": _("The mail server refuses this address"),
    "ConnectionRefusedError": _("The mail server does not answer"),
    "SMTPServerDisconnected": _("The mail server ended the connection"),
    "SMTPAuthenticationError": _("The mail server refuses Laurel's user name or password"),
    "SMTPConnectError": _("The mail server does not answer"),
    "SMTPDataError": _("The mail server refused the message"),
    "SMTPRecipientsRefused": _("The mail server refuses this address"),
    "SMTPSenderRefused": _("The mail server refuses Laurel's own address"),
    "MailServerUntrustedError": _("The mail server's certificate cannot be trusted"),
    "SSLError": _("No encrypted connection to the mail server could be made"),
    "TimeoutError": _("It took too long"),
    "gaierror": _("The mail server's name is not known"),
    "CertificateNotIssued": _("The certificate is not issued yet"),
    "CertificateNotReserved": _("The certificate was not prepared"),
    "RenderProcessDied": _("The program that makes certificates ended while it worked"),
    "RenderTimeout": _("Making the certificate took too long"),
    "IssuancePaused": _("Issuance is paused"),
    "SigningKeyMissing": _("The key that signs credentials is missing"),
}


def error_words(code: str) -> str:
    """What an error's code means, in English; an unknown one is named."""
    return _ERROR_WORDS.get(code, _UNKNOWN_ERROR)
