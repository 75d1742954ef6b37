from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.claims import CLOSED_STAGES, Attempt, ClaimedCredit, ClaimFacts, Stage, stage_of
from domain.deadlines import end_of_day, start_of_day
from domain.decisions import decide
from domain.office import MAXIMUM_EXTENSION
from domain.policy import CEActivityPolicy, Profession
from domain.refusals import Accepted, Decision, RefusalCode, Refused
from domain.submissions import (
    AnswersGiven,
    AttemptStarted,
    CreditClaimed,
    DeadlineExtended,
    EvaluationCompleted,
    Opening,
    ParticipationStated,
    StepRetried,
    Submission,
    SubmissionBody,
    SubmissionKind,
    Withdrawal,
)

ZONE = "America/Chicago"
OPENS_AT = start_of_day(date(2026, 3, 1), ZONE)
DUE_AT = end_of_day(date(2026, 6, 30), ZONE)
BEFORE_WINDOW = datetime(2026, 2, 1, tzinfo=UTC)
IN_TIME = datetime(2026, 4, 1, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)

STATED = ParticipationStated("attestation", "yes")
ANSWERED = AnswersGiven(1, {"q0": "yes", "q1": "yes", "q2": "yes", "q3": "no"})
EVALUATED = EvaluationCompleted({"balance": "yes", "relevance": 4, "change": "I will measure twice."})
CLAIMED = CreditClaimed("ama_pra_category_1", Decimal("1.25"), "ama-2026-1", is_attested=True)

FRESH = ClaimFacts(profession=Profession.PHYSICIAN, due_at=DUE_AT)
PARTICIPATED = replace(FRESH, participation="yes")
ATTEMPTING = replace(PARTICIPATED, attempts=(Attempt(number=1),))
GRADING = replace(PARTICIPATED, attempts=(Attempt(number=1, submitted_at=IN_TIME),))
FAILED = replace(PARTICIPATED, attempts=(Attempt(number=1, submitted_at=IN_TIME, has_passed=False),))
EXHAUSTED = replace(FAILED, attempts=(*FAILED.attempts, Attempt(number=2, submitted_at=IN_TIME, has_passed=False)))
PASSED = replace(PARTICIPATED, attempts=(Attempt(number=1, submitted_at=IN_TIME, has_passed=True),))
READY = replace(PASSED, is_evaluated=True)
AWARDING = replace(READY, credit=ClaimedCredit(credit_type="ama_pra_category_1", units=Decimal("1.25")))
ISSUING = replace(AWARDING, is_awarded=True)
COMPLETED = replace(ISSUING, is_notified=True)


@st.composite
def attempts(draw: st.DrawFn) -> tuple[Attempt, ...]:
    number = draw(st.integers(0, 2))
    earlier = [Attempt(number=n, submitted_at=IN_TIME, has_passed=False) for n in range(1, number)]
    submitted_at = draw(st.sampled_from([None, IN_TIME]))
    last = Attempt(
        number=number,
        submitted_at=submitted_at,
        has_passed=draw(st.sampled_from([None, False, True])) if submitted_at else None,
    )
    return (*earlier, last) if number else ()


