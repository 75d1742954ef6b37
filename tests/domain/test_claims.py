from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from domain.claims import (
    CLOSED_STAGES,
    STAGES_UNDERWAY,
    Attempt,
    ClaimedCredit,
    ClaimFacts,
    Stage,
    attempts_left,
    completed_minutes,
    completed_on,
    content_of,
    earned_units,
    evaluation_asked,
    format_of,
    graded_at,
    is_content_complete,
    is_exhausted,
    is_item_complete,
    is_met,
    is_overdue,
    offer_of,
    offers_of,
    requirements_of,
    stage_of,
)
from domain.deadlines import start_of_day
from domain.policy import CEActivityPolicy, ClaimWindow, EvaluationTime, Finalization
from tests.domain.flows import (
    AT_CLAIM,
    AT_MEETING,
    CONFERENCE_VIDEOS,
    ENDURING,
    EVALUATION,
    LATE,
    LEARNER,
    LIVE,
    MEETING,
    NOW,
    PER_SESSION,
    PHARMACY_LECTURE,
    POST_TEST,
    RECORDED_LECTURE,
    VIDEOS,
    ZONE,
    offer,
)

ONE = Decimal("1.00")
CREDIT = ClaimedCredit(credit_type="participation", units=ONE)
WATCHED = {"opening": 20 * 60, "wounds": 40 * 60}
WHOLE_VIDEOS = replace(CONFERENCE_VIDEOS, requirements=(replace(VIDEOS, allows_partial=False), AT_CLAIM))
ATTENDED = replace(LEARNER, participation="in_person")
WATCHED_RECORDING = replace(LEARNER, participation="recorded")
STARTED = Attempt(number=1)
ANSWERED = Attempt(number=1, submitted_at=NOW)
PASSED = replace(ANSWERED, has_passed=True)
FAILED = replace(ANSWERED, has_passed=False)
FAILED_AGAIN = replace(FAILED, number=2)

A, B, C, D = PHARMACY_LECTURE, CONFERENCE_VIDEOS, RECORDED_LECTURE, MEETING


def with_attempts(*attempts: Attempt) -> ClaimFacts:
    return replace(WATCHED_RECORDING, attempts=attempts)


@pytest.mark.parametrize(
    ("policy", "facts", "stage"),
    [
        (A, LEARNER, Stage.VERIFYING_PARTICIPATION),
        (A, replace(LEARNER, participation="code"), Stage.AWAITING_EVALUATION),
        (A, replace(LEARNER, participation="code", is_evaluated=True), Stage.READY_TO_CLAIM),
        (A, replace(LEARNER, participation="code", is_evaluated=True, credit=CREDIT), Stage.AWARDING),
        (A, replace(LEARNER, credit=CREDIT, is_awarded=True), Stage.ISSUING),
        (A, replace(LEARNER, credit=CREDIT, is_awarded=True, is_notified=True), Stage.COMPLETED),
        (B, LEARNER, Stage.AWAITING_CONTENT),
        (B, replace(LEARNER, content_seconds=WATCHED), Stage.READY_TO_CLAIM),
        (B, replace(LEARNER, credit=CREDIT, is_awarded=True), Stage.AWARDING),
        (B, replace(LEARNER, credit=CREDIT, is_awarded=True, is_notified=True), Stage.COMPLETED),
        (C, LEARNER, Stage.VERIFYING_PARTICIPATION),
        (C, ATTENDED, Stage.AWAITING_EVALUATION),
        (C, WATCHED_RECORDING, Stage.AWAITING_TEST),
        (C, with_attempts(STARTED), Stage.AWAITING_TEST),
        (C, with_attempts(ANSWERED), Stage.GRADING),
        (C, with_attempts(FAILED), Stage.AWAITING_TEST),
        (C, with_attempts(FAILED, replace(STARTED, number=2)), Stage.AWAITING_TEST),
        (C, with_attempts(FAILED, FAILED_AGAIN), Stage.DENIED),
        (C, with_attempts(PASSED), Stage.AWAITING_EVALUATION),
        (D, LEARNER, Stage.AWAITING_STATEMENT),
        (D, replace(LEARNER, statement="participation"), Stage.VERIFYING_PARTICIPATION),
        (D, replace(AT_MEETING, disclosures_version=None), Stage.AWAITING_DISCLOSURES),
        (D, AT_MEETING, Stage.READY_TO_CLAIM),
        (D, replace(AT_MEETING, sessions={"keynote": ONE}), Stage.READY_TO_CLAIM),
        (D, replace(AT_MEETING, sessions={"keynote": ONE}, credit=CREDIT), Stage.AWAITING_FINALIZATION),
        (D, replace(AT_MEETING, sessions={"keynote": ONE}, credit=CREDIT, is_final=True), Stage.AWARDING),
        (D, replace(LEARNER, closed_as=Stage.WITHDRAWN), Stage.WITHDRAWN),
    ],
)
def test_the_stage_is_the_first_thing_still_missing_in_each_of_the_four_flows(
    policy: CEActivityPolicy, facts: ClaimFacts, stage: Stage
) -> None:
    assert stage_of(policy, facts, NOW) is stage


