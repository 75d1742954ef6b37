"""Outgoing mail: the e-mail about an award, and the loop that sends sign-in links."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parseaddr
from typing import Any, Final

import structlog
from sqlalchemy import Engine
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.claims import PostgresClaimActivities
from activities.contract import ClaimRef, ClaimState, MailActivities
from activities.policies import PolicyCache
from activities.smtp import AddressRejectedError, Mailer
from documents.email import AwardEmail, Email, Envelope, SignInEmail, compose, message_id_for
from documents.models import CertificateData, CreditDetails
from documents.wording import unit_words
from storage import emails

logger = structlog.get_logger(__name__)

_MOST_TRIES: Final = 8
_PAUSE: Final = timedelta(seconds=5)


class Postman:
    """Writes and hands over one e-mail; knows our own address."""

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
        self._mailer.send(compose(email, envelope))


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
        """See ``MailActivities``. A lost reply of the mail server may mean a second copy, with the same Message-ID."""
        with self._engine.begin() as connection:
            row = emails.award_email(connection, claim.claim_id)
            if row is None:
                raise ApplicationError("CertificateNotIssued", type="CertificateNotIssued")
            emails.begin_sending(connection, row["id"])
            contact = self._policies.get(connection, row["version_id"]).contact
        if row["state"] != "sent":
            data = CertificateData.from_json(row["data"])
            email = self._award_email(data, row["slug"], claim.claim_id, contact)
            try:
                self._postman.send(email, row["id"], (data.learner_name, row["recipient"]), row["created_at"])
            except AddressRejectedError:
                raise ApplicationError("AddressRejected", type="AddressRejected", non_retryable=True) from None
        with self._claims.ledger(claim.claim_id) as ledger:
            if emails.mark_sent(ledger.connection, row["id"]):
                ledger.email_sent(row["id"])
            return ledger.close()

    def _award_email(self, data: CertificateData, slug: str, claim_id: str, contact: str) -> AwardEmail:
        return AwardEmail(
            recipient_name=data.learner,
            ce_activity_title=data.ce_activity_title,
            credit_line=_credit_line(data.credit),
            provider_name=data.provider.name,
            completed_on=data.completed_on,
            dashboard_url=f"{self._public_url}/",
            course_url=f"{self._public_url}/ce-activities/{slug}",
            certificate_url=f"{self._public_url}/claims/{claim_id}/certificate",
            verification_url=data.verification_url,
            help_contact=contact,
        )


def _credit_line(credit: CreditDetails) -> str:
    """The amount with the credit's full name (R-AMA-5): ``1.25 AMA PRA Category 1 Credit(s)`` and its trade mark."""
    unit = "" if credit.names_its_unit or not credit.unit_name else f"{credit.unit_name} of "
    return f"{unit_words(credit.awarded_units)} {unit}{credit.name}" + ("\u2122" if credit.has_trademark else "")


class SignInOutbox:
    """Sends queued sign-in links. It needs no Temporal, so that learners reach their certificates while it is away."""

    def __init__(self, engine: Engine, postman: Postman, public_url: str) -> None:
        self._engine = engine
        self._postman = postman
        self._public_url = public_url

    async def run(self, pause: timedelta = timedelta(milliseconds=500)) -> None:
        """Send what is due, for ever."""
        while True:
            try:
                while await asyncio.to_thread(self.send_next):
                    pass
            except Exception as error:  # noqa: BLE001  # whatever it was, the next round tries again
                logger.warning("sign-in outbox pauses", error=type(error).__name__)
            await asyncio.sleep(pause.total_seconds())

    def send_next(self) -> bool:
        """Send the oldest link that is due; False when there is none."""
        with self._engine.begin() as connection:
            row = emails.take_sign_in_email(connection)
        if row is None:
            return False
        minutes_left = _minutes_until(row["expires_at"])
        if row["token"] is None or minutes_left < 1:
            self._give_up(row, "expired", is_final=True)
            return True
        email = SignInEmail(
            sign_in_url=f"{self._public_url}/sign-in?token={row['token']}",
            expires_in_minutes=minutes_left,
            provider_name="Laurel",
            product_name="Laurel",
        )
        try:
            self._postman.send(email, row["id"], ("", row["recipient"]), row["created_at"])
        except Exception as error:  # noqa: BLE001  # every failure is noted in the record, by its type alone
            is_final = isinstance(error, AddressRejectedError | ValueError) or row["tries"] >= _MOST_TRIES
            self._give_up(row, type(error).__name__, is_final=is_final)
            return True
        with self._engine.begin() as connection:
            emails.mark_sent(connection, row["id"])
            emails.forget_token(connection, row["subject_id"])
        return True

    def _give_up(self, row: Mapping[str, Any], error: str, *, is_final: bool) -> None:
        logger.warning("sign-in link not sent", email_id=row["id"], error=error, is_final=is_final)
        with self._engine.begin() as connection:
            emails.mark_failed(connection, row["id"], error, is_final=is_final, again_in=_PAUSE)
            if is_final:
                emails.forget_token(connection, row["subject_id"])


def _minutes_until(at: datetime | None) -> int:
    return int((at - datetime.now(UTC)).total_seconds() // 60) if at else 0
