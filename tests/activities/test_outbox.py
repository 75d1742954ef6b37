"""The outbox: each e-mail is sent once, if it is still wanted, and a failing mail server only delays it."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from smtplib import SMTPServerDisconnected
from typing import Any

import pytest
from sqlalchemy import Engine, RowMapping, delete, insert, select, text
from structlog.testing import capture_logs

from activities.mail import Postman
from activities.outbox import Outbox
from activities.policies import PolicyCache
from activities.smtp import AddressRejectedError
from domain.identities import new_id
from domain.roles import Role
from storage.tables import AccountRow, OutgoingEmailRow, SignInLinkRow
from tests.claims import KeptMail

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass
class Link:
    """A sign-in link that was asked for."""

    engine: Engine
    id: str
    email: str
    token: str

    def row(self) -> RowMapping:
        """The state of its e-mail, and the token if it is still known."""
        query = (
            select(OutgoingEmailRow.state, OutgoingEmailRow.tries, OutgoingEmailRow.last_error, SignInLinkRow.token)
            .outerjoin(SignInLinkRow, SignInLinkRow.id == OutgoingEmailRow.subject_id)
            .where(OutgoingEmailRow.subject_id == self.id)
        )
        with self.engine.connect() as connection:
            return connection.execute(query).mappings().one()

    def make_due(self) -> None:
        with self.engine.begin() as connection:
            connection.execute(
                text("UPDATE outgoing_emails SET send_after = :then WHERE subject_id = :id"),
                {"then": LONG_AGO, "id": self.id},
            )


@pytest.fixture
def ask(engine: Engine) -> Callable[..., Link]:
    """Ask for a link, as the API does; it is the first that is due."""

    def ask(minutes: float = 10, email: str | None = None, language: str | None = None) -> Link:
        link_id, token = new_id("lnk"), new_id("tok")
        link = Link(engine, link_id, email or f"{link_id}@learners.example", token)
        email_row = {"id": new_id("eml"), "purpose": "sign_in_link", "subject_id": link_id, "recipient": link.email}
        with engine.begin() as connection:
            connection.execute(
                insert(SignInLinkRow).values(
                    id=link_id,
                    token=token,
                    token_hash=sha256(token.encode()).digest(),
                    email=link.email,
                    language=language,
                    expires_at=datetime.now(UTC) + timedelta(minutes=minutes),
                )
            )
            connection.execute(insert(OutgoingEmailRow).values(**email_row, state="queued", send_after=LONG_AGO))
        return link

    return ask


@pytest.fixture
def outbox(engine: Engine, mail: KeptMail) -> Iterator[Outbox]:
    yield Outbox(engine, PolicyCache(), Postman(mail, "Laurel <credit@laurel.example>"), "https://laurel.example")
    mail.failures.clear()


def test_a_link_is_sent_once_and_its_token_forgotten(ask: Callable[..., Link], outbox: Outbox, mail: KeptMail) -> None:
    link = ask()
    assert outbox.send_next()
    [message] = mail.to(link.email)
    body = message.get_body(("plain",))
    assert body is not None
    assert f"https://laurel.example/sign-in?token={link.token}" in body.get_content()
    assert "within 10 minutes" in body.get_content()
    assert dict(link.row()) == {"state": "sent", "tries": 1, "last_error": None, "token": None}
    link.make_due()
    while outbox.send_next():
        pass
    assert len(mail.to(link.email)) == 1


def test_a_link_is_sent_in_the_language_of_its_account_or_else_of_the_page_that_it_was_asked_on(
    ask: Callable[..., Link], outbox: Outbox, mail: KeptMail, engine: Engine
) -> None:
    stranger, known = ask(language="es"), ask(language="en")
    account = {"id": new_id("acc"), "email": known.email.upper(), "role": Role.LEARNER, "language": "es"}
    with engine.begin() as connection:
        connection.execute(insert(AccountRow).values(**account))
    while outbox.send_next():
        pass
    for link in (stranger, known):
        [message] = mail.to(link.email)
        assert message["Subject"] == "Su enlace para iniciar sesión en Laurel"
        assert message["Content-Language"] == "es"


def test_an_expired_link_is_not_sent_and_its_token_forgotten(
    ask: Callable[..., Link], outbox: Outbox, mail: KeptMail
) -> None:
    link = ask(minutes=0.5)
    assert outbox.send_next()
    assert mail.to(link.email) == []
    assert dict(link.row()) == {"state": "dropped", "tries": 1, "last_error": "expired", "token": None}


def test_a_mail_whose_link_is_gone_stops_no_other(
    ask: Callable[..., Link], outbox: Outbox, mail: KeptMail, engine: Engine
) -> None:
    gone, link = ask(), ask()
    with engine.begin() as connection:
        connection.execute(delete(SignInLinkRow).where(SignInLinkRow.id == gone.id))
    assert outbox.send_next()
    assert outbox.send_next()
    assert gone.row()["state"] == "dropped"
    assert len(mail.to(link.email)) == 1


def test_a_failing_mail_server_is_tried_again_and_nothing_personal_is_noted(
    ask: Callable[..., Link], outbox: Outbox, mail: KeptMail
) -> None:
    link = ask()
    mail.failures[link.email] = SMTPServerDisconnected(f"{link.email} was being sent")
    with capture_logs() as lines:
        assert outbox.send_next()
    assert dict(link.row()) == {
        "state": "queued",
        "tries": 1,
        "last_error": "SMTPServerDisconnected",
        "token": link.token,
    }
    assert link.email not in repr(lines)
    assert link.token not in repr(lines)
    mail.failures.clear()
    link.make_due()
    assert outbox.send_next()
    assert link.row()["state"] == "sent"
    assert len(mail.to(link.email)) == 1


def test_an_address_that_is_refused_for_good_is_given_up(
    ask: Callable[..., Link], outbox: Outbox, mail: KeptMail
) -> None:
    link = ask()
    mail.failures[link.email] = AddressRejectedError()
    assert outbox.send_next()
    assert dict(link.row()) == {"state": "failed", "tries": 1, "last_error": "AddressRejectedError", "token": None}


def test_after_eight_tries_a_link_is_given_up(ask: Callable[..., Link], outbox: Outbox, mail: KeptMail) -> None:
    link = ask()
    mail.failures[link.email] = ConnectionRefusedError()
    for _ in range(8):
        link.make_due()
        assert outbox.send_next()
    assert dict(link.row()) == {"state": "failed", "tries": 8, "last_error": "ConnectionRefusedError", "token": None}


def test_a_link_whose_sender_died_is_sent_by_the_next_one(
    ask: Callable[..., Link], outbox: Outbox, mail: KeptMail
) -> None:
    link = ask()
    mail.failures[link.email] = KeyboardInterrupt()  # type: ignore[assignment]  # the process ends while it sends
    with pytest.raises(KeyboardInterrupt):
        outbox.send_next()
    assert link.row()["state"] == "sending"
    mail.failures.clear()
    link.make_due()
    assert outbox.send_next()
    assert len(mail.to(link.email)) == 1


async def test_the_outbox_runs_on_whatever_happens(
    ask: Callable[..., Link], outbox: Outbox, mail: KeptMail, engine: Engine
) -> None:
    first, second = ask(), ask()
    mail.failures[first.email] = AddressRejectedError()
    running = asyncio.create_task(outbox.run(pause=timedelta(milliseconds=10)))
    for _ in range(3_000):
        if mail.to(second.email) and first.row()["state"] == "failed":
            break
        await asyncio.sleep(0.01)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert len(mail.to(second.email)) == 1
    assert first.row()["state"] == "failed"


@pytest.mark.parametrize("sender", ["", "Laurel", "Laurel <>"])
def test_a_sender_that_is_no_address_is_refused_at_the_start(mail: KeptMail, sender: Any) -> None:
    with pytest.raises(ValueError, match="LAUREL_MAIL_FROM"):
        Postman(mail, sender)
