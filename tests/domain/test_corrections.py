"""What may be corrected, in which state, with whose consent; and what a reissued certificate prints."""

from dataclasses import replace
from decimal import Decimal

import pytest

from domain.claims import CLOSED_STAGES, ClaimedCredit, Stage
from domain.corrections import (
    ApprovalPolicy,
    AwardState,
    Change,
    CorrectionKind,
    CreditChange,
    NameChange,
    Reissue,
    Revocation,
    RevocationClass,
    corrected_name,
    from_json,
    kind_of,
    may_decide,
    printed_name,
    printed_policy,
    refusal_by_standing,
    refusal_of_characters,
    refusal_of_name,
    to_json,
)
from domain.policy import LearningFormat
from domain.refusals import RefusalCode, Refused
from domain.roles import Role
from tests.domain.flows import AT_MEETING, LEARNER, MEETING, PHARMACY_LECTURE

ONE = Decimal("1.00")
AMA = ClaimedCredit(credit_type="ama_pra_category_1", units=ONE)
KINDS_OF_CHANGE = frozenset(CorrectionKind) - {CorrectionKind.REVOCATION}


@pytest.mark.parametrize(
    ("change", "stored"),
    [
        (CreditChange(units=Decimal("1.50")), {"units": "1.50"}),
        (CreditChange(sessions={"keynote": ONE}), {"sessions": {"keynote": "1.00"}}),
        (NameChange(family_name="Moreau-Lind", credentials=""), {"family_name": "Moreau-Lind", "credentials": ""}),
        (Reissue(), {}),
        (Revocation(RevocationClass.MISCONDUCT), {"reason_class": "misconduct"}),
    ],
)
def test_a_change_is_read_back_as_it_was_written(change: Change, stored: dict[str, object]) -> None:
    assert to_json(change) == stored
    assert from_json(kind_of(change), stored) == change


def test_there_is_a_change_of_every_kind() -> None:
    changes = (CreditChange(ONE), NameChange("Ann"), Reissue(), Revocation(RevocationClass.DUPLICATE))
    assert {kind_of(change) for change in changes} == set(CorrectionKind)


@pytest.mark.parametrize("kind", CorrectionKind)
@pytest.mark.parametrize("stage", sorted({*CLOSED_STAGES, Stage.ISSUING, Stage.READY_TO_CLAIM}))
def test_nothing_is_corrected_without_an_award(kind: CorrectionKind, stage: Stage) -> None:
    assert refusal_by_standing(kind, stage, None) == Refused(RefusalCode.WRONG_STATE, {"stage": stage})


def test_an_active_award_takes_every_correction() -> None:
    for kind in CorrectionKind:
        assert refusal_by_standing(kind, Stage.COMPLETED, AwardState.ACTIVE) is None


def test_a_certificate_that_is_being_made_may_be_corrected_and_not_revoked() -> None:
    for stage in (Stage.ISSUING, Stage.AWARDING):
        assert all(refusal_by_standing(kind, stage, AwardState.ACTIVE) is None for kind in KINDS_OF_CHANGE)
        refused = refusal_by_standing(CorrectionKind.REVOCATION, stage, AwardState.ACTIVE)
        assert refused == Refused(RefusalCode.WRONG_STATE, {"stage": stage})


def test_a_revoked_award_can_only_be_reissued_and_a_merged_one_takes_nothing() -> None:
    for state in (AwardState.REVOKED, AwardState.MERGED, AwardState.SUPERSEDED):
        refused = Refused(RefusalCode.NO_ACTIVE_AWARD, {"award": state})
        for kind in CorrectionKind:
            is_reissue_of_revoked = kind is CorrectionKind.REISSUE and state is AwardState.REVOKED
            assert refusal_by_standing(kind, Stage.COMPLETED, state) == (None if is_reissue_of_revoked else refused)


def test_the_office_says_for_what_it_wants_a_second_person() -> None:
    nobody, of_revocations = ApprovalPolicy(), ApprovalPolicy(of_revocations=True)
    of_corrections = ApprovalPolicy(of_corrections=True)
    for kind in CorrectionKind:
        is_revocation = kind is CorrectionKind.REVOCATION
        assert not nobody.is_asked(kind, AwardState.ACTIVE)
        assert of_revocations.is_asked(kind, AwardState.ACTIVE) is is_revocation
        assert of_corrections.is_asked(kind, AwardState.ACTIVE) is not is_revocation