def test_a_claim_with_everything_but_an_open_window_waits_for_the_window() -> None:
    opens_on = NOW.date().replace(day=25)
    later = replace(B, claim_window=ClaimWindow(opens_on=opens_on))
    earned = replace(LEARNER, content_seconds=WATCHED)
    assert stage_of(later, earned, NOW) is Stage.AWAITING_WINDOW
    assert stage_of(later, earned, start_of_day(opens_on, ZONE)) is Stage.READY_TO_CLAIM


def test_requirements_are_asked_for_in_the_order_of_the_policy() -> None:
    for requirements in (D.requirements[:3], D.requirements[2::-1]):
        facts, met = LEARNER, {"participation": "badge_id", "statement": "x", "disclosures_version": "2026-1"}
        order = []
        for _ in requirements:
            stage = stage_of(replace(D, requirements=requirements), facts, NOW)
            field = {
                Stage.VERIFYING_PARTICIPATION: "participation",
                Stage.AWAITING_STATEMENT: "statement",
                Stage.AWAITING_DISCLOSURES: "disclosures_version",
            }[stage]
            order.append(field.removesuffix("_version"))
            facts = replace(facts, **{field: met[field]})  # type: ignore[arg-type]
        assert order == [requirement.kind for requirement in requirements]


def test_stages_are_either_underway_or_laurels_work_or_closed() -> None:
    assert set(Stage) - STAGES_UNDERWAY - CLOSED_STAGES == {Stage.AWARDING, Stage.ISSUING}
    assert not STAGES_UNDERWAY & CLOSED_STAGES


def test_a_learner_took_part_in_the_format_of_their_option_or_else_in_that_of_the_ce_activity() -> None:
    assert format_of(C, WATCHED_RECORDING) is ENDURING
    assert format_of(C, ATTENDED) is format_of(C, LEARNER) is LIVE
    assert format_of(B, LEARNER) is format_of(D, AT_MEETING) is LIVE


def test_requirements_and_offers_for_other_formats_do_not_concern_a_learner() -> None:
    assert [each.kind for each in requirements_of(C, ATTENDED)] == ["participation", "evaluation"]
    assert [each.kind for each in requirements_of(C, WATCHED_RECORDING)] == ["participation", "post_test", "evaluation"]
    for facts, units in ((ATTENDED, "1.50"), (WATCHED_RECORDING, "1.25")):
        found = offer_of(C, facts, "ama_pra_category_1")
        assert found is not None
        assert str(found.designated_units) == units
    assert offer_of(C, ATTENDED, "gold_stars") is None


def test_every_offer_is_possible_until_it_is_known_how_the_learner_took_part() -> None:
    assert offers_of(C, LEARNER) == C.credit
    assert offers_of(C, ATTENDED) == (C.credit[0], C.credit[2])
    assert offers_of(B, LEARNER) == B.credit
    only_recorded = replace(B, credit=(offer("participation", "1.00", ENDURING),))
    assert offers_of(only_recorded, LEARNER) == ()


