"""What becomes of claims and awards when two learners turn out to be one person."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from domain.merging import HeldAward, HeldClaim, MergePlan, doubled_awards, plan_merge

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def claim(learner_id: str, ce_activity_id: str, *, is_open: bool = True, awarded: bool = False) -> HeldClaim:
    return HeldClaim(
        id=f"{learner_id}-{ce_activity_id}",
        learner_id=learner_id,
        ce_activity_id=ce_activity_id,
        is_open=is_open,
        is_awarded=awarded,
    )


def award(name: str, minutes: int, ce_activity_id: str = "x", credit_type: str = "ama") -> HeldAward:
    return HeldAward(
        id=name,
        claim_id=f"claim-{name}",
        ce_activity_id=ce_activity_id,
        credit_type=credit_type,
        awarded_at=NOON + timedelta(minutes=minutes),
    )


def plan(*claims: HeldClaim) -> MergePlan:
    return plan_merge(claims, "kept", "dup")


def test_claims_of_other_ce_activities_move() -> None:
    found = plan(claim("kept", "x"), claim("dup", "y"), claim("dup", "z", awarded=True))
    assert found == MergePlan(moved=("dup-y", "dup-z"), left=(), withdrawn=())


def test_a_second_open_claim_stays_and_is_withdrawn() -> None:
    assert plan(claim("dup", "x"), claim("kept", "x")) == MergePlan((), ("dup-x",), ("dup-x",))


def test_the_kept_learners_open_claim_is_withdrawn_beside_credit_that_was_granted() -> None:
    found = plan(claim("kept", "x"), claim("dup", "x", is_open=False, awarded=True))
    assert found == MergePlan((), ("dup-x",), ("kept-x",))


def test_an_open_claim_goes_on_beside_one_that_ended_without_credit() -> None:
    assert plan(claim("kept", "x", is_open=False), claim("dup", "x")) == MergePlan((), ("dup-x",), ())


def test_closed_and_awarded_claims_are_never_withdrawn() -> None:
    ended, awarded = claim("kept", "x", is_open=False), claim("dup", "x", awarded=True)
    assert plan(ended, awarded).withdrawn == ()
    assert plan(claim("kept", "x", awarded=True), awarded).withdrawn == ()


def test_what_an_earlier_merge_left_behind_counts_too() -> None:
    earlier = claim("earlier", "x")
    assert plan(earlier, claim("dup", "x")) == MergePlan(("dup-x",), (), ("earlier-x",))
    assert plan(earlier, claim("dup", "x"), claim("kept", "x")) == MergePlan((), ("dup-x",), ("dup-x", "earlier-x"))


LEARNERS = ("kept", "dup", "earlier")
CLAIMS = st.lists(
    st.builds(
        claim,
        st.sampled_from(LEARNERS),
        st.sampled_from("xyz"),
        is_open=st.booleans(),
        awarded=st.booleans(),
    ),
    unique_by=lambda each: each.id,
)


@given(CLAIMS)
def test_after_a_merge_at_most_one_claim_for_a_ce_activity_can_still_earn_credit(claims: list[HeldClaim]) -> None:
    found = plan(*claims)
    assert sorted([*found.moved, *found.left]) == sorted(each.id for each in claims if each.learner_id == "dup")
    for name in "xyz":
        group = [each for each in claims if each.ce_activity_id == name]
        owners = [each for each in group if each.learner_id == "kept" or each.id in found.moved]
        assert len(owners) <= 1
        may_earn = [each for each in group if each.is_open and not each.is_awarded and each.id not in found.withdrawn]
        assert len(may_earn) <= (0 if any(each.is_awarded for each in group) else 1)
        assert bool(may_earn) is (any(each.is_open for each in group) and not any(each.is_awarded for each in group))


def test_an_open_claim_goes_on_beside_one_whose_credit_was_revoked() -> None:
    revoked = claim("kept", "x", is_open=False, awarded=False)
    assert plan(revoked, claim("dup", "x")) == MergePlan((), ("dup-x",), ())


def test_the_earliest_award_of_one_credit_stands() -> None:
    first, second, third = award("c", 0), award("a", 1), award("b", 2)
    assert doubled_awards([third, first, second]) == {second: first, third: first}


def test_awards_at_the_same_moment_are_told_apart_by_their_ids() -> None:
    assert doubled_awards([award("b", 0), award("a", 0)]) == {award("b", 0): award("a", 0)}


def test_other_ce_activities_and_other_types_of_credit_are_other_awards() -> None:
    assert doubled_awards([award("a", 0), award("b", 0, "y"), award("c", 0, credit_type="acpe")]) == {}
