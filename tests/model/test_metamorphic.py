"""What may be different without changing an award, and what may not: whole claims, played again with one difference.

That other learners' actions never matter is in ``test_stack``, where each of two claims is told of itself only.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.claiming import claimable_units
from domain.claims import ClaimedCredit, ClaimFacts, Stage, offers_of, stage_of
from domain.deadlines import start_of_day
from domain.intervals import Watched
from domain.participation import Evidence
from domain.policy import CEActivityPolicy, PostTest, Profession, Provider
from domain.progress import Action
from domain.refusals import Decision, Refused
from domain.submissions import (
    AnswersGiven,
    CreditClaimed,
    DeadlineExtended,
    ProgressReported,
    SessionClaimed,
    SubmissionBody,
    kind_of,
)
from tests.domain.played import ENTRY, GROUP, PlayedClaim, claiming_day
from tests.domain.policies import BODIES, EVIDENCE, policies
from tests.model.steps import EXAMPLES, moved

settings.register_profile("metamorphic", settings.default, max_examples=6 * EXAMPLES, deadline=None)
METAMORPHIC: Final = settings.get_profile("metamorphic")
PROFESSIONS = st.sampled_from(Profession)
ORDERS = st.randoms(use_true_random=False)
WAITS = st.sampled_from([timedelta(), timedelta(seconds=30), timedelta(hours=7), timedelta(days=9)])
HALF_A_MINUTE = timedelta(seconds=30)
# What is sent by turns, whether it is what is offered or anything, and how long after what came before.
SCRIPTS = st.lists(st.tuples(st.integers(0, 19), BODIES, EVIDENCE, WAITS), max_size=12)
Script = list[tuple[int, SubmissionBody, Evidence, timedelta]]
Told = tuple[SubmissionBody, Evidence]


def begun(policy: CEActivityPolicy, profession: Profession) -> tuple[PlayedClaim, datetime]:
    """A claim of a policy, once its window is open."""
    at = start_of_day(claiming_day(policy), policy.time_zone)
    return PlayedClaim.opened(policy, profession, at), at


def tell(claim: PlayedClaim, body: SubmissionBody, at: datetime) -> Decision:
    """Send what is right, with what makes it right in the record."""
    if isinstance(body, ProgressReported):
        claim.complete_content()
    is_group = getattr(body, "method", "") == "group_id"
    return claim.send(body, at, Evidence("clm_1", GROUP if is_group else ENTRY))


def award_of(claim: PlayedClaim) -> ClaimedCredit | None:
    return claim.facts.credit if claim.facts.is_awarded else None


def story_of(policy: CEActivityPolicy, profession: Profession) -> tuple[list[SubmissionBody], ClaimedCredit | None]:
    """What a learner sends who does only what is necessary, and the award for it."""
    claim, at = begun(policy, profession)
    told: list[SubmissionBody] = []
    while not claim.facts.is_awarded:
        at += HALF_A_MINUTE
        claim.grade_if_due(at)
        action = claim.progress(at).next_actions[0]
        if action is Action.COMPLETE_CONTENT:
            claim.complete_content()
        body = claim.right_body(action)
        assert body is not None
        if isinstance(body, CreditClaimed) and policy.sessions:
            body = replace(body, units=sum(claim.facts.sessions.values(), Decimal(0)))
        assert not isinstance(tell(claim, body, at), Refused)
        told.append(body)
    return told, award_of(claim)


def insisted(policy: CEActivityPolicy, profession: Profession, rounds: Sequence[Sequence[SubmissionBody]]) -> Any:
    """The award of a learner who sends all of this, round after round, whatever the answer is."""
    claim, at = begun(policy, profession)
    for body in (body for each in rounds for body in each):
        at += HALF_A_MINUTE
        tell(claim, body, at)
    return award_of(claim)


@METAMORPHIC
@given(policy=policies(), profession=PROFESSIONS, order=ORDERS)
def test_evidence_in_another_order_or_twice_earns_the_same_award(
    policy: CEActivityPolicy, profession: Profession, order: Random
) -> None:
    story, award = story_of(policy, profession)
    rounds = [order.sample([*story, *story], 2 * len(story)) for _ in story]
    assert award is not None
    assert insisted(policy, profession, rounds) == award


@METAMORPHIC
@given(policy=policies(), profession=PROFESSIONS, missing=st.integers(0, 19))
def test_without_the_evidence_of_one_requirement_there_is_no_award(
    policy: CEActivityPolicy, profession: Profession, missing: int
) -> None:
    story, _ = story_of(policy, profession)
    without = kind_of(story[missing % len(story)])
    rest = [body for body in story if kind_of(body) is not without]
    assert insisted(policy, profession, [rest] * len(story)) is None


@METAMORPHIC
@given(policy=policies(), profession=PROFESSIONS)
def test_without_the_evaluation_of_its_sessions_there_is_no_award(
    policy: CEActivityPolicy, profession: Profession
) -> None:
    story, award = story_of(policy, profession)
    silent = [replace(body, responses=None) if isinstance(body, SessionClaimed) else body for body in story]
    is_same = insisted(policy, profession, [silent] * len(story)) == award
    assert is_same == (silent == story)


@METAMORPHIC
@given(
    policy=policies(),
    reports=st.lists(
        st.tuples(st.sampled_from(["c0", "c1", "c2"]), st.integers(0, 5400), st.integers(0, 5400)), max_size=6
    ),
    order=ORDERS,
    cut=st.integers(0, 5400),
)
def test_more_progress_never_lowers_what_may_be_claimed_and_pieces_count_as_the_whole(
    policy: CEActivityPolicy, reports: list[tuple[str, int, int]], order: Random, cut: int
) -> None:
    whole: dict[str, Watched] = {}
    before = facts = ClaimFacts(profession=None, due_at=None)
    at = start_of_day(claiming_day(policy), policy.time_zone)
    for content, start, end in reports:
        whole[content] = whole.get(content, Watched()).with_report([(start, end)], 0)
        facts = replace(facts, content_seconds={code: watched.seconds for code, watched in whole.items()})
        for offer in offers_of(policy, facts):
            assert claimable_units(policy, facts, offer) >= claimable_units(policy, before, offer)
        stages = [stage_of(policy, each, at) is Stage.AWAITING_CONTENT for each in (before, facts)]
        assert stages in ([True, True], [True, False], [False, False])
        before = facts
    pieces = [
        (code, *piece) for code, start, end in reports for piece in ((start, min(cut, end)), (max(start, cut), end))
    ]
    parted: dict[str, Watched] = {}
    for content, start, end in order.sample([*pieces, *pieces], 2 * len(pieces)):
        parted[content] = parted.get(content, Watched()).with_report([(start, end)], 0)
    assert parted == whole


@METAMORPHIC
@given(policy=policies(), profession=PROFESSIONS, tries=st.lists(st.integers(0, 2), max_size=4))
def test_a_stricter_pass_mark_never_adds_an_award(
    policy: CEActivityPolicy, profession: Profession, tries: list[int]
) -> None:
    lax, strict = (award_after(with_mark(policy, percent), profession, tries) for percent in (50, 100))
    assert strict in (lax, None)


def with_mark(policy: CEActivityPolicy, percent: int) -> CEActivityPolicy:
    requirements = (
        replace(each, passing_percent=percent) if isinstance(each, PostTest) else each for each in policy.requirements
    )
    return replace(policy, requirements=tuple(requirements))


def award_after(policy: CEActivityPolicy, profession: Profession, tries: Sequence[int]) -> ClaimedCredit | None:
    """The award of a learner who gets so many answers right in each attempt, and gives up after the last."""
    claim, at = begun(policy, profession)
    left = list(tries)
    while not claim.facts.is_awarded:
        at += HALF_A_MINUTE
        claim.grade_if_due(at)
        actions = claim.progress(at).next_actions
        body = claim.right_body(actions[0]) if actions else None
        if isinstance(body, AnswersGiven) and left:
            right = left.pop(0)
            body = replace(body, answers={f"q{n}": "yes" if n < right else "no" for n in range(2)})
        elif body is None or isinstance(body, AnswersGiven):
            break
        tell(claim, body, at)
    return award_of(claim)


def played(
    policy: CEActivityPolicy, profession: Profession, script: Script, changed: Callable[[Told], Told]
) -> list[tuple[str, ClaimFacts]]:
    """What became of each step of a script, and the facts after it, where each step is changed before it is sent."""
    claim, at = begun(policy, profession)
    outcomes = []
    for choice, anything, evidence, wait in script:
        at += wait
        claim.grade_if_due(at)
        offered = [each for each in claim.progress(at).next_actions if each is not Action.WITHDRAW]
        body, knows = anything, evidence
        if offered and choice > 4:
            body = claim.right_body(offered[choice % len(offered)]) or anything
            knows = Evidence("clm_1", GROUP if getattr(body, "method", "") == "group_id" else ENTRY)
        if isinstance(body, ProgressReported):
            claim.complete_content()
        body, knows = changed((body, knows))
        decision = claim.send(body, at, knows)
        claim.expire_if_overdue(at)
        outcomes.append((decision.code if isinstance(decision, Refused) else "accepted", claim.facts))
    return outcomes


@METAMORPHIC
@given(policy=policies(), profession=PROFESSIONS, script=SCRIPTS, days=st.integers(-400, 400))
def test_moving_all_dates_and_the_zone_moves_deadlines_and_nothing_else(
    policy: CEActivityPolicy, profession: Profession, script: Script, days: int
) -> None:
    by = timedelta(days=days)
    here, there = replace(policy, time_zone="UTC"), replace(moved(policy, by), time_zone="Etc/GMT+5")
    later = by + timedelta(hours=5)

    def moved_step(told: Told) -> Told:
        body, evidence = told
        body = replace(body, due_on=body.due_on + by) if isinstance(body, DeadlineExtended) else body
        return body, replace(evidence, wrong_tries=[wrong + later for wrong in evidence.wrong_tries])

    def moved_facts(facts: ClaimFacts) -> ClaimFacts:
        attempts = (
            replace(each, submitted_at=each.submitted_at + later) if each.submitted_at else each
            for each in facts.attempts
        )
        return replace(facts, due_at=facts.due_at and facts.due_at + later, attempts=tuple(attempts))

    expected = [(code, moved_facts(facts)) for code, facts in played(here, profession, script, lambda told: told)]
    assert played(there, profession, script, moved_step) == expected


@METAMORPHIC
@given(policy=policies(), profession=PROFESSIONS, script=SCRIPTS)
def test_names_and_ids_never_matter(policy: CEActivityPolicy, profession: Profession, script: Script) -> None:
    provider = Provider(name="Zweiter Verein", acronym="CPE", accreditation_statement="It is accredited.")
    renamed = replace(policy, provider=provider, title="Other", contact="office@other.example", location=None)
    names = {"clm_1": "clm_one", "clm_2": "clm_two", "ren_1": "ren_one", "ren_2": "ren_two", "": ""}

    def renamed_step(told: Told) -> Told:
        body, evidence = told
        match = evidence.match and replace(
            evidence.match,
            entry_id=names[evidence.match.entry_id],
            claim_id=evidence.match.claim_id and names[evidence.match.claim_id],
        )
        return body, replace(evidence, claim_id=names[evidence.claim_id], match=match)

    expected = played(policy, profession, script, lambda told: told)
    assert played(renamed, profession, script, renamed_step) == expected
