from collections.abc import Callable
from dataclasses import replace
from datetime import date, time
from decimal import Decimal
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.policy import (
    CEActivityPolicy,
    CertificateIssue,
    ClaimWindow,
    Content,
    ContentItem,
    CreditOffer,
    DisclosurePage,
    Disclosures,
    Evaluation,
    EvaluationQuestion,
    EvaluationTime,
    EventType,
    Finalization,
    LearningFormat,
    Option,
    Participation,
    ParticipationMethod,
    ParticipationOption,
    QuestionKind,
    Session,
    Signatory,
    Statement,
)
from domain.policy_checks import problems_with
from domain.session_checks import most_without_overlap
from tests.domain.conftest import WAYS

ONE = Decimal(1)
QUESTIONS = (EvaluationQuestion(code="relevance", text="Was it relevant?", kind=QuestionKind.SCALE),)
Change = Callable[[CEActivityPolicy], CEActivityPolicy]


def paths(policy: CEActivityPolicy) -> list[str]:
    return [".".join(str(part) for part in problem.path) for problem in problems_with(policy)]


def messages(policy: CEActivityPolicy) -> str:
    return "\n".join(problem.message for problem in problems_with(policy))


def with_post_test(policy: CEActivityPolicy, **changes: object) -> CEActivityPolicy:
    participation, post_test, evaluation = policy.requirements
    return replace(policy, requirements=(participation, replace(post_test, **changes), evaluation))  # type: ignore[arg-type]


def with_question(policy: CEActivityPolicy, **changes: object) -> CEActivityPolicy:
    assert policy.post_test is not None
    first, *others = policy.post_test.questions
    return with_post_test(policy, questions=(replace(first, **changes), *others))  # type: ignore[arg-type]


def with_evaluation_question(policy: CEActivityPolicy, at: int, **changes: object) -> CEActivityPolicy:
    participation, post_test, evaluation = policy.requirements
    assert isinstance(evaluation, Evaluation)
    questions = list(evaluation.questions)
    questions[at] = replace(questions[at], **changes)  # type: ignore[arg-type]
    return replace(policy, requirements=(participation, post_test, replace(evaluation, questions=tuple(questions))))


def with_offer(policy: CEActivityPolicy, at: int, **changes: object) -> CEActivityPolicy:
    offers = list(policy.credit)
    offers[at] = replace(offers[at], **changes)  # type: ignore[arg-type]
    return replace(policy, credit=tuple(offers))


def options(*codes: str) -> tuple[Option, ...]:
    return tuple(Option(code=code, label="One") for code in codes)


def test_a_sound_policy_has_no_problems(policy: CEActivityPolicy) -> None:
    assert problems_with(policy) == ()


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (lambda p: replace(p, time_zone="Mars/Olympus"), "time_zone"),
        (lambda p: replace(p, time_zone="../etc/passwd"), "time_zone"),
        (lambda p: replace(p, starts_on=date(1999, 12, 31)), "starts_on"),
        (lambda p: replace(p, ends_on=date(2101, 1, 1)), "ends_on"),
        (lambda p: replace(p, ends_on=date(2025, 12, 31)), "ends_on"),
        (lambda p: replace(p, course_url="javascript:alert(1)"), "course_url"),
        (lambda p: replace(p, provider=replace(p.provider, website="lakeside")), "provider.website"),
        (lambda p: replace(p, provider=replace(p.provider, logo="../logo.png")), "provider.logo"),
        (
            lambda p: replace(p, signatories=(Signatory(name="A", title="B", signature="x" * 65),)),
            "signatories.0.signature",
        ),
        (lambda p: replace(p, claim_window=ClaimWindow(opens_on=date(1999, 1, 1))), "claim_window.opens_on"),
        (
            lambda p: replace(p, claim_window=ClaimWindow(opens_on=date(2026, 3, 2), closes_on=date(2026, 3, 1))),
            "claim_window.closes_on",
        ),
        (lambda p: replace(p, claim_window=ClaimWindow(days=0)), "claim_window.days"),
        (lambda p: replace(p, title=" "), "title"),
        (lambda p: replace(p, title="x" * 301), "title"),
        (lambda p: replace(p, title="a\x00b"), "title"),
        (lambda p: replace(p, description="x" * 4001), "description"),
        (lambda p: with_question(p, options=(*options("no"), Option(code="yes", label=""))), None),
        (lambda p: replace(p, requirements=(*p.requirements, p.requirements[0])), "requirements.3.kind"),
        (lambda p: replace(p, requirements=(Participation(options=()), *p.requirements[1:])), "requirements.0.options"),
        (lambda p: with_post_test(p, passing_percent=0), "requirements.1.passing_percent"),
        (lambda p: with_post_test(p, passing_percent=101), "requirements.1.passing_percent"),
        (lambda p: with_post_test(p, grading_seconds=-1), "requirements.1.grading_seconds"),
        (lambda p: with_post_test(p, attempts_allowed=0), "requirements.1.attempts_allowed"),
        (lambda p: with_post_test(p, questions=()), "requirements.1.questions"),
        (lambda p: with_question(p, code="q1"), "requirements.1.questions.1.code"),
        (lambda p: with_question(p, code="Q 1"), "requirements.1.questions.0.code"),
        (lambda p: with_question(p, options=options("yes")), "requirements.1.questions.0.options"),
        (lambda p: with_question(p, options=options("yes", "yes")), "requirements.1.questions.0.options.1.code"),
        (lambda p: with_question(p, correct="maybe"), "requirements.1.questions.0.correct"),
        (lambda p: with_evaluation_question(p, 0, options=()), "requirements.2.questions.0.options"),
        (lambda p: with_evaluation_question(p, 1, options=options("a", "b")), "requirements.2.questions.1.options"),
        (lambda p: with_evaluation_question(p, 1, scale_maximum=1), "requirements.2.questions.1.scale_maximum"),
    ],
)
def test_a_mistake_is_reported_at_its_field_and_nowhere_else(
    policy: CEActivityPolicy, change: Change, path: str | None
) -> None:
    expected = [path] if path else ["requirements.1.questions.0.options.1.label"]
    assert paths(change(policy)) == expected


