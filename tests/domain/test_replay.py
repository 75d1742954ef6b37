"""A claim's entries lead to one state, and whatever the tables say otherwise is found."""

from copy import deepcopy
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from domain.claims import Stage
from domain.replay import ClaimRecord, changed, differences, plain, replay

AT = "2026-05-01T12:00:00+00:00"


def entry(event: str, after: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"event": event, "at": AT, "after": after or {}, **more}


OPENED = entry(
    "opening.accepted",
    {"stage": "awaiting_test", "due_at": None, "participation": "not a change"},
    before={"stage": None, "due_at": None},
    submission="sub_1",
)
AWARDED = entry(
    "credit.awarded",
    {
        "award": "awd_1",
        "number": 1,
        "credit_type": "ama",
        "units": "1",
        "certificate": "crt_1",
        "certificate_state": "reserved",
    },
)
NEW_VERSION = {"certificate": "crt_2", "version": 2, "certificate_state": "reserved", "supersedes_certificate": "crt_1"}
ISSUED = entry("certificate.issued", {"certificate": "crt_1", "sha256": "ab"})


def correction(event: str, after: dict[str, Any], kind: str = "credit") -> dict[str, Any]:
    return entry(event, {"correction": "cor_1", "kind": kind, **after})


CORRECTED = correction(
    "credit.corrected",
    {
        "award": "awd_2",
        "number": 2,
        "credit_type": "ama",
        "units": "0.5",
        "supersedes": "awd_1",
        "sessions": {"S2": "0.50"},
        **NEW_VERSION,
    },
)
REVOKED = correction(
    "credit.revoked", {"award": "awd_1", "certificate": "crt_1", "reason_class": "misconduct"}, "revocation"
)


def test_columns_are_what_their_last_change_says_and_details_are_no_columns() -> None:
    moved = entry("window.opened", {"stage": "ready_to_claim"}, before={"stage": "awaiting_test"})
    assert replay([OPENED, moved]).columns == {"stage": "ready_to_claim", "due_at": None}


def test_each_submission_has_its_outcome() -> None:
    refused = entry("credit.refused", {"refusal": "wrong_state"}, submission="sub_2")
    awarded = {**AWARDED, "submission": "sub_1"}
    assert replay([OPENED, refused, awarded]).outcomes == {"sub_1": None, "sub_2": "wrong_state"}


def test_an_attempt_is_started_once_answered_and_graded() -> None:
    started, answered = entry("attempt.accepted", {"attempt": 1}), entry("answers.accepted", {"attempt": 1})
    graded = entry("attempt.graded", {"attempt": 1, "correct": 3, "total": 4, "has_passed": True})
    [attempt] = replay([started, started, answered, graded]).attempts.values()
    assert attempt == {
        "started_at": AT, "submitted_at": AT, "graded_at": AT, "correct": 3, "total": 4, "has_passed": True,
    }  # fmt: skip


def test_sessions_are_saved_changed_and_given_up_and_evaluations_stay() -> None:
    def saved(session: str, units: str | None, *, is_evaluated: bool) -> dict[str, Any]:
        return entry("session.accepted", {"session": session, "units": units, "is_evaluated": is_evaluated})

    record = replay(
        [
            saved("S1", "0.5", is_evaluated=True),
            saved("S2", "1", is_evaluated=False),
            saved("S1", None, is_evaluated=False),
            entry("evaluation.accepted"),
        ]
    )
    assert (record.sessions, record.evaluations) == ({"S2": "1.00"}, {"S1", ""})


def test_an_award_has_its_certificate_which_is_issued() -> None:
    record = replay([AWARDED, ISSUED])
    assert record.awards == {"awd_1": {"number": 1, "credit_type": "ama", "units": "1.00", "state": "active"}}
    assert record.certificates["crt_1"] == {
        "award_id": "awd_1", "version": 1, "state": "issued", "sha256": "ab", "superseded_by": None,
        "revocation_class": None,
    }  # fmt: skip


def test_a_corrected_award_supersedes_award_and_certificate() -> None:
    record = replay([AWARDED, ISSUED, CORRECTED])
    assert [each["state"] for each in record.awards.values()] == ["superseded", "active"]
    assert record.sessions == {"S2": "0.50"}
    first, second = record.certificates.values()
    assert (first["state"], first["superseded_by"], second["version"]) == ("superseded", "crt_2", 2)


