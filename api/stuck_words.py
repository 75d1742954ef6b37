"""Why claims are stuck, why e-mails fail, and what to do about it, in plain words; translated where they are shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from config.languages import marked as _
from domain.stuck import StuckReason


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
        _("Repair the cause that the last error names, a template or a key for example, then retry the step."),
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
    StuckReason.ENTRY_OF_ANOTHER: StuckWords(
        _("The roster has the learner's ID under another name"),
        _("These learners gave an ID that the roster has for somebody else. They were only told that it is not right."),
        _(
            "Open the claim and compare. If it is the same person, waive participation, or add the learner's e-mail "
            "address to the roster's row and let them give the ID again."
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
    StuckReason.AWARDING_OVERDUE: StuckWords(
        _("Credit is claimed, and the certificate is not out"),
        _("Awarding, the certificate or its e-mail takes longer than it should; it is tried again by itself."),
        _("Look whether the workers for documents run, and whether the mail server answers."),
    ),
    StuckReason.NOTICE_FAILED: StuckWords(
        _("An e-mail about the claim fails"),
        _("A reminder or another notice could not be sent. The claim itself goes on."),
        _("Look at the failing e-mails, correct the address or the mail server, then send them once more."),
    ),
}

_UNKNOWN_ERROR: Final = _("Something else failed; the log has it under this name")
_ERROR_WORDS: Final[Mapping[str, str]] = {
    "AddressRejected": _("The mail server refuses this address"),
    "AddressRejectedError": _("The mail server refuses this address"),
    "ConnectionRefusedError": _("The mail server does not answer"),
    "SMTPServerDisconnected": _("The mail server ended the connection"),
    "SMTPAuthenticationError": _("The mail server refuses Laurel's user name or password"),
    "SMTPConnectError": _("The mail server does not answer"),
    "SMTPDataError": _("The mail server refused the message"),
    "SMTPRecipientsRefused": _("The mail server refuses this address"),
    "SMTPSenderRefused": _("The mail server refuses Laurel's own address"),
    "SSLCertVerificationError": _("The mail server's certificate cannot be trusted"),
    "SSLError": _("No encrypted connection to the mail server could be made"),
    "TimeoutError": _("It took too long"),
    "gaierror": _("The mail server's name is not known"),
    "CertificateNotIssued": _("The certificate is not issued yet"),
    "CertificateNotReserved": _("The certificate was not prepared"),
    "RenderProcessDied": _("The program that makes certificates ended while it worked"),
    "RenderTimeout": _("Making the certificate took too long"),
    "SigningKeyMissing": _("The key that signs credentials is missing"),
}


def error_words(code: str) -> str:
    """What an error's code means, in English; an unknown one is named."""
    return _ERROR_WORDS.get(code, _UNKNOWN_ERROR)
