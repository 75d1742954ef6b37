"""Reading what platforms report, and telling which progress a claim has to hear of."""

from dataclasses import replace
from decimal import Decimal

import pytest

from domain.intervals import MOST_SECONDS
from domain.platform_events import (
    LEARNER_KEYS,
    LearnerKey,
    ParticipationRecorded,
    ProgressUpdated,
    is_event_id,
    matters,
    normalize_learner_key,
    read_event,
)
from domain.policy import CEActivityPolicy, Content, ContentItem, CreditOffer

LEARNER = LearnerKey("email", "ada@hospital.example")
VIDEO = ContentItem(code="video", title="Video", url="https://platform.example/video", minutes=30)
PAGE = ContentItem(code="page", title="Page", url="https://platform.example/page", minutes=30)


def policy_with(policy: CEActivityPolicy, *, allows_partial: bool) -> CEActivityPolicy:
    offer = CreditOffer(credit_type="ama_pra_category_1", designated_units=Decimal(1), designation_statement="One.")
    content = Content(items=(VIDEO, PAGE), allows_partial=allows_partial)
    return replace(policy, requirements=(content,), credit=(offer,))


def test_progress_is_read_with_its_intervals_and_its_total() -> None:
    data = {"learner": {"email": LEARNER.value}, "ce_activity": "course", "content": "video"}
    read = read_event({"type": "progress.updated", "data": data | {"intervals": [[0, 60], [90, 120]], "seconds": 95}})
    assert read == ProgressUpdated(LEARNER, "course", "video", ((0, 60), (90, 120)), 95)
    assert read_event({"type": "progress.updated", "data": data | {"seconds": 5}}) == ProgressUpdated(
        LEARNER, "course", "video", (), 5
    )


def test_participation_is_read_and_other_types_are_not() -> None:
    data = {"learner": {"email": LEARNER.value}, "ce_activity": "course"}
    assert read_event({"type": "participation.recorded", "data": data}) == ParticipationRecorded(LEARNER, "course")
    assert read_event({"type": "assessment.completed", "data": data}) is None
    assert read_event({"type": "course.renamed", "data": []}) is None


@pytest.mark.parametrize(
    ("key", "normalized"),
    [
        (LearnerKey("email", " Ada@Hospital.example "), "ada@hospital.example"),
        (LearnerKey("npi", "1234 567 893"), "1234567893"),
        (LearnerKey("employee_id", "e-10442"), "E-10442"),
        (LearnerKey("employee_id", "N/A"), None),
    ],
)
def test_a_learner_is_looked_up_as_the_record_writes_them(key: LearnerKey, normalized: str | None) -> None:
    assert normalize_learner_key(key) == normalized


@pytest.mark.parametrize("text", ["", "a.b", "a/b", "ä", "a b", "a\n", "x" * 129])
def test_an_id_that_could_be_divided_or_misread_is_none(text: str) -> None:
    assert is_event_id("msg_2KWPBgLlAfxdpx2AI54pPJ85f4W")
    assert not is_event_id(text)


def test_nobody_is_found_by_their_birth_day() -> None:
    assert "birth_month_day" not in LEARNER_KEYS
    assert {"email", "npi", "employee_id"} <= LEARNER_KEYS


@pytest.mark.parametrize(
    ("before", "after", "is_worth_a_decision"),
    [
        ({}, {"video": 60}, False),
        ({"video": 1799}, {"video": 1800}, True),
        ({"video": 1800}, {"video": 1800, "page": 10}, False),
        ({"video": 1800}, {"video": MOST_SECONDS}, False),
        ({"video": 1800, "page": 1799}, {"video": 1800, "page": 1800}, True),
    ],
)
def test_complete_content_matters(
    policy: CEActivityPolicy, before: dict[str, int], after: dict[str, int], *, is_worth_a_decision: bool
) -> None:
    assert matters(policy_with(policy, allows_partial=False), before, after) is is_worth_a_decision


def test_partial_progress_matters_when_it_earns_another_amount(policy: CEActivityPolicy) -> None:
    partial, whole = (policy_with(policy, allows_partial=allows_partial) for allows_partial in (True, False))
    # 15 minutes are the step of this credit type, and half a step counts as one.
    before, still_before, after = {"video": 0}, {"video": 7 * 60}, {"video": 8 * 60}
    assert not matters(partial, before, still_before)
    assert matters(partial, still_before, after)
    assert not matters(whole, still_before, after)


def test_without_content_nothing_matters(policy: CEActivityPolicy) -> None:
    assert not matters(replace(policy, requirements=()), {}, {"video": MOST_SECONDS})
