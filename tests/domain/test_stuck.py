"""Stuck claims: every reason has a suggestion, and what is Laurel's own lateness has its patience."""

from domain.claims import Attention
from domain.office import OperatorAction
from domain.stuck import LATE_AFTER, SUGGESTED, StuckReason


def test_every_attention_code_is_a_reason() -> None:
    assert set(Attention) <= {str(reason) for reason in StuckReason}


def test_every_reason_says_what_is_suggested() -> None:
    assert SUGGESTED.keys() == set(StuckReason)


def test_what_waits_for_a_person_is_freed_by_an_action() -> None:
    freed = {str(reason) for reason, action in SUGGESTED.items() if action}
    assert freed == {*Attention, StuckReason.ENTRY_OF_ANOTHER}
    assert SUGGESTED[StuckReason.ON_HOLD] is OperatorAction.RELEASE


def test_what_waits_for_a_person_is_stuck_at_once_and_what_is_late_only_after_a_while() -> None:
    waiting = {*map(StuckReason, Attention), StuckReason.ENTRY_OF_ANOTHER, StuckReason.NOTICE_FAILED}
    assert LATE_AFTER.keys() == set(StuckReason) - waiting
