from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.claims import CLOSED_STAGES, Stage
from domain.deadlines import end_of_day
from domain.notices import (
    NOTICE_OF,
    OFFICE_ACTS,
    Circumstances,
    NoticePurpose,
    Resending,
    due_reminder,
    is_still_wanted,
    next_reminder,
    reminder_at,
    reminders,
    resending_of,
)
from domain.submissions import STAFF_KINDS, SubmissionKind

CHICAGO = "America/Chicago"
CLAIM = "clm_one"
DUE = end_of_day(date(2026, 3, 20), CHICAGO)
DAYS = (14, 3, 1)
HALF_AN_HOUR = timedelta(minutes=30)
MICROSECOND = timedelta(microseconds=1)
OPEN = Circumstances(stage=Stage.AWAITING_TEST, due_at=DUE, wants_reminders=True, is_awarded=False, is_held=False)
BEFORE, AFTERWARDS = DUE - timedelta(days=1), DUE + timedelta(hours=1)
PLANNED = FOURTEEN, THREE, ONE = reminders(DUE, DAYS, CHICAGO, CLAIM)
ZONES = ("UTC", CHICAGO, "Europe/Berlin", "Pacific/Apia", "Africa/Cairo", "Pacific/Kiritimati", "Australia/Lord_Howe")


def wanted(purpose: NoticePurpose, now: Circumstances, at: datetime = BEFORE, occasion: str = "once") -> bool:
    return is_still_wanted(purpose, occasion, now, at)


def test_reminders_go_out_after_nine_on_local_mornings_whether_or_not_clocks_change_in_between() -> None:
    # Clocks in Chicago change on March 8, between the first reminder and the others.
    nine = {14: datetime(2026, 3, 6, 15, tzinfo=UTC), 3: datetime(2026, 3, 17, 14, tzinfo=UTC)}
    for days, at in nine.items():
        assert at <= reminder_at(DUE, days, CHICAGO, CLAIM) <= at + HALF_AN_HOUR


def test_a_morning_that_a_zone_leaves_out_is_reminded_of_when_the_next_day_begins() -> None:
    due = end_of_day(date(2011, 12, 31), "Pacific/Apia")
    begins = datetime(2011, 12, 30, 10, tzinfo=UTC)
    assert begins <= reminder_at(due, 1, "Pacific/Apia", CLAIM) <= begins + HALF_AN_HOUR


@given(
    zone=st.sampled_from(ZONES),
    due_on=st.dates(date(2026, 1, 1), date(2030, 12, 31)),
    days=st.lists(st.integers(0, 60), max_size=6),
    claim_id=st.text("abc", max_size=5),
)
def test_each_reminder_is_at_most_half_past_nine_of_its_local_day_and_always_at_the_same_instant(
    zone: str, due_on: date, days: list[int], claim_id: str
) -> None:
    due = end_of_day(due_on, zone)
    planned = reminders(due, days, zone, claim_id)
    assert [each.days for each in planned] == sorted(set(days), reverse=True)
    assert planned == reminders(due, days, zone, claim_id)
    for each in planned:
        local = each.at.astimezone(ZoneInfo(zone))
        assert local.date() == due_on - timedelta(days=each.days)
        assert (9, 0) <= (local.hour, local.minute) <= (9, 30)
        assert each.at < due


