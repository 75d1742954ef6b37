"""Dependencies that fail: a claim parks and says what to do, or waits for the record; it never fails."""

import threading
from collections.abc import Awaitable, Callable
from email.message import EmailMessage
from functools import partial

import psycopg
import pytest
from sqlalchemy import Engine, NullPool, create_engine, event, make_url, select, text, update
from temporalio.client import WorkflowExecutionStatus
from temporalio.testing import WorkflowEnvironment

from activities.certificates import PostgresCertificateActivities
from activities.mail import Postman
from activities.smtp import AddressRejectedError
from config.settings import Settings
from documents.jobs import CertificateJob
from domain.claims import Attention, Stage
from domain.identities import new_id
from domain.submissions import StepRetried
from storage.tables import AccountRow, LearnerRow, OutgoingEmailRow
from tests.claims import KeptMail, TestClaim
from tests.workflows.conftest import Forward, Workers
from worker import Activities
from workflows import contract

NewClaim = Callable[..., TestClaim]
Details = Callable[[TestClaim], Awaitable[str]]
pytestmark = pytest.mark.usefixtures("workers")


async def parked(claim: TestClaim, attention: Attention) -> None:
    """Both the record and the search attributes say that the claim needs a person, and it is not closed."""
    await claim.until(lambda: claim.row().get("attention") == attention)
    await claim.shows(contract.CLAIM_ATTENTION, attention)
    await claim.shows(contract.CLAIM_STAGE, Stage.ISSUING)
    assert (await claim.handle.describe()).status is WorkflowExecutionStatus.RUNNING


async def completed(claim: TestClaim) -> None:
    await claim.reaches(Stage.COMPLETED)
    await claim.handle.result()
    assert claim.row()["attention"] is None
    await claim.shows(contract.CLAIM_ATTENTION, None)
    claim.assert_awarded_once()


async def refused_by_the_mail_server(claim: TestClaim, mail: KeptMail) -> None:
    mail.failures[claim.email] = AddressRejectedError()
    await claim.brought_to(Stage.ISSUING)
    await parked(claim, Attention.EMAIL_FAILED)


async def test_a_refused_e_mail_parks_the_claim_and_the_details_say_what_to_do(
    new_claim: NewClaim, mail: KeptMail, details: Details
) -> None:
    claim = new_claim()
    await refused_by_the_mail_server(claim, mail)
    text = await details(claim)
    assert "Needs attention: email_failed" in text
    assert "retry_step" in text
    assert claim.entries()[-1]["after"] == {"attention": "email_failed", "error": "AddressRejected"}
    assert [award["state"] for award in claim.awards()] == ["active"]


class SilentMailer:
    """A mail server that takes a connection and says nothing, until it is told to."""

    def __init__(self) -> None:
        self.is_asked, self.answers = threading.Event(), threading.Event()

    def send(self, _message: EmailMessage) -> None:
        self.is_asked.set()
        self.answers.wait()


async def test_a_mail_server_that_says_nothing_holds_up_no_learner(
    new_claim: NewClaim, workers: Workers, environment: WorkflowEnvironment, engine: Engine, settings: Settings
) -> None:
    silent = SilentMailer()
    own = Activities(engine, settings, Postman(silent, settings.mail_from))
    narrow = Workers(environment.client, own, settings.model_copy(update={"activity_slots": 1}))
    async with workers.away():
        await narrow.start()
        try:
            untold = new_claim()
            await untold.brought_to(Stage.ISSUING)
            await untold.until(silent.is_asked.is_set)
            await new_claim().brought_to(Stage.AWAITING_EVALUATION)
            assert untold.row()["stage"] == Stage.ISSUING
        finally:
            silent.answers.set()
            await untold.handle.result()
            await narrow.stop()
            own.renderer.close()


async def test_a_retry_by_staff_completes_a_parked_claim(new_claim: NewClaim, mail: KeptMail) -> None:
    claim = new_claim()
    await refused_by_the_mail_server(claim, mail)
    del mail.failures[claim.email]
    assert (await claim.submit(StepRetried("address corrected")))["outcome"] == "accepted"
    await completed(claim)
    # Taking the retry and going on are two writes at the same time.
    parked, *going_on, sent = claim.events()[-4:]
    assert (parked, sorted(going_on), sent) == ("claim.parked", ["claim.continued", "retry.accepted"], "email.sent")
    assert len(mail.to(claim.email)) == 1


