"""Handing mail to a real SMTP server, also to one that refuses, fails or hangs up."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from smtplib import SMTPDataError, SMTPException, SMTPRecipientsRefused, SMTPServerDisconnected

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from activities.smtp import AddressRejectedError, SmtpMailer

RECIPIENT = "alice.moreau@learners.example"


def message() -> EmailMessage:
    written = EmailMessage()
    written["From"] = "Laurel <credit@laurel.example>"
    written["To"] = RECIPIENT
    written["Message-ID"] = "<eml_1@laurel.example>"
    written.set_content("Credit was awarded.")
    return written


class MailServer:
    """Answers as it is told; keeps what it takes."""

    def __init__(self, recipient: str = "250 OK", data: str = "250 OK", *, hangs_up: bool = False) -> None:
        self._recipient = recipient
        self._data = data
        self._hangs_up = hangs_up
        self.taken: list[Envelope] = []

    async def handle_RCPT(  # noqa: N802  # the name is aiosmtpd's
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self._recipient.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self._recipient

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self._hangs_up and isinstance(server.transport, asyncio.WriteTransport):
            server.transport.abort()
        if self._data.startswith("250"):
            self.taken.append(envelope)
        return self._data


@asynccontextmanager
async def listening(handler: MailServer) -> AsyncIterator[SmtpMailer]:
    """A mailer that speaks to this server."""
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(handler), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield SmtpMailer(f"smtp://127.0.0.1:{port}")


async def test_a_message_is_handed_over_with_its_message_id() -> None:
    server = MailServer()
    async with listening(server) as mailer:
        await asyncio.to_thread(mailer.send, message())
    [taken] = server.taken
    assert taken.rcpt_tos == [RECIPIENT]
    assert isinstance(taken.content, bytes)
    assert b"Message-ID: <eml_1@laurel.example>" in taken.content


@pytest.mark.parametrize(
    "server",
    [MailServer(recipient="550 no such mailbox"), MailServer(data="554 refused by policy")],
    ids=["recipient", "data"],
)
async def test_a_refusal_for_good_names_no_address(server: MailServer) -> None:
    async with listening(server) as mailer:
        with pytest.raises(AddressRejectedError) as refused:
            await asyncio.to_thread(mailer.send, message())
    assert str(refused.value) == ""
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    ("server", "error"),
    [
        (MailServer(recipient="450 mailbox busy"), SMTPRecipientsRefused),
        (MailServer(data="451 out of space"), SMTPDataError),
        (MailServer(hangs_up=True), SMTPServerDisconnected),
    ],
    ids=["recipient", "data", "hangs up"],
)
async def test_a_passing_failure_may_be_tried_again(server: MailServer, error: type[SMTPException]) -> None:
    async with listening(server) as mailer:
        with pytest.raises(error):
            await asyncio.to_thread(mailer.send, message())
    assert server.taken == [] or error is SMTPServerDisconnected


async def test_a_server_that_is_not_there_may_be_tried_again() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        mailer = SmtpMailer(f"smtp://127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(ConnectionRefusedError):
            await asyncio.to_thread(mailer.send, message())


@pytest.mark.parametrize("url", ["", "localhost:25", "http://localhost", "smtp://", "smtps:///x"])
def test_a_mail_server_needs_a_scheme_and_a_host(url: str) -> None:
    with pytest.raises(ValueError, match="LAUREL_SMTP_URL"):
        SmtpMailer(url)