def test_reminders_of_many_claims_are_spread_over_half_an_hour() -> None:
    start = reminders(DUE, (3,), CHICAGO, CLAIM)[0].at.replace(minute=0, second=0, microsecond=0)
    minutes = [int((reminder_at(DUE, 3, CHICAGO, f"clm_{n}") - start).total_seconds() // 60) for n in range(3000)]
    assert all(50 < minutes.count(minute) < 150 for minute in range(30))


def test_nobody_is_reminded_at_or_after_the_deadline() -> None:
    early = datetime(2026, 3, 20, 13, tzinfo=UTC)
    assert reminders(early, (0,), CHICAGO, CLAIM) == ()
    assert len(reminders(DUE, (0,), CHICAGO, CLAIM)) == 1


def test_the_next_reminder_is_strictly_later_and_those_already_past_are_skipped() -> None:
    def after(at: datetime) -> int | None:
        found = next_reminder(PLANNED, at)
        return found.days if found else None

    assert after(FOURTEEN.at - MICROSECOND) == 14
    assert after(FOURTEEN.at) == 3
    assert after(THREE.at) == 1
    assert after(ONE.at) is None
    assert next_reminder((), FOURTEEN.at) is None


def test_a_reminder_is_not_lost_between_nine_and_its_own_minute() -> None:
    nine = FOURTEEN.at.replace(minute=0, second=0, microsecond=0)
    assert nine < FOURTEEN.at
    assert next_reminder(PLANNED, nine) == FOURTEEN


def test_after_an_outage_only_the_newest_reminder_is_due() -> None:
    opened_at = FOURTEEN.at - timedelta(days=1)
    assert due_reminder(PLANNED, opened_at, opened_at) is None
    assert due_reminder(PLANNED, opened_at, FOURTEEN.at) == FOURTEEN
    assert due_reminder(PLANNED, opened_at, ONE.at) == ONE
    assert due_reminder(PLANNED, ONE.at, DUE) is None


def test_every_reminder_of_every_deadline_is_an_occasion_of_its_own() -> None:
    later = reminders(DUE + timedelta(days=7), DAYS, CHICAGO, CLAIM)
    assert len({each.occasion for each in (FOURTEEN, THREE, ONE, *later)}) == 6


@pytest.mark.parametrize("stage", [*CLOSED_STAGES, Stage.AWAITING_WINDOW, Stage.GRADING, Stage.AWARDING, Stage.ISSUING])
def test_nobody_is_reminded_of_what_is_done_or_waits_for_nobody(stage: Stage) -> None:
    purpose = NoticePurpose.DEADLINE_REMINDER
    assert wanted(purpose, OPEN, occasion=ONE.occasion)
    assert not wanted(purpose, replace(OPEN, stage=stage), occasion=ONE.occasion)


def test_a_reminder_is_of_the_deadline_that_holds_and_in_time_and_can_be_switched_off() -> None:
    purpose = NoticePurpose.DEADLINE_REMINDER
    assert not wanted(purpose, replace(OPEN, wants_reminders=False), occasion=ONE.occasion)
    assert not wanted(purpose, replace(OPEN, due_at=DUE + timedelta(days=7)), occasion=ONE.occasion)
    assert not wanted(purpose, replace(OPEN, due_at=None), occasion=ONE.occasion)
    assert wanted(purpose, OPEN, DUE, ONE.occasion)
    assert not wanted(purpose, OPEN, DUE + MICROSECOND, ONE.occasion)


def test_switching_reminders_off_switches_nothing_else_off() -> None:
    quiet = replace(OPEN, wants_reminders=False, is_awarded=True)
    ready, expired = replace(quiet, stage=Stage.READY_TO_CLAIM), replace(quiet, stage=Stage.EXPIRED)
    assert wanted(NoticePurpose.WINDOW_OPENED, ready)
    assert wanted(NoticePurpose.CLAIM_EXPIRED, expired, AFTERWARDS)
    assert wanted(NoticePurpose.DEADLINE_EXTENDED, quiet)
    assert wanted(NoticePurpose.EXTENSION_REFUSED, quiet)
    assert wanted(NoticePurpose.CERTIFICATE_LINK, quiet)
    assert wanted(NoticePurpose.SIGN_IN_LINK, quiet)


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage is not Stage.READY_TO_CLAIM])
def test_the_opening_is_told_only_to_those_who_can_claim_now(stage: Stage) -> None:
    ready = replace(OPEN, stage=Stage.READY_TO_CLAIM)
    assert wanted(NoticePurpose.WINDOW_OPENED, replace(ready, due_at=None), AFTERWARDS)
    assert not wanted(NoticePurpose.WINDOW_OPENED, ready, AFTERWARDS)
    assert not wanted(NoticePurpose.WINDOW_OPENED, replace(ready, stage=stage))


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage is not Stage.EXPIRED])
def test_a_claim_that_was_reopened_is_not_said_to_be_closed(stage: Stage) -> None:
    assert not wanted(NoticePurpose.CLAIM_EXPIRED, replace(OPEN, stage=stage), AFTERWARDS)


