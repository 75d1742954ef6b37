"""Writing a notice: what is queued becomes an e-mail about the claim as it is now, or is not wanted any more."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping

from activities.policies import PolicyCache
from config.languages import gettext, written_in
from documents.models import CertificateData
from documents.notices import (
    AwardRevokedEmail,
    CertificateLinkEmail,
    ClaimDeniedEmail,
    ClaimExpiredEmail,
    ClaimHeldEmail,
    ClaimReleasedEmail,
    ClaimReopenedEmail,
    DeadlineExtendedEmail,
    DeadlineReminderEmail,
    Email,
    ExtensionRefusedEmail,
    ProblemAnsweredEmail,
    ProblemReportedEmail,
    WindowOpenedEmail,
)
from documents.wording import OFFICE_WORDS, REVOCATION_WORDS, STEP_WORDS, credit_line, credit_word, moment_words
from domain.claims import Stage
from domain.deadlines import local_date, opens_at
from domain.names import email_address
from domain.notices import OFFICE_ACTS, Circumstances, NoticePurpose, is_still_wanted
from domain.policy import CEActivityPolicy
from domain.progress import StepState, progress_of
from storage import notices, problem_reports, reminder_links
from storage.notices import ClaimOfNotice, Revoked


class NotWantedError(Exception):
    """There is nothing to send any more; ``reason`` is a code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class WrittenEmail:
    """An e-mail with the name and the address of whom it is for, and the language that they chose."""

    email: Email
    name: str
    address: str
    language: str | None = None


class NoticeWriter:
    """Writes notices from the record; knows where the pages are."""

    def __init__(self, policies: PolicyCache, public_url: str) -> None:
        self._policies = policies
        self._public_url = public_url

    def write(self, connection: Connection, purpose: NoticePurpose, claim_id: str, occasion: str) -> WrittenEmail:
        """The notice as it reads now.

        Raises ``NotWantedError`` when what it would say is not so any more, or there is nobody to say it to.
        """
        claim = notices.claim_of_notice(connection, claim_id)
        if claim is not None and purpose is NoticePurpose.PROBLEM_REPORTED:
            draft = self._draft(connection, claim_id, claim)
            return draft.report(occasion, problem_reports.words_of(connection, occasion))
        if claim is None or claim.address is None:
            raise NotWantedError("no_recipient")
        now = Circumstances(
            stage=claim.stage,
            due_at=claim.facts.due_at,
            wants_reminders=claim.wants_reminders,
            is_awarded=claim.facts.is_awarded,
            is_held=claim.facts.is_held,
        )
        if not is_still_wanted(purpose, occasion, now, claim.now):
            raise NotWantedError("not_wanted")
        with written_in(claim.language):
            email = self._email(connection, purpose, occasion, self._draft(connection, claim_id, claim))
        return WrittenEmail(email, claim.name, claim.address, claim.language)

    def _email(self, connection: Connection, purpose: NoticePurpose, occasion: str, draft: "_Draft") -> Email:
        match purpose:
            case NoticePurpose.AWARD_REVOKED:
                return draft.revocation(notices.revocation(connection, occasion))
            case NoticePurpose.PROBLEM_ANSWERED:
                return draft.answer(problem_reports.words_of(connection, occasion))
            case NoticePurpose.DEADLINE_REMINDER:
                return draft.reminder(reminder_links.token_of(connection, draft.claim.learner_id))
            case _ if purpose in OFFICE_ACTS:
                return draft.office_act(purpose, notices.reason_code_of(connection, occasion))
            case _:
                return draft.email(purpose)

    def _draft(self, connection: Connection, claim_id: str, claim: ClaimOfNotice) -> "_Draft":
        return _Draft(claim_id, claim, self._policies.get(connection, claim.version_id), self._public_url)


