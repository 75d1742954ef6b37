"""The e-mails Laurel sends: text and HTML from one value, and the same bytes whenever the same e-mail is composed."""

import re
from dataclasses import asdict, dataclass
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from functools import cache
from hashlib import sha256
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from config.languages import current_language, gettext, ngettext
from documents.notices import DeadlineReminderEmail, Email
from documents.wording import local_day_words

_TEMPLATES = Path(__file__).parent / "templates" / "email"
_MESSAGE_ID_PARTS = re.compile(r"[A-Za-z0-9._-]+@[A-Za-z0-9.-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """Who writes to whom, and which e-mail it is. Addresses are plain ``local@domain``; ``sent_at`` is aware."""

    sender_address: str
    sender_name: str
    recipient_address: str
    recipient_name: str
    message_id: str
    sent_at: datetime


def message_id_for(email_id: str, domain: str) -> str:
    """Return the one Message-ID of an e-mail, however often it is sent: "<email_id@domain>".

    Raises:
        ValueError: The two do not make a Message-ID.
    """
    if not _MESSAGE_ID_PARTS.fullmatch(f"{email_id}@{domain}"):
        raise ValueError("an e-mail's id and its domain do not make a Message-ID")
    return f"<{email_id}@{domain}>"


def compose(email: Email, envelope: Envelope) -> EmailMessage:
    """Return the e-mail with a text and an HTML part, in the present language (``config.languages.written_in``).

    Equal arguments in one language give equal bytes.

    Raises:
        ValueError: An address is not exactly one address, a header would break over a line, or ``sent_at`` is naive.
    """
    if envelope.sent_at.tzinfo is None:
        raise ValueError("the time of sending needs a time zone")
    message = EmailMessage(policy=SMTP)
    message["From"] = _address(envelope.sender_name, envelope.sender_address)
    message["To"] = _address(envelope.recipient_name, envelope.recipient_address)
    # On one line: white space of any kind, from a title for instance, becomes one space.
    subject = " ".join(_render(email, "subject.txt").split())
    message["Subject"] = subject
    message["Date"] = format_datetime(envelope.sent_at)
    message["Message-ID"] = envelope.message_id
    # RFC 3834: no out-of-office reply should answer a machine.
    message["Auto-Submitted"] = "auto-generated"
    if isinstance(email, DeadlineReminderEmail):
        message["List-Unsubscribe"] = f"<{email.stop_url}>"
        # RFC 8058: mail programs offer a button of their own, which needs HTTPS.
        if email.stop_url.startswith("https://"):
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(_render(email, "body.txt", subject))
    message.add_alternative(_render(email, "body.html", subject), subtype="html")
    # Set last: making parts of a message takes along what describes content.
    message["Content-Language"] = current_language()
    # The library draws a random boundary; ours follows from the Message-ID, so that a retry sends the same bytes.
    message.set_boundary(f"=_{sha256(envelope.message_id.encode()).hexdigest()[:32]}")
    return message


def _address(name: str, address: str) -> Address:
    try:
        return Address(display_name=name, addr_spec=address)
    except (ValueError, IndexError, MessageError):
        # The library's own error repeats the address, and errors end up in logs.
        raise ValueError("a name or an address cannot stand in an e-mail header") from None


def _render(email: Email, part: str, subject: str = "") -> str:
    template = _environment().get_template(f"{email.purpose}/{part}")
    return template.render(asdict(email), subject=subject, language=current_language())


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=select_autoescape(enabled_extensions=("html",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_callables(gettext, ngettext, newstyle=True)  # type: ignore[attr-defined]  # added by the extension
    environment.filters["day"] = local_day_words
    return environment
