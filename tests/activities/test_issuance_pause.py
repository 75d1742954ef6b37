"""The issuance pause in the record: placed and lifted once, seen by every transaction that issues, found until over."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Engine, text
from temporalio.exceptions import ApplicationError

from activities.certificates import PostgresCertificateActivities
from activities.contract import ISSUANCE_PAUSED, ClaimRef, ClaimStep
from documents.jobs import CertificateJob
from domain.claims import Attention, Stage
from domain.corrections import CreditChange
from domain.reasons import PauseReason, ResumptionReason
from domain.submissions import CreditClaimed
from storage import issuance
from storage.acts import Actor
from storage.issuance import UnknownProviderError, resumable_claims, resumable_corrections
from tests.audit import entries_of
from tests.claims import KeptMail, TestClaim
from tests.corrections import asked, row_of
from tests.issuance import BY, everywhere, own_provider, pause, provider_of, resume
from worker import Activities

NewClaim = Callable[..., TestClaim]


def read(activities: Activities, claim: TestClaim) -> None:
    activities.claims.decide_submissions(ClaimStep(claim.claim_id, datetime.now(UTC)))


def at_claiming(activities: Activities, claim: TestClaim) -> TestClaim:
    claim.receive_steps(Stage.READY_TO_CLAIM, datetime.now(UTC) - timedelta(hours=1))
    read(activities, claim)
    assert claim.row()["stage"] == Stage.READY_TO_CLAIM
    return claim


@pytest.fixture
def claim(activities: Activities, new_claim: NewClaim) -> TestClaim:
    """A claim whose learner may claim credit, of a provider of its own."""
    return at_claiming(activities, new_claim(**own_provider()))


def outcome(claim: TestClaim, submission_id: str) -> tuple[str | None, str | None]:
    query = text("SELECT outcome, refusal FROM submissions WHERE id = :id")
    with claim.engine.connect() as connection:
        row = connection.execute(query, {"id": submission_id}).one()
    return row.outcome, row.refusal


def is_found(claim: TestClaim) -> bool:
    with claim.engine.connect() as connection:
        return claim.claim_id in {row["claim_id"] for row in resumable_claims(connection)}


def test_a_pause_is_placed_once_and_lifted_once_with_an_entry_for_each(engine: Engine, claim: TestClaim) -> None:
    provider = provider_of(claim)
    with engine.begin() as connection:
        first, is_new = issuance.place(connection, provider, PauseReason.KEY_COMPROMISED, "A laptop is lost.", BY)
        again, is_new_again = issuance.place(connection, provider, PauseReason.OTHER, "Me too.", Actor("acc_x"))
        assert (again, is_new, is_new_again) == (first, True, False)
        assert issuance.in_force(connection, provider) == first
    lifted = resume(engine, first)
    assert (lifted.lifted_by, lifted.lift_reason_code) == (BY.id, ResumptionReason.CHECKED)
    assert resume(engine, first) == lifted
    entries = [each for each in entries_of(engine, issuance.STREAM) if each["after"]["pause"] == first.id]
    assert [(each["event"], each["actor"], each["after"], each["reason"]) for each in entries] == [
        (
            "issuance.paused",
            BY.id,
            {"pause": first.id, "provider": provider, "reason_code": "key_compromised"},
            "A laptop is lost.",
        ),
        (
            "issuance.resumed",
            BY.id,
            {"pause": first.id, "provider": provider, "reason_code": "checked"},
            "They do not.",
        ),
    ]
    with engine.begin() as connection:
        assert issuance.in_force(connection, provider) is None
        assert first.id in {each.id for each in issuance.listed(connection, with_lifted=True)}
        assert issuance.lift(connection, "isp_none", ResumptionReason.OTHER, "?", BY) is None
        with pytest.raises(UnknownProviderError):
            issuance.place(connection, "nobody", PauseReason.OTHER, "?", BY)


def test_credit_is_kept_while_paused_and_awarded_as_of_its_receipt_afterwards(
    activities: Activities, claim: TestClaim
) -> None:
    placed = pause(claim.engine, provider_of(claim))
    received_at = datetime.now(UTC) - timedelta(minutes=1)
    credit = claim.receive(claim.credit(), received_at)
    for _ in range(3):
        read(activities, claim)
    assert (outcome(claim, credit), claim.awards()) == ((None, None), [])
    assert claim.events().count("claim.parked") == 1
    assert claim.row()["attention"] == Attention.ISSUANCE_PAUSED
    assert not is_found(claim)
    resume(claim.engine, placed)
    assert is_found(claim)
    for _ in range(3):
        read(activities, claim)
    assert outcome(claim, credit) == ("accepted", None)
    assert [award["attested_at"] for award in claim.awards()] == [received_at]
    assert (claim.row()["attention"], is_found(claim)) == (None, False)
    claim.assert_audited()


def test_what_is_refused_anyway_is_refused_at_once(activities: Activities, claim: TestClaim) -> None:
    pause(claim.engine, provider_of(claim))
    outdated = CreditClaimed(claim.credit().credit_type, Decimal("1.00"), "older", is_attested=True)
    submission_id = claim.receive(outdated)
    read(activities, claim)
    assert outcome(claim, submission_id) == ("refused", "attestation_outdated")
    assert claim.row()["attention"] is None


def test_a_timely_step_that_is_read_after_the_claim_expired_opens_it_again_and_waits(
    activities: Activities, claim: TestClaim, new_claim: NewClaim
) -> None:
    placed = pause(claim.engine, provider_of(claim))
    with claim.engine.begin() as connection:
        soon = text("UPDATE claims SET due_at = clock_timestamp() - interval '1 minute' WHERE id = :id")
        connection.execute(soon, {"id": claim.claim_id})
    activities.claims.expire_claim(ClaimStep(claim.claim_id, datetime.now(UTC)))
    assert claim.row()["stage"] == Stage.EXPIRED
    credit = claim.receive(claim.credit(), datetime.now(UTC) - timedelta(minutes=10))
    read(activities, claim)
    assert (claim.row()["stage"], claim.row()["attention"]) == (Stage.READY_TO_CLAIM, Attention.ISSUANCE_PAUSED)
    activities.claims.expire_claim(ClaimStep(claim.claim_id, datetime.now(UTC)))
    assert claim.row()["stage"] == Stage.READY_TO_CLAIM
    resume(claim.engine, placed)
    read(activities, claim)
    assert outcome(claim, credit) == ("accepted", None)


def test_a_reminder_is_not_sent_to_whom_a_pause_keeps_waiting(activities: Activities, claim: TestClaim) -> None:
    pause(claim.engine, provider_of(claim))
    claim.receive(claim.credit())
    read(activities, claim)
    reminds_at = claim.row()["reminds_at"]
    assert reminds_at is not None
    activities.claims.remind_learner(ClaimStep(claim.claim_id, reminds_at))
    query = text("SELECT count(*) FROM outgoing_emails WHERE claim_id = :id AND purpose = 'deadline_reminder'")
    with claim.engine.connect() as connection:
        assert connection.execute(query, {"id": claim.claim_id}).scalar_one() == 0


def assert_paused(issue: Callable[[ClaimRef], object], claim: TestClaim) -> None:
    with pytest.raises(ApplicationError) as caught:
        issue(ClaimRef(claim.claim_id))
    assert (caught.value.type, caught.value.message) == (ISSUANCE_PAUSED, ISSUANCE_PAUSED)
    assert caught.value.non_retryable, "trying again is pointless until somebody lifts the pause"


def test_neither_certificate_nor_e_mail_leaves_while_paused_and_both_do_afterwards(
    activities: Activities, claim: TestClaim, mail: KeptMail
) -> None:
    issue, send = activities.certificates.issue_certificate, activities.mail.send_award_email
    claim.receive(claim.credit())
    read(activities, claim)
    with everywhere(claim.engine):
        assert_paused(issue, claim)
    issue(ClaimRef(claim.claim_id))
    with everywhere(claim.engine):
        assert_paused(send, claim)
        assert mail.to(claim.email) == []
    send(ClaimRef(claim.claim_id))
    with everywhere(claim.engine):
        # What is issued and sent already stays so: repeating it changes nothing.
        issue(ClaimRef(claim.claim_id))
        send(ClaimRef(claim.claim_id))
    claim.assert_awarded_once()
    assert len(mail.to(claim.email)) == 1


class PausedMeanwhile:
    """A renderer during whose work somebody pauses issuance of this claim's provider."""

    def __init__(self, claim: TestClaim) -> None:
        self._claim = claim

    def render(self, _job: CertificateJob) -> bytes:
        pause(self._claim.engine, provider_of(self._claim))
        return b"%PDF-1.7 of a test"


