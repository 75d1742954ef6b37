"""A mail catcher for the embedded stack: takes every message by SMTP, keeps it, and shows it on a page.

A message is written and fsynced as ``<data-dir>/mail/<id>.eml`` before its sender hears 250, so it survives kill -9.
"""

import asyncio
import os
import re
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email import policy
from email.errors import HeaderParseError
from email.header import Header, decode_header
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

import uvicorn
from aiosmtpd.smtp import SMTP, Envelope, Session
from jinja2 import Environment, FileSystemLoader
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

_ID = re.compile(r"[0-9]{19}-[0-9a-f]{8}")
_LARGEST = 25 * 1024 * 1024
_PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; base-uri 'none'; form-action 'none'"
# A message is shown without scripts, network or our origin; its links open in a new window.
_MESSAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox allow-popups allow-popups-to-escape-sandbox"
)
_HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}

_templates = Environment(loader=FileSystemLoader(Path(__file__).with_name("templates")), autoescape=True)


@dataclass(frozen=True)
class CaughtMessage:
    """One message as it was received; ``to`` and ``sender`` are the envelope's addresses."""

    id: str
    sender: str
    to: tuple[str, ...]
    subject: str
    message_id: str
    received_at: datetime
    text: str | None
    html: str | None


class Mailbox:
    """The folder of caught messages. Its files are all of its state; they never change, so each is parsed once."""

    def __init__(self, folder: Path) -> None:
        """Use ``folder``, made if it is missing."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self._parsed: dict[str, CaughtMessage] = {}

    def keep(self, sender: str, recipients: Sequence[str], content: bytes) -> str:
        """Write one message, return its id once it is on disk. Safe to call from several threads."""
        message_id = f"{time.time_ns():019d}-{secrets.token_hex(4)}"
        envelope = [f"Return-Path: {_encoded(f'<{sender}>')}"]
        envelope += [f"Delivered-To: {_encoded(address)}" for address in recipients]
        new = self._folder / f"{message_id}.new"
        with new.open("xb") as file:
            file.write("".join(f"{line}\r\n" for line in envelope).encode("ascii") + content)
            file.flush()
            os.fsync(file.fileno())
        new.rename(self._folder / f"{message_id}.eml")
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return message_id

    def raw(self, message_id: str) -> bytes | None:
        """Return the message's bytes as kept, or None if there is no such message."""
        if not _ID.fullmatch(message_id):
            return None
        with suppress(FileNotFoundError):
            return (self._folder / f"{message_id}.eml").read_bytes()
        return None

    def get(self, message_id: str) -> CaughtMessage | None:
        """Return one message, or None if there is no such message."""
        if message_id not in self._parsed:
            content = self.raw(message_id)
            if content is None:
                return None
            self._parsed[message_id] = _parse(message_id, content)
        return self._parsed[message_id]

    def messages(self, to: str | None = None) -> list[CaughtMessage]:
        """Return the messages, newest first; with ``to``, those delivered to that address."""
        ids = sorted((path.stem for path in self._folder.glob("*.eml")), reverse=True)
        found = [message for name in ids if (message := self.get(name))]
        return [message for message in found if to is None or to.casefold() in map(str.casefold, message.to)]


def _encoded(address: str) -> str:
    return address if address.isascii() else Header(address, "utf-8", maxlinelen=998).encode()


def _parse(message_id: str, content: bytes) -> CaughtMessage:
    message = BytesParser(policy=policy.default).parsebytes(content)
    seconds = int(message_id.partition("-")[0]) / 1e9
    return CaughtMessage(
        id=message_id,
        sender=_first(message, "Return-Path").strip("<>"),
        to=tuple(_headers(message, "Delivered-To")),
        subject=_first(message, "Subject"),
        message_id=_first(message, "Message-ID"),
        received_at=datetime.fromtimestamp(seconds, UTC),
        text=_part(message, "plain"),
        html=_part(message, "html"),
    )


def _first(message: EmailMessage, name: str) -> str:
    return next(_headers(message, name), "")