def test_a_window_may_be_open_at_both_ends_or_count_days(policy: CEActivityPolicy) -> None:
    for window in (ClaimWindow(), ClaimWindow(days=60), ClaimWindow(closes_on=date(2026, 6, 30))):
        assert problems_with(replace(policy, claim_window=window)) == ()


def test_attempts_without_limit_and_a_missing_scale_are_no_problem(policy: CEActivityPolicy) -> None:
    assert problems_with(with_post_test(policy, attempts_allowed=None)) == ()


def test_all_mistakes_are_reported_at_once(policy: CEActivityPolicy) -> None:
    broken = with_offer(replace(policy, title="", time_zone="Nowhere"), 2, designated_units=Decimal(0))
    assert paths(broken) == ["title", "time_zone", "credit.2.designated_units"]


def meeting(policy: CEActivityPolicy, **changes: Any) -> CEActivityPolicy:
    """A live meeting of one day: two sessions, an evaluation of each, and a statement that is made final."""
    session = Session(
        code="a", title="Morning", held_on=date(2026, 6, 11), starts_at=time(9), ends_at=time(10), maximum_units=ONE
    )
    other = replace(session, code="b", title="Noon", starts_at=time(10), ends_at=time(11, 30))
    requirements = (
        Statement(),
        Participation(methods=(ParticipationMethod.BADGE_ID,)),
        Disclosures(version="2026-1", pages=(DisclosurePage(title="Nobody was paid", text="Nobody was."),)),
        Evaluation(questions=QUESTIONS, asked=EvaluationTime.PER_SESSION),
        Finalization(),
    )
    values: dict[str, Any] = {
        "format": LearningFormat.LIVE_ACTIVITY,
        "event_type": EventType.LIVE_MEETING,
        "requirements": requirements,
        "sessions": (session, other),
        "credit": policy.credit[2:],
    }
    return replace(policy, **(values | changes))


def with_requirement(policy: CEActivityPolicy, at: int, **changes: Any) -> CEActivityPolicy:
    requirements = list(policy.requirements)
    requirements[at] = replace(requirements[at], **changes)
    return replace(policy, requirements=tuple(requirements))


def with_session(policy: CEActivityPolicy, **changes: Any) -> CEActivityPolicy:
    first, *others = policy.sessions
    return replace(policy, sessions=(replace(first, **changes), *others))


def on_demand(policy: CEActivityPolicy, *minutes: int, **changes: Any) -> CEActivityPolicy:
    """Content that earns credit minute by minute."""
    items = tuple(
        ContentItem(code=f"v{at}", title="Video", url="https://videos.example/1", minutes=each)
        for at, each in enumerate(minutes)
    )
    content = replace(Content(items=items, allows_partial=True), **changes)
    return replace(policy, requirements=(content,), credit=policy.credit[2:])


def test_a_meeting_and_content_on_demand_can_be_sound(policy: CEActivityPolicy) -> None:
    for sound in (meeting(policy), on_demand(policy, 45, 1), on_demand(policy, 5, allows_partial=False)):
        assert problems_with(sound) == ()