TIMES = st.one_of(
    st.sampled_from([OPENS_AT - INSTANT, OPENS_AT, DUE_AT, DUE_AT + INSTANT]),
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 -- bounds are naive
)
UNITS = st.one_of(st.decimals(), st.sampled_from([Decimal(text) for text in ("0.25", "1.25", "1.5", "NaN", "1E+9")]))
CLAIM_FACTS = st.builds(
    ClaimFacts,
    profession=st.none() | st.sampled_from(Profession),
    due_at=st.sampled_from([None, DUE_AT, DUE_AT + timedelta(days=30)]),
    participation=st.sampled_from([None, "yes"]),
    attempts=attempts(),
    is_evaluated=st.booleans(),
    credit=st.sampled_from([None, AWARDING.credit]),
    is_awarded=st.booleans(),
    is_notified=st.booleans(),
    closed_as=st.sampled_from([None, None, None, *sorted(CLOSED_STAGES - {Stage.COMPLETED})]),
)
BODIES: st.SearchStrategy[SubmissionBody] = st.one_of(
    st.sampled_from([STATED, AttemptStarted(), ANSWERED, EVALUATED, CLAIMED, Withdrawal("mistake"), StepRetried("up")]),
    st.just(Opening("cea_1", "version_1")),
    st.builds(ParticipationStated, method=st.sampled_from(["attestation", "badge_id"]), value=st.text(max_size=5)),
    st.builds(
        AnswersGiven,
        number=st.integers(),
        answers=st.dictionaries(st.sampled_from(["q0", "q1", "q2", "q3", "q9"]), st.sampled_from(["yes", "no", "x"])),
    ),
    st.builds(
        EvaluationCompleted,
        responses=st.dictionaries(st.sampled_from(["balance", "relevance", "x"]), st.text() | st.integers()),
    ),
    st.builds(
        CreditClaimed,
        credit_type=st.sampled_from(["ama_pra_category_1", "acpe_contact_hours", "participation", "gold_stars"]),
        units=UNITS,
        attestation_version=st.sampled_from(["ama-2026-1", "participation-2026-1", "old"]),
        is_attested=st.booleans(),
    ),
    st.builds(DeadlineExtended, due_on=st.dates(), reason=st.just("illness")),
)
SUBMISSIONS = st.builds(Submission, id=st.just("sub_1"), received_at=TIMES, body=BODIES)


def decided(policy: CEActivityPolicy, facts: ClaimFacts, body: SubmissionBody, at: datetime = IN_TIME) -> Decision:
    return decide(policy, facts, Submission("sub_1", at, body))


def accepted(policy: CEActivityPolicy, facts: ClaimFacts, body: SubmissionBody, at: datetime = IN_TIME) -> ClaimFacts:
    decision = decided(policy, facts, body, at)
    assert isinstance(decision, Accepted), decision
    return decision.facts


def refused(policy: CEActivityPolicy, facts: ClaimFacts, body: SubmissionBody, at: datetime = IN_TIME) -> Refused:
    decision = decided(policy, facts, body, at)
    assert isinstance(decision, Refused), decision
    return decision


@given(facts=CLAIM_FACTS, submission=SUBMISSIONS)
def test_any_submission_in_any_state_is_decided_and_accepted_facts_never_go_back(
    policy: CEActivityPolicy, facts: ClaimFacts, submission: Submission
) -> None:
    decision = decide(policy, facts, submission)
    if isinstance(decision, Refused):
        assert all(isinstance(value, str) for value in decision.details.values())
        return
    after = decision.facts
    assert after.profession == facts.profession
    assert after.due_at == facts.due_at or (facts.due_at is None or after.due_at > facts.due_at)  # type: ignore[operator]
    assert facts.participation in (None, after.participation)
    assert len(after.attempts) >= len(facts.attempts)
    assert [a.has_passed for a in facts.attempts] == [a.has_passed for a in after.attempts][: len(facts.attempts)]
    assert after.is_evaluated >= facts.is_evaluated
    assert facts.credit in (None, after.credit)
    assert (after.is_awarded, after.is_notified) == (facts.is_awarded, facts.is_notified)
    assert facts.closed_as in (None, Stage.EXPIRED)


@given(facts=CLAIM_FACTS, submission=SUBMISSIONS)
def test_an_accepted_submission_that_comes_again_is_refused_or_changes_nothing(
    policy: CEActivityPolicy, facts: ClaimFacts, submission: Submission
) -> None:
    first = decide(policy, facts, submission)
    if isinstance(first, Accepted):
        again = decide(policy, first.facts, submission)
        assert isinstance(again, Refused) or again.facts == first.facts


@given(facts=CLAIM_FACTS, submission=SUBMISSIONS)
def test_a_closed_claim_accepts_nothing_but_what_reopens_an_expired_one(
    policy: CEActivityPolicy, facts: ClaimFacts, submission: Submission
) -> None:
    closed = replace(facts, closed_as=facts.closed_as or Stage.WITHDRAWN)
    decision = decide(policy, closed, submission)
    if isinstance(decision, Accepted):
        is_in_time = facts.due_at is None or submission.received_at <= facts.due_at
        assert closed.closed_as is Stage.EXPIRED
        assert is_in_time or submission.kind is SubmissionKind.EXTENSION


