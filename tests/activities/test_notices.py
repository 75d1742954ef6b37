"""Notices about claims: written from the record as it is when they are sent, to whoever the learner is by then."""

import asyncio
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from email.message import EmailMessage
from itertools import pairwise
from smtplib import SMTPServerDisconnected
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, RowMapping, delete, select, text, update
from structlog.testing import capture_logs

from activities.contract import ClaimRef
from activities.mail import Postman
from activities.outbox import Outbox
from activities.policies import PolicyCache
from activities.smtp import AddressRejectedError
from domain.claims import Stage
from domain.deadlines import end_of_day
from domain.identities import new_id
from domain.notices import NoticePurpose, reminders
from domain.policy import CertificateIssue, ClaimWindow
from domain.problem_reports import ReportState
from domain.reasons import DenialReason, HoldReason, ReleaseReason, ReopeningReason
from domain.submissions import ClaimDenied, ClaimHeld, ClaimReleased, ClaimReopened
from storage import problem_reports
from storage.acts import Actor
from storage.emails import queue_notice
from storage.problem_reports import ProblemReport, Settlement
from storage.tables import AccountRow, ClaimRow, OutgoingEmailRow
from tests.activities.test_ledger_twice import brought_to, step
from tests.claims import KeptMail, TestClaim
from worker import Activities

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
CHICAGO = "America/Chicago"
NewClaim = Callable[..., TestClaim]


@dataclass
class Notices:
    """The outbox, and what it makes of the notices about one claim."""

    engine: Engine
    mail: KeptMail
    outbox: Outbox

    def queue(self, claim: TestClaim, purpose: NoticePurpose, occasion: str = "once") -> bool:
        """Queue a notice, and make it the first that is due."""
        with self.engine.begin() as connection:
            is_new = queue_notice(connection, purpose, claim.claim_id, occasion)
        self.make_due(claim)
        return is_new

    def make_due(self, claim: TestClaim) -> None:
        row = update(OutgoingEmailRow).where(OutgoingEmailRow.claim_id == claim.claim_id)
        with self.engine.begin() as connection:
            connection.execute(row.values(send_after=LONG_AGO))

    def row(self, claim: TestClaim, purpose: NoticePurpose) -> RowMapping:
        query = select(*OutgoingEmailRow.__table__.columns).where(
            OutgoingEmailRow.claim_id == claim.claim_id, OutgoingEmailRow.purpose == purpose
        )
        with self.engine.connect() as connection:
            return connection.execute(query).mappings().one()

    def sent(self, claim: TestClaim, purpose: NoticePurpose, occasion: str = "once") -> EmailMessage:
        """Queue a notice and send it; it is the one message that its learner has got."""
        assert self.queue(claim, purpose, occasion)
        self.send_all()
        assert self.row(claim, purpose)["state"] == "sent"
        [message] = self.mail.to(claim.email)
        return message

    def dropped(self, claim: TestClaim, purpose: NoticePurpose, occasion: str = "once") -> str:
        """Queue a notice that is not sent; answers with the reason."""
        before = len(self.mail.messages)
        assert self.queue(claim, purpose, occasion)
        self.send_all()
        row = self.row(claim, purpose)
        assert (row["state"], row["recipient"]) == ("dropped", "")
        assert len(self.mail.messages) == before
        return str(row["last_error"])

    def send_all(self) -> None:
        while self.outbox.send_next():
            pass


@pytest.fixture
def notices(engine: Engine, mail: KeptMail) -> Iterator[Notices]:
    outbox = Outbox(engine, PolicyCache(), Postman(mail, "Laurel <credit@laurel.example>"), "https://laurel.example")
    notices = Notices(engine, mail, outbox)
    # What other tests queued is not what these are about.
    notices.send_all()
    yield notices
    mail.failures.clear()


def due_in(days: int) -> ClaimWindow:
    return ClaimWindow(closes_on=datetime.now(ZoneInfo(CHICAGO)).date() + timedelta(days=days))


def occasion_of(claim: TestClaim) -> str:
    """The last reminder of the claim's deadline."""
    planned = reminders(claim.row()["due_at"], claim.policy.reminder_days, claim.policy.time_zone, claim.claim_id)
    return planned[-1].occasion


