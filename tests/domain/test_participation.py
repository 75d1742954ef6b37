from dataclasses import replace
from datetime import timedelta

import pytest

from domain.claims import Stage, stage_of
from domain.decisions import decide
from domain.participation import (
    WRONG_TRIES_ALLOWED,
    WRONG_TRIES_WITHIN,
    Evidence,
    KnownAs,
    Proof,
    RosterMatch,
    judge,
    may_try_again_at,
    names_another,
)
from domain.policy import Participation, ParticipationMethod, ParticipationOption
from domain.refusals import Accepted, RefusalCode, Refused
from domain.submissions import ParticipationStated, Submission
from tests.domain.flows import LEARNER, MEETING, NOW, PHARMACY_LECTURE, accepted, refused

INSTANT = timedelta(microseconds=1)
EVERY_METHOD = Participation(
    methods=tuple(ParticipationMethod),
    options=(
        ParticipationOption(code="in_person", label="In person"),
        ParticipationOption(code="virtual", label="By video"),
    ),
    code="GRAND-1020",
)
BADGE = RosterMatch("ren_1", is_group=False, claim_id=None)
GROUP = RosterMatch("ren_2", is_group=True, claim_id=None)
NOTHING_KNOWN = Evidence("clm_1")
# The wrong tries of the last hour, oldest first.
FIVE_WRONG = tuple(NOW - timedelta(minutes=minutes) for minutes in (50, 40, 30, 20, 10))


def judged(method: str, value: str = "B-17", evidence: Evidence = NOTHING_KNOWN) -> Proof | Refused:
    return judge(EVERY_METHOD, ParticipationStated(method, value), evidence, NOW)


def code_of(verdict: Proof | Refused) -> RefusalCode | None:
    return verdict.code if isinstance(verdict, Refused) else None


def test_a_learners_word_proves_the_option_that_they_chose() -> None:
    assert judged("attestation", "virtual") == Proof("virtual")
    assert judged("attestation", "asleep") == Refused(RefusalCode.OPTION_UNKNOWN, {"options": "in_person,virtual"})


@pytest.mark.parametrize("typed", ["GRAND-1020", " grand-1020\n", "Grand- 1020"])
def test_a_code_is_right_in_any_case_and_with_any_blanks(typed: str) -> None:
    assert judged("code", typed) == Proof("code")


@pytest.mark.parametrize("typed", ["GRAND-1021", "GRAND", "", "GRAND-1020-1"])
def test_any_other_code_is_wrong(typed: str) -> None:
    assert judged("code", typed) == Refused(RefusalCode.IDENTIFIER_NOT_FOUND, {"method": "code"})


def test_without_a_code_in_the_policy_no_code_is_right() -> None:
    requirement = Participation(methods=(ParticipationMethod.CODE,))
    verdict = judge(requirement, ParticipationStated("code", ""), NOTHING_KNOWN, NOW)
    assert code_of(verdict) is RefusalCode.IDENTIFIER_NOT_FOUND


@pytest.mark.parametrize("method", ["badge_id", "roster"])
def test_a_persons_entry_proves_one_claim_and_is_used_up_by_it(method: str) -> None:
    assert judged(method, evidence=Evidence("clm_1", BADGE)) == Proof(method, "ren_1")
    own = RosterMatch("ren_1", is_group=False, claim_id="clm_1")
    assert judged(method, evidence=Evidence("clm_1", own)) == Proof(method, "ren_1")
    taken = RosterMatch("ren_1", is_group=False, claim_id="clm_2")
    verdict = judged(method, evidence=Evidence("clm_1", taken))
    assert verdict == Refused(RefusalCode.IDENTIFIER_TAKEN, {"method": method})


@pytest.mark.parametrize("claim", [None, "clm_1", "clm_2"])
@pytest.mark.parametrize("method", ["badge_id", "roster"])
def test_an_entry_of_somebody_else_is_answered_like_an_id_that_nobody_has(method: str, claim: str | None) -> None:
    match = RosterMatch("ren_1", is_group=False, claim_id=claim, is_anothers=True)
    verdict = judged(method, evidence=Evidence("clm_1", match))
    unknown = judged(method)
    assert isinstance(verdict, Refused)
    assert isinstance(unknown, Refused)
    assert (verdict.code, verdict.details) == (unknown.code, unknown.details)
    assert (verdict.roster_entry, unknown.roster_entry) == ("ren_1", None)


