"""Claiming credit: statements, sessions, amounts, making a statement final, and correcting an award."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations

import pytest

from domain import credit
from domain.claiming import claimable_units, correct, is_whole_only, missing_in_profile
from domain.claims import ClaimedCredit, ClaimFacts, Stage, stage_of
from domain.corrections import CreditChange
from domain.policy import CEActivityPolicy, CreditOffer, Option, Profession
from domain.refusals import Accepted, RefusalCode, Refused
from domain.submissions import EvaluationCompleted, SessionClaimed, StatementChosen, StatementFinalized
from tests.domain.flows import (
    AT_MEETING,
    CONFERENCE_VIDEOS,
    ENDURING,
    LEARNER,
    LIVE,
    MEETING,
    NOW,
    PER_SESSION,
    PHARMACY_LECTURE,
    RECORDED_LECTURE,
    RESPONSES,
    VIDEOS,
    accepted,
    credit_claimed,
    offer,
    refused,
    session_claimed,
)

A, B, C, D = PHARMACY_LECTURE, CONFERENCE_VIDEOS, RECORDED_LECTURE, MEETING
ONE, HALF = Decimal("1.00"), Decimal("0.50")
INSTANT = timedelta(microseconds=1)
AMA = ClaimedCredit(credit_type="ama_pra_category_1", units=ONE)
FINAL = StatementFinalized(is_confirmed=True)

READY = replace(LEARNER, participation="code", is_evaluated=True)
BOTH_WATCHED = replace(LEARNER, content_seconds={"opening": 1200, "wounds": 2400}, is_evaluated=True)
HALF_WATCHED = replace(LEARNER, content_seconds={"opening": 1200, "wounds": 600}, is_evaluated=True)
WHOLE_VIDEOS = replace(B, requirements=(replace(VIDEOS, allows_partial=False), B.requirements[1]))
SAVED = accepted(D, AT_MEETING, session_claimed("keynote"))
CLAIMED = accepted(D, SAVED, credit_claimed())
COMPLETED = replace(accepted(D, CLAIMED, FINAL), is_awarded=True, is_notified=True)


def of(profession: Profession, facts: ClaimFacts) -> ClaimFacts:
    return replace(facts, profession=profession)


def seeking(credit_type: str, profession: Profession) -> ClaimFacts:
    """A learner at the meeting who chose another statement."""
    return replace(AT_MEETING, statement=credit_type, profession=profession)


def offered(policy: CEActivityPolicy, credit_type: str) -> CreditOffer:
    return next(each for each in policy.credit if each.credit_type == credit_type)


def test_a_learner_chooses_a_statement_that_their_profession_may_have() -> None:
    assert accepted(D, LEARNER, StatementChosen("ama_pra_category_1")).statement == "ama_pra_category_1"
    not_theirs = refused(D, of(Profession.NURSE, LEARNER), StatementChosen("ama_pra_category_1"))
    assert not_theirs == Refused(RefusalCode.NOT_ELIGIBLE, {"credit_type": "ama_pra_category_1"})
    assert refused(D, LEARNER, StatementChosen("gold_stars")).details == {"credit_type": "not_offered"}


def test_a_statement_needs_the_numbers_and_the_name_that_its_credit_type_needs() -> None:
    nurse = replace(of(Profession.NURSE, LEARNER), identifiers=frozenset(), has_name=False)
    decision = refused(D, nurse, StatementChosen("california_rn_contact_hours"))
    assert decision == Refused(RefusalCode.PROFILE_INCOMPLETE, {"fields": "given_name,family_name,rn_license"})


def test_another_statement_undoes_the_attested_amount_and_keeps_the_sessions() -> None:
    changed = accepted(D, CLAIMED, StatementChosen("participation"))
    assert (changed.statement, changed.credit, changed.sessions) == ("participation", None, CLAIMED.sessions)
    assert accepted(D, CLAIMED, StatementChosen("ama_pra_category_1")) == CLAIMED


def test_credit_of_another_type_than_the_statement_is_refused() -> None:
    decision = refused(D, SAVED, credit_claimed("participation"))
    assert decision == Refused(RefusalCode.NOT_ELIGIBLE, {"credit_type": "statement_differs"})


def test_a_profile_lacks_what_the_credit_type_and_the_policy_ask_for() -> None:
    asking = replace(A, profile_fields=("credentials", "employee_id", "birth_month_day"))
    rule = credit.rule("acpe_contact_hours")
    nobody = replace(LEARNER, identifiers=frozenset(), has_name=False, has_credentials=False)
    wanted = ("given_name", "family_name", "nabp_eprofile_id", "birth_month_day", "credentials", "employee_id")
    assert missing_in_profile(asking, nobody, rule) == wanted
    assert missing_in_profile(asking, LEARNER, rule) == ()


def test_credit_that_is_registered_for_pharmacists_only_is_not_for_technicians() -> None:
    number = Option(code="0999-0000-26-001-L01-P", label="UAN")
    for_pharmacists = replace(A, credit=(replace(A.credit[0], identifiers=(number,)),))
    claimed = credit_claimed("acpe_contact_hours", "1.00")
    assert accepted(for_pharmacists, of(Profession.PHARMACIST, READY), claimed).credit is not None
    technician = refused(for_pharmacists, of(Profession.PHARMACY_TECHNICIAN, READY), claimed)
    assert technician == Refused(RefusalCode.NOT_ELIGIBLE, {"credit_type": "acpe_contact_hours"})


def test_the_amount_is_limited_by_the_offer_for_the_format_in_which_the_learner_took_part() -> None:
    for way, most, too_much in (("in_person", "1.50", "1.75"), ("recorded", "1.25", "1.50")):
        facts = replace(READY, participation=way)
        without_test = replace(C, requirements=(C.requirements[0], C.requirements[2]))
        assert accepted(without_test, facts, credit_claimed(units=most)).credit is not None
        decision = refused(without_test, facts, credit_claimed(units=too_much))
        assert decision == Refused(RefusalCode.CREDIT_MAXIMUM, {"limit": most})


def test_a_statement_chosen_before_the_format_was_known_can_be_exchanged_when_it_does_not_fit() -> None:
    statement_first = replace(D, requirements=(*D.requirements[:1], C.requirements[0]), sessions=())
    live_only = replace(statement_first, credit=(offer("ama_pra_category_1", "1.00", LIVE), D.credit[-1]))
    chosen = accepted(live_only, LEARNER, StatementChosen("ama_pra_category_1"))
    recorded = replace(chosen, participation="recorded")
    decision = refused(live_only, recorded, credit_claimed(units="1.00"))
    assert decision == Refused(RefusalCode.NOT_ELIGIBLE, {"credit_type": "not_offered"})
    changed = accepted(live_only, recorded, StatementChosen("participation"))
    assert accepted(live_only, changed, credit_claimed("participation", "1.00")).credit is not None


def test_a_statement_of_which_any_offer_fits_can_be_chosen_before_the_format_is_known() -> None:
    numbers = {LIVE: "0999-0000-26-001-L01-P", ENDURING: "0999-0000-26-001-H01-T"}
    offers = tuple(
        replace(offer("acpe_contact_hours", "1.00", each), identifiers=(Option(code=number, label="UAN"),))
        for each, number in numbers.items()
    )
    mixed = replace(C, requirements=(D.requirements[0], *C.requirements), credit=offers)
    technician = of(Profession.PHARMACY_TECHNICIAN, LEARNER)
    chosen = accepted(mixed, technician, StatementChosen("acpe_contact_hours"))
    for_pharmacists = refused(mixed, replace(chosen, participation="in_person"), StatementChosen("acpe_contact_hours"))
    assert for_pharmacists.code is RefusalCode.NOT_ELIGIBLE
    accepted(mixed, replace(chosen, participation="recorded"), StatementChosen("acpe_contact_hours"))


def test_a_session_counts_once_it_is_over() -> None:
    ends_at = datetime(2026, 6, 11, 15, tzinfo=UTC)
    early = refused(D, AT_MEETING, session_claimed("keynote"), ends_at - INSTANT)
    details = {"session": "keynote", "ends_at": ends_at.isoformat()}
    assert early == Refused(RefusalCode.SESSION_NOT_OVER, details)
    assert accepted(D, AT_MEETING, session_claimed("keynote"), ends_at).sessions == {"keynote": ONE}


@pytest.mark.parametrize(
    ("statement", "units", "refusal"),
    [
        ("ama_pra_category_1", "1.50", None),
        ("ama_pra_category_1", "0.25", None),
        ("ama_pra_category_1", "1.75", Refused(RefusalCode.CREDIT_MAXIMUM, {"limit": "1.50"})),
        ("ama_pra_category_1", "1.10", Refused(RefusalCode.CREDIT_INCREMENT, {"limit": "0.25"})),
        ("ama_pra_category_1", "0.00", Refused(RefusalCode.CREDIT_MINIMUM, {"limit": "0.25"})),
        ("ama_pra_category_1", "-1.00", Refused(RefusalCode.CREDIT_MINIMUM, {"limit": "0.25"})),
        ("ama_pra_category_1", "NaN", Refused(RefusalCode.CREDIT_INCREMENT, {"limit": "0.25"})),
        ("ama_pra_category_1", "Infinity", Refused(RefusalCode.CREDIT_MAXIMUM, {"limit": "1.50"})),
        ("nasba_cpe", "0.50", None),
        ("nasba_cpe", "0.75", Refused(RefusalCode.CREDIT_INCREMENT, {"limit": "0.5"})),
        ("california_rn_contact_hours", "1.50", None),
        ("california_rn_contact_hours", "1.25", Refused(RefusalCode.CREDIT_WHOLE_ONLY, {"limit": "1.50"})),
        ("california_rn_contact_hours", "1.75", Refused(RefusalCode.CREDIT_MAXIMUM, {"limit": "1.50"})),
    ],
)
def test_a_session_is_claimed_in_the_steps_of_the_statement_up_to_its_own_maximum(
    statement: str, units: str, refusal: Refused | None
) -> None:
    facts = replace(AT_MEETING, statement=statement)
    if refusal is None:
        assert accepted(D, facts, session_claimed("sepsis", units)).sessions == {"sepsis": Decimal(units)}
    else:
        details = {**refusal.details, "session": "sepsis"}
        assert refused(D, facts, session_claimed("sepsis", units)) == Refused(refusal.code, details)


def test_without_a_statement_a_session_takes_any_amount_that_the_record_can_hold() -> None:
    open_type = replace(D, requirements=D.requirements[1:])
    facts = replace(AT_MEETING, statement=None)
    assert accepted(open_type, facts, session_claimed("sepsis", "0.01")).sessions == {"sepsis": Decimal("0.01")}
    for units in ("0.001", "0.00", "1.51"):
        assert refused(open_type, facts, session_claimed("sepsis", units)).details["session"] == "sepsis"


def test_a_session_that_there_is_not_is_neither_claimed_nor_given_back() -> None:
    assert refused(D, AT_MEETING, session_claimed("dinner")) == Refused(RefusalCode.SESSION_UNKNOWN)
    assert refused(D, AT_MEETING, session_claimed("dinner", None)) == Refused(RefusalCode.SESSION_UNKNOWN)


def test_nobody_attends_two_sessions_at_once() -> None:
    both = accepted(D, SAVED, session_claimed("sepsis"))
    assert refused(D, both, session_claimed("fungi")) == Refused(RefusalCode.SESSIONS_OVERLAP, {"sessions": "sepsis"})
    instead = accepted(D, accepted(D, both, session_claimed("sepsis", None, evaluated=False)), session_claimed("fungi"))
    assert set(instead.sessions) == {"keynote", "fungi"}


def test_sessions_may_be_saved_in_any_order_and_again_and_again() -> None:
    saves = [session_claimed("keynote"), session_claimed("sepsis", "1.50"), session_claimed("measles")]
    results = []
    for order in permutations([*saves, saves[0]]):
        facts = AT_MEETING
        for save in order:
            facts = accepted(D, facts, save)
        results.append(facts)
    assert all(facts == results[0] for facts in results)


def test_a_changed_or_removed_session_undoes_the_attested_amount() -> None:
    for change in (session_claimed("keynote", "0.50"), session_claimed("keynote", None), session_claimed("measles")):
        changed = accepted(D, CLAIMED, change)
        assert changed.credit is None
        assert stage_of(D, changed, NOW) is Stage.READY_TO_CLAIM


def test_a_session_that_is_saved_again_as_it_was_leaves_the_attested_amount() -> None:
    never_claimed = session_claimed("sepsis", None, evaluated=False)
    for again in (session_claimed("keynote"), session_claimed("keynote", evaluated=False), never_claimed):
        assert accepted(D, CLAIMED, again) == CLAIMED


def test_a_session_keeps_its_evaluation_when_its_amount_is_changed_or_it_is_removed_for_a_while() -> None:
    changed = accepted(D, SAVED, session_claimed("keynote", "0.50", evaluated=False))
    removed = accepted(D, changed, session_claimed("keynote", None, evaluated=False))
    assert removed.sessions == {}
    again = accepted(D, removed, session_claimed("keynote", evaluated=False))
    assert again.evaluated_sessions == {"keynote"}


def test_an_incomplete_evaluation_of_a_session_saves_nothing() -> None:
    incomplete = SessionClaimed("keynote", ONE, {"relevance": 9})
    expected = Refused(RefusalCode.ANSWERS_INCOMPLETE, {"questions": "relevance", "reasons": "outside_scale"})
    assert refused(D, AT_MEETING, incomplete) == expected
    assert refused(D, SAVED, replace(incomplete, units=None)) == expected


def test_an_evaluation_of_a_session_that_nobody_asked_for_is_refused() -> None:
    without = replace(D, requirements=tuple(each for each in D.requirements if each != PER_SESSION))
    assert refused(without, AT_MEETING, session_claimed("keynote")) == Refused(RefusalCode.STEP_NOT_REQUIRED)
    others = replace(D, requirements=(*without.requirements[:-1], replace(PER_SESSION, formats=(ENDURING,))))
    assert refused(others, AT_MEETING, session_claimed("keynote")) == Refused(RefusalCode.STEP_NOT_REQUIRED)
    saved = accepted(others, AT_MEETING, session_claimed("keynote", evaluated=False))
    assert accepted(others, saved, credit_claimed()).credit == AMA


def test_the_amount_of_a_meeting_is_what_its_sessions_add_up_to() -> None:
    both = accepted(D, SAVED, session_claimed("sepsis", "1.50"))
    for stated in (None, "2.50", "2.5"):
        claimed = accepted(D, both, credit_claimed(units=stated)).credit
        assert claimed == ClaimedCredit(credit_type="ama_pra_category_1", units=Decimal("2.50"))
    for stated in ("2.25", "NaN", "sNaN", "Infinity"):
        decision = refused(D, both, credit_claimed(units=stated))
        assert decision == Refused(RefusalCode.CREDIT_TOTAL_DIFFERS, {"total": "2.50"})


def test_sessions_may_add_up_to_no_more_than_is_designated() -> None:
    facts = SAVED
    for code, units in (("sepsis", "1.50"), ("measles", "1.00")):
        facts = accepted(D, facts, session_claimed(code, units))
    assert refused(D, facts, credit_claimed()) == Refused(RefusalCode.CREDIT_MAXIMUM, {"limit": "2.50"})
    other = accepted(D, facts, StatementChosen("participation"))
    assert accepted(D, other, credit_claimed("participation")).credit is not None


def test_short_sessions_may_add_up_to_the_least_amount_of_a_type() -> None:
    short = replace(D, sessions=tuple(replace(each, maximum_units=HALF) for each in D.sessions))
    nurse = seeking("california_rn_contact_hours", Profession.NURSE)
    one = accepted(short, nurse, session_claimed("keynote", "0.50"))
    claimed = credit_claimed("california_rn_contact_hours")
    assert refused(short, one, claimed) == Refused(RefusalCode.CREDIT_MINIMUM, {"limit": "1"})
    two = accepted(short, one, session_claimed("measles", "0.50"))
    assert accepted(short, two, claimed).credit == ClaimedCredit(credit_type="california_rn_contact_hours", units=ONE)


def test_sessions_saved_under_another_statement_are_judged_by_the_one_that_is_claimed() -> None:
    quarter = accepted(D, AT_MEETING, session_claimed("keynote", "0.25"))
    accountant = of(Profession.ACCOUNTANT, replace(quarter, statement="nasba_cpe"))
    decision = refused(D, accountant, credit_claimed("nasba_cpe"))
    assert decision == Refused(RefusalCode.CREDIT_MINIMUM, {"limit": "0.5", "session": "keynote"})


def test_a_meeting_without_sessions_attended_earns_nothing() -> None:
    assert refused(D, AT_MEETING, credit_claimed()) == Refused(RefusalCode.SESSIONS_MISSING)


def test_credit_waits_for_the_evaluation_of_every_claimed_session() -> None:
    facts = AT_MEETING
    for code in ("sepsis", "keynote"):
        facts = accepted(D, facts, session_claimed(code, evaluated=False))
    decision = refused(D, facts, credit_claimed())
    assert decision == Refused(RefusalCode.EVALUATIONS_MISSING, {"sessions": "keynote,sepsis"})
    facts = accepted(D, facts, session_claimed("keynote"))
    assert refused(D, facts, credit_claimed()).details == {"sessions": "sepsis"}


def test_credit_waits_for_the_evaluation_that_is_asked_for_when_it_is_claimed() -> None:
    unevaluated = replace(BOTH_WATCHED, is_evaluated=False)
    assert refused(B, unevaluated, credit_claimed(units="1.00")) == Refused(RefusalCode.EVALUATIONS_MISSING)
    evaluated = accepted(B, unevaluated, EvaluationCompleted(RESPONSES))
    assert accepted(B, evaluated, credit_claimed(units="1.00")).credit == AMA
    assert refused(B, evaluated, EvaluationCompleted(RESPONSES)).code is RefusalCode.ALREADY_DONE


def test_credit_is_claimed_with_the_current_attestation_only() -> None:
    version = {"attestation_version": "ama-2026-1"}
    unattested = replace(credit_claimed(units="1.00"), is_attested=False)
    assert refused(A, READY, unattested) == Refused(RefusalCode.ATTESTATION_REQUIRED, version)
    outdated = replace(credit_claimed(units="1.00"), attestation_version="ama-1066-1")
    assert refused(A, READY, outdated) == Refused(RefusalCode.ATTESTATION_OUTDATED, version)


def test_an_amount_has_to_be_named_where_there_are_no_sessions() -> None:
    assert refused(A, READY, credit_claimed()) == Refused(RefusalCode.CREDIT_MISSING)


def test_partial_progress_may_be_claimed_up_to_what_it_earned() -> None:
    ama = offered(B, "ama_pra_category_1")
    assert claimable_units(B, HALF_WATCHED, ama) == HALF
    assert accepted(B, HALF_WATCHED, credit_claimed(units="0.25")).credit is not None
    assert accepted(B, HALF_WATCHED, credit_claimed(units="0.50")).credit is not None
    decision = refused(B, HALF_WATCHED, credit_claimed(units="0.75"))
    assert decision == Refused(RefusalCode.CREDIT_MAXIMUM, {"limit": "0.50"})
    assert claimable_units(B, BOTH_WATCHED, ama) == ONE


def test_content_that_is_whole_or_nothing_earns_all_that_is_designated() -> None:
    ama = offered(WHOLE_VIDEOS, "ama_pra_category_1")
    assert is_whole_only(WHOLE_VIDEOS, BOTH_WATCHED, ama)
    assert claimable_units(WHOLE_VIDEOS, LEARNER, ama) == claimable_units(WHOLE_VIDEOS, BOTH_WATCHED, ama) == ONE
    assert accepted(WHOLE_VIDEOS, BOTH_WATCHED, credit_claimed(units="1.00")).credit == AMA
    decision = refused(WHOLE_VIDEOS, BOTH_WATCHED, credit_claimed(units="0.75"))
    assert decision == Refused(RefusalCode.CREDIT_WHOLE_ONLY, {"limit": "1.00"})
    too_much = refused(WHOLE_VIDEOS, BOTH_WATCHED, credit_claimed(units="1.25"))
    assert too_much == Refused(RefusalCode.CREDIT_MAXIMUM, {"limit": "1.00"})


def test_credit_that_is_never_given_for_a_part_is_claimed_whole() -> None:
    partial = replace(B, credit=(offer("california_rn_contact_hours", "2.00"),))
    hours = replace(VIDEOS, items=tuple(replace(each, minutes=60) for each in VIDEOS.items))
    partial = replace(partial, requirements=(hours, B.requirements[1]))
    nurse = replace(of(Profession.NURSE, LEARNER), is_evaluated=True, content_seconds={"opening": 3600, "wounds": 0})
    claimed = credit_claimed("california_rn_contact_hours", "1.00")
    assert is_whole_only(partial, nurse, partial.credit[0])
    assert refused(partial, nurse, claimed) == Refused(RefusalCode.CREDIT_WHOLE_ONLY, {"limit": "2.00"})
    done = replace(nurse, content_seconds={"opening": 3600, "wounds": 3600})
    assert accepted(partial, done, replace(claimed, units=Decimal(2))).credit is not None


def test_the_learner_chooses_the_amount_where_content_is_for_others_or_sessions_decide() -> None:
    mixed = replace(WHOLE_VIDEOS, requirements=(C.requirements[0], replace(VIDEOS, formats=(ENDURING,))))
    assert not is_whole_only(mixed, replace(LEARNER, participation="in_person"), B.credit[0])
    assert not is_whole_only(D, AT_MEETING, offered(D, "california_rn_contact_hours"))
    assert not is_whole_only(A, READY, A.credit[0])


def test_a_statement_becomes_final_only_when_the_learner_confirms_it() -> None:
    unconfirmed = refused(D, CLAIMED, StatementFinalized(is_confirmed=False))
    assert unconfirmed == Refused(RefusalCode.CONFIRMATION_REQUIRED)
    assert accepted(D, CLAIMED, FINAL) == replace(CLAIMED, is_final=True)


def test_a_statement_becomes_final_only_for_whom_the_learner_is_by_then() -> None:
    by_now_a_nurse = refused(D, replace(CLAIMED, profession=Profession.NURSE), FINAL)
    assert by_now_a_nurse == Refused(RefusalCode.NOT_ELIGIBLE, {"credit_type": "ama_pra_category_1"})
    nameless = refused(D, replace(CLAIMED, has_name=False), FINAL)
    assert nameless == Refused(RefusalCode.PROFILE_INCOMPLETE, {"fields": "given_name,family_name"})
    nobody = refused(D, replace(CLAIMED, profession=None), FINAL)
    assert nobody == Refused(RefusalCode.PROFILE_INCOMPLETE, {"fields": "profession"})


def test_until_it_is_final_credit_may_be_claimed_anew() -> None:
    longer = accepted(D, CLAIMED, session_claimed("sepsis"))
    assert refused(D, longer, FINAL).code is RefusalCode.CREDIT_MISSING
    again = accepted(D, longer, credit_claimed())
    assert again.credit == replace(AMA, units=Decimal("2.00"))
    assert accepted(D, again, credit_claimed()) == again


def corrected(policy: CEActivityPolicy, facts: ClaimFacts, change: CreditChange) -> ClaimFacts:
    decision = correct(policy, facts, change, NOW)
    assert isinstance(decision, Accepted)
    return decision.facts


def test_staff_correct_the_sessions_of_an_award() -> None:
    sessions = {"keynote": ONE, "sepsis": HALF}
    facts = corrected(D, COMPLETED, CreditChange(sessions=sessions))
    assert facts == replace(COMPLETED, sessions=sessions, credit=replace(AMA, units=Decimal("1.50")))
    assert corrected(D, COMPLETED, CreditChange(Decimal("1.5"), sessions)) == facts
    assert stage_of(D, facts, NOW) is Stage.COMPLETED


def test_staff_correct_an_amount_where_there_are_no_sessions() -> None:
    completed = replace(READY, credit=AMA, is_awarded=True, is_notified=True)
    assert corrected(A, completed, CreditChange(HALF)) == replace(completed, credit=replace(AMA, units=HALF))


def test_a_correction_that_changes_nothing_is_refused() -> None:
    completed = replace(READY, credit=AMA, is_awarded=True, is_notified=True)
    same = CreditChange(sessions=dict(COMPLETED.sessions))
    for policy, facts, change in ((A, completed, CreditChange(AMA.units)), (D, COMPLETED, same)):
        assert correct(policy, facts, change, NOW) == Refused(RefusalCode.NOTHING_TO_CORRECT)


@pytest.mark.parametrize(
    ("policy", "correction", "refusal"),
    [
        (D, {"units": "1.50"}, Refused(RefusalCode.CREDIT_TOTAL_DIFFERS, {"total": "1.00"})),
        (
            D,
            {"units": "1.50", "sessions": {"measles": "1.00"}},
            Refused(RefusalCode.CREDIT_TOTAL_DIFFERS, {"total": "1.00"}),
        ),
        (D, {"sessions": {}}, Refused(RefusalCode.SESSIONS_MISSING)),
        (D, {"sessions": {"dinner": "1.00"}}, Refused(RefusalCode.SESSION_UNKNOWN)),
        (
            D,
            {"sessions": {"sepsis": "1.00", "fungi": "1.00"}},
            Refused(RefusalCode.SESSIONS_OVERLAP, {"sessions": "fungi"}),
        ),
        (
            D,
            {"sessions": {"keynote": "1.25"}},
            Refused(RefusalCode.CREDIT_MAXIMUM, {"limit": "1.00", "session": "keynote"}),
        ),
        (
            D,
            {"sessions": {"keynote": "1.00", "sepsis": "1.50", "measles": "1.00"}},
            Refused(RefusalCode.CREDIT_MAXIMUM, {"limit": "2.50"}),
        ),
        (A, {"units": "1.25"}, Refused(RefusalCode.CREDIT_MAXIMUM, {"limit": "1.00"})),
        (A, {"units": "0"}, Refused(RefusalCode.CREDIT_MINIMUM, {"limit": "0.25"})),
        (A, {"units": "0.10"}, Refused(RefusalCode.CREDIT_MINIMUM, {"limit": "0.25"})),
        (A, {"units": "0.60"}, Refused(RefusalCode.CREDIT_INCREMENT, {"limit": "0.25"})),
        (A, {"sessions": {"keynote": "1.00"}}, Refused(RefusalCode.SESSION_UNKNOWN)),
    ],
)
def test_a_correction_stays_within_what_the_policy_and_the_credit_type_allow(
    policy: CEActivityPolicy, correction: dict[str, object], refusal: Refused
) -> None:
    completed = COMPLETED if policy is D else replace(READY, credit=AMA, is_awarded=True, is_notified=True)
    units, claimed = correction.get("units"), correction.get("sessions")
    change = CreditChange(
        units=None if units is None else Decimal(str(units)),
        sessions={code: Decimal(each) for code, each in claimed.items()} if isinstance(claimed, dict) else None,
    )
    assert correct(policy, completed, change, NOW) == refusal


def test_a_correction_needs_credit_that_there_is() -> None:
    missing, change = Refused(RefusalCode.CREDIT_MISSING), CreditChange(HALF)
    assert correct(D, replace(COMPLETED, credit=None), change, NOW) == missing
    foreign = replace(COMPLETED, credit=replace(AMA, credit_type="gold_stars"))
    assert correct(D, foreign, change, NOW) == missing