def _headers(message: EmailMessage, name: str) -> Iterator[str]:
    """Yield the values of a header; read as plain text, because the library's own readers choke on malformed ones."""
    for present, value in message.raw_items():
        if present.casefold() == name.casefold():
            plain = str(value).encode("ascii", "replace").decode().replace("\r\n", "")
            try:
                parts = decode_header(plain)
            except HeaderParseError:
                parts = [(plain, None)]
            yield "".join(_decoded(part, charset) for part, charset in parts).strip()


def _decoded(part: str | bytes, charset: str | None) -> str:
    if isinstance(part, str):
        return part
    try:
        return part.decode(charset or "ascii", errors="replace")
    except LookupError:  # The charset does not exist.
        return part.decode("ascii", errors="replace")


def _part(message: EmailMessage, kind: str) -> str | None:
    part = message.get_body((kind,))
    if part is None:
        return None
    try:
        return str(part.get_content())
    except (LookupError, ValueError):  # An unknown or wrong charset must not hide the message.
        return bytes(part.get_payload(decode=True)).decode(errors="replace")


class _Receiver:
    """The SMTP side: acknowledges a message once it is kept."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep one message; the name is aiosmtpd's."""
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        try:
            kept = await asyncio.to_thread(
                self._mailbox.keep, envelope.mail_from or "", list(envelope.rcpt_tos), content
            )
        except OSError as error:
            return f"451 4.3.0 The message could not be kept: {error.strerror}"
        return f"250 2.0.0 Kept as {kept}"


def create_page(mailbox: Mailbox) -> Starlette:
    """Return the mail page: a list, one message, and ``/messages?to=`` as JSON for programs."""

    def show_list(request: Request) -> Response:
        to = request.query_params.get("to")
        return _page("mailbox.html", messages=mailbox.messages(to), to=to)

    def show_message(request: Request) -> Response:
        message = mailbox.get(request.path_params["id"])
        return _page("message.html", message=message) if message else _not_found()

    def show_html(request: Request) -> Response:
        message = mailbox.get(request.path_params["id"])
        if message is None or message.html is None:
            return _not_found()
        body = f'<base target="_blank">{message.html}'
        return HTMLResponse(body, headers={**_HEADERS, "Content-Security-Policy": _MESSAGE_POLICY})

    def show_source(request: Request) -> Response:
        content = mailbox.raw(request.path_params["id"])
        return Response(content, media_type="text/plain", headers=_HEADERS) if content is not None else _not_found()

    def list_messages(request: Request) -> Response:
        found = mailbox.messages(request.query_params.get("to"))
        return JSONResponse([_as_json(message) for message in found], headers=_HEADERS)

    def answer_health(_request: Request) -> Response:
        return PlainTextResponse("ok")

    return Starlette(
        routes=[
            Route("/", show_list),
            Route("/messages", list_messages),
            Route("/messages/{id}", show_message),
            Route("/messages/{id}/html", show_html),
            Route("/messages/{id}/source", show_source),
            Route("/healthz", answer_health),
        ]
    )


def _page(template: str, **values: object) -> Response:
    body = _templates.get_template(template).render(**values)
    return HTMLResponse(body, headers={**_HEADERS, "Content-Security-Policy": _PAGE_POLICY})


def _not_found() -> Response:
    return PlainTextResponse("There is no such message.", status_code=404, headers=_HEADERS)


def _as_json(message: CaughtMessage) -> dict[str, object]:
    fields = asdict(message)
    return {**fields, "from": fields.pop("sender"), "received_at": message.received_at.isoformat()}


async def serve(folder: Path, *, host: str, page_port: int, smtp_port: int) -> None:
    """Catch mail on ``smtp_port`` and show it on ``page_port`` until SIGTERM or SIGINT."""
    mailbox = Mailbox(folder)
    receiver = _Receiver(mailbox)
    smtp = await asyncio.get_running_loop().create_server(
        lambda: SMTP(receiver, data_size_limit=_LARGEST, enable_SMTPUTF8=True, hostname="laurel.localhost"),
        host,
        smtp_port,
    )
    config = uvicorn.Config(
        create_page(mailbox), host=host, port=page_port, access_log=False, log_level="warning", lifespan="off",
        timeout_graceful_shutdown=2,
    )  # fmt: skip
    try:
        await uvicorn.Server(config).serve()
    finally:
        smtp.close()