def test_content_and_evaluations_are_those_for_the_learners_format() -> None:
    recorded_only = (replace(VIDEOS, formats=(ENDURING,)), replace(EVALUATION, formats=(ENDURING,)))
    mixed = replace(C, requirements=(C.requirements[0], *recorded_only))
    assert content_of(mixed, ATTENDED) is None
    assert content_of(mixed, WATCHED_RECORDING) == recorded_only[0]
    assert evaluation_asked(mixed, ATTENDED, EvaluationTime.BEFORE_CLAIM) is None
    assert evaluation_asked(mixed, WATCHED_RECORDING, EvaluationTime.BEFORE_CLAIM) == recorded_only[1]
    assert evaluation_asked(mixed, WATCHED_RECORDING, EvaluationTime.AT_CLAIM) is None


def test_more_of_one_video_than_it_has_does_not_make_up_for_another() -> None:
    facts = replace(LEARNER, content_seconds={"opening": 99_999, "wounds": 119, "unknown": 99_999})
    assert completed_minutes(VIDEOS, facts) == 21
    assert [is_item_complete(item, facts) for item in VIDEOS.items] == [True, False]
    assert not is_content_complete(VIDEOS, facts)
    assert completed_minutes(VIDEOS, LEARNER) == 0


def test_content_that_is_whole_or_nothing_is_complete_with_its_last_second() -> None:
    one_second_short = {**WATCHED, "wounds": WATCHED["wounds"] - 1}
    assert stage_of(WHOLE_VIDEOS, replace(LEARNER, content_seconds=one_second_short), NOW) is Stage.AWAITING_CONTENT
    assert stage_of(WHOLE_VIDEOS, replace(LEARNER, content_seconds=WATCHED), NOW) is Stage.READY_TO_CLAIM


@pytest.mark.parametrize(
    ("minutes", "stage"), [(7, Stage.AWAITING_CONTENT), (8, Stage.READY_TO_CLAIM), (60, Stage.READY_TO_CLAIM)]
)
def test_partial_content_is_enough_as_soon_as_it_earns_some_credit(minutes: int, stage: Stage) -> None:
    """Eight minutes are a quarter of an hour for physicians, to the nearest (R-AMA-2)."""
    seconds = {"opening": 60 * min(minutes, 20), "wounds": 60 * max(0, minutes - 20)}
    assert stage_of(B, replace(LEARNER, content_seconds=seconds), NOW) is stage


def test_only_credit_for_the_learners_format_makes_partial_content_enough() -> None:
    eight_minutes = replace(ATTENDED, content_seconds={"opening": 480})
    offers = (offer("ama_pra_category_1", "1.00", ENDURING), offer("california_rn_contact_hours", "1.00"))
    mixed = replace(C, requirements=(C.requirements[0], VIDEOS), credit=offers)
    assert stage_of(mixed, eight_minutes, NOW) is Stage.AWAITING_CONTENT
    assert stage_of(mixed, replace(eight_minutes, participation="recorded"), NOW) is Stage.READY_TO_CLAIM


def test_progress_earns_its_minutes_and_all_that_is_designated_when_it_is_complete() -> None:
    designated = offer("participation", "1.00")
    half = replace(LEARNER, content_seconds={"opening": 1200, "wounds": 600})
    assert earned_units(VIDEOS, half, designated) == Decimal("0.50")
    assert earned_units(VIDEOS, replace(LEARNER, content_seconds=WATCHED), designated) == ONE
    short = replace(VIDEOS, items=(replace(VIDEOS.items[0], minutes=50),))
    for seconds, earned in ((50 * 60 - 1, "0.75"), (50 * 60, "1.00")):
        facts = replace(LEARNER, content_seconds={"opening": seconds})
        assert earned_units(short, facts, designated) == Decimal(earned)


def test_progress_never_earns_more_than_is_designated() -> None:
    half_designated = offer("participation", "0.50")
    assert earned_units(VIDEOS, replace(LEARNER, content_seconds={"wounds": 2400}), half_designated) == Decimal("0.50")