def test_an_expired_claim_goes_on_with_a_step_received_in_time_or_an_extension(policy: CEActivityPolicy) -> None:
    expired = replace(FRESH, closed_as=Stage.EXPIRED)
    assert accepted(policy, expired, STATED, DUE_AT) == PARTICIPATED
    assert refused(policy, expired, STATED, DUE_AT + INSTANT).code is RefusalCode.DEADLINE_PASSED
    extended = accepted(policy, expired, DeadlineExtended(date(2026, 7, 15), "illness"), DUE_AT + timedelta(days=9))
    assert stage_of(policy, extended, DUE_AT + timedelta(days=9)) is Stage.VERIFYING_PARTICIPATION
    assert refused(policy, expired, StepRetried("up")).code is RefusalCode.WRONG_STATE
    assert refused(policy, expired, Opening("cea_1", "version_1")).code is RefusalCode.DEADLINE_PASSED


def test_a_learner_without_a_name_or_a_number_their_registry_wants_is_told_which(policy: CEActivityPolicy) -> None:
    nameless = replace(READY, has_name=False)
    assert refused(policy, nameless, CLAIMED) == Refused(
        RefusalCode.PROFILE_INCOMPLETE, {"fields": "given_name,family_name"}
    )
    pharmacist = replace(READY, profession=Profession.PHARMACIST, identifiers=frozenset({"birth_month_day"}))
    claim = CreditClaimed("acpe_contact_hours", Decimal("1.00"), "acpe-2026-1", is_attested=True)
    assert refused(policy, pharmacist, claim).details == {"fields": "nabp_eprofile_id"}
    known = replace(pharmacist, identifiers=pharmacist.identifiers | {"nabp_eprofile_id"})
    assert accepted(policy, known, claim).credit is not None


@given(facts=CLAIM_FACTS, body=BODIES, units=UNITS)
def test_accepted_credit_is_within_the_offer_and_of_its_steps(
    policy: CEActivityPolicy, facts: ClaimFacts, body: SubmissionBody, units: Decimal
) -> None:
    decision = decided(policy, READY, replace(CLAIMED, units=units))
    is_right = units in [Decimal(n) / 4 for n in range(1, 6)] if units.is_finite() else False
    assert isinstance(decision, Accepted) == is_right


STORY: list[tuple[ClaimFacts, SubmissionBody, Stage]] = [
    (FRESH, STATED, Stage.AWAITING_TEST),
    (PARTICIPATED, AttemptStarted(), Stage.AWAITING_TEST),
    (ATTEMPTING, ANSWERED, Stage.GRADING),
    (PASSED, EVALUATED, Stage.READY_TO_CLAIM),
    (READY, CLAIMED, Stage.AWARDING),
]


@pytest.mark.parametrize(("facts", "body", "stage"), STORY)
def test_each_step_in_its_turn_leads_to_the_next(
    policy: CEActivityPolicy, facts: ClaimFacts, body: SubmissionBody, stage: Stage
) -> None:
    assert stage_of(policy, accepted(policy, facts, body), IN_TIME) is stage


@pytest.mark.parametrize(("facts", "body", "stage"), [*STORY, (FRESH, Withdrawal("mistake"), Stage.WITHDRAWN)])
def test_what_was_received_at_the_deadline_counts_and_an_instant_later_does_not(
    policy: CEActivityPolicy, facts: ClaimFacts, body: SubmissionBody, stage: Stage
) -> None:
    assert stage_of(policy, accepted(policy, facts, body, DUE_AT), DUE_AT) is stage
    late = refused(policy, facts, body, DUE_AT + INSTANT)
    assert late == Refused(RefusalCode.DEADLINE_PASSED, {"due_at": DUE_AT.isoformat()})


def test_a_claim_without_a_deadline_is_never_late(policy: CEActivityPolicy) -> None:
    facts = replace(FRESH, due_at=None)
    assert accepted(policy, facts, STATED, DUE_AT + timedelta(days=999)).participation == "yes"


