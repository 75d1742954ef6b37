"""Merging two learners: nothing is lost, no credit counts twice, and it may run twice or beside anything else."""

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, cast

import pytest
from sqlalchemy import Connection, Engine, insert, select, text
from temporalio.client import Client
from temporalio.exceptions import ApplicationError

from activities.contract import ClaimRef, MergeRef
from activities.relay import Restarter
from domain.claims import Stage
from domain.identities import new_id
from domain.intervals import Watched
from domain.people import name_key
from storage import content_progress
from storage.audit import claim_stream, first_break, learner_stream
from storage.claims import StaleReadError
from storage.merges import lock_merge, unfinished_merges
from storage.tables import AwardRow, HistoricalAwardRow, LearnerIdentifierRow, LearnerMergeRow, LearnerRow
from tests.activities.test_corrections import IN_ERROR, completed, made
from tests.activities.test_ledger_twice import brought_to, step
from tests.claims import KeptMail, TestClaim, example_policy
from worker import Activities

NewClaim = Callable[..., TestClaim]


@pytest.fixture
def pair(engine: Engine) -> Callable[[], tuple[TestClaim, TestClaim]]:
    """Claims of two learners for one CE activity: of the one who is kept, and of the duplicate."""

    def make() -> tuple[TestClaim, TestClaim]:
        policy = example_policy()
        kept = TestClaim(engine, cast(Client, None), policy)
        return kept, TestClaim(engine, cast(Client, None), policy, slug=kept.slug)

    return make


def awarded(claim: TestClaim, activities: Activities) -> TestClaim:
    brought_to(claim, activities, Stage.READY_TO_CLAIM)
    claim.receive(claim.credit())
    activities.claims.decide_submissions(step(claim))
    assert claim.row()["awarded_at"] is not None
    return claim


def asked(engine: Engine, kept_id: str, duplicate_id: str, reason: str = "Two accounts.") -> MergeRef:
    merge_id = new_id("mrg")
    with engine.begin() as connection:
        connection.execute(
            insert(LearnerMergeRow).values(
                id=merge_id, learner_id=kept_id, duplicate_id=duplicate_id, reason=reason, requested_by="acc_staff"
            )
        )
    return MergeRef(merge_id)


def merge(engine: Engine, activities: Activities, kept: TestClaim, duplicate: TestClaim) -> Mapping[str, Any]:
    """Merge the learners of two claims; answers with what the merge says that it did."""
    ref = asked(engine, kept.learner_id, duplicate.learner_id)
    activities.people.merge_learners(ref)
    return details_of(engine, ref)


def details_of(engine: Engine, ref: MergeRef) -> Mapping[str, Any]:
    with engine.connect() as connection:
        row = connection.execute(select(LearnerMergeRow).where(LearnerMergeRow.id == ref.merge_id)).one()
    assert row.merged_at is not None
    return dict(row.details)


def active_awards(engine: Engine, *learner_ids: str) -> list[tuple[str, str]]:
    with engine.connect() as connection:
        query = select(AwardRow.learner_id, AwardRow.claim_id).where(
            AwardRow.learner_id.in_(learner_ids), AwardRow.state == "active"
        )
        return [(row.learner_id, row.claim_id) for row in connection.execute(query)]


def learner(engine: Engine, learner_id: str) -> Mapping[str, Any]:
    with engine.connect() as connection:
        query = select(*LearnerRow.__table__.columns).where(LearnerRow.id == learner_id)
        return dict(connection.execute(query).mappings().one())


def undecided(claim: TestClaim) -> list[tuple[str, str | None]]:
    query = "SELECT kind, body ->> 'reason' AS reason FROM submissions WHERE claim_id = :id AND decided_at IS NULL"
    with claim.engine.connect() as connection:
        return [(row.kind, row.reason) for row in connection.execute(text(query), {"id": claim.claim_id})]


def assert_audited(engine: Engine, *streams: str) -> None:
    with engine.connect() as connection:
        assert [first_break(connection, stream) for stream in streams] == [None] * len(streams)