@dataclass(frozen=True, slots=True)
class _Draft:
    """One notice being written: the claim, the policy that it is under, and where the pages are."""

    claim_id: str
    claim: ClaimOfNotice
    policy: CEActivityPolicy
    public_url: str

    def email(self, purpose: NoticePurpose) -> Email:
        match purpose:
            case NoticePurpose.WINDOW_OPENED:
                return WindowOpenedEmail(**self._deadline())
            case NoticePurpose.CLAIM_EXPIRED:
                return ClaimExpiredEmail(**self._deadline())
            case NoticePurpose.DEADLINE_EXTENDED:
                return DeadlineExtendedEmail(**self._deadline())
            case NoticePurpose.EXTENSION_REFUSED:
                is_closed = self.claim.stage is Stage.EXPIRED
                return ExtensionRefusedEmail(**self._deadline(), is_closed=is_closed)
            case NoticePurpose.CERTIFICATE_LINK:
                return self._certificate_link()
            case _:
                raise ValueError("this purpose is not a notice about a claim")

    def office_act(self, purpose: NoticePurpose, reason_code: str | None) -> Email:
        """The e-mail about what staff did to the claim, with the kind of their reason; their own words stay inside."""
        words = OFFICE_WORDS.get(reason_code or "")
        told = {**self._claim(), "claim_url": self._claim_url, "why": gettext(words) if words else None}
        deadline = self._words(self.claim.facts.due_at)
        match purpose:
            case NoticePurpose.CLAIM_HELD:
                return ClaimHeldEmail(**told)
            case NoticePurpose.CLAIM_RELEASED:
                return ClaimReleasedEmail(**told, deadline=deadline)
            case NoticePurpose.CLAIM_DENIED:
                return ClaimDeniedEmail(**told)
            case _:
                return ClaimReopenedEmail(**told, deadline=deadline)

    def revocation(self, revoked: Revoked) -> AwardRevokedEmail:
        """The e-mail about a revocation, as the certificate named the credit."""
        return AwardRevokedEmail(
            **self._claim(),
            credit_line=credit_line(CertificateData.from_json(dict(revoked.data)).credit),
            why=gettext(REVOCATION_WORDS[revoked.reason_class]),
            dashboard_url=f"{self.public_url}/",
        )

    def report(self, report_id: str, words: RowMapping) -> WrittenEmail:
        """The e-mail about a report, to whom learners ask. Raises ``NotWantedError`` when no address is known."""
        address = _address_in(self.policy.contact)
        if address is None or not words["message"]:
            raise NotWantedError("no_recipient")
        email = ProblemReportedEmail(
            learner_name=self.claim.name,
            ce_activity_title=self.policy.title,
            message=words["message"],
            staff_url=f"{self.public_url}/staff/problem-reports/{report_id}",
            provider_name=self.policy.provider.name,
        )
        return WrittenEmail(email, "", address)

    def answer(self, words: RowMapping) -> ProblemAnsweredEmail:
        """The e-mail with what staff answered to a report. Raises ``NotWantedError`` once both were removed."""
        if words["answer"] is None:
            raise NotWantedError("not_wanted")
        return ProblemAnsweredEmail(
            **self._claim(), message=words["message"], answer=words["answer"], claim_url=self._claim_url
        )

    def _claim(self) -> dict[str, Any]:
        provider = self.policy.provider
        return {
            "recipient_name": self.claim.name,
            "ce_activity_title": self.policy.title,
            "credit_word": credit_word(provider.acronym),
            "provider_name": provider.name,
            "help_contact": self.policy.contact,
        }

    def _deadline(self) -> dict[str, Any]:
        due_at = self.claim.facts.due_at
        due_on = local_date(due_at, self.policy.time_zone) if due_at else None
        return {**self._claim(), "claim_url": self._claim_url, "due_on": due_on, "deadline": self._words(due_at)}

    @property
    def _claim_url(self) -> str:
        return f"{self.public_url}/claims/{self.claim_id}"

    def _words(self, at: datetime | None) -> str | None:
        return moment_words(at, self.policy.time_zone, self.claim.time_zone) if at else None

    def reminder(self, token: str) -> DeadlineReminderEmail:
        """The reminder, with the token that switches reminders off."""
        claim = self.claim
        progress = progress_of(self.policy, claim.facts, claim.now, claim.attention)
        unfinished = (step.kind for step in progress.steps if step.state is not StepState.DONE)
        opening = opens_at(self.policy.claim_window, self.policy.time_zone)
        return DeadlineReminderEmail(
            **self._deadline(),
            steps=tuple(gettext(STEP_WORDS[kind]) for kind in unfinished if kind in STEP_WORDS),
            opening=self._words(opening) if opening and claim.now < opening else None,
            stop_url=f"{self.public_url}/reminders/{token}",
        )

    def _certificate_link(self) -> CertificateLinkEmail:
        certificate = self.policy.certificate
        page = f"{self.public_url}/claims/{self.claim_id}/certificate"
        return CertificateLinkEmail(
            **self._claim(),
            certificate_url=page if certificate.is_here else certificate.url or self._claim_url,
            is_issued_here=certificate.is_here,
            system=certificate.system,
        )


def _address_in(contact: str) -> str | None:
    """The first e-mail address in what a CE activity tells learners whom to ask; None for a telephone number."""
    for word in contact.split():
        with suppress(ValueError):
            return email_address(word.strip("<>()[],;:."))
    return None