def test_what_was_revoked_stays_revoked_when_it_is_issued_anew() -> None:
    reissued = correction("certificate.reissued", {"award": "awd_1", **NEW_VERSION}, "reissue")
    first, second = replay([AWARDED, ISSUED, REVOKED, reissued]).certificates.values()
    assert (first["state"], first["revocation_class"], first["superseded_by"]) == ("revoked", "misconduct", "crt_2")
    assert second["state"] == "reserved"


def test_a_certificate_of_another_system_is_only_noted_to_hold_no_more() -> None:
    elsewhere = {**AWARDED, "after": AWARDED["after"] | {"certificate_state": "elsewhere"}}
    record = replay([elsewhere, REVOKED])
    assert record.awards["awd_1"]["state"] == "revoked"
    assert record.certificates["crt_1"]["state"] == "elsewhere"


def test_a_merged_award_counts_no_more() -> None:
    assert replay([AWARDED, entry("award.merged", {"award": "awd_1"})]).awards["awd_1"]["state"] == "merged"


@pytest.mark.parametrize(
    ("entries", "state"),
    [
        ([correction("correction.requested", {"needs_approval": True})], "awaiting_approval"),
        ([correction("correction.requested", {"needs_approval": False})], "approved"),
        ([correction("correction.declined", {})], "declined"),
        ([AWARDED, CORRECTED], "applied"),
        ([AWARDED, CORRECTED, correction("correction.completed", {})], "completed"),
        ([AWARDED, CORRECTED, correction("correction.resolved", {"reason_code": "not_wanted"})], "resolved"),
        ([AWARDED, CORRECTED, correction("correction.parked", {})], "applied"),
    ],
)
def test_a_correction_is_as_far_as_its_last_entry_says(entries: list[dict[str, Any]], state: str) -> None:
    assert replay(entries).corrections == {"cor_1": {"kind": "credit", "state": state}}


def test_values_are_written_alike_whichever_way_they_came() -> None:
    noon = datetime(2026, 5, 1, 14, tzinfo=timezone(timedelta(hours=2)))
    values = [noon, date(2026, 5, 1), Decimal("0.5"), b"\xab", Stage.GRADING, None, 3, ["evaluation"]]
    written = [plain(value) for value in values]
    assert written == [AT, "2026-05-01", "0.50", "ab", "grading", None, 3, ["evaluation"]]
    assert type(written[4]) is str


def test_only_columns_that_differ_are_changes() -> None:
    before = {"stage": "issuing", "due_at": None, "wakes_at": None}
    after = {"stage": Stage.ISSUING, "due_at": datetime(2026, 5, 1, 12, tzinfo=UTC), "wakes_at": 1}
    assert changed(before, after) == ({"due_at": None}, {"due_at": AT})
    assert changed({}, {"stage": "issuing"}) == ({"stage": None}, {"stage": "issuing"})


def whole() -> ClaimRecord:
    return replay([OPENED, AWARDED, ISSUED, CORRECTED])


def test_a_record_that_says_the_same_does_not_differ() -> None:
    assert differences(whole(), whole()) == []


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda record: record.columns.update(stage="completed"), "claims.stage"),
        (lambda record: record.columns.update(attention="email_failed"), "claims.attention"),
        (lambda record: record.awards["awd_2"].update(units="5.00"), "awards.awd_2.units"),
        (lambda record: record.awards.pop("awd_1"), "awards.awd_1"),
        (lambda record: record.certificates["crt_2"].update(sha256="cd"), "certificates.crt_2.sha256"),
        (lambda record: record.attempts.update({1: {}}), "attempts.1"),
        (lambda record: record.sessions.clear(), "sessions"),
        (lambda record: record.outcomes.clear(), "outcomes"),
        (lambda record: record.corrections["cor_1"].update(state="completed"), "corrections.cor_1.state"),
    ],
)
def test_whatever_the_tables_say_otherwise_is_named(change: Any, place: str) -> None:
    stored = deepcopy(whole())
    change(stored)
    assert differences(whole(), stored) == [place]
