"""Stuck claims: every reason has a suggestion, and what is Laurel's own lateness has its patience."""

import pytest

from domain.claims import Attention
from domain.office import OperatorAction
from domain.stuck import LATE_AFTER, LATENESS, PARKED_CORRECTIONS, SUGGESTED, Engine, StuckCause, StuckReason, cause_of


def test_every_attention_code_is_a_reason() -> None:
    assert set(Attention) <= {str(reason) for reason in StuckReason}


def test_every_reason_says_what_is_suggested() -> None:
    assert SUGGESTED.keys() == set(StuckReason)


def test_what_waits_for_a_decision_about_the_claim_is_freed_by_an_action() -> None:
    decided_once_for_all = {Attention.ISSUANCE_PAUSED}
    freed = {str(reason) for reason, action in SUGGESTED.items() if action}
    assert freed == {*Attention, StuckReason.ENTRY_OF_ANOTHER} - decided_once_for_all
    assert SUGGESTED[StuckReason.ON_HOLD] is OperatorAction.RELEASE


def test_what_waits_for_a_person_is_stuck_at_once_and_what_is_late_only_after_a_while() -> None:
    told = {StuckReason.NOTICE_FAILED, StuckReason.EVENT_QUARANTINED, StuckReason.WORKFLOW_FAILING}
    waiting = {*map(StuckReason, Attention), StuckReason.ENTRY_OF_ANOTHER} | PARKED_CORRECTIONS | told
    assert LATE_AFTER.keys() == set(StuckReason) - waiting


UNDECIDED, LATE = StuckReason.SUBMISSION_UNDECIDED, StuckReason.CERTIFICATE_OVERDUE


@pytest.mark.parametrize(
    ("engine", "errors", "cause"),
    [
        (None, (), StuckCause.TEMPORAL_AWAY),
        (Engine(missing_attributes=("ClaimStage",)), ("KeyError",), StuckCause.SEARCH_ATTRIBUTES_MISSING),
        (Engine(has_claims_worker=False, has_documents_worker=False), (), StuckCause.CLAIMS_WORKER_MISSING),
        (Engine(has_documents_worker=False), ("KeyError",), StuckCause.DOCUMENTS_WORKER_MISSING),
        (Engine(), ("KeyError", "OperationalError"), StuckCause.DATABASE_AWAY),
        (Engine(), ("RenderTimeout", "KeyError"), StuckCause.DEFECT),
        (Engine(), ("RenderTimeout",), None),
        (Engine(), (), None),
    ],
)
def test_of_several_causes_the_most_general_is_told(
    engine: Engine | None, errors: tuple[str, ...], cause: StuckCause | None
) -> None:
    assert cause_of(LATE, engine, errors) is cause


def test_a_worker_for_documents_that_is_missing_holds_up_certificates_only() -> None:
    assert cause_of(UNDECIDED, Engine(has_documents_worker=False), ()) is None


@pytest.mark.parametrize("reason", sorted(set(StuckReason) - LATENESS))
def test_what_waits_for_people_has_no_cause_in_the_engine(reason: StuckReason) -> None:
    assert cause_of(reason, None, ("KeyError",)) is None
