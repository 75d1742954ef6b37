"""The post office receives as it was told, and then as it should; Laurel's own mailer is its sender."""

import asyncio
import smtplib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from email.message import EmailMessage
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP

from activities.smtp import AddressRejectedError, SmtpMailer
from cli.mailbox import Mailbox, _Receiver
from tests.faults.post_office import Mood, PostOffice


class Delivery:
    """A sender, the post office, and the mailbox behind it."""

    def __init__(self, folder: Path) -> None:
        self.mailbox = Mailbox(folder)
        self.office = PostOffice(lambda: self.mailbox_at, late=6.0)
        self.mailbox_at = ("127.0.0.1", 9)

    async def open(self, stack: AsyncExitStack) -> None:
        receiver = _Receiver(self.mailbox)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: SMTP(receiver, hostname="test"), "127.0.0.1", 0)
        stack.callback(server.close)
        self.mailbox_at = server.sockets[0].getsockname()
        self.port = await self.office.start()
        stack.push_async_callback(self.office.stop)

    async def send(self, words: str) -> None:
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = "a@laurel.example", "b@learners.example", "Test"
        message.set_content(words)
        await asyncio.to_thread(SmtpMailer(f"smtp://127.0.0.1:{self.port}", seconds=3).send, message)

    @property
    def received(self) -> list[str]:
        return [(message.text or "").strip() for message in self.mailbox.messages()]


@pytest.fixture
async def delivery(tmp_path: Path) -> AsyncIterator[Delivery]:
    async with AsyncExitStack() as stack:
        delivery = Delivery(tmp_path)
        await delivery.open(stack)
        yield delivery


async def test_a_message_is_handed_on_unchanged(delivery: Delivery) -> None:
    await delivery.send("hello")
    assert delivery.received == ["hello"]


@pytest.mark.parametrize("mood", [Mood.LATER, Mood.DROP])
async def test_a_message_that_is_not_taken_now_is_taken_at_the_next_try(delivery: Delivery, mood: Mood) -> None:
    delivery.office.order(mood)
    with pytest.raises((smtplib.SMTPException, ConnectionResetError)):
        await delivery.send("hello")
    assert delivery.received == []
    await delivery.send("hello")
    assert delivery.received == ["hello"]
    assert delivery.office.met[mood] == 1


async def test_a_message_about_an_award_is_refused_for_good_and_a_link_is_not(delivery: Delivery) -> None:
    delivery.office.order(Mood.NEVER)
    await delivery.send("https://laurel.test/sign-in?token=1")
    with pytest.raises(AddressRejectedError):
        await delivery.send("https://laurel.test/claims/clm_1/certificate")
    assert delivery.received == ["https://laurel.test/sign-in?token=1"]


async def test_a_message_whose_answer_is_late_was_taken_all_the_same(delivery: Delivery) -> None:
    delivery.office.order(Mood.LATE)
    with pytest.raises((smtplib.SMTPException, TimeoutError)):
        await delivery.send("hello")
    assert delivery.received == ["hello"]


async def test_a_message_is_taken_later_when_the_mailbox_is_away(delivery: Delivery) -> None:
    delivery.mailbox_at = ("127.0.0.1", 9)
    with pytest.raises(smtplib.SMTPDataError, match="451"):
        await delivery.send("hello")