def test_claims_and_awards_move_with_their_history(new_claim: NewClaim, activities: Activities, engine: Engine) -> None:
    kept, duplicate = new_claim(), awarded(new_claim(), activities)
    found = merge(engine, activities, kept, duplicate)
    assert found["claims_moved"] == [duplicate.claim_id]
    assert duplicate.row()["learner_id"] == kept.learner_id
    assert active_awards(engine, kept.learner_id, duplicate.learner_id) == [(kept.learner_id, duplicate.claim_id)]
    assert learner(engine, duplicate.learner_id)["merged_into"] == kept.learner_id
    moved = duplicate.entries()[-1]
    assert (moved["event"], moved["actor"], moved["reason"]) == ("claim.moved", "acc_staff", "Two accounts.")
    duplicate.assert_audited()
    assert_audited(engine, learner_stream(kept.learner_id), learner_stream(duplicate.learner_id))


def test_a_moved_claim_goes_on(new_claim: NewClaim, activities: Activities, engine: Engine) -> None:
    kept, duplicate = new_claim(), brought_to(new_claim(), activities, Stage.READY_TO_CLAIM)
    merge(engine, activities, kept, duplicate)
    duplicate.receive(duplicate.credit())
    activities.claims.decide_submissions(step(duplicate))
    assert active_awards(engine, kept.learner_id) == [(kept.learner_id, duplicate.claim_id)]
    duplicate.assert_audited()


@pytest.mark.parametrize("first", ["kept", "duplicate"])
def test_one_credit_that_both_hold_counts_once_and_the_earlier_award_stands(
    first: str, pair: Callable[[], tuple[TestClaim, TestClaim]], activities: Activities, engine: Engine
) -> None:
    kept, duplicate = pair()
    order = (kept, duplicate) if first == "kept" else (duplicate, kept)
    standing, later = (awarded(claim, activities) for claim in order)
    found = merge(engine, activities, kept, duplicate)
    assert active_awards(engine, kept.learner_id, duplicate.learner_id) == [(kept.learner_id, standing.claim_id)]
    [award] = later.awards()
    assert (award["state"], award["learner_id"], found["awards_merged"]) == ("merged", kept.learner_id, [award["id"]])
    entry = later.entries()[-1]
    assert (entry["event"], entry["after"]["standing"]) == ("award.merged", standing.awards()[0]["id"])
    assert (duplicate.row()["learner_id"], found["claims_left"]) == (duplicate.learner_id, [duplicate.claim_id])
    assert (undecided(kept), undecided(duplicate)) == ([], [])
    kept.assert_audited()
    duplicate.assert_audited()


@pytest.mark.parametrize("is_certificate_issued", [True, False])
def test_a_claim_whose_award_counts_no_more_is_completed_without_telling_anybody(
    pair: Callable[[], tuple[TestClaim, TestClaim]],
    activities: Activities,
    engine: Engine,
    mail: KeptMail,
    *,
    is_certificate_issued: bool,
) -> None:
    kept, duplicate = (awarded(claim, activities) for claim in pair())
    ref = ClaimRef(duplicate.claim_id)
    if is_certificate_issued:
        activities.certificates.issue_certificate(ref)
    merge(engine, activities, kept, duplicate)
    for _ in range(2):
        activities.certificates.issue_certificate(ref)
        assert activities.mail.send_award_email(ref).stage is Stage.COMPLETED
    assert duplicate.events().count("email.dropped") == 1
    assert duplicate.count("documents") == is_certificate_issued
    assert (mail.to(duplicate.email), kept.row()["stage"]) == ([], Stage.ISSUING)
    duplicate.assert_audited()


def test_a_merge_that_runs_twice_changes_nothing_the_second_time(
    pair: Callable[[], tuple[TestClaim, TestClaim]], activities: Activities, engine: Engine
) -> None:
    kept, duplicate = (awarded(claim, activities) for claim in pair())
    ref = asked(engine, kept.learner_id, duplicate.learner_id)

    def seen() -> tuple[object, ...]:
        return kept.entries(), duplicate.entries(), learner(engine, kept.learner_id), details_of(engine, ref)

    activities.people.merge_learners(ref)
    before = seen()
    activities.people.merge_learners(ref)
    assert seen() == before


def test_a_merge_that_two_workers_run_at_once_happens_once(
    pair: Callable[[], tuple[TestClaim, TestClaim]], activities: Activities, engine: Engine
) -> None:
    kept, duplicate = (awarded(claim, activities) for claim in pair())
    ref, together = asked(engine, kept.learner_id, duplicate.learner_id), threading.Barrier(4)

    def run() -> None:
        together.wait()
        activities.people.merge_learners(ref)

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(run) for _ in range(4)]:
            done.result()
    assert len(active_awards(engine, kept.learner_id, duplicate.learner_id)) == 1
    assert (kept.events() + duplicate.events()).count("award.merged") == 1


