"""What each e-mail says: one view per purpose, complete and in words where words are needed.

A moment is written with city and offset (``documents.wording.moment_words``), because its reader may be anywhere.
"""

from dataclasses import dataclass
from datetime import date
from typing import ClassVar

from domain.notices import NoticePurpose


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInEmail:
    """Carries a link that signs its reader in once."""

    purpose: ClassVar[NoticePurpose] = NoticePurpose.SIGN_IN_LINK

    sign_in_url: str
    expires_in_minutes: int
    provider_name: str
    product_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AwardEmail:
    """Tells a learner that credit was awarded; ``credit_line`` is the amount with the full credit name (R-AMA-5).

    ``is_corrected`` if this certificate replaces one that staff corrected, ``is_reinstated`` if it replaces one that
    was revoked. ``system`` names the provider's own system where that issues the certificate, which then has no
    verification address here.
    """

    purpose: ClassVar[NoticePurpose] = NoticePurpose.AWARD

    recipient_name: str
    ce_activity_title: str
    credit_word: str
    is_corrected: bool
    is_reinstated: bool
    credit_line: str
    provider_name: str
    completed_on: date
    dashboard_url: str
    course_url: str
    is_issued_here: bool
    system: str | None
    certificate_url: str
    verification_url: str | None
    help_contact: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimNotice:
    """What every notice about a claim says; ``credit_word`` is what its provider calls credit, such as CPE credit."""

    recipient_name: str
    ce_activity_title: str
    credit_word: str
    provider_name: str
    help_contact: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlineNotice(ClaimNotice):
    """A notice that leads to the claim and names its deadline, if there is one: its local day, and in words."""

    claim_url: str
    due_on: date | None
    deadline: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlineReminderEmail(DeadlineNotice):
    """Reminds of a deadline: what is still to do, a sentence per step, and when credit may be claimed if not yet.

    ``stop_url`` switches all reminders off, for whoever has this e-mail.
    """

    purpose: ClassVar[NoticePurpose] = NoticePurpose.DEADLINE_REMINDER

    steps: tuple[str, ...]
    opening: str | None
    stop_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowOpenedEmail(DeadlineNotice):
    """Tells that credit may be claimed from now on."""

    purpose: ClassVar[NoticePurpose] = NoticePurpose.WINDOW_OPENED


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimExpiredEmail(DeadlineNotice):
    """Tells that the deadline passed, and how to ask for more time."""

    purpose: ClassVar[NoticePurpose] = NoticePurpose.CLAIM_EXPIRED


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlineExtendedEmail(DeadlineNotice):
    """Tells the new deadline. Why staff moved it may be personal, so the e-mail does not say."""

    purpose: ClassVar[NoticePurpose] = NoticePurpose.DEADLINE_EXTENDED


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtensionRefusedEmail(DeadlineNotice):
    """Tells that the deadline stays, and whether it has passed."""

    purpose: ClassVar[NoticePurpose] = NoticePurpose.EXTENSION_REFUSED

    is_closed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficeNotice(ClaimNotice):
    """Tells what the office did to a claim; ``why`` is the kind of its reason in words, if there are words for it."""

    claim_url: str
    why: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimHeldEmail(OfficeNotice):
    """Tells that the claim is on hold, and that its deadline ends nothing meanwhile."""

    purpose: ClassVar[NoticePurpose] = NoticePurpose.CLAIM_HELD


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimReleasedEmail(OfficeNotice):
    """Tells that a hold has ended, and the deadline, which is where it was."""

    purpose: ClassVar[NoticePurpose] = NoticePurpose.CLAIM_RELEASED

    deadline: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimDeniedEmail(OfficeNotice):
    """Tells that the office denied the claim, and whom to write to."""

    purpose: ClassVar[NoticePurpose] = NoticePurpose.CLAIM_DENIED


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimReopenedEmail(OfficeNotice):
    """Tells that a claim that had ended goes on, and until when."""

    purpose: ClassVar[NoticePurpose] = NoticePurpose.CLAIM_REOPENED

    deadline: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateLinkEmail(ClaimNotice):
    """Leads to the certificate; ``system`` names the provider's own system where that issues it."""

    purpose: ClassVar[NoticePurpose] = NoticePurpose.CERTIFICATE_LINK

    certificate_url: str
    is_issued_here: bool
    system: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AwardRevokedEmail(ClaimNotice):
    """Tells that an award was revoked, and why in the words of its reason class; staff's own words are not repeated."""

    purpose: ClassVar[NoticePurpose] = NoticePurpose.AWARD_REVOKED

    credit_line: str
    why: str
    dashboard_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemReportedEmail:
    """Tells whom learners ask what one of them reports; ``staff_url`` leads to the report."""

    purpose: ClassVar[NoticePurpose] = NoticePurpose.PROBLEM_REPORTED

    learner_name: str
    ce_activity_title: str
    message: str
    staff_url: str
    provider_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemAnsweredEmail(ClaimNotice):
    """Tells a learner what staff answered to a report of theirs."""

    purpose: ClassVar[NoticePurpose] = NoticePurpose.PROBLEM_ANSWERED

    message: str
    answer: str
    claim_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditCheckpointEmail:
    """Carries a signed checkpoint of the audit trail to somebody outside; ``origin`` names the log."""

    purpose: ClassVar[NoticePurpose] = NoticePurpose.AUDIT_CHECKPOINT

    origin: str
    entries: int
    note: str
    provider_name: str


Email = (
    SignInEmail
    | AwardEmail
    | DeadlineReminderEmail
    | WindowOpenedEmail
    | ClaimExpiredEmail
    | DeadlineExtendedEmail
    | ExtensionRefusedEmail
    | ClaimHeldEmail
    | ClaimReleasedEmail
    | ClaimDeniedEmail
    | ClaimReopenedEmail
    | CertificateLinkEmail
    | AwardRevokedEmail
    | ProblemReportedEmail
    | ProblemAnsweredEmail
    | AuditCheckpointEmail
)
