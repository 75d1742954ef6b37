"""Handing a message to a mail server."""

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import unquote, urlsplit

import structlog

from config.metrics import EMAILS

logger = structlog.get_logger(__name__)

# RFC 5321, section 4.5.4.2; RFC 6409, section 3.1; RFC 8314, section 3.3.
_PORTS: Final = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}


class AddressRejectedError(Exception):
    """The mail server will never take this message for this recipient; carries no address."""


class MailServerUntrustedError(Exception):
    """The mail server cannot show that it is the one we mean; nothing was sent, and trying again later is right."""


class Mailer(Protocol):
    """Something that delivers mail."""

    def send(self, message: EmailMessage) -> None:
        """Hand over one message.

        Raises ``AddressRejectedError`` when trying again is pointless, and anything else when it is not.
        """
        ...


class SmtpMailer:
    """A mail server named by a URL: ``smtp://``, ``smtp+starttls://`` or ``smtps://``, with credentials if needed.

    With the last two, nothing is said before the server has shown a certificate for its name, signed by an authority
    that this machine trusts, or by one in ``ca_file`` (PEM). No answer is waited for longer than ``seconds``.
    """

    def __init__(self, url: str, ca_file: Path | None = None, seconds: float = 20) -> None:
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError("LAUREL_SMTP_URL must be smtp://, smtp+starttls:// or smtps:// with a host")
        self._scheme = parts.scheme
        self._host, self._port = parts.hostname, parts.port or _PORTS[parts.scheme]
        self._credentials = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
        self._seconds = seconds
        self._trust = _trust(ca_file) if parts.scheme != "smtp" else None

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

    def greet(self) -> None:
        """Do everything that comes before the first message; raises ``smtplib.SMTPException`` or what ``send`` does."""
        with self._session():
            pass

    def _hand_over(self, message: EmailMessage) -> None:
        try:
            with self._session() as server:
                server.send_message(message)
        except smtplib.SMTPRecipientsRefused as refused:
            if all(_is_permanent(code) for code, _ in refused.recipients.values()):
                raise AddressRejectedError from None
            raise
        except smtplib.SMTPDataError as answer:
            # A refusal of anything else, such as of our name, address or password, is for the office to mend.
            if _is_permanent(answer.smtp_code):
                raise AddressRejectedError from None
            raise

    @contextmanager
    def _session(self) -> Iterator[smtplib.SMTP]:
        server = self._connected()
        try:
            if self._scheme == "smtp+starttls":
                self._encrypt(server)
            if self._credentials is not None:
                server.login(*self._credentials)
            yield server
            # The message is taken; how the server says good-bye changes nothing.
            with suppress(smtplib.SMTPException, OSError):
                server.quit()
        finally:
            server.close()

    def _connected(self) -> smtplib.SMTP:
        if self._scheme != "smtps":
            return smtplib.SMTP(self._host, self._port, timeout=self._seconds)
        with self._distrust_explained():
            return smtplib.SMTP_SSL(self._host, self._port, timeout=self._seconds, context=self._trust)

    def _encrypt(self, server: smtplib.SMTP) -> None:
        with self._distrust_explained():
            server.starttls(context=self._trust)

    @contextmanager
    def _distrust_explained(self) -> Iterator[None]:
        try:
            yield
        except ssl.SSLCertVerificationError as error:
            logger.error("mail server is not trusted", host=self._host, reason=error.verify_message)  # noqa: TRY400
            raise MailServerUntrustedError(error.verify_message) from None


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    """Whom we believe who they are; without a context of its own the standard library believes everybody."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError):
        raise ValueError("LAUREL_SMTP_CA_FILE must name a file with certificates in PEM") from None


def _is_permanent(code: int) -> bool:
    return 500 <= code < 600  # noqa: PLR2004  # RFC 5321, section 4.2.1: permanent negative completion