def test_each_requirement_is_met_by_its_own_fact() -> None:
    evaluated = replace(LEARNER, is_evaluated=True)
    assert (is_met(A, EVALUATION, LEARNER), is_met(A, EVALUATION, evaluated)) == (False, True)
    assert (is_met(D, Finalization(), LEARNER), is_met(D, Finalization(), replace(LEARNER, is_final=True))) == (
        False,
        True,
    )


def test_sessions_are_evaluated_when_every_claimed_one_is_and_at_least_one_is_claimed() -> None:
    two = replace(AT_MEETING, sessions={"keynote": ONE, "sepsis": ONE})
    assert not is_met(D, PER_SESSION, AT_MEETING)
    assert not is_met(D, PER_SESSION, replace(two, evaluated_sessions=frozenset({"keynote"})))
    assert is_met(D, PER_SESSION, replace(two, evaluated_sessions=frozenset({"keynote", "sepsis", "measles"})))


def test_grading_has_its_result_thirty_seconds_after_the_answers() -> None:
    result_at = graded_at(C, with_attempts(ANSWERED))
    assert result_at is not None
    assert (result_at - NOW).total_seconds() == 30
    assert graded_at(C, with_attempts(PASSED)) is graded_at(C, with_attempts(STARTED)) is graded_at(C, LEARNER) is None
    assert graded_at(A, with_attempts(ANSWERED)) is None


def test_attempts_are_exhausted_when_the_last_that_is_allowed_has_failed() -> None:
    assert is_exhausted(C, with_attempts(FAILED, FAILED_AGAIN))
    for attempts in ((FAILED,), (FAILED, replace(STARTED, number=2)), (FAILED, replace(PASSED, number=2)), ()):
        assert not is_exhausted(C, with_attempts(*attempts))
    assert not is_exhausted(A, with_attempts(FAILED, FAILED_AGAIN))


def test_attempts_are_counted_down_to_none() -> None:
    tries = [with_attempts(), with_attempts(STARTED), with_attempts(FAILED, FAILED_AGAIN)]
    assert [attempts_left(POST_TEST, facts) for facts in tries] == [2, 1, 0]
    assert attempts_left(replace(POST_TEST, attempts_allowed=None), tries[2]) is None


@pytest.mark.parametrize("stage", sorted(STAGES_UNDERWAY - {Stage.GRADING}))
def test_whatever_waits_for_the_learner_or_a_platform_ends_with_the_deadline(stage: Stage) -> None:
    assert is_overdue(LEARNER, stage, LATE)
    assert not is_overdue(LEARNER, stage, NOW)
    assert not is_overdue(replace(LEARNER, due_at=None), stage, LATE)


@pytest.mark.parametrize("stage", [Stage.GRADING, Stage.AWARDING, Stage.ISSUING, *sorted(CLOSED_STAGES)])
def test_a_step_that_began_in_time_is_finished_after_the_deadline(stage: Stage) -> None:
    assert not is_overdue(LEARNER, stage, LATE)


def test_what_is_live_was_completed_when_it_was_held_and_the_rest_when_it_was_claimed() -> None:
    # NOW is the twentieth of June; the lecture ended on the twelfth.
    assert completed_on(RECORDED_LECTURE, ATTENDED, NOW) == date(2026, 6, 12)
    assert completed_on(RECORDED_LECTURE, WATCHED_RECORDING, NOW) == date(2026, 6, 20)
    during = datetime(2026, 6, 11, 20, tzinfo=UTC)
    assert completed_on(RECORDED_LECTURE, ATTENDED, during) == date(2026, 6, 11)


def test_the_last_session_that_is_claimed_completes_a_meeting() -> None:
    first, both = replace(AT_MEETING, sessions={"keynote": ONE}), {"keynote": ONE, "measles": ONE}
    assert completed_on(MEETING, first, NOW) == date(2026, 6, 11)
    assert completed_on(MEETING, replace(first, sessions=both), NOW) == date(2026, 6, 12)


def test_the_day_of_completion_is_the_local_one() -> None:
    late_evening = datetime(2026, 6, 21, 2, tzinfo=UTC)
    assert completed_on(RECORDED_LECTURE, WATCHED_RECORDING, late_evening) == date(2026, 6, 20)