async def test_a_retry_typed_into_the_temporal_ui_completes_a_parked_claim(new_claim: NewClaim, mail: KeptMail) -> None:
    claim = new_claim()
    await refused_by_the_mail_server(claim, mail)
    del mail.failures[claim.email]
    await claim.handle.signal("retry_step", {"operator": "j.doe", "reason": "mail server repaired"})
    await completed(claim)
    [entry] = [entry for entry in claim.entries() if entry["event"] == "retry.accepted"]
    assert (entry["actor"], entry["reason"]) == ("operator:j.doe", "mail server repaired")


async def test_an_address_that_is_corrected_while_the_claim_is_parked_gets_the_e_mail_once(
    new_claim: NewClaim, mail: KeptMail
) -> None:
    claim = new_claim()
    await refused_by_the_mail_server(claim, mail)
    corrected = f"{new_id('right')}@learners.example"
    with claim.engine.begin() as connection:
        account = update(AccountRow).where(AccountRow.id == claim.account_id)
        connection.execute(account.values(email=corrected))
    await claim.submit(StepRetried("address corrected"))
    await completed(claim)
    assert (len(mail.to(corrected)), mail.to(claim.email)) == (1, [])
    with claim.engine.connect() as connection:
        query = select(OutgoingEmailRow.recipient, OutgoingEmailRow.tries, OutgoingEmailRow.state)
        sent = connection.execute(query.where(OutgoingEmailRow.claim_id == claim.claim_id)).one()
    assert tuple(sent) == (corrected, 2, "sent")
    history = (await claim.handle.fetch_history()).to_json()
    assert claim.email not in history
    assert corrected not in history


async def test_an_e_mail_that_has_nobody_to_go_to_parks_its_claim_as_often_as_it_is_retried(
    new_claim: NewClaim, mail: KeptMail
) -> None:
    claim = new_claim()
    await refused_by_the_mail_server(claim, mail)

    def has_parked(claim: TestClaim, times: int) -> bool:
        return claim.events().count("claim.parked") == times

    def belongs_to(account_id: str | None) -> None:
        with claim.engine.begin() as connection:
            learner = update(LearnerRow).where(LearnerRow.id == claim.learner_id)
            connection.execute(learner.values(account_id=account_id))

    belongs_to(None)
    for _ in range(2):
        before = claim.events().count("claim.parked")
        assert (await claim.submit(StepRetried("address corrected")))["outcome"] == "accepted"
        await claim.until(partial(has_parked, claim, before + 1))
        await parked(claim, Attention.EMAIL_FAILED)
        assert claim.entries()[-1]["after"] == {"attention": "email_failed", "error": "CertificateNotIssued"}
    del mail.failures[claim.email]
    belongs_to(claim.account_id)
    await claim.submit(StepRetried("account given back"))
    await completed(claim)
    assert len(mail.to(claim.email)) == 1


async def test_a_retry_typed_without_a_reason_is_recorded_as_refused_and_retries_nothing(
    new_claim: NewClaim, mail: KeptMail
) -> None:
    claim = new_claim()
    await refused_by_the_mail_server(claim, mail)
    del mail.failures[claim.email]
    await claim.handle.signal("retry_step", {"operator": "j.doe"})
    await claim.until(lambda: claim.events()[-1] == "retry.refused")
    # A later signal is decided after the first one, and finds the claim parked as it was.
    await claim.submit(claim.opening())
    await parked(claim, Attention.EMAIL_FAILED)
    assert mail.to(claim.email) == []


async def test_a_retry_that_fails_again_parks_the_claim_again(new_claim: NewClaim, mail: KeptMail) -> None:
    claim = new_claim()
    await refused_by_the_mail_server(claim, mail)
    await claim.submit(StepRetried("hoping for the best"))
    await claim.until(lambda: claim.events().count("claim.parked") == 2)
    await parked(claim, Attention.EMAIL_FAILED)
    claim.assert_audited()