def test_a_certificate_that_was_being_made_when_issuance_was_paused_is_not_issued(
    activities: Activities, claim: TestClaim
) -> None:
    claim.receive(claim.credit())
    read(activities, claim)
    render = PausedMeanwhile(claim)
    slow = PostgresCertificateActivities(claim.engine, activities.claims, render, activities.credentials)
    assert_paused(slow.issue_certificate, claim)
    assert claim.count("documents") == 0


def test_a_correction_waits_visibly_and_is_found_once_the_pause_is_over(
    activities: Activities, claim: TestClaim
) -> None:
    claim.receive(claim.credit())
    read(activities, claim)
    placed = pause(claim.engine, provider_of(claim))
    ref = asked(claim, CreditChange(units=Decimal("0.50")))
    activities.corrections.load_correction(ref)
    for _ in range(2):
        status = activities.corrections.apply_correction(ref)
        assert (status.state, status.attention) == ("approved", Attention.ISSUANCE_PAUSED)
    assert (claim.count("awards"), claim.events().count("correction.parked")) == (1, 1)

    def found() -> bool:
        with claim.engine.connect() as connection:
            return ref.correction_id in {row["correction_id"] for row in resumable_corrections(connection)}

    assert not found()
    resume(claim.engine, placed)
    assert found()
    status = activities.corrections.apply_correction(ref)
    assert (status.state, status.attention, found()) == ("applied", None, False)
    assert row_of(claim.engine, ref)["attention"] is None
    claim.assert_audited()