def change(claim: TestClaim, **values: Any) -> None:
    """Put a claim where staff and time would bring it."""
    with claim.engine.begin() as connection:
        connection.execute(update(ClaimRow).where(ClaimRow.id == claim.claim_id).values(**values))


def sent_times(engine: Engine, claim: TestClaim) -> list[datetime]:
    of_claim = OutgoingEmailRow.claim_id == claim.claim_id
    with engine.connect() as connection:
        times = connection.execute(select(OutgoingEmailRow.sent_at).where(of_claim)).scalars().all()
    return sorted(at for at in times if at is not None)


def text_of(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


def reads_spanish(claim: TestClaim) -> None:
    with claim.engine.begin() as connection:
        connection.execute(update(AccountRow).where(AccountRow.email == claim.email).values(language="es"))


def test_a_notice_is_in_the_language_that_its_learner_chose(
    new_claim: NewClaim, activities: Activities, notices: Notices
) -> None:
    claim = brought_to(new_claim(claim_window=due_in(2), time_zone=CHICAGO), activities, Stage.AWAITING_EVALUATION)
    reads_spanish(claim)
    body = text_of(notices.sent(claim, NoticePurpose.DEADLINE_REMINDER, occasion_of(claim)))
    assert "Hola, Alice Moreau:" in body
    assert "- Complete la evaluación.\n- Solicite su crédito.\n" in body
    assert f"Escriba a {claim.policy.contact}." in body


def test_the_mail_about_an_award_is_in_the_language_that_its_learner_chose(
    new_claim: NewClaim, activities: Activities, mail: KeptMail
) -> None:
    claim = brought_to(new_claim(), activities, Stage.COMPLETED)
    reads_spanish(claim)
    activities.certificates.issue_certificate(ClaimRef(claim.claim_id))
    activities.mail.send_award_email(ClaimRef(claim.claim_id))
    [message] = mail.to(claim.email)
    assert "Felicitaciones." in text_of(message)
    assert "AMA PRA Category 1" in text_of(message)


def test_a_reminder_says_what_is_left_to_do_and_until_when(
    new_claim: NewClaim, activities: Activities, notices: Notices
) -> None:
    claim = brought_to(new_claim(claim_window=due_in(2), time_zone=CHICAGO), activities, Stage.AWAITING_EVALUATION)
    claim.change_learner(time_zone="Europe/Berlin")
    message = notices.sent(claim, NoticePurpose.DEADLINE_REMINDER, occasion_of(claim))
    body = text_of(message)
    assert "Dear Alice Moreau," in body
    assert "- Complete the evaluation.\n- Claim your credit.\n" in body
    assert "- Pass the post-test." not in body
    assert ", 23:59 (Chicago, UTC-" in body
    assert ", for you " in body
    assert f"https://laurel.example/claims/{claim.claim_id}" in body
    assert f"Write to {claim.policy.contact}." in body
    assert "CE credit" in str(message["Subject"])


def stop_link(message: EmailMessage) -> str:
    [found] = re.findall(r"https://laurel\.example/reminders/[A-Za-z0-9_-]{43}", text_of(message))
    assert message["List-Unsubscribe"] == f"<{found}>"
    return str(found)


def test_all_reminders_of_a_learner_carry_the_one_link_that_stops_them(
    new_claim: NewClaim, activities: Activities, notices: Notices
) -> None:
    claim = brought_to(new_claim(claim_window=due_in(2), time_zone=CHICAGO), activities, Stage.AWAITING_EVALUATION)
    planned = reminders(claim.row()["due_at"], claim.policy.reminder_days, claim.policy.time_zone, claim.claim_id)
    first = stop_link(notices.sent(claim, NoticePurpose.DEADLINE_REMINDER, planned[-1].occasion))
    notices.mail.messages.clear()
    assert notices.queue(claim, NoticePurpose.DEADLINE_REMINDER, f"{planned[-1].occasion}/again")
    notices.send_all()
    [again] = notices.mail.to(claim.email)
    assert stop_link(again) == first


def report_of(claim: TestClaim, message: str = "My badge is refused.") -> ProblemReport:
    with claim.engine.begin() as connection:
        made = problem_reports.report(connection, claim.claim_id, message, Actor(claim.account_id))
    assert isinstance(made, ProblemReport)
    return made


def test_whom_learners_ask_is_told_what_one_of_them_reports(
    new_claim: NewClaim, activities: Activities, notices: Notices
) -> None:
    contact = f"{new_id('office')}@office.example"
    claim = brought_to(new_claim(contact=f"CE office, {contact}."), activities, Stage.AWAITING_TEST)
    made = report_of(claim)
    notices.make_due(claim)
    notices.send_all()
    [message] = notices.mail.to(contact)
    body = text_of(message)
    assert "My badge is refused." in body
    assert f"https://laurel.example/staff/problem-reports/{made.id}" in body
    assert notices.mail.to(claim.email) == []


def test_a_report_stays_in_the_record_where_only_a_telephone_number_is_known(
    new_claim: NewClaim, activities: Activities, notices: Notices
) -> None:
    claim = brought_to(new_claim(contact="+1 312 555 0100"), activities, Stage.AWAITING_TEST)
    report_of(claim)
    notices.make_due(claim)
    notices.send_all()
    row = notices.row(claim, NoticePurpose.PROBLEM_REPORTED)
    assert (row["state"], row["last_error"]) == ("dropped", "no_recipient")


def test_a_learner_is_sent_the_answer_to_a_report_once_however_often_it_is_answered(
    new_claim: NewClaim, activities: Activities, notices: Notices
) -> None:
    claim = brought_to(new_claim(), activities, Stage.AWAITING_TEST)
    made = report_of(claim)
    answered = [Settlement(ReportState.ANSWERED, words) for words in ("It is on the list now.", "Something else.")]
    with claim.engine.begin() as connection:
        settled = [problem_reports.settle(connection, made.id, each, Actor("acc_staff")) for each in answered]
    assert [each and each.answer for each in settled] == ["It is on the list now.", None]
    notices.make_due(claim)
    notices.send_all()
    [message] = notices.mail.to(claim.email)
    assert "It is on the list now." in text_of(message)


def test_a_reminder_of_an_opening_still_to_come_says_when_it_is(
    new_claim: NewClaim, activities: Activities, notices: Notices
) -> None:
    opens_on = datetime.now(ZoneInfo(CHICAGO)).date() + timedelta(days=1)
    window = replace(due_in(2), opens_on=opens_on)
    claim = brought_to(new_claim(claim_window=window, time_zone=CHICAGO), activities, Stage.AWAITING_TEST)
    body = text_of(notices.sent(claim, NoticePurpose.DEADLINE_REMINDER, occasion_of(claim)))
    assert f"Credit may be claimed from {opens_on:%B} {opens_on.day}, {opens_on.year}, 00:00 (Chicago" in body


def test_nobody_is_reminded_of_a_step_that_was_done_meanwhile(
    new_claim: NewClaim, activities: Activities, notices: Notices
) -> None:
    claim = brought_to(new_claim(claim_window=due_in(2)), activities, Stage.COMPLETED)
    assert notices.dropped(claim, NoticePurpose.DEADLINE_REMINDER, occasion_of(claim)) == "not_wanted"


def test_nobody_is_reminded_who_does_not_want_to_be(
    new_claim: NewClaim, activities: Activities, notices: Notices
) -> None:
    claim = brought_to(new_claim(claim_window=due_in(2)), activities, Stage.AWAITING_TEST)
    claim.change_learner(wants_reminders=False)
    assert notices.dropped(claim, NoticePurpose.DEADLINE_REMINDER, occasion_of(claim)) == "not_wanted"
    assert "more time" in text_of(notices.sent(claim, NoticePurpose.DEADLINE_EXTENDED))


def test_the_opening_of_the_window_is_told_with_the_deadline_if_there_is_one(
    new_claim: NewClaim, activities: Activities, notices: Notices
) -> None:
    claim = brought_to(new_claim(claim_window=due_in(2)), activities, Stage.READY_TO_CLAIM)
    assert "Deadline: " in text_of(notices.sent(claim, NoticePurpose.WINDOW_OPENED))
    endless = brought_to(new_claim(claim_window=ClaimWindow()), activities, Stage.READY_TO_CLAIM)
    body = text_of(notices.sent(endless, NoticePurpose.WINDOW_OPENED))
    assert "From now on you can claim" in body
    assert "Deadline: " not in body


def test_an_expired_claim_is_told_when_it_closed_and_a_refusal_that_it_stays_closed(
    new_claim: NewClaim, activities: Activities, notices: Notices
) -> None:
    claim = brought_to(new_claim(claim_window=due_in(2), time_zone=CHICAGO), activities, Stage.AWAITING_TEST)
    past = end_of_day(date(2026, 3, 20), CHICAGO)
    change(claim, stage=Stage.EXPIRED, closed_as=Stage.EXPIRED, closed_at=past, due_at=past)
    assert "Closed: March 20, 2026, 23:59 (Chicago, UTC-5)" in text_of(notices.sent(claim, NoticePurpose.CLAIM_EXPIRED))
    notices.mail.messages.clear()
    assert "stays closed" in text_of(notices.sent(claim, NoticePurpose.EXTENSION_REFUSED))


def test_a_refusal_before_the_deadline_says_that_the_claim_is_open(
    new_claim: NewClaim, activities: Activities, notices: Notices
) -> None:
    claim = brought_to(new_claim(claim_window=due_in(2)), activities, Stage.AWAITING_TEST)
    assert "still open" in text_of(notices.sent(claim, NoticePurpose.EXTENSION_REFUSED))


def test_a_learner_is_told_of_a_hold_its_end_a_denial_and_a_reopening_with_the_kind_of_the_reason(
    new_claim: NewClaim, activities: Activities, notices: Notices
) -> None:
    claim = brought_to(new_claim(claim_window=due_in(20), time_zone=CHICAGO), activities, Stage.AWAITING_EVALUATION)
    acts: list[tuple[ClaimHeld | ClaimReleased | ClaimDenied | ClaimReopened, str]] = [
        (ClaimHeld(HoldReason.IDENTITY_CHECK, "Is she she?"), "on hold, for:\n\n  {title}\n  It is being checked that"),
        (ClaimReleased(ReleaseReason.OTHER, "It is her."), "ended the hold of your claim of CE credit, for:"),
        (ClaimDenied(DenialReason.DUPLICATE, "Again."), "denied your claim of CE credit, for:\n\n  {title}\n  You"),
        (
            ClaimReopened(ReopeningReason.APPEAL_GRANTED, "Well."),
            "again, for:\n\n  {title}\n  Your appeal was granted.",
        ),
    ]
    for body, words in acts:
        claim.receive(body, actor=new_id("acc"))
        activities.claims.decide_submissions(step(claim))
        notices.make_due(claim)
        notices.send_all()
        [message] = notices.mail.to(claim.email)
        assert words.format(title=claim.policy.title) in text_of(message)
        assert body.reason not in text_of(message)
        notices.mail.messages.clear()


def test_a_hold_that_ended_before_its_mail_was_sent_is_not_told(
    new_claim: NewClaim, activities: Activities, notices: Notices
) -> None:
    claim = brought_to(new_claim(), activities, Stage.AWAITING_EVALUATION)
    assert notices.dropped(claim, NoticePurpose.CLAIM_HELD) == "not_wanted"


def test_the_link_to_a_certificate_leads_to_its_page(
    new_claim: NewClaim, activities: Activities, notices: Notices
) -> None:
    claim = brought_to(new_claim(), activities, Stage.COMPLETED)
    activities.certificates.issue_certificate(ClaimRef(claim.claim_id))
    body = text_of(notices.sent(claim, NoticePurpose.CERTIFICATE_LINK))
    assert f"https://laurel.example/claims/{claim.claim_id}/certificate\n" in body


def test_a_certificate_that_another_system_issues_is_linked_there_and_the_award_told_without_it(
    new_claim: NewClaim, activities: Activities, notices: Notices
) -> None:
    issue = CertificateIssue(issued="elsewhere", system="The Registry", url="https://registry.example/mine")
    claim = brought_to(new_claim(certificate=issue), activities, Stage.COMPLETED)
    activities.mail.send_award_email(ClaimRef(claim.claim_id))
    [award] = notices.mail.to(claim.email)
    assert claim.row()["stage"] == Stage.COMPLETED
    notices.mail.messages.clear()
    for message in (award, notices.sent(claim, NoticePurpose.CERTIFICATE_LINK)):
        body = text_of(message)
        assert "The Registry" in body
        assert "https://registry.example/mine" in body
        assert "/certificate\n" not in body
        assert "/verify/" not in body


def test_a_notice_goes_to_the_address_of_the_day_on_which_it_is_sent(
    new_claim: NewClaim, activities: Activities, notices: Notices, engine: Engine
) -> None:
    claim = brought_to(new_claim(), activities, Stage.AWAITING_TEST)
    assert notices.queue(claim, NoticePurpose.DEADLINE_EXTENDED)
    assert notices.row(claim, NoticePurpose.DEADLINE_EXTENDED)["recipient"] == ""
    new_address = f"{new_id('new')}@learners.example"
    with engine.begin() as connection:
        account = update(AccountRow).where(AccountRow.id == claim.account_id)
        connection.execute(account.values(email=new_address))
    notices.send_all()
    assert len(notices.mail.to(new_address)) == 1
    assert notices.mail.to(claim.email) == []
    assert notices.row(claim, NoticePurpose.DEADLINE_EXTENDED)["recipient"] == new_address


def test_a_notice_goes_to_whom_the_learner_became_part_of(
    new_claim: NewClaim, activities: Activities, notices: Notices
) -> None:
    claim, other = brought_to(new_claim(), activities, Stage.AWAITING_TEST), new_claim()
    claim.change_learner(merged_into=other.learner_id)
    other.change_learner(given_name="Alicia")
    assert notices.queue(claim, NoticePurpose.DEADLINE_EXTENDED)
    notices.send_all()
    [message] = notices.mail.to(other.email)
    assert "Dear Alicia Moreau," in text_of(message)
    assert notices.mail.to(claim.email) == []


def test_nothing_is_sent_to_a_closed_account_or_about_a_claim_that_is_not_there(
    new_claim: NewClaim, activities: Activities, notices: Notices, engine: Engine
) -> None:
    claim = brought_to(new_claim(), activities, Stage.AWAITING_TEST)
    with engine.begin() as connection:
        account = update(AccountRow).where(AccountRow.id == claim.account_id)
        connection.execute(account.values(deactivated_at=LONG_AGO))
    assert notices.dropped(claim, NoticePurpose.DEADLINE_EXTENDED) == "no_recipient"
    assert notices.dropped(new_claim(), NoticePurpose.DEADLINE_EXTENDED) == "no_recipient"


def test_an_occasion_is_written_about_once(new_claim: NewClaim, activities: Activities, notices: Notices) -> None:
    claim = brought_to(new_claim(), activities, Stage.AWAITING_TEST)
    assert notices.queue(claim, NoticePurpose.DEADLINE_EXTENDED, "first")
    assert not notices.queue(claim, NoticePurpose.DEADLINE_EXTENDED, "first")
    notices.send_all()
    assert not notices.queue(claim, NoticePurpose.DEADLINE_EXTENDED, "first")
    assert notices.queue(claim, NoticePurpose.DEADLINE_EXTENDED, "second")
    notices.send_all()
    first, second = notices.mail.to(claim.email)
    assert first["Message-ID"] != second["Message-ID"]


def test_a_notice_that_is_sent_again_has_the_same_bytes(
    new_claim: NewClaim, activities: Activities, notices: Notices, engine: Engine
) -> None:
    claim = brought_to(new_claim(claim_window=due_in(2)), activities, Stage.AWAITING_TEST)
    notices.sent(claim, NoticePurpose.DEADLINE_REMINDER, occasion_of(claim))
    with engine.begin() as connection:
        row = update(OutgoingEmailRow).where(OutgoingEmailRow.claim_id == claim.claim_id)
        connection.execute(row.values(state="sending"))
    notices.make_due(claim)
    notices.send_all()
    first, second = notices.mail.to(claim.email)
    assert bytes(first) == bytes(second)


def test_a_failing_mail_server_is_asked_again_after_growing_pauses_for_a_day_and_parks_nothing(
    new_claim: NewClaim, activities: Activities, notices: Notices
) -> None:
    claim = brought_to(new_claim(), activities, Stage.AWAITING_TEST)
    notices.mail.failures[claim.email] = SMTPServerDisconnected(f"{claim.email} was being sent")
    notices.queue(claim, NoticePurpose.DEADLINE_EXTENDED)
    tries = []
    with capture_logs() as lines:
        while notices.row(claim, NoticePurpose.DEADLINE_EXTENDED)["state"] != "failed":
            before = datetime.now(UTC)
            assert notices.outbox.send_next()
            again_at = notices.row(claim, NoticePurpose.DEADLINE_EXTENDED)["send_after"]
            tries.append((before, again_at, datetime.now(UTC)))
            notices.make_due(claim)
    row = notices.row(claim, NoticePurpose.DEADLINE_EXTENDED)
    assert (row["tries"], row["last_error"]) == (100, "SMTPServerDisconnected")
    pauses = [timedelta(seconds=seconds) for seconds in (5, 10, 20, 40, 80, 160, 320, 640)]
    pauses += [timedelta(minutes=15)] * (len(tries) - 1 - len(pauses))
    assert sum(pauses, timedelta()) > timedelta(hours=22)
    for pause, (before, again_at, after) in zip(pauses, tries[:-1], strict=True):
        assert before + pause <= again_at <= after + pause
    assert claim.email not in repr(lines)
    assert "Moreau" not in repr(lines)
    assert claim.row()["attention"] is None


def test_an_address_that_is_refused_for_good_is_not_tried_again(
    new_claim: NewClaim, activities: Activities, notices: Notices
) -> None:
    claim = brought_to(new_claim(), activities, Stage.AWAITING_TEST)
    notices.mail.failures[claim.email] = AddressRejectedError()
    notices.queue(claim, NoticePurpose.DEADLINE_EXTENDED)
    notices.send_all()
    row = notices.row(claim, NoticePurpose.DEADLINE_EXTENDED)
    assert (row["state"], row["tries"], row["last_error"]) == ("failed", 1, "AddressRejectedError")
    assert row["recipient"] == claim.email


def test_several_senders_send_each_notice_once(
    new_claim: NewClaim, activities: Activities, notices: Notices, engine: Engine
) -> None:
    claim = brought_to(new_claim(), activities, Stage.AWAITING_TEST)
    for number in range(40):
        notices.queue(claim, NoticePurpose.DEADLINE_EXTENDED, str(number))
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(notices.send_all) for _ in range(4)]:
            done.result()
    assert len(notices.mail.to(claim.email)) == 40
    assert len({message["Message-ID"] for message in notices.mail.to(claim.email)}) == 40


