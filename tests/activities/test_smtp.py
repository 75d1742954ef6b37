"""Handing mail to a real SMTP server, also to one that refuses, fails or hangs up."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from pathlib import Path
from smtplib import (
    SMTPAuthenticationError,
    SMTPDataError,
    SMTPException,
    SMTPNotSupportedError,
    SMTPRecipientsRefused,
    SMTPSenderRefused,
    SMTPServerDisconnected,
)

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from activities.smtp import AddressRejectedError, MailServerUntrustedError, SmtpMailer
from tests.authorities import Authority, Pair

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

    def __init__(
        self, recipient: str = "250 OK", data: str = "250 OK", *, sender: str = "250 OK", hangs_up: bool = False
    ) -> None:
        self._sender = sender
        self._recipient = recipient
        self._data = data
        self._hangs_up = hangs_up
        self.taken: list[Envelope] = []
        self.was_encrypted: list[bool] = []

    async def handle_MAIL(  # noqa: N802  # the name is aiosmtpd's
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        envelope.mail_from = address
        return self._sender

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
            assert server.transport is not None
            self.was_encrypted.append(server.transport.get_extra_info("cipher") is not None)
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
        (MailServer(sender="550 who are you"), SMTPSenderRefused),
    ],
    ids=["recipient", "data", "hangs up", "our own address"],
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


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@asynccontextmanager
async def encrypting(scheme: str, shown: Pair, handler: MailServer) -> AsyncIterator[str]:
    """The address of a server that shows a certificate, at once or when it is asked to; it knows one account."""
    context = shown.server_context()

    def server() -> SMTP:
        return SMTP(
            handler,
            tls_context=context if scheme == "smtp+starttls" else None,
            require_starttls=scheme == "smtp+starttls",
            auth_require_tls=scheme == "smtp+starttls",
            authenticator=lambda _s, _e, _f, _m, asked: AuthResult(success=asked.password == b"right", handled=False),
        )

    at_once = context if scheme == "smtps" else None
    listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0, ssl=at_once)
    async with listener:
        yield f"127.0.0.1:{listener.sockets[0].getsockname()[1]}"


TLS = pytest.mark.parametrize("scheme", ["smtp+starttls", "smtps"])


@TLS
async def test_a_message_goes_encrypted_to_a_server_that_shows_who_it_is(scheme: str, authority: Authority) -> None:
    server = MailServer()
    async with encrypting(scheme, authority.sign("127.0.0.1"), server) as address:
        mailer = SmtpMailer(f"{scheme}://laurel:right@{address}", authority.file)
        await asyncio.to_thread(mailer.greet)
        assert server.taken == []
        await asyncio.to_thread(mailer.send, message())
    assert [envelope.rcpt_tos for envelope in server.taken] == [[RECIPIENT]]
    assert server.was_encrypted == [True]


@TLS
@pytest.mark.parametrize(
    ("name", "is_over", "is_known", "reason"),
    [
        ("127.0.0.2", False, True, "mismatch"),
        ("127.0.0.1", True, True, "expired"),
        ("127.0.0.1", False, False, "issuer certificate"),
    ],
    ids=["another name", "expired", "unknown authority"],
)
async def test_a_server_that_cannot_show_who_it_is_gets_nothing_and_may_be_tried_again(
    scheme: str, authority: Authority, *, name: str, is_over: bool, is_known: bool, reason: str
) -> None:
    server = MailServer()
    async with encrypting(scheme, authority.sign(name, is_over=is_over), server) as address:
        mailer = SmtpMailer(f"{scheme}://laurel:right@{address}", authority.file if is_known else None)
        with pytest.raises(MailServerUntrustedError, match=reason) as refused:
            await asyncio.to_thread(mailer.send, message())
    # The queue gives up at once at a ValueError, as the standard library's own error is one.
    assert not isinstance(refused.value, ValueError)
    assert refused.value.__suppress_context__
    assert server.taken == []


async def test_a_server_that_does_not_encrypt_gets_no_password(authority: Authority) -> None:
    server = MailServer()
    async with listening(server) as plain:
        mailer = SmtpMailer(f"smtp+starttls://laurel:right@127.0.0.1:{plain._port}", authority.file)
        with pytest.raises(SMTPNotSupportedError):
            await asyncio.to_thread(mailer.send, message())
    assert server.taken == []


@TLS
async def test_a_wrong_password_is_no_fault_of_the_address(scheme: str, authority: Authority) -> None:
    async with encrypting(scheme, authority.sign("127.0.0.1"), MailServer()) as address:
        mailer = SmtpMailer(f"{scheme}://laurel:wrong@{address}", authority.file)
        with pytest.raises(SMTPAuthenticationError):
            await asyncio.to_thread(mailer.send, message())


def test_each_way_of_speaking_has_its_usual_port() -> None:
    ports = {scheme: SmtpMailer(f"{scheme}://mail.example")._port for scheme in ("smtp", "smtp+starttls", "smtps")}
    assert ports == {"smtp": 25, "smtp+starttls": 587, "smtps": 465}


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_without_certificates_is_refused_by_the_settings_name(content: str | None, tmp_path: Path) -> None:
    file = tmp_path / "authority.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ValueError, match="LAUREL_SMTP_CA_FILE"):
        SmtpMailer("smtps://mail.example", file)
