"""Nothing personal reaches Temporal: not in inputs, not in results, not in what activities raise."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from email.message import EmailMessage
from itertools import cycle
from smtplib import SMTPDataError, SMTPRecipientsRefused
from typing import Any, NoReturn

import psycopg
import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError
from temporalio.api.failure.v1 import Failure
from temporalio.converter import DataConverter
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from activities.certificates import PostgresCertificateActivities
from activities.ledger import ClaimLedger
from activities.mail import Postman
from activities.privacy import PrivateFailures
from activities.smtp import AddressRejectedError
from config.settings import Settings
from documents.jobs import CertificateJob, Renderer
from domain.claims import Attention, Stage
from domain.identities import new_id
from domain.policy import ClaimWindow
from domain.submissions import AttemptStarted, EvaluationCompleted, StepRetried, SubmissionBody, Withdrawal
from tests.claims import TestClaim, full_responses
from tests.workflows.conftest import Forward, Workers
from worker import Activities
from workflows import contract

NewClaim = Callable[..., TestClaim]

GIVEN, FAMILY, ADDRESS, OPINION = "Zwetschgenkern", "Quittenbaum", "mirabelle@learners.example", "Holunderblueten"
REASON = f"Because {GIVEN} {FAMILY} <{ADDRESS}> said {OPINION}"
CANARIES = (GIVEN, FAMILY, ADDRESS, OPINION, "mirabelle")


def failures() -> list[Exception]:
    """What databases and mail servers raise: errors that quote rows and addresses, alone and as cause or context."""
    violation = psycopg.errors.UniqueViolation(f"Key (email)=({ADDRESS}) already exists.")
    caused, hidden = RuntimeError("harmless"), RuntimeError("harmless")
    coded = ApplicationError("MailRefused", type="MailRefused")
    caused.__cause__ = coded.__cause__ = violation
    hidden.__context__ = ValueError(REASON)
    return [
        IntegrityError("INSERT INTO learners VALUES (:name)", {"name": GIVEN}, violation),
        SMTPRecipientsRefused({ADDRESS: (450, FAMILY.encode())}),
        SMTPDataError(451, REASON.encode()),
        ValueError(REASON),
        ApplicationError(REASON, {"email": ADDRESS}, type="Planted"),
        ApplicationError("Planted", {"email": ADDRESS}, type="Planted"),
        caused,
        hidden,
        coded,
    ]


def assert_clean(raw: bytes) -> None:
    assert [canary for canary in CANARIES if canary.encode() in raw] == []


@dataclass
class Raising(ActivityInboundInterceptor):
    """Stands for an activity that fails."""

    failure: Exception

    async def execute_activity(self, input: ExecuteActivityInput) -> NoReturn:  # noqa: A002, ARG002
        raise self.failure


@pytest.mark.parametrize("failure", failures(), ids=lambda failure: type(failure).__name__)
async def test_what_an_activity_raises_is_stored_without_what_it_quotes(failure: Exception) -> None:
    no_input: Any = None
    with pytest.raises(ApplicationError) as raised:
        await PrivateFailures().intercept_activity(Raising(failure)).execute_activity(no_input)
    stored = Failure()
    DataConverter.default.failure_converter.to_failure(raised.value, DataConverter.default.payload_converter, stored)
    assert stored.application_failure_info.type
    assert_clean(stored.SerializeToString())


@dataclass
class Faults:
    """Failures that are raised once each, in turn, by whatever asks next."""

    left: int = 0
    raised: int = 0
    _all: Iterator[Exception] = field(default_factory=lambda: cycle(failures()))

    def raise_next(self) -> None:
        if self.left:
            self.left -= 1
            self.raised += 1
            raise next(self._all)


class FaultyMailer:
    """Refuses while there are faults left; ``is_refusing`` refuses for good."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self.is_refusing = False

    def send(self, message: EmailMessage) -> None:
        if self.is_refusing:
            raise AddressRejectedError(message["To"])
        self._faults.raise_next()


@dataclass
class FaultyParts:
    """The product's activities, each with faults of its own."""

    activities: Activities
    ledger: Faults
    render: Faults
    mail: Faults
    mailer: FaultyMailer


