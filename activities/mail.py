"""Outgoing mail: who writes and hands over an e-mail, and the one about an award."""

from datetime import datetime
from email.utils import parseaddr

from sqlalchemy import Engine, RowMapping
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.claims import PostgresClaimActivities
from activities.contract import CERTIFICATE_NOT_ISSUED, ClaimRef, ClaimState, MailActivities, issuance_paused
from activities.policies import PolicyCache
from activities.smtp import AddressRejectedError, Mailer
from config.crash_points import crash_point
from config.languages import written_in
from documents.email import Envelope, compose, message_id_for
from documents.models import CertificateData
from documents.notices import AwardEmail, Email
from documents.wording import credit_line, credit_word
from domain.policy import CEActivityPolicy
from storage import awards, emails, issuance


class Postman:
    """Writes and hands over one e-mail, in the present language; knows our own address."""

    def __init__(self, mailer: Mailer, sender: str) -> None:
        self._mailer = mailer
        self._name, self._address = parseaddr(sender)
        if "@" not in self._address:
            raise ValueError("LAUREL_MAIL_FROM must be an address, or a name and an address: Name <a@b.example>")

    def send(self, email: Email, email_id: str, recipient: tuple[str, str], written_at: datetime) -> None:
        """Send to ``(name, address)``. The same arguments make the same bytes under the same Message-ID."""
        name, address = recipient
        envelope = Envelope(
            sender_address=self._address,
            sender_name=self._name,
            recipient_address=address,
            recipient_name=name,
            message_id=message_id_for(email_id, self._address.partition("@")[2]),
            sent_at=written_at,
        )
        crash_point("email.begun")
        self._mailer.send(compose(email, envelope))
        crash_point("email.taken")


class PostgresMailActivities(MailActivities):
    """Sends the one e-mail that an award reserved."""

    def __init__(
        self, engine: Engine, claims: PostgresClaimActivities, policies: PolicyCache, postman: Postman, public_url: str
    ) -> None:
        self._engine = engine
        self._claims = claims
        self._policies = policies
        self._postman = postman
        self._public_url = public_url

    @activity.defn(name="email.send")
    def send_award_email(self, claim: ClaimRef) -> ClaimState:
        """See ``MailActivities``. It goes to the learner's address of now, so that a wrong one may be corrected.

        A lost reply of the mail server may mean a second copy, with the same Message-ID.
        """
        with self._engine.begin() as connection:
            row = emails.award_email(connection, claim.claim_id)
            if row is not None:
                is_settled = row["state"] in ("sent", "dropped")
                if not is_settled and issuance.is_paused(connection, claim.claim_id):
                    raise issuance_paused()
                emails.begin_sending(connection, row["id"], row["address"])
                policy = self._policies.get(connection, row["version_id"])
        if row is None:
            return self._tell_nobody(claim.claim_id)
        if not is_settled:
            data = CertificateData.from_json(row["data"])
            try:
                with written_in(row["language"]):
                    email = self._award_email(data, row, claim.claim_id, policy)
                    self._postman.send(email, row["id"], (data.learner_name, row["address"]), row["created_at"])
            except AddressRejectedError:
                raise ApplicationError("AddressRejected", type="AddressRejected", non_retryable=True) from None
        with self._claims.ledger(claim.claim_id) as ledger:
            if emails.mark_sent(ledger.connection, row["id"]):
                ledger.email_sent(row["id"])
            return ledger.close()

    def _tell_nobody(self, claim_id: str) -> ClaimState:
        """Complete a claim whose award counts no more, because another claim of the same person has its credit."""
        with self._engine.connect() as connection:
            award_id = awards.merged_award(connection, claim_id)
        if award_id is None:
            # The record was restored, or the learner has no account any more; waiting does not mend that.
            raise ApplicationError(CERTIFICATE_NOT_ISSUED, type=CERTIFICATE_NOT_ISSUED, non_retryable=True)
        with self._claims.ledger(claim_id) as ledger:
            if not ledger.claim.facts.is_notified:
                emails.drop_award_email(ledger.connection, claim_id, "merged")
                ledger.email_dropped(award_id)
            return ledger.close()

    def _award_email(
        self, data: CertificateData, row: RowMapping, claim_id: str, policy: CEActivityPolicy
    ) -> AwardEmail:
        certificate, course_url = policy.certificate, f"{self._public_url}/ce-activities/{row['slug']}"
        page_url = f"{self._public_url}/claims/{claim_id}/certificate"
        return AwardEmail(
            recipient_name=data.learner,
            ce_activity_title=data.ce_activity_title,
            credit_word=credit_word(data.provider.acronym),
            is_corrected=data.version > 1 and not row["is_reinstated"],
            is_reinstated=row["is_reinstated"],
            credit_line=credit_line(data.credit),
            provider_name=data.provider.name,
            completed_on=data.completed_on,
            dashboard_url=f"{self._public_url}/",
            course_url=course_url,
            is_issued_here=certificate.is_here,
            system=certificate.system,
            certificate_url=page_url if certificate.is_here else certificate.url or course_url,
            verification_url=data.verification_url if certificate.is_here else None,
            help_contact=policy.contact,
        )