async def test_notices_leave_at_a_measured_pace(
    new_claim: NewClaim, activities: Activities, notices: Notices, engine: Engine
) -> None:
    claim = brought_to(new_claim(), activities, Stage.AWAITING_TEST)
    for number in range(4):
        notices.queue(claim, NoticePurpose.DEADLINE_EXTENDED, str(number))
    running = asyncio.create_task(notices.outbox.run(senders=1))
    for _ in range(1_200):
        if len(sent_times(engine, claim)) == 4:
            break
        await asyncio.sleep(0.05)
    running.cancel()
    sent = sent_times(engine, claim)
    assert len(sent) == 4
    assert all(later - earlier >= timedelta(milliseconds=200) for earlier, later in pairwise(sent))


def test_a_sign_in_link_goes_before_any_number_of_notices(
    new_claim: NewClaim, activities: Activities, notices: Notices, engine: Engine
) -> None:
    claim = brought_to(new_claim(), activities, Stage.AWAITING_TEST)
    for number in range(5):
        notices.queue(claim, NoticePurpose.DEADLINE_EXTENDED, str(number))
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO outgoing_emails (id, purpose, subject_id, recipient, state) "
                "VALUES (:id, 'sign_in_link', :id, 'x@learners.example', 'queued')"
            ),
            {"id": new_id("eml")},
        )
    assert notices.outbox.send_next()
    assert notices.mail.to(claim.email) == []
    notices.send_all()
    assert len(notices.mail.to(claim.email)) == 5


def test_a_purpose_that_only_a_newer_release_knows_is_left_to_it(notices: Notices, engine: Engine) -> None:
    email_id = new_id("eml")
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO outgoing_emails (id, purpose, subject_id, recipient, state, send_after) "
                "VALUES (:id, 'birthday', :id, '', 'queued', :then)"
            ),
            {"id": email_id, "then": LONG_AGO},
        )
    assert notices.outbox.send_next()
    with engine.begin() as connection:
        this = OutgoingEmailRow.id == email_id
        query = select(OutgoingEmailRow.state, OutgoingEmailRow.last_error).where(this)
        assert connection.execute(query).one() == ("queued", "LookupError")
        connection.execute(delete(OutgoingEmailRow).where(this))