@pytest.mark.parametrize(
    ("change", "path", "message"),
    [
        (lambda p: replace(p, activity_code="A 1"), "activity_code", "letters, digits and -, and is 4 to 32"),
        (lambda p: replace(p, profile_fields=("npi", "npi")), "profile_fields.1", "is used once only"),
        (lambda p: replace(p, profile_fields=("shoe_size",)), "profile_fields.0", "is one of given_name, family_name"),
        (lambda p: replace(p, reminder_days=(1, 2, 3, 4, 5, 6)), "reminder_days", "has 0 to 5 entries"),
        (lambda p: replace(p, reminder_days=(3, 3)), "reminder_days.1", "is used once only"),
        (lambda p: replace(p, reminder_days=(0,)), "reminder_days.0", "is from 1 to 90"),
        (
            lambda p: replace(p, certificate=CertificateIssue(issued="elsewhere", system="Member Center")),
            "certificate.url",
            "is needed where the certificate is issued elsewhere",
        ),
        (
            lambda p: replace(p, certificate=CertificateIssue(issued="elsewhere", system="It", url="members")),
            "certificate.url",
            "is a web address",
        ),
        (
            lambda p: replace(p, certificate=CertificateIssue(system="Member Center")),
            "certificate.system",
            "belongs to a certificate that is issued elsewhere",
        ),
        (lambda p: with_requirement(p, 1, methods=()), "requirements.1.methods", "names at least one of attestation"),
        (
            lambda p: with_requirement(p, 1, methods=(ParticipationMethod.ROSTER,) * 2),
            "requirements.1.methods.1",
            "is used once only",
        ),
        (
            lambda p: with_requirement(p, 1, methods=(ParticipationMethod.ATTESTATION,)),
            "requirements.1.options",
            "has 1 to 50 entries",
        ),
        (lambda p: with_requirement(p, 1, options=WAYS), "requirements.1.options", "belongs to the method attestation"),
        (
            lambda p: with_requirement(p, 1, methods=(ParticipationMethod.CODE,)),
            "requirements.1.code",
            "is needed for the method code",
        ),
        (
            lambda p: with_requirement(p, 1, methods=(ParticipationMethod.CODE,), code="abc"),
            "requirements.1.code",
            "is made of letters",
        ),
        (lambda p: with_requirement(p, 1, code="ABC-1"), "requirements.1.code", "belongs to the method code"),
        (lambda p: with_requirement(p, 2, version="June 2"), "requirements.2.version", "such as 2026-1"),
        (lambda p: with_requirement(p, 2, pages=()), "requirements.2.pages", "has 1 to 20 entries"),
        (
            lambda p: with_requirement(p, 2, pages=(DisclosurePage(title="All", text="x" * 20_001),)),
            "requirements.2.pages.0.text",
            "is at most 20000 characters long",
        ),
        (lambda p: with_requirement(p, 4, warning="x" * 2001), "requirements.4.warning", "is at most 2000"),
        (
            lambda p: replace(p, requirements=(p.requirements[-1], *p.requirements[:-1])),
            "requirements.0.kind",
            "is the last requirement",
        ),
        (
            lambda p: replace(p, requirements=(*p.requirements[:-1], p.requirements[-2])),
            "requirements.4.kind",
            "another evaluation may be asked per_session, and one not",
        ),
        (
            lambda p: replace(p, sessions=()),
            "requirements.3.asked",
            "is per_session only where the CE activity has sessions",
        ),
        (lambda p: with_session(p, code="b"), "sessions.1.code", "is used once only"),
        (lambda p: with_session(p, held_on=date(2027, 1, 1)), "sessions.0.held_on", "is from starts_on to ends_on"),
        (lambda p: with_session(p, ends_at=time(9)), "sessions.0.ends_at", "is after starts_at"),
        (lambda p: with_session(p, maximum_units=Decimal(0)), "sessions.0.maximum_units", "is a positive multiple of"),
        (
            lambda p: with_session(p, maximum_units=Decimal("0.9")),
            "sessions.0.maximum_units",
            "is a positive multiple of 0.25",
        ),
        (
            lambda p: with_session(p, maximum_units=Decimal("1.25")),
            "sessions.0.maximum_units",
            "is at most 1.00: the session lasts 60 minutes",
        ),
        (
            lambda p: with_session(p, ends_at=time(9, 50), maximum_units=Decimal("1.25")),
            "sessions.0.maximum_units",
            "is at most 1.00: the session lasts 50 minutes",
        ),
        (
            lambda p: with_offer(p, 0, designated_units=Decimal("2.25")),
            "credit.0.designated_units",
            "is at most 2: sessions that do not overlap add up to no more",
        ),
        (
            lambda p: with_offer(p, 0, formats=(LearningFormat.JOURNAL_BASED,)),
            "credit.0.formats.0",
            "is a format in which learners take part here: live_activity",
        ),
        (
            lambda p: with_offer(p, 0, formats=(LearningFormat.LIVE_ACTIVITY,) * 2),
            "credit.0.formats.1",
            "is used once only",
        ),
    ],
)
def test_a_mistake_in_a_meeting_is_reported_at_its_field_with_what_would_be_right(
    policy: CEActivityPolicy, change: Change, path: str, message: str
) -> None:
    found = change(meeting(policy))
    assert paths(found) == [path]
    assert message in messages(found)


