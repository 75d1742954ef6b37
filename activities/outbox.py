"""The outbox: a loop over the record that sends sign-in links and the notices about claims."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import Connection, Engine, RowMapping

from activities.mail import Postman
from activities.notices import NoticeWriter, NotWantedError, WrittenEmail
from activities.policies import PolicyCache
from activities.smtp import AddressRejectedError
from config.languages import written_in
from documents.notices import AuditCheckpointEmail, SignInEmail
from domain.notices import NoticePurpose
from domain.signed_notes import Checkpoint
from storage import emails
from storage.audit_log import signed_note

logger = structlog.get_logger(__name__)

# A sign-in link is soon of no use. A notice outlasts a day without a mail server.
_MOST_TRIES: Final = {NoticePurpose.SIGN_IN_LINK: 8}
_MOST_TRIES_OF_NOTICES: Final = 100
_FIRST_PAUSE: Final = timedelta(seconds=5)
_LONGEST_PAUSE: Final = timedelta(minutes=15)
# Sign-in links leave at once; of everything else each sender hands over at most four a second.
_BETWEEN_NOTICES: Final = timedelta(milliseconds=250)


class Outbox:
    """Sends what is queued. It needs no Temporal: learners sign in while it is away, and no notice can park a claim."""

    def __init__(self, engine: Engine, policies: PolicyCache, postman: Postman, public_url: str) -> None:
        self._engine = engine
        self._postman = postman
        self._public_url = public_url
        self._notices = NoticeWriter(policies, public_url)

    async def run(self, pause: timedelta = timedelta(milliseconds=500), senders: int = 3) -> None:
        """Send what is due, for ever. Several senders, so that one slow answer does not hold up all others.

        Notices leave at a measured pace: when thousands of claims come due, deciding them and what learners do
        meanwhile come before telling of it, and mail servers dislike bursts.
        """
        await asyncio.gather(*(self._send_on(pause) for _ in range(senders)))

    async def _send_on(self, pause: timedelta) -> None:
        while True:
            try:
                while sent := await asyncio.to_thread(self.send_next):
                    if sent != NoticePurpose.SIGN_IN_LINK:
                        await asyncio.sleep(_BETWEEN_NOTICES.total_seconds())
            except Exception as error:  # noqa: BLE001  # whatever it was, the next round tries again
                logger.warning("outbox pauses", error=type(error).__name__)
            await asyncio.sleep(pause.total_seconds())

    def send_next(self) -> str | None:
        """Send the most urgent e-mail that is due, or note why not; its purpose, or None when there is none."""
        with self._engine.begin() as connection:
            row = emails.take_email(connection)
        if row is None:
            return None
        try:
            self._send(row)
        except NotWantedError as unwanted:
            self._drop(row, unwanted.reason)
        except Exception as error:  # noqa: BLE001  # every failure is noted in the record, by its type alone
            self._give_up(row, error)
        else:
            with self._engine.begin() as connection:
                emails.mark_sent(connection, row["id"])
                _forget(connection, row)
        return str(row["purpose"])

    def _send(self, row: RowMapping) -> None:
        with self._engine.begin() as connection:
            written = self._write(connection, row)
            emails.note_recipient(connection, row["id"], written.address)
        with written_in(written.language):
            self._postman.send(written.email, row["id"], (written.name, written.address), row["created_at"])

    def _write(self, connection: Connection, row: RowMapping) -> WrittenEmail:
        if row["purpose"] == NoticePurpose.SIGN_IN_LINK:
            return self._write_sign_in(connection, row)
        if row["purpose"] == NoticePurpose.AUDIT_CHECKPOINT:
            return _write_checkpoint(connection, row)
        if row["purpose"] not in set(NoticePurpose):
            # Queued by a newer release: one of its workers takes it at a later try.
            raise LookupError("purpose")
        occasion = row["subject_id"].removeprefix(f"{row['claim_id']}:")
        return self._notices.write(connection, NoticePurpose(row["purpose"]), row["claim_id"], occasion)

    def _write_sign_in(self, connection: Connection, row: RowMapping) -> WrittenEmail:
        link = emails.sign_in_link(connection, row["subject_id"])
        # To the nearest minute: a mail that leaves at once says what the page said.
        minutes_left = round((link["expires_at"] - datetime.now(UTC)) / timedelta(minutes=1)) if link else 0
        if link is None or link["token"] is None or minutes_left < 1:
            raise NotWantedError("expired")
        email = SignInEmail(
            sign_in_url=f"{self._public_url}/sign-in?token={link['token']}",
            expires_in_minutes=minutes_left,
            provider_name="Laurel",
            product_name="Laurel",
        )
        return WrittenEmail(email, "", row["recipient"], link["language"])

    def _drop(self, row: RowMapping, reason: str) -> None:
        logger.info("e-mail not wanted any more", email_id=row["id"], purpose=row["purpose"], reason=reason)
        with self._engine.begin() as connection:
            emails.drop(connection, row["id"], reason)
            _forget(connection, row)

    def _give_up(self, row: RowMapping, error: Exception) -> None:
        """For now, or for good where another try is pointless."""
        code = type(error).__name__
        most = _MOST_TRIES.get(row["purpose"], _MOST_TRIES_OF_NOTICES)
        is_final = isinstance(error, AddressRejectedError | ValueError) or row["tries"] >= most
        logger.warning("e-mail not sent", email_id=row["id"], purpose=row["purpose"], error=code, is_final=is_final)
        with self._engine.begin() as connection:
            again_in = min(_FIRST_PAUSE * 2 ** (min(row["tries"], 10) - 1), _LONGEST_PAUSE)
            emails.mark_failed(connection, row["id"], code, is_final=is_final, again_in=again_in)
            if is_final:
                _forget(connection, row)


def _write_checkpoint(connection: Connection, row: RowMapping) -> WrittenEmail:
    note = signed_note(connection, int(row["subject_id"]))
    if note is None:
        raise NotWantedError("not_signed")
    checkpoint = Checkpoint.parse(note)
    email = AuditCheckpointEmail(origin=checkpoint.origin, entries=checkpoint.size, note=note, provider_name="Laurel")
    return WrittenEmail(email, "", row["recipient"])


def _forget(connection: Connection, row: RowMapping) -> None:
    """Forget the token of a sign-in link whose e-mail is on its way, or never will be."""
    if row["purpose"] == NoticePurpose.SIGN_IN_LINK:
        emails.forget_token(connection, row["subject_id"])