@pytest.mark.parametrize(
    ("facts", "body", "code"),
    [
        (FRESH, EVALUATED, RefusalCode.STEP_LOCKED),
        (FRESH, AttemptStarted(), RefusalCode.STEP_LOCKED),
        (PARTICIPATED, CLAIMED, RefusalCode.STEP_LOCKED),
        (GRADING, EVALUATED, RefusalCode.STEP_LOCKED),
        (PARTICIPATED, STATED, RefusalCode.ALREADY_DONE),
        (PASSED, AttemptStarted(), RefusalCode.ALREADY_DONE),
        (PASSED, ANSWERED, RefusalCode.ALREADY_DONE),
        (READY, EVALUATED, RefusalCode.ALREADY_DONE),
        (AWARDING, CLAIMED, RefusalCode.ALREADY_CLAIMED),
        (COMPLETED, CLAIMED, RefusalCode.ALREADY_CLAIMED),
        (COMPLETED, EVALUATED, RefusalCode.WRONG_STATE),
        (COMPLETED, Withdrawal("mistake"), RefusalCode.WRONG_STATE),
        (ISSUING, Withdrawal("mistake"), RefusalCode.WRONG_STATE),
        (COMPLETED, Opening("cea_1", "version_1"), RefusalCode.WRONG_STATE),
        (COMPLETED, StepRetried("up"), RefusalCode.WRONG_STATE),
        (replace(FRESH, closed_as=Stage.WITHDRAWN), STATED, RefusalCode.WRONG_STATE),
        (EXHAUSTED, AttemptStarted(), RefusalCode.ATTEMPTS_EXHAUSTED),
        (EXHAUSTED, EVALUATED, RefusalCode.ATTEMPTS_EXHAUSTED),
        (FRESH, ParticipationStated("attestation", "maybe"), RefusalCode.OPTION_UNKNOWN),
        (FRESH, ParticipationStated("badge_id", "yes"), RefusalCode.METHOD_NOT_OFFERED),
        (PARTICIPATED, ANSWERED, RefusalCode.ATTEMPT_CLOSED),
        (FAILED, ANSWERED, RefusalCode.ATTEMPT_CLOSED),
        (ATTEMPTING, replace(ANSWERED, number=2), RefusalCode.ATTEMPT_CLOSED),
        (ATTEMPTING, AnswersGiven(1, {}), RefusalCode.ANSWERS_INCOMPLETE),
        (PASSED, EvaluationCompleted({}), RefusalCode.ANSWERS_INCOMPLETE),
        (READY, replace(CLAIMED, credit_type="gold_stars"), RefusalCode.NOT_ELIGIBLE),
        (READY, replace(CLAIMED, credit_type="acpe_contact_hours"), RefusalCode.NOT_ELIGIBLE),
        (replace(READY, profession=None), CLAIMED, RefusalCode.PROFILE_INCOMPLETE),
        (READY, replace(CLAIMED, is_attested=False), RefusalCode.ATTESTATION_REQUIRED),
        (READY, replace(CLAIMED, attestation_version="ama-1066"), RefusalCode.ATTESTATION_OUTDATED),
        (READY, replace(CLAIMED, units=Decimal("1.50")), RefusalCode.CREDIT_MAXIMUM),
        (READY, replace(CLAIMED, units=Decimal("0.00")), RefusalCode.CREDIT_MINIMUM),
        (READY, replace(CLAIMED, units=Decimal("-1.00")), RefusalCode.CREDIT_MINIMUM),
        (READY, replace(CLAIMED, units=Decimal("1.10")), RefusalCode.CREDIT_INCREMENT),
        (READY, replace(CLAIMED, units=Decimal("NaN")), RefusalCode.CREDIT_INCREMENT),
        (FRESH, DeadlineExtended(date(2026, 6, 30), "illness"), RefusalCode.DEADLINE_NOT_LATER),
        (FRESH, DeadlineExtended(date(2026, 3, 31), "illness"), RefusalCode.DEADLINE_NOT_LATER),
        (replace(FRESH, due_at=None), DeadlineExtended(date(2026, 3, 30), "illness"), RefusalCode.DEADLINE_NOT_LATER),
        (FRESH, DeadlineExtended(date.max, "illness"), RefusalCode.DEADLINE_TOO_LATE),
    ],
)
def test_what_does_not_fit_is_refused_with_its_reason(
    policy: CEActivityPolicy, facts: ClaimFacts, body: SubmissionBody, code: RefusalCode
) -> None:
    assert refused(policy, facts, body).code is code


def test_a_refused_evaluation_says_when_grading_ends(policy: CEActivityPolicy) -> None:
    details = refused(policy, GRADING, EVALUATED).details
    assert details["unlocks_at"] == (IN_TIME + timedelta(seconds=30)).isoformat()


