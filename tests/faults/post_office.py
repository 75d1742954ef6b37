"""A mail server between Laurel and its mailbox, which can be told to do what mail servers do."""

import asyncio
import smtplib
from collections import Counter
from collections.abc import Callable
from email import message_from_bytes, policy
from enum import StrEnum

from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.faults.proxy import Address


class Mood(StrEnum):
    """How one message is received."""

    LATER = "4xx"
    NEVER = "5xx"
    LATE = "late reply"
    DROP = "drop in DATA"


class PostOffice:
    """Hands messages on to the mailbox at ``target``, and answers for it; use it in the loop that started it.

    Messages are refused for good only if they are about an award: whoever asks for a sign-in link and never gets one
    has nobody to turn to. ``met`` counts what was done to whom.
    """

    def __init__(self, target: Callable[[], Address], late: float = 22.0) -> None:
        """``late`` is in seconds; longer than Laurel waits for an answer (20), which then sends a second copy."""
        self._target = target
        self._late = late
        self._orders: list[Mood] = []
        self._sessions: set[SMTP] = set()
        self.met: Counter[Mood] = Counter()

    async def start(self) -> int:
        """Begin to listen, and answer with the port."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._session, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        """Take nothing more."""
        self._server.close()
        for session in self._sessions:
            _abort(session)
        await asyncio.sleep(0.05)

    def order(self, mood: Mood, count: int = 1) -> None:
        """Receive the next messages in this mood; those of an earlier order come first."""
        self._orders += [mood] * count

    def calm(self) -> None:
        """Receive every message as it should be."""
        self._orders.clear()

    def next_is(self, mood: Mood) -> bool:
        """Whether the next message will be received so; if it will, it is."""
        if not self._orders or self._orders[0] is not mood:
            return False
        self._orders.pop(0)
        self.met[mood] += 1
        return True

    def _session(self) -> SMTP:
        session = _Session(self)
        self._sessions.add(session)
        return session

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Receive one message; the name is aiosmtpd's."""
        if self.next_is(Mood.LATER):
            return "451 4.3.2 Not now"
        if _is_about_award(envelope) and self.next_is(Mood.NEVER):
            return "554 5.7.1 Never"
        is_late = self.next_is(Mood.LATE)
        try:
            await asyncio.to_thread(self._hand_on, envelope)
        except (OSError, smtplib.SMTPException):
            return "451 4.4.1 The mailbox is away"
        if is_late:
            await asyncio.sleep(self._late)
        return "250 2.0.0 Handed on"

    def _hand_on(self, envelope: Envelope) -> None:
        with smtplib.SMTP(*self._target(), timeout=5) as mailbox:
            mailbox.sendmail(envelope.mail_from or "", envelope.rcpt_tos, envelope.original_content or b"")


class _Session(SMTP):
    """One connection of a sender's."""

    def __init__(self, office: PostOffice) -> None:
        super().__init__(office, enable_SMTPUTF8=True, hostname="post-office.localhost")
        self._office = office

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802  # the name is aiosmtpd's
        if self._office.next_is(Mood.DROP):
            await self.push("354 Go on")
            _abort(self)
        else:
            await super().smtp_DATA(arg)


def _abort(session: SMTP) -> None:
    if isinstance(session.transport, asyncio.WriteTransport):
        session.transport.abort()


def _is_about_award(envelope: Envelope) -> bool:
    message = message_from_bytes(envelope.original_content or b"", policy=policy.default)
    body = message.get_body(("plain",))
    return body is not None and "/certificate" in body.get_content()
