import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from domain.reasons import (
    DenialReason,
    HoldReason,
    ReleaseReason,
    ReopeningReason,
    ResolutionReason,
    WaiverReason,
    WithdrawalReason,
)
from domain.submissions import (
    REASONS,
    STAFF_KINDS,
    AnswersGiven,
    AttemptStarted,
    AttentionResolved,
    ClaimDenied,
    ClaimHeld,
    ClaimReleased,
    ClaimReopened,
    ClaimWithdrawn,
    CreditClaimed,
    DeadlineExtended,
    DisclosuresAcknowledged,
    EvaluationCompleted,
    ExtensionRefused,
    ExtensionRequested,
    Opening,
    ParticipationStated,
    ProgressReported,
    RequirementWaived,
    SessionClaimed,
    StatementChosen,
    StatementFinalized,
    StepRetried,
    Submission,
    SubmissionBody,
    SubmissionKind,
    Withdrawal,
    from_json,
    kind_of,
    staff_body,
    to_json,
)

BODIES: dict[SubmissionKind, SubmissionBody] = {
    SubmissionKind.OPENING: Opening("cea_1", "version_1"),
    SubmissionKind.PARTICIPATION: ParticipationStated("attestation", "recorded"),
    SubmissionKind.ATTEMPT: AttemptStarted(),
    SubmissionKind.ANSWERS: AnswersGiven(1, {"q1": "b"}),
    SubmissionKind.EVALUATION: EvaluationCompleted({"relevance": 5, "change": "Nothing"}),
    SubmissionKind.STATEMENT: StatementChosen("participation"),
    SubmissionKind.DISCLOSURES: DisclosuresAcknowledged("2026-1"),
    SubmissionKind.PROGRESS: ProgressReported("opening"),
    SubmissionKind.SESSION: SessionClaimed("keynote", Decimal("1.00"), {"relevance": 5}),
    SubmissionKind.CREDIT: CreditClaimed("participation", Decimal("1.00"), "participation-2026-1", is_attested=True),
    SubmissionKind.FINALIZATION: StatementFinalized(is_confirmed=True),
    SubmissionKind.WITHDRAWAL: Withdrawal("not_interested"),
    SubmissionKind.EXTENSION_REQUEST: ExtensionRequested("illness"),
    SubmissionKind.EXTENSION: DeadlineExtended(date(2026, 12, 31), "illness"),
    SubmissionKind.EXTENSION_REFUSAL: ExtensionRefused("too_late"),
    SubmissionKind.RETRY: StepRetried("mail_server_back"),
    SubmissionKind.HOLD: ClaimHeld(HoldReason.IDENTITY_CHECK, "Two people, one badge."),
    SubmissionKind.RELEASE: ClaimReleased(ReleaseReason.CHECKED, "It is hers."),
    SubmissionKind.WAIVER: RequirementWaived("evaluation", WaiverReason.DONE_OTHERWISE, "On paper."),
    SubmissionKind.RESOLUTION: AttentionResolved(ResolutionReason.TOLD_OTHERWISE, "By telephone."),
    SubmissionKind.DENIAL: ClaimDenied(DenialReason.NOT_ELIGIBLE, "A student."),
    SubmissionKind.REOPENING: ClaimReopened(ReopeningReason.APPEAL_GRANTED, "Board of June.", date(2026, 12, 31)),
    SubmissionKind.STAFF_WITHDRAWAL: ClaimWithdrawn(WithdrawalReason.LEARNER_ASKED, "By telephone."),
}


def test_there_is_a_body_for_every_kind() -> None:
    assert set(BODIES) == set(SubmissionKind)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        *BODIES.items(),
        (SubmissionKind.PARTICIPATION, ParticipationStated("roster")),
        (SubmissionKind.SESSION, SessionClaimed("keynote", None)),
        (SubmissionKind.REOPENING, ClaimReopened(ReopeningReason.OTHER, "Wrong claim.")),
        (SubmissionKind.CREDIT, CreditClaimed("participation", None, "participation-2026-1", is_attested=False)),
    ],
)
def test_a_body_knows_its_kind_and_reads_back_from_json_as_it_was(kind: SubmissionKind, body: SubmissionBody) -> None:
    assert Submission("sub_1", datetime(2026, 1, 1, tzinfo=UTC), body).kind is kind_of(body) is kind
    assert from_json(kind, json.loads(json.dumps(to_json(body)))) == body


def test_amounts_keep_their_digits_in_json() -> None:
    assert to_json(BODIES[SubmissionKind.CREDIT])["units"] == "1.00"


def test_a_field_that_a_kind_does_not_have_is_an_error() -> None:
    with pytest.raises(TypeError):
        from_json(SubmissionKind.ATTEMPT, {"is_awarded": True})


@pytest.mark.parametrize("kind", sorted(STAFF_KINDS))
def test_what_staff_ask_for_is_read_from_the_words_they_give(kind: SubmissionKind) -> None:
    words = {name: str(value) for name, value in to_json(BODIES[kind]).items() if value is not None}
    assert (
        staff_body(kind, words | {"colour": "red", "requirement": words.get("requirement", "evaluation")})
        == BODIES[kind]
    )


@pytest.mark.parametrize("kind", sorted(STAFF_KINDS))
@pytest.mark.parametrize("reason", ["", None])
def test_what_staff_ask_for_needs_a_reason(kind: SubmissionKind, reason: str | None) -> None:
    words = {name: str(value) for name, value in to_json(BODIES[kind]).items()}
    with pytest.raises(ValueError, match="field_missing"):
        staff_body(kind, words | {"reason": reason})


def test_everything_that_staff_submit_has_codes_of_reasons_and_another_one() -> None:
    assert set(REASONS) == STAFF_KINDS
    assert all("other" in set(codes) for codes in REASONS.values())


@pytest.mark.parametrize("kind", [SubmissionKind.EXTENSION, SubmissionKind.EXTENSION_REFUSAL, SubmissionKind.RETRY])
def test_what_was_submitted_before_there_were_codes_has_another_reason(kind: SubmissionKind) -> None:
    stored = {name: value for name, value in to_json(BODIES[kind]).items() if name != "reason_code"}
    assert to_json(from_json(kind, stored))["reason_code"] == "other"


@pytest.mark.parametrize("kind", sorted(REASONS))
def test_a_reason_has_a_code_of_its_action(kind: SubmissionKind) -> None:
    words = {name: str(value) for name, value in to_json(BODIES[kind]).items()}
    with pytest.raises(ValueError, match="bad_mood"):
        staff_body(kind, words | {"reason_code": "bad_mood"})