def test_refused_answers_name_the_questions_and_never_what_was_typed(policy: CEActivityPolicy) -> None:
    decision = refused(policy, ATTEMPTING, AnswersGiven(1, {"q0": "yes", "q1": "Ada", "Ada": "Ada"}))
    assert decision.details == {"questions": "q1,q2,q3", "reasons": "unknown_question,unknown_option,missing"}


def test_credit_may_be_claimed_from_the_first_instant_of_the_window(policy: CEActivityPolicy) -> None:
    assert accepted(policy, READY, CLAIMED, OPENS_AT).credit is not None
    early = refused(policy, READY, CLAIMED, OPENS_AT - INSTANT)
    assert early.code is RefusalCode.WINDOW_NOT_OPEN
    assert early.details["opens_at"] == OPENS_AT.isoformat()


def test_other_steps_need_no_open_window(policy: CEActivityPolicy) -> None:
    assert accepted(policy, FRESH, STATED, BEFORE_WINDOW).participation == "yes"


def test_starting_an_attempt_twice_is_one_attempt_and_after_a_failure_the_next(policy: CEActivityPolicy) -> None:
    assert accepted(policy, ATTEMPTING, AttemptStarted()) == ATTEMPTING
    assert [attempt.number for attempt in accepted(policy, FAILED, AttemptStarted()).attempts] == [1, 2]


def test_without_a_limit_attempts_may_go_on(policy: CEActivityPolicy) -> None:
    assert policy.post_test is not None
    unlimited = replace(policy, requirements=(replace(policy.post_test, attempts_allowed=None),))
    assert len(accepted(unlimited, EXHAUSTED, AttemptStarted()).attempts) == 3


def test_an_extension_moves_the_deadline_to_the_end_of_a_day_even_after_it_passed(policy: CEActivityPolicy) -> None:
    extension = DeadlineExtended(date(2026, 7, 15), "illness")
    later = accepted(policy, FRESH, extension, DUE_AT + timedelta(days=1))
    assert later.due_at == end_of_day(date(2026, 7, 15), ZONE)
    assert accepted(policy, later, STATED, DUE_AT + timedelta(days=2)).participation == "yes"


def test_an_extension_may_end_today_and_at_most_five_years_ahead(policy: CEActivityPolicy) -> None:
    today = date(2026, 7, 1)
    noon = datetime(2026, 7, 1, 17, tzinfo=UTC)
    last_day = today + MAXIMUM_EXTENSION
    for due_on in (today, last_day):
        later = accepted(policy, FRESH, DeadlineExtended(due_on, "illness"), noon)
        assert later.due_at == end_of_day(due_on, ZONE)
    too_far = refused(policy, FRESH, DeadlineExtended(last_day + timedelta(days=1), "illness"), noon)
    assert too_far == Refused(RefusalCode.DEADLINE_TOO_LATE, {"latest_on": last_day.isoformat()})


def test_a_refused_extension_says_from_which_day_or_time_on_it_would_be_one(policy: CEActivityPolicy) -> None:
    past = refused(policy, FRESH, DeadlineExtended(date(2026, 3, 30), "illness"))
    assert past == Refused(RefusalCode.DEADLINE_NOT_LATER, {"earliest_on": "2026-03-31"})
    same = refused(policy, FRESH, DeadlineExtended(date(2026, 6, 30), "illness"))
    assert same == Refused(RefusalCode.DEADLINE_NOT_LATER, {"due_at": DUE_AT.isoformat()})


def test_answers_that_come_out_of_turn_are_told_which_attempt_is_the_last(policy: CEActivityPolicy) -> None:
    assert refused(policy, PARTICIPATED, ANSWERED).details == {"attempt": "0"}
    assert refused(policy, FAILED, replace(ANSWERED, number=2)).details == {"attempt": "1"}


def test_opening_and_retrying_change_no_facts(policy: CEActivityPolicy) -> None:
    assert accepted(policy, FRESH, Opening("cea_1", "version_1")) == FRESH
    assert accepted(policy, ISSUING, StepRetried("mail_server_back")) == ISSUING


def test_a_learner_may_withdraw_until_the_award(policy: CEActivityPolicy) -> None:
    assert accepted(policy, AWARDING, Withdrawal("mistake")).closed_as is Stage.WITHDRAWN