def test_a_pause_is_acknowledged_only_after_an_award_that_was_under_way(
    activities: Activities, claim: TestClaim
) -> None:
    claim.receive(claim.credit())
    provider, order = provider_of(claim), []

    def place() -> None:
        pause(claim.engine, provider)
        order.append("paused")

    placing = threading.Thread(target=place)
    with activities.claims.ledger(claim.claim_id) as ledger:
        placing.start()
        _wait_until_somebody_waits(claim.engine)
        ledger.decide_all()
        ledger.close()
        order.append("awarded")
    placing.join()
    assert order == ["awarded", "paused"]
    assert len(claim.awards()) == 1


def test_an_award_that_begins_while_a_pause_is_being_placed_waits_for_it_and_finds_it(
    activities: Activities, claim: TestClaim
) -> None:
    credit = claim.receive(claim.credit())
    awarding = threading.Thread(target=read, args=(activities, claim))
    with claim.engine.begin() as connection:
        issuance.place(connection, provider_of(claim), PauseReason.OTHER, "A drill.", BY)
        awarding.start()
        _wait_until_somebody_waits(claim.engine)
    awarding.join()
    assert (outcome(claim, credit), claim.awards()) == ((None, None), [])


def _wait_until_somebody_waits(engine: Engine) -> None:
    """Wait until a transaction waits for the lock of issuance."""
    query = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    for _ in range(20_000):
        with engine.connect() as connection:
            if connection.execute(query).scalar_one():
                return
    raise AssertionError("nobody waits")


def test_awards_of_many_claims_do_not_wait_for_each_other(activities: Activities, new_claim: NewClaim) -> None:
    one, other = (at_claiming(activities, new_claim(**own_provider())) for _ in range(2))
    one.receive(one.credit())
    with activities.claims.ledger(other.claim_id):
        read(activities, one)
    assert len(one.awards()) == 1