def test_an_entry_counts_for_whom_it_names_by_address_or_by_name_and_one_without_either_for_anybody() -> None:
    ada = KnownAs(("Ada", "Lovelace"), frozenset({"ada@x.example", "a.king@x.example"}))
    for entry in (
        KnownAs(),
        KnownAs(("A.", "Lovelace")),
        KnownAs((None, None), frozenset({"a.king@x.example"})),
        KnownAs(("Augusta", "King"), frozenset({"ada@x.example"})),
        KnownAs(("Ada", "Lovelace"), frozenset({"countess@x.example"})),
    ):
        assert not names_another(entry, ada)
    for entry in (
        KnownAs(("Grace", "Hopper")),
        KnownAs((None, None), frozenset({"grace@x.example"})),
        KnownAs(("Grace", "Hopper"), frozenset({"grace@x.example"})),
    ):
        assert names_another(entry, ada)
    assert names_another(KnownAs(("Ada", None)), KnownAs())


def test_a_groups_id_proves_the_claims_of_all_its_members() -> None:
    for claim in ("clm_1", "clm_2", "clm_3"):
        assert judged("group_id", evidence=Evidence(claim, GROUP)) == Proof("group_id")


@pytest.mark.parametrize(
    ("method", "match"),
    [("badge_id", None), ("badge_id", GROUP), ("group_id", None), ("group_id", BADGE), ("roster", None)],
)
def test_an_id_that_is_on_no_roster_or_of_the_other_kind_is_not_found(method: str, match: RosterMatch | None) -> None:
    verdict = judged(method, evidence=Evidence("clm_1", match))
    assert verdict == Refused(RefusalCode.IDENTIFIER_NOT_FOUND, {"method": method})


def test_a_method_that_the_policy_does_not_offer_is_refused_with_those_it_does() -> None:
    requirement = Participation(methods=(ParticipationMethod.BADGE_ID, ParticipationMethod.ROSTER))
    for method in ("code", "oracle"):
        verdict = judge(requirement, ParticipationStated(method, "B-17"), Evidence("clm_1", BADGE), NOW)
        assert verdict == Refused(RefusalCode.METHOD_NOT_OFFERED, {"methods": "badge_id,roster"})


@pytest.mark.parametrize(
    ("method", "value"), [("code", "GRAND-1020"), ("code", "wrong"), ("badge_id", "B-17"), ("group_id", "G-1")]
)
def test_after_five_wrong_ids_within_an_hour_even_the_right_one_has_to_wait(method: str, value: str) -> None:
    match = GROUP if method == "group_id" else BADGE
    verdict = judged(method, value, Evidence("clm_1", match, FIVE_WRONG))
    again_at = FIVE_WRONG[0] + timedelta(hours=1)
    assert verdict == Refused(RefusalCode.TOO_MANY_TRIES, {"again_at": again_at.isoformat()})
    assert code_of(judged(method, value, Evidence("clm_1", match, FIVE_WRONG[1:]))) is not RefusalCode.TOO_MANY_TRIES


@pytest.mark.parametrize(("method", "value"), [("attestation", "in_person"), ("roster", "")])
def test_what_cannot_be_guessed_never_has_to_wait(method: str, value: str) -> None:
    assert isinstance(judged(method, value, Evidence("clm_1", BADGE, FIVE_WRONG * 3)), Proof)


def test_a_learner_may_try_again_exactly_when_the_oldest_of_five_wrong_tries_is_an_hour_old() -> None:
    again_at = FIVE_WRONG[0] + WRONG_TRIES_WITHIN
    for tries in (FIVE_WRONG, FIVE_WRONG[::-1]):
        assert may_try_again_at(tries, NOW) == again_at
        assert may_try_again_at(tries, again_at - INSTANT) == again_at
        assert may_try_again_at(tries, again_at) is None
    assert may_try_again_at(FIVE_WRONG[: WRONG_TRIES_ALLOWED - 1], NOW) is None


def test_of_more_than_five_wrong_tries_the_fifth_newest_says_how_long_to_wait() -> None:
    older = tuple(NOW - timedelta(minutes=minutes) for minutes in (59, 58))
    assert may_try_again_at((*older, *FIVE_WRONG), NOW) == FIVE_WRONG[0] + WRONG_TRIES_WITHIN


def test_an_accepted_badge_moves_the_claim_on_and_names_the_entry_that_it_used_up() -> None:
    facts = replace(LEARNER, statement="participation")
    submission = Submission("sub_1", NOW, ParticipationStated("badge_id", "B-17"))
    decision = decide(MEETING, facts, submission, Evidence("clm_1", BADGE))
    assert isinstance(decision, Accepted)
    assert decision.roster_entry == "ren_1"
    assert stage_of(MEETING, decision.facts, NOW) is Stage.AWAITING_DISCLOSURES


def test_a_wrong_code_leaves_the_claim_where_it_is_and_the_right_one_moves_it_on() -> None:
    wrong = refused(PHARMACY_LECTURE, LEARNER, ParticipationStated("code", "485328"))
    assert wrong.code is RefusalCode.IDENTIFIER_NOT_FOUND
    assert accepted(PHARMACY_LECTURE, LEARNER, ParticipationStated("code", "485327")).participation == "code"