def test_a_statement_may_be_longer_than_other_texts(policy: CEActivityPolicy) -> None:
    page = DisclosurePage(title="All", text="x" * 20_000)
    assert problems_with(with_requirement(meeting(policy), 2, pages=(page,))) == ()


def test_one_evaluation_of_the_whole_goes_with_one_of_each_session(policy: CEActivityPolicy) -> None:
    whole = Evaluation(questions=QUESTIONS)
    requirements = meeting(policy).requirements
    assert problems_with(meeting(policy, requirements=(whole, *requirements))) == ()
    assert paths(meeting(policy, requirements=(whole, whole, *requirements))) == ["requirements.1.kind"]


@pytest.mark.parametrize(
    ("change", "path", "message"),
    [
        (on_demand, "requirements.0.items", "has 1 to 200 entries"),
        (lambda p: on_demand(p, 60, 0), "requirements.0.items.1.minutes", "is from 1 to 6000"),
        (lambda p: on_demand(p, 6001), "requirements.0.items.0.minutes", "is from 1 to 6000"),
        (
            lambda p: on_demand(p, 60, items=(ContentItem(code="v", title="V", url="/v", minutes=60),)),
            "requirements.0.items.0.url",
            "is a web address",
        ),
        (
            lambda p: on_demand(p, 60, formats=(LearningFormat.LIVE_ACTIVITY,)),
            "requirements.0.formats.0",
            "is a format in which learners take part here: enduring_material",
        ),
        (lambda p: on_demand(p, 45), "credit.0.designated_units", "is at most 0.75: the content takes 45 minutes"),
    ],
)
def test_a_mistake_in_content_is_reported_at_its_field_with_what_would_be_right(
    policy: CEActivityPolicy, change: Change, path: str, message: str
) -> None:
    found = change(policy)
    assert path in paths(found)
    assert message in messages(found)


def test_what_an_unknown_type_of_credit_would_earn_is_not_guessed(policy: CEActivityPolicy) -> None:
    unknown = {"credit_type": "gold_stars", "designated_units": ONE}
    for found in (on_demand(policy, 5), with_session(meeting(policy), maximum_units=Decimal("2.5"))):
        assert "credit.0.credit_type" in paths(with_offer(found, 0, **unknown))
        assert len(paths(with_offer(found, 0, **unknown))) == 1


def test_a_session_may_be_worth_the_steps_of_any_credit_that_is_offered(policy: CEActivityPolicy) -> None:
    fifths = CreditOffer(
        credit_type="nasba_cpe", rule_version="2026-1-fifths", designated_units=ONE, designation_statement="CPE."
    )
    found = meeting(policy, credit=(*policy.credit[2:], fifths))
    assert "sessions" not in str(paths(with_session(found, maximum_units=Decimal("1.20"))))
    assert "is a positive multiple of 0.2 or 0.25" in messages(with_session(found, maximum_units=Decimal("0.9")))


def test_learning_formats_of_the_ways_to_take_part_can_be_named(policy: CEActivityPolicy) -> None:
    way = ParticipationOption(code="live", label="Live", format=LearningFormat.LIVE_ACTIVITY)
    mixed = with_requirement(replace(policy, credit=policy.credit[2:]), 0, options=(*WAYS, way))
    assert problems_with(with_offer(mixed, 0, formats=(LearningFormat.LIVE_ACTIVITY,))) == ()
    no_way = replace(mixed, requirements=())
    assert paths(with_offer(no_way, 0, formats=(LearningFormat.LIVE_ACTIVITY,))) == ["credit.0.formats.0"]


SESSIONS = st.builds(
    lambda day, start, length, quarters: Session(
        code="s",
        title="S",
        held_on=date(2026, 6, day),
        starts_at=time(start // 4, start % 4 * 15),
        ends_at=time((start + length) // 4, (start + length) % 4 * 15),
        maximum_units=Decimal(quarters) / 4,
    ),
    st.integers(1, 2),
    st.integers(0, 80),
    st.integers(1, 12),
    st.integers(1, 8),
)


@given(st.lists(SESSIONS, max_size=7))
def test_the_most_without_overlap_is_the_best_of_all_choices(sessions: list[Session]) -> None:
    def overlap(one: Session, other: Session) -> bool:
        return one.held_on == other.held_on and one.starts_at < other.ends_at and other.starts_at < one.ends_at

    choices = (chosen for size in range(len(sessions) + 1) for chosen in combinations(sessions, size))
    allowed = (chosen for chosen in choices if not any(overlap(*pair) for pair in combinations(chosen, 2)))
    assert most_without_overlap(sessions) == max(sum(each.maximum_units for each in chosen) for chosen in allowed)
