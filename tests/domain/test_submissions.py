import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from domain.submissions import (
    AnswersGiven,
    AttemptStarted,
    CreditClaimed,
    DeadlineExtended,
    DisclosuresAcknowledged,
    EvaluationCompleted,
    ExtensionRefused,
    ExtensionRequested,
    Opening,
    ParticipationStated,
    ProgressReported,
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
}


def test_there_is_a_body_for_every_kind() -> None:
    assert set(BODIES) == set(SubmissionKind)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        *BODIES.items(),
        (SubmissionKind.PARTICIPATION, ParticipationStated("roster")),
        (SubmissionKind.SESSION, SessionClaimed("keynote", None)),
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