def test_a_merge_that_nobody_asked_for_fails_for_good(activities: Activities) -> None:
    with pytest.raises(ApplicationError) as failure:
        activities.people.merge_learners(MergeRef(new_id("mrg")))
    assert (failure.value.type, failure.value.non_retryable) == ("MergeNotInRecord", True)


@pytest.mark.parametrize("is_kept_awarded", [True, False])
def test_an_open_claim_beside_another_one_is_withdrawn_by_its_own_decision(
    pair: Callable[[], tuple[TestClaim, TestClaim]], activities: Activities, engine: Engine, *, is_kept_awarded: bool
) -> None:
    kept, duplicate = pair()
    standing = awarded(kept, activities) if is_kept_awarded else brought_to(kept, activities, Stage.AWAITING_TEST)
    brought_to(duplicate, activities, Stage.AWAITING_EVALUATION)
    merge(engine, activities, kept, duplicate)
    assert undecided(duplicate) == [("withdrawal", "merged")]
    activities.claims.decide_submissions(step(duplicate))
    assert duplicate.row()["stage"] == Stage.WITHDRAWN
    assert standing.row()["closed_as"] is None
    duplicate.assert_audited()


def test_the_kept_learners_open_claim_is_withdrawn_beside_the_duplicates_credit(
    pair: Callable[[], tuple[TestClaim, TestClaim]], activities: Activities, engine: Engine
) -> None:
    kept, duplicate = pair()
    brought_to(kept, activities, Stage.READY_TO_CLAIM)
    awarded(duplicate, activities)
    merge(engine, activities, kept, duplicate)
    kept.receive(kept.credit())
    activities.claims.decide_submissions(step(kept))
    assert active_awards(engine, kept.learner_id, duplicate.learner_id) == [(kept.learner_id, duplicate.claim_id)]
    assert kept.row()["stage"] == Stage.WITHDRAWN


def test_an_open_claim_goes_on_beside_one_whose_credit_was_revoked(
    pair: Callable[[], tuple[TestClaim, TestClaim]], activities: Activities, engine: Engine
) -> None:
    kept, duplicate = pair()
    made(activities, completed(lambda: kept, activities), IN_ERROR)
    brought_to(duplicate, activities, Stage.READY_TO_CLAIM)
    found = merge(engine, activities, kept, duplicate)
    assert (undecided(duplicate), found["claims_left"]) == ([], [duplicate.claim_id])
    duplicate.receive(duplicate.credit())
    assert activities.claims.decide_submissions(step(duplicate)).stage is Stage.ISSUING
    assert active_awards(engine, kept.learner_id, duplicate.learner_id) == [(kept.learner_id, duplicate.claim_id)]


def test_merges_of_merges_are_flat(new_claim: NewClaim, activities: Activities, engine: Engine) -> None:
    first, second, third = (awarded(new_claim(), activities) for _ in range(3))
    merge(engine, activities, second, first)
    merge(engine, activities, third, second)
    assert [learner(engine, each.learner_id)["merged_into"] for each in (first, second, third)] == [
        third.learner_id,
        third.learner_id,
        None,
    ]
    awards = active_awards(engine, first.learner_id, second.learner_id, third.learner_id)
    assert sorted(awards) == sorted((third.learner_id, each.claim_id) for each in (first, second, third))


def test_a_learner_who_was_merged_meanwhile_takes_the_duplicate_along(
    new_claim: NewClaim, activities: Activities, engine: Engine
) -> None:
    first, second, third = (awarded(new_claim(), activities) for _ in range(3))
    late = asked(engine, second.learner_id, first.learner_id)
    merge(engine, activities, third, second)
    activities.people.merge_learners(late)
    assert learner(engine, first.learner_id)["merged_into"] == third.learner_id
    assert first.row()["learner_id"] == third.learner_id


def test_one_credit_of_three_accounts_counts_once(
    pair: Callable[[], tuple[TestClaim, TestClaim]], activities: Activities, engine: Engine
) -> None:
    first, second = pair()
    third = TestClaim(engine, cast(Client, None), first.policy, slug=first.slug)
    for claim in (first, second, third):
        awarded(claim, activities)
    merge(engine, activities, second, first)
    merge(engine, activities, third, second)
    awards = active_awards(engine, *(claim.learner_id for claim in (first, second, third)))
    assert awards == [(third.learner_id, first.claim_id)]


