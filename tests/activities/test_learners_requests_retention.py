"""What learners hand out and report goes with them, and with their claims."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, text

from activities.contract import ClaimRef
from domain.claims import Stage
from domain.problem_reports import ReportState
from domain.transcripts import TranscriptFilter
from storage import erasure, problem_reports, reminder_links, transcript_links
from storage.acts import Actor
from storage.problem_reports import ProblemReport, Settlement
from storage.replay import replay_claim
from storage.retention import Order, purge
from tests.activities.test_ledger_twice import brought_to
from tests.audit import entries_of
from tests.claims import TestClaim
from worker import Activities

NewClaim = Callable[..., TestClaim]
ARCHIVIST = Actor("cli:archivist")
LONG_AGO = datetime.fromisoformat("2009-05-01T12:00:00+00:00")


def completed(new_claim: NewClaim, activities: Activities) -> TestClaim:
    claim = brought_to(new_claim(), activities, Stage.COMPLETED)
    activities.certificates.issue_certificate(ClaimRef(claim.claim_id))
    activities.mail.send_award_email(ClaimRef(claim.claim_id))
    return claim


def answered_report(claim: TestClaim) -> ProblemReport:
    with claim.engine.begin() as connection:
        made = problem_reports.report(connection, claim.claim_id, "My name is wrong.", Actor(claim.account_id))
        assert isinstance(made, ProblemReport)
        settled = problem_reports.settle(
            connection, made.id, Settlement(ReportState.ANSWERED, "It is corrected."), Actor("acc_staff")
        )
        assert settled is not None
    return settled


def rows(engine: Engine, query: str, **values: Any) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query), values)]


def test_a_report_changes_nothing_that_the_claims_entries_lead_to(new_claim: NewClaim, activities: Activities) -> None:
    claim = completed(new_claim, activities)
    answered_report(claim)
    with claim.engine.connect() as connection:
        assert replay_claim(connection, claim.claim_id).differences == ()


def test_the_words_of_a_report_are_removed_with_its_claims(
    new_claim: NewClaim, activities: Activities, engine: Engine, owner_engine: Engine
) -> None:
    claim = completed(new_claim, activities)
    report = answered_report(claim)
    with owner_engine.begin() as connection:
        for statement in (
            "UPDATE claims SET opened_at = :at, closed_at = :at WHERE id = :id",
            "UPDATE awards SET completed_on = CAST(:at AS timestamptz)::date WHERE claim_id = :id",
        ):
            connection.execute(text(statement.replace("::", r"\:\:")), {"at": LONG_AGO, "id": claim.claim_id})
    purge(owner_engine, Order(before=date(2018, 1, 1), authority="schedule 7", actor=ARCHIVIST), is_applied=True)
    query = "SELECT state, message, answer FROM problem_reports WHERE id = :id"
    assert rows(engine, query, id=report.id) == [("answered", "", None)]


def test_links_of_a_learner_go_when_their_contact_data_is_erased(
    new_claim: NewClaim, activities: Activities, engine: Engine
) -> None:
    claim = completed(new_claim, activities)
    with engine.begin() as connection:
        by, life = Actor(claim.account_id), timedelta(days=30)
        wanted = TranscriptFilter()
        transcript_links.add(connection, claim.learner_id, f"token {claim.learner_id}", wanted, life=life, actor=by)
        reminder_links.token_of(connection, claim.learner_id)
    with engine.begin() as connection:
        erasure.erase_contact(connection, claim.learner_id, "They asked for it.", ARCHIVIST)
    for table in ("transcript_links", "reminder_links"):
        assert rows(engine, f"SELECT * FROM {table} WHERE learner_id = :id", id=claim.learner_id) == []  # noqa: S608
    erased = entries_of(engine, f"learner:{claim.learner_id}")[-1]
    assert (erased["after"]["removed"]["transcript_links"], erased["after"]["removed"]["reminder_links"]) == (1, 1)