def test_to_take_a_revocation_back_is_as_grave_as_to_revoke() -> None:
    assert ApprovalPolicy(of_revocations=True).is_asked(CorrectionKind.REISSUE, AwardState.REVOKED)
    assert not ApprovalPolicy(of_corrections=True).is_asked(CorrectionKind.REISSUE, AwardState.REVOKED)


@pytest.mark.parametrize("role", Role)
def test_approvers_and_administrators_decide_and_never_about_what_they_asked_for(role: Role) -> None:
    assert may_decide(role, "acc_2", "acc_1") is (role in (Role.APPROVER, Role.ADMINISTRATOR))
    assert not may_decide(role, "acc_1", "acc_1")


AWARDED = replace(AT_MEETING, statement=AMA.credit_type, sessions={"keynote": ONE}, credit=AMA, is_awarded=True)


def test_a_reissued_certificate_prints_the_policy_of_today() -> None:
    today = replace(MEETING, title="Annual Meeting", provider=replace(MEETING.provider, name="New Name"))
    assert printed_policy(MEETING, today, AWARDED) is today


def test_it_prints_the_pinned_policy_where_todays_has_no_place_for_what_was_awarded() -> None:
    offer = next(each for each in MEETING.credit if each.credit_type == AMA.credit_type)
    keynote = next(each for each in MEETING.sessions if each.code == "keynote")
    others = tuple(each for each in MEETING.sessions if each is not keynote)
    shorter = replace(keynote, maximum_units=Decimal("0.50"))
    for today in (
        replace(MEETING, credit=()),
        replace(MEETING, credit=(replace(offer, designated_units=Decimal("0.50")),)),
        replace(MEETING, sessions=others),
        replace(MEETING, sessions=(shorter, *others)),
        replace(MEETING, format=LearningFormat.ENDURING_MATERIAL),
    ):
        assert printed_policy(MEETING, today, AWARDED) is MEETING


def test_without_sessions_todays_policy_only_needs_the_offer() -> None:
    awarded = replace(LEARNER, credit=AMA, is_awarded=True)
    today = replace(PHARMACY_LECTURE, title="Retitled")
    assert printed_policy(PHARMACY_LECTURE, today, awarded) is today
    assert printed_policy(PHARMACY_LECTURE, today, replace(awarded, credit=None)) is PHARMACY_LECTURE
    foreign = replace(awarded, credit=replace(AMA, credit_type="gold_stars"))
    assert printed_policy(PHARMACY_LECTURE, today, foreign) is PHARMACY_LECTURE


ADA = {"given_name": "Ada", "family_name": "Lovelace", "credentials": "MD"}


@pytest.mark.parametrize(
    ("change", "printed"),
    [
        (NameChange(given_name="Adah"), ("Adah Lovelace", "MD")),
        (NameChange(family_name="King", credentials=""), ("Ada King", "")),
        (NameChange(credentials="MD, PhD"), ("Ada Lovelace", "MD, PhD")),
    ],
)
def test_a_corrected_name_keeps_the_parts_that_are_right(change: NameChange, printed: tuple[str, str]) -> None:
    name = corrected_name(ADA, change)
    assert printed_name(name) == printed
    assert refusal_of_name(("Ada Lovelace", "MD"), name) is None


def test_a_name_that_is_printed_like_that_needs_no_correction() -> None:
    refused = refusal_of_name(("Ada Lovelace", "MD"), corrected_name(ADA, NameChange(given_name="Ada")))
    assert refused == Refused(RefusalCode.NOTHING_TO_CORRECT)


def test_a_certificate_needs_a_whole_name() -> None:
    nameless = {"given_name": None, "family_name": None, "credentials": None}
    refused = refusal_of_name(("", ""), corrected_name(nameless, NameChange(family_name="King")))
    assert refused == Refused(RefusalCode.PROFILE_INCOMPLETE, {"fields": "given_name"})


def test_characters_that_cannot_be_printed_are_named_as_unicode_does() -> None:
    assert refusal_of_characters(set()) is None
    refused = refusal_of_characters({"\U00013000", "A\u0363"})
    assert refused is not None
    assert refused.code is RefusalCode.NAME_NOT_PRINTABLE
    assert refused.details["characters"] == (
        "U+0041 LATIN CAPITAL LETTER A with U+0363 COMBINING LATIN SMALL LETTER A, U+13000 EGYPTIAN HIEROGLYPH A001"
    )


def test_a_character_without_a_name_is_known_by_its_number() -> None:
    refused = refusal_of_characters({"\ue000"})
    assert refused is not None
    assert refused.details == {"characters": "U+E000"}
