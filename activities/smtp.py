"""Handing a message to a mail server."""

import smtplib
from contextlib import suppress
from email.message import EmailMessage
from typing import Protocol
from urllib.parse import unquote, urlsplit

from config.metrics import EMAILS

_TIMEOUT_SECONDS = 20


class AddressRejectedError(Exception):
    """The mail server will never take this message for this recipient; carries no address."""


class Mailer(Protocol):
    """Something that delivers mail."""

    def send(self, message: EmailMessage) -> None:
        """Hand over one message.

        Raises ``AddressRejectedError`` when trying again is pointless, and anything else when it is not.
        """
        ...


class SmtpMailer:
    """A mail server named by a URL: ``smtp://``, ``smtp+starttls://`` or ``smtps://``, with credentials if needed."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("smtp", "smtp+starttls", "smtps") or not parts.hostname:
            raise ValueError("LAUREL_SMTP_URL must be smtp://, smtp+starttls:// or smtps:// with a host")
        self._scheme = parts.scheme
        self._host, self._port = parts.hostname, parts.port or 0
        self._credentials = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None

    def send(self, message: EmailMessage) -> None:
        """See ``Mailer``."""
        try:
            self._hand_over(message)
        except AddressRejectedError:
            EMAILS.labels("rejected").inc()
            raise
        except Exception:
            EMAILS.labels("failed").inc()
            raise
        EMAILS.labels("sent").inc()

    def _hand_over(self, message: EmailMessage) -> None:
        connect = smtplib.SMTP_SSL if self._scheme == "smtps" else smtplib.SMTP
        server = connect(self._host, self._port, timeout=_TIMEOUT_SECONDS)
        try:
            if self._scheme == "smtp+starttls":
                server.starttls()
            if self._credentials is not None:
                server.login(*self._credentials)
            server.send_message(message)
            # The message is taken; how the server says good-bye changes nothing.
            with suppress(smtplib.SMTPException, OSError):
                server.quit()
        except smtplib.SMTPRecipientsRefused as refused:
            if all(_is_permanent(code) for code, _ in refused.recipients.values()):
                raise AddressRejectedError from None
            raise
        except smtplib.SMTPResponseException as answer:
            if _is_permanent(answer.smtp_code) and not isinstance(answer, smtplib.SMTPAuthenticationError):
                raise AddressRejectedError from None
            raise
        finally:
            server.close()


def _is_permanent(code: int) -> bool:
    return 500 <= code < 600  # noqa: PLR2004  # RFC 5321, section 4.2.1: permanent negative completion