@pytest.mark.parametrize("stage", [*CLOSED_STAGES, Stage.AWARDING, Stage.ISSUING])
def test_more_time_is_told_only_to_those_who_can_use_it(stage: Stage) -> None:
    assert wanted(NoticePurpose.DEADLINE_EXTENDED, replace(OPEN, stage=Stage.GRADING))
    assert not wanted(NoticePurpose.DEADLINE_EXTENDED, OPEN, AFTERWARDS)
    assert not wanted(NoticePurpose.DEADLINE_EXTENDED, replace(OPEN, stage=stage))


@pytest.mark.parametrize("stage", [*CLOSED_STAGES - {Stage.EXPIRED}, Stage.AWARDING, Stage.ISSUING])
def test_a_refusal_of_more_time_is_told_unless_no_time_is_needed_any_more(stage: Stage) -> None:
    assert wanted(NoticePurpose.EXTENSION_REFUSED, replace(OPEN, stage=Stage.EXPIRED), AFTERWARDS)
    assert wanted(NoticePurpose.EXTENSION_REFUSED, OPEN)
    assert not wanted(NoticePurpose.EXTENSION_REFUSED, replace(OPEN, stage=stage))


def test_what_the_office_did_is_told_as_long_as_it_is_so() -> None:
    held, denied = replace(OPEN, is_held=True), replace(OPEN, stage=Stage.DENIED)
    told = {each: [facts for facts in (OPEN, held, denied) if wanted(each, facts)] for each in sorted(OFFICE_ACTS)}
    assert told == {
        NoticePurpose.CLAIM_HELD: [held],
        NoticePurpose.CLAIM_RELEASED: [OPEN],
        NoticePurpose.CLAIM_DENIED: [denied],
        NoticePurpose.CLAIM_REOPENED: [OPEN],
    }


def test_every_end_and_stop_by_the_office_is_told() -> None:
    assert {SubmissionKind.HOLD, SubmissionKind.RELEASE, SubmissionKind.DENIAL, SubmissionKind.REOPENING} <= set(
        NOTICE_OF
    )
    assert set(NOTICE_OF) < STAFF_KINDS
    assert set(NOTICE_OF.values()) > OFFICE_ACTS


def test_a_link_to_a_certificate_needs_an_award() -> None:
    assert not wanted(NoticePurpose.CERTIFICATE_LINK, replace(OPEN, stage=Stage.COMPLETED))


@pytest.mark.parametrize(
    ("purpose", "state", "way"),
    [
        (NoticePurpose.DEADLINE_REMINDER, "failed", Resending.AGAIN),
        (NoticePurpose.DEADLINE_REMINDER, "sent", None),
        (NoticePurpose.CERTIFICATE_LINK, "queued", None),
        (NoticePurpose.AWARD, "sent", Resending.CERTIFICATE_LINK),
        (NoticePurpose.AWARD, "dropped", Resending.CERTIFICATE_LINK),
        # Its claim is still at it, or is parked for it.
        (NoticePurpose.AWARD, "failed", None),
    ],
)
def test_an_email_is_sent_once_more_if_it_was_given_up_and_an_awards_as_a_link(
    purpose: NoticePurpose, state: str, way: Resending | None
) -> None:
    assert resending_of(purpose, state) is way