@pytest.fixture
async def faulty(workers: Workers, engine: Engine, settings: Settings) -> AsyncIterator[FaultyParts]:
    ledger, render, mail = Faults(), Faults(), Faults()
    mailer = FaultyMailer(mail)
    activities = Activities(engine, settings, Postman(mailer, settings.mail_from))
    open_ledger = activities.claims.ledger

    @contextmanager
    def faulty_ledger(claim_id: str) -> Iterator[ClaimLedger]:
        ledger.raise_next()
        with open_ledger(claim_id) as opened:
            yield opened

    class FaultyRenderer(Renderer):
        def render(self, job: CertificateJob) -> bytes:  # noqa: ARG002  # the protocol's signature
            render.raise_next()
            return b"%PDF-1.7 of a test"

    activities.claims.ledger = faulty_ledger  # type: ignore[method-assign]  # stands for a failing database
    activities.certificates = PostgresCertificateActivities(
        engine, activities.claims, FaultyRenderer(), activities.credentials
    )
    async with workers.replaced(activities):
        yield FaultyParts(activities, ledger, render, mail, mailer)


def canary(new_claim: NewClaim, **changes: Any) -> TestClaim:
    """A claim of a learner of whom nothing may appear in Temporal."""
    learner = {"given_name": GIVEN, "family_name": FAMILY, "email": f"{new_id('m')}.{ADDRESS}"}
    return new_claim(learner=learner, **changes)


async def assert_nothing_personal_in_temporal(claim: TestClaim) -> None:
    history = await claim.handle.fetch_history()
    description = await claim.handle.describe()
    raw = b"".join(event.SerializeToString() for event in history.events)
    raw += description.raw_description.SerializeToString()
    assert claim.claim_id.encode() in raw, "the search itself works"
    assert_clean(raw)


async def test_a_whole_life_with_failures_in_every_activity_leaves_nothing_personal_in_temporal(
    new_claim: NewClaim, faulty: FaultyParts
) -> None:
    claim = canary(new_claim)
    steps: list[SubmissionBody] = [
        claim.participation(),
        AttemptStarted(),
        claim.answers(),
        EvaluationCompleted({**full_responses(claim.policy), "topics": REASON}),
        claim.credit(),
    ]
    faulty.ledger.left = 1
    await claim.open()
    for stage, body in zip([stage for stage, _ in claim.steps()], steps, strict=True):
        await claim.reaches(stage)
        faulty.ledger.left = 1
        faulty.render.left = faulty.mail.left = 1
        assert (await claim.submit(body))["outcome"] == "accepted"
    await claim.reaches(Stage.COMPLETED, seconds=30)
    await claim.handle.result()
    assert (faulty.ledger.raised, faulty.render.raised, faulty.mail.raised) == (6, 1, 1)
    await assert_nothing_personal_in_temporal(claim)


async def test_a_ledger_write_that_keeps_failing_leaves_nothing_personal_in_temporal(
    new_claim: NewClaim, faulty: FaultyParts
) -> None:
    claim = canary(new_claim)
    await claim.open()
    # Six failures as a local activity, whose last one the history keeps, and two as an ordinary one.
    faulty.ledger.left = 8
    assert (await claim.submit(Withdrawal(REASON)))["outcome"] == "accepted"
    await claim.handle.result()
    assert faulty.ledger.raised == 8
    await assert_nothing_personal_in_temporal(claim)


async def test_parking_expiring_and_waiting_leave_nothing_personal_in_temporal(
    new_claim: NewClaim, faulty: FaultyParts, forward: Forward
) -> None:
    expiring, parked = (
        canary(new_claim, claim_window=ClaimWindow(days=3)),
        canary(new_claim),
    )
    await expiring.brought_to(Stage.AWAITING_EVALUATION)
    faulty.ledger.left = 2
    await forward(expiring, timedelta(days=5))
    await expiring.reaches(Stage.EXPIRED)
    faulty.mailer.is_refusing = True
    await parked.brought_to(Stage.ISSUING)
    await parked.shows(contract.CLAIM_ATTENTION, Attention.EMAIL_FAILED)
    await assert_nothing_personal_in_temporal(parked)
    faulty.mailer.is_refusing = False
    await parked.submit(StepRetried(REASON))
    await parked.reaches(Stage.COMPLETED)
    for claim in (expiring, parked):
        await claim.handle.result()
        await assert_nothing_personal_in_temporal(claim)