def test_what_the_kept_learner_lacks_comes_from_the_duplicate(
    new_claim: NewClaim, activities: Activities, engine: Engine
) -> None:
    kept, duplicate = new_claim(), new_claim()
    kept.change_learner(given_name=None, family_name=None, credentials=None, time_zone="Europe/Berlin")
    duplicate.change_learner(name_key=name_key("Alice", "Moreau"), time_zone="America/Chicago", wants_reminders=False)
    merge(engine, activities, kept, duplicate)
    row = learner(engine, kept.learner_id)
    assert (row["given_name"], row["family_name"], row["name_key"]) == ("Alice", "Moreau", "alice moreau")
    assert (row["credentials"], row["time_zone"], row["wants_reminders"]) == ("MD", "Europe/Berlin", False)


def test_identifiers_move_unless_the_kept_learner_has_another(
    new_claim: NewClaim, activities: Activities, engine: Engine
) -> None:
    kept, duplicate = new_claim(), new_claim()
    values = [
        (kept, "npi", "1111111111"),
        (kept, "employee_id", "NA"),
        (kept, "aba_id", "7"),
        (duplicate, "npi", "2222222222"),
        (duplicate, "employee_id", "E-7"),
        (duplicate, "aba_id", "7"),
        (duplicate, "license_number", "MD 1"),
    ]
    with engine.begin() as connection:
        rows = [{"learner_id": owner.learner_id, "kind": kind, "value": value} for owner, kind, value in values]
        connection.execute(insert(LearnerIdentifierRow), rows)
    assert merge(engine, activities, kept, duplicate)["identifiers_kept_apart"] == ["npi"]
    query = select(LearnerIdentifierRow.kind, LearnerIdentifierRow.value)
    with engine.connect() as connection:
        of_kept = dict(connection.execute(query.where(LearnerIdentifierRow.learner_id == kept.learner_id)).all())
        left = dict(connection.execute(query.where(LearnerIdentifierRow.learner_id == duplicate.learner_id)).all())
    assert of_kept == {"npi": "1111111111", "employee_id": "E-7", "aba_id": "7", "license_number": "MD 1"}
    assert left == {"npi": "2222222222"}


def test_progress_adds_up_without_counting_a_minute_twice_and_open_claims_hear_of_it(
    pair: Callable[[], tuple[TestClaim, TestClaim]], activities: Activities, engine: Engine
) -> None:
    kept, duplicate = pair()
    brought_to(kept, activities, Stage.AWAITING_TEST)
    ce_activity_id = kept.published.ce_activity_id
    with engine.begin() as connection:
        content_progress.save(connection, kept.learner_id, ce_activity_id, "video", Watched(((0, 60),), 60))
        content_progress.save(connection, duplicate.learner_id, ce_activity_id, "video", Watched(((30, 90),), 60))
    merge(engine, activities, kept, duplicate)
    with engine.connect() as connection:
        watched = content_progress.watched_by(connection, kept.learner_id, ce_activity_id)
    assert watched == {"video": Watched(((0, 90),), 90)}
    assert undecided(kept) == [("progress", None)]


def test_historical_awards_move(new_claim: NewClaim, activities: Activities, engine: Engine) -> None:
    kept, duplicate = new_claim(), new_claim()
    values = {
        "id": new_id("haw"),
        "learner_id": duplicate.learner_id,
        "title": "Grand rounds",
        "provider": "Lakeside",
        "credit_type": "ama_pra_category_1",
        "units": Decimal("1.00"),
        "completed_on": date(2019, 5, 1),
        "reason": "From paper.",
        "entered_by": "acc_staff",
    }
    with engine.begin() as connection:
        connection.execute(insert(HistoricalAwardRow).values(**values))
    merge(engine, activities, kept, duplicate)
    with engine.connect() as connection:
        query = select(HistoricalAwardRow.learner_id).where(HistoricalAwardRow.id == values["id"])
        assert connection.execute(query).scalar_one() == kept.learner_id


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


def waits_for_lock(engine: Engine) -> bool:
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with engine.connect() as connection:
        return int(connection.execute(text(query)).scalar_one()) > 0


def until_waiting(engine: Engine, running: Future[Any]) -> None:
    while not waits_for_lock(engine):
        assert not running.done(), running.result()