async def test_a_parked_claim_tries_itself_again_after_six_hours(
    new_claim: NewClaim, mail: KeptMail, forward: Forward
) -> None:
    claim = new_claim()
    await refused_by_the_mail_server(claim, mail)
    del mail.failures[claim.email]
    await forward(claim, contract.SELF_RETRY)
    await completed(claim)
    assert "retry.accepted" not in claim.events()


async def test_a_name_that_no_font_can_print_parks_the_claim_and_leaves_the_award_standing(
    new_claim: NewClaim, details: Details
) -> None:
    claim = new_claim(learner={"given_name": "\U00013000\U00013001"})
    await claim.brought_to(Stage.ISSUING)
    await parked(claim, Attention.CERTIFICATE_FAILED)
    assert "Needs attention: certificate_failed" in await details(claim)
    assert claim.entries()[-1]["after"]["error"] == "GlyphsMissing"
    assert [award["state"] for award in claim.awards()] == ["active"]
    claim.assert_audited()


class PassingFault:
    """Renders, once the fault that it was made with is gone."""

    def __init__(self) -> None:
        self.is_broken = True

    def render(self, job: CertificateJob) -> bytes:
        if self.is_broken:
            raise MemoryError(job.data.learner_name)
        return b"%PDF-1.7 of a test"


@pytest.fixture
def own_activities(engine: Engine, settings: Settings, mail: KeptMail) -> Activities:
    return Activities(engine, settings, Postman(mail, settings.mail_from))


async def test_a_renderer_that_fails_is_tried_again_until_it_works(
    new_claim: NewClaim, workers: Workers, own_activities: Activities, engine: Engine
) -> None:
    render = PassingFault()
    own_activities.certificates = PostgresCertificateActivities(
        engine, own_activities.claims, render, own_activities.credentials
    )
    async with workers.replaced(own_activities):
        claim = new_claim()
        await claim.brought_to(Stage.ISSUING)
        await pending_failure(claim, "certificate.issue", "MemoryError")
        render.is_broken = False
        await completed(claim)
    claim.assert_awarded_once()


async def pending_failure(claim: TestClaim, activity: str, failure: str) -> None:
    """Wait until operators see this activity pending with this failure."""
    await claim.described(
        lambda description: any(
            pending.activity_type.name == activity and pending.last_failure.application_failure_info.type == failure
            for pending in description.raw_description.pending_activities
        )
    )


async def test_a_claim_waits_visibly_while_the_database_is_away_and_goes_on_when_it_is_back(
    new_claim: NewClaim, workers: Workers, settings: Settings, mail: KeptMail
) -> None:
    # Without a pool every transaction connects, and can find the server away.
    engine, is_away = (
        create_engine(make_url(settings.database_url).set(drivername="postgresql+psycopg"), poolclass=NullPool),
        False,
    )

    @event.listens_for(engine, "do_connect")
    def refuse_while_away(*_: object) -> None:
        if is_away:
            raise psycopg.OperationalError("connection refused")

    own = Activities(engine, settings, Postman(mail, settings.mail_from))
    async with workers.replaced(own):
        claim = new_claim()
        await claim.brought_to(Stage.READY_TO_CLAIM)
        is_away = True
        submission_id = claim.receive(claim.credit())
        await claim.deliver(submission_id)
        await pending_failure(claim, "submissions.decide", "OperationalError")
        assert (await claim.handle.describe()).status is WorkflowExecutionStatus.RUNNING
        is_away = False
        assert (await claim.outcome(submission_id))["outcome"] == "accepted"
        await completed(claim)
    engine.dispose()


async def test_a_ledger_write_that_hangs_is_handed_over_and_still_happens_once(
    new_claim: NewClaim, engine: Engine
) -> None:
    claim = new_claim()
    await claim.brought_to(Stage.READY_TO_CLAIM)
    submission_id = claim.receive(claim.credit())
    with engine.begin() as connection:
        connection.execute(text("SELECT 1 FROM claims WHERE id = :id FOR UPDATE"), {"id": claim.claim_id})
        await claim.deliver(submission_id)
        await claim.described(lambda description: bool(description.raw_description.pending_activities))
    assert (await claim.outcome(submission_id))["outcome"] == "accepted"
    await completed(claim)