def test_a_credit_that_is_awarded_at_the_same_moment_counts_once(
    pair: Callable[[], tuple[TestClaim, TestClaim]], activities: Activities, engine: Engine, pool: ThreadPoolExecutor
) -> None:
    kept, duplicate = pair()
    awarded(kept, activities)
    brought_to(duplicate, activities, Stage.READY_TO_CLAIM)
    duplicate.receive(duplicate.credit())
    with activities.claims.ledger(duplicate.claim_id) as ledger:
        merging = pool.submit(merge, engine, activities, kept, duplicate)
        until_waiting(engine, merging)
        ledger.decide_all()
        ledger.close()
    merging.result()
    assert active_awards(engine, kept.learner_id, duplicate.learner_id) == [(kept.learner_id, kept.claim_id)]
    assert duplicate.awards()[0]["state"] == "merged"
    duplicate.assert_audited()


def test_a_claim_that_opens_at_the_same_moment_makes_the_merge_look_again(
    new_claim: NewClaim, activities: Activities, engine: Engine, pool: ThreadPoolExecutor
) -> None:
    kept, duplicate = new_claim(), new_claim()
    duplicate.receive(duplicate.opening())
    ref = asked(engine, kept.learner_id, duplicate.learner_id)
    with activities.claims.ledger(duplicate.claim_id) as ledger:
        merging = pool.submit(activities.people.merge_learners, ref)
        until_waiting(engine, merging)
        ledger.decide_all()
        ledger.close()
    with pytest.raises(StaleReadError):
        merging.result()
    activities.people.merge_learners(ref)
    assert duplicate.row()["learner_id"] == kept.learner_id


def test_merges_of_the_same_learners_wait_for_each_other(
    new_claim: NewClaim, activities: Activities, engine: Engine, pool: ThreadPoolExecutor
) -> None:
    claims = [awarded(new_claim(), activities) for _ in range(3)]
    refs = [asked(engine, claims[n + 1].learner_id, claims[n].learner_id) for n in range(2)]
    for done in [pool.submit(activities.people.merge_learners, ref) for ref in refs]:
        done.result()
    assert [learner(engine, claim.learner_id)["merged_into"] for claim in claims[:2]] == [claims[2].learner_id] * 2


async def test_a_merge_that_never_started_is_started_until_it_is_done(
    new_claim: NewClaim, activities: Activities, engine: Engine
) -> None:
    ref = asked(engine, new_claim().learner_id, new_claim().learner_id)

    def make_old(connection: Connection) -> None:
        query = "UPDATE learner_merges SET requested_at = :then WHERE id = :id"
        connection.execute(text(query), {"then": datetime(2020, 1, 1, tzinfo=UTC), "id": ref.merge_id})

    with engine.begin() as connection:
        assert ref.merge_id not in [row["merge_id"] for row in unfinished_merges(connection)]
        make_old(connection)
    started: list[str] = []

    async def start(row: Mapping[Any, Any]) -> None:
        started.append(row["merge_id"])

    restarter = Restarter(engine, start, unfinished_merges)
    await restarter.restart_stalled()
    assert ref.merge_id in started
    activities.people.merge_learners(ref)
    started.clear()
    await restarter.restart_stalled()
    assert ref.merge_id not in started


def test_a_finished_merge_locks_nothing(new_claim: NewClaim, activities: Activities, engine: Engine) -> None:
    ref = asked(engine, new_claim().learner_id, new_claim().learner_id)
    activities.people.merge_learners(ref)
    with engine.begin() as connection:
        assert lock_merge(connection, ref.merge_id) is None


def test_the_history_of_both_learners_tells_the_merge(
    new_claim: NewClaim, activities: Activities, engine: Engine
) -> None:
    kept, duplicate = new_claim(), awarded(new_claim(), activities)
    merge(engine, activities, kept, duplicate)
    query = "SELECT convert_from(body, 'UTF8')::json FROM audit_events WHERE stream = :stream ORDER BY seq"
    with engine.connect() as connection:
        told = {
            claim.learner_id: connection.execute(text(query), {"stream": learner_stream(claim.learner_id)}).scalar_one()
            for claim in (kept, duplicate)
        }
    of_kept, of_duplicate = told[kept.learner_id], told[duplicate.learner_id]
    assert (of_kept["event"], of_kept["after"]["duplicate"]) == ("learner.merged", duplicate.learner_id)
    assert (of_duplicate["event"], of_duplicate["after"]["learner"]) == ("learner.merged_into", kept.learner_id)
    assert of_kept["after"]["claims_moved"] == [duplicate.claim_id]
    assert_audited(engine, claim_stream(duplicate.claim_id))
