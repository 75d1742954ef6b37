"""Random policies that staff could publish, and random submissions to claims under them.

Everything drawn has few values, so that random facts meet: sessions overlap, codes are right now and then. Strategies
stand here once and for all, because building one takes longer than drawing from it.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from math import ceil

from hypothesis import strategies as st

from domain import credit
from domain.designation_checks import COMMENSURATE_SENTENCE
from domain.participation import Evidence, RosterMatch
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
    Finalization,
    LearningFormat,
    Option,
    Participation,
    ParticipationMethod,
    ParticipationOption,
    PostTest,
    Provider,
    QuestionKind,
    Requirement,
    Session,
    Signatory,
    Statement,
    TestQuestion,
)
from domain.requirement_checks import reachable_formats
from domain.session_checks import most_without_overlap
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
    SubmissionBody,
    Withdrawal,
)

CODE = "GRAND-ROUNDS"
CLAIM_ID = "clm_1"
STARTS_ON, ENDS_ON = date(2026, 3, 7), date(2026, 3, 9)  # clocks in Chicago jump on 8 March
QUARTER = Decimal("0.25")
YES_NO = (Option(code="yes", label="Yes"), Option(code="no", label="No"))
FORMATS = (LearningFormat.LIVE_ACTIVITY, LearningFormat.ENDURING_MATERIAL)


_BOOLEANS = st.booleans()
_FORMAT = st.sampled_from(FORMATS)
_SOME_FORMATS = st.sampled_from([(), (), FORMATS[:1], FORMATS[1:], FORMATS])
_QUESTIONS = (
    EvaluationQuestion(code="relevance", text="Was it relevant?", kind=QuestionKind.SCALE),
    EvaluationQuestion(code="change", text="What will you change?", kind=QuestionKind.TEXT, is_required=False),
)
_TEST_QUESTIONS = tuple(TestQuestion(code=f"q{n}", text="Is it?", options=YES_NO, correct="yes") for n in range(2))
_DISCLOSURES = Disclosures(version="2026-1", pages=(DisclosurePage(title="Speakers", text="Nothing to disclose."),))
_ELSEWHERE = CertificateIssue(issued="elsewhere", system="Hill Clinic", url="https://hill.example/certificates")


def _session(number: int, held_on: date, start: int, quarters: int, most: int) -> Session:
    """A session on a grid of quarters of an hour, so that many of them touch or overlap."""
    starts_at = datetime.combine(STARTS_ON, time(0, 30)) + timedelta(minutes=15 * start)
    return Session(
        code=f"s{number}",
        title=f"Session {number}",
        held_on=held_on,
        starts_at=starts_at.time(),
        ends_at=(starts_at + timedelta(minutes=15 * quarters)).time(),
        maximum_units=QUARTER * min(most, quarters),
    )


def _participation(methods: list[ParticipationMethod], formats: list[LearningFormat | None]) -> Participation:
    codes = ("in_person", "recorded")
    options = [
        ParticipationOption(code=code, label=code, format=each) for code, each in zip(codes, formats, strict=False)
    ]
    return Participation(
        methods=tuple(methods),
        options=tuple(options) if ParticipationMethod.ATTESTATION in methods else (),
        code=CODE if ParticipationMethod.CODE in methods else None,
    )


def _content(minutes: list[int], formats: tuple[LearningFormat, ...], *, allows_partial: bool) -> Content:
    items = (
        ContentItem(code=f"c{n}", title="Video", url="https://video.example/1", minutes=each)
        for n, each in enumerate(minutes)
    )
    return Content(items=tuple(items), allows_partial=allows_partial, formats=formats)


def _window(opens_on: date | None, days_open: int | None, days: int | None) -> ClaimWindow:
    first = max(opens_on or ENDS_ON, ENDS_ON)
    closes_on = None if days_open is None else first + timedelta(days=days_open)
    return ClaimWindow(opens_on=opens_on, closes_on=closes_on, days=days)


_SESSIONS = st.lists(
    st.builds(
        _session,
        number=st.integers(1, 5),
        held_on=st.sampled_from([STARTS_ON, ENDS_ON - timedelta(days=1)]),
        start=st.integers(0, 12),
        quarters=st.integers(1, 6),
        most=st.integers(1, 6),
    ),
    max_size=4,
    unique_by=lambda each: each.code,
)
_REQUIREMENTS: st.SearchStrategy[list[Requirement]] = st.lists(
    st.one_of(
        st.builds(
            _participation,
            methods=st.lists(st.sampled_from(ParticipationMethod), min_size=1, unique=True),
            formats=st.lists(st.none() | _FORMAT, min_size=1, max_size=2),
        ),
        st.just(Statement()),
        st.just(_DISCLOSURES),
        st.builds(
            _content,
            minutes=st.lists(st.integers(5, 90), min_size=1, max_size=3),
            formats=_SOME_FORMATS,
            allows_partial=_BOOLEANS,
        ),
        st.builds(
            PostTest,
            passing_percent=st.sampled_from([50, 100]),
            attempts_allowed=st.sampled_from([None, 1, 2]),
            grading_seconds=st.sampled_from([0, 30]),
            questions=st.just(_TEST_QUESTIONS),
            formats=_SOME_FORMATS,
        ),
        st.builds(
            Evaluation, asked=st.sampled_from(EvaluationTime), questions=st.just(_QUESTIONS), formats=_SOME_FORMATS
        ),
        st.just(Finalization()),
    ),
    max_size=8,
    unique_by=lambda each: (each.kind, getattr(each, "asked", None) is EvaluationTime.PER_SESSION),
)
_WINDOWS = st.builds(
    _window,
    opens_on=st.none() | st.dates(STARTS_ON - timedelta(days=3), ENDS_ON + timedelta(days=20)),
    days_open=st.none() | st.integers(5, 60),
    days=st.sampled_from([None, 60]),
)
_RULES = (
    credit.rule("ama_pra_category_1"),
    credit.rule("acpe_contact_hours"),
    credit.rule("california_rn_contact_hours"),
    credit.rule("nasba_cpe", "2026-1-halves"),
)
# Which rules are offered, and for each, and for everybody's, which of the possible amounts is designated.
_OFFERS = st.lists(st.tuples(st.sampled_from(_RULES), st.integers(0, 99)), max_size=3, unique_by=lambda each: each[0])


@st.composite
def policies(draw: st.DrawFn) -> CEActivityPolicy:
    """A policy with any of the requirements in any legal order, sessions or none, and one to four types of credit."""
    bare = CEActivityPolicy(
        title="Managing Hypertension",
        format=draw(_FORMAT),
        provider=Provider(
            name="Lakeside Academy", address="1 Shore Road", accreditation_statement="The Academy is accredited."
        ),
        time_zone=draw(st.sampled_from(["America/Chicago", "Asia/Kolkata", "UTC"])),
        starts_on=STARTS_ON,
        ends_on=ENDS_ON,
        location="Lakeside",
        contact="ce@lakeside.example",
        requirements=tuple(draw(_REQUIREMENTS)),
        sessions=tuple(draw(_SESSIONS)),
        credit=(),
        profile_fields=draw(st.sampled_from([(), ("credentials", "employee_id")])),
        claim_window=draw(_WINDOWS),
        certificate=draw(st.sampled_from([CertificateIssue(), _ELSEWHERE])),
        signatories=(Signatory(name="Mary Shore", title="Dean"),),
    )
    legal = replace(bare, requirements=_legal(bare))
    return replace(legal, credit=_credit(legal, draw(_OFFERS), draw(st.integers(0, 99)), is_apart=draw(_BOOLEANS)))


def _legal(bare: CEActivityPolicy) -> tuple[Requirement, ...]:
    """The requirements without what this policy cannot have, and what makes it final at the end."""
    possible = reachable_formats(bare)
    kept = [
        replace(each, formats=tuple(one for one in each.formats if one in possible))
        if isinstance(each, Content | PostTest | Evaluation)
        else each
        for each in bare.requirements
        if bare.sessions or getattr(each, "asked", None) is not EvaluationTime.PER_SESSION
    ]
    return tuple(sorted(kept, key=lambda each: isinstance(each, Finalization)))


def _credit(
    bare: CEActivityPolicy, chosen: Sequence[tuple[credit.CreditRule, int]], amount: int, *, is_apart: bool
) -> tuple[CreditOffer, ...]:
    """An offer for everybody, for each learning format apart or for all, among those for one profession."""
    formats = [(each,) for each in reachable_formats(bare)] if is_apart else [()]
    everybody = credit.rule("participation")
    offers = [_offer(bare, rule, number) for rule, number in chosen if _amounts(bare, rule) and _may_offer(bare, rule)]
    offers[amount % 3 : 0] = [replace(_offer(bare, everybody, amount), formats=each) for each in formats]
    return tuple(offers)


def _may_offer(bare: CEActivityPolicy, rule: credit.CreditRule) -> bool:
    """Physicians' credit for enduring material needs a test."""
    test, enduring = bare.post_test, LearningFormat.ENDURING_MATERIAL
    is_tested = test is not None and (not test.formats or enduring in test.formats)
    return rule.code != "ama_pra_category_1" or is_tested or enduring not in reachable_formats(bare)


def _amounts(bare: CEActivityPolicy, rule: credit.CreditRule) -> list[Decimal]:
    """What may be designated: no more than sessions, or minutes of content, can ever earn."""
    most = most_without_overlap(bare.sessions) if bare.sessions else Decimal(6)
    if bare.content is not None and bare.content.allows_partial:
        minutes = sum(item.minutes for item in bare.content.items)
        most = min(most, ceil(minutes / (rule.minutes_per_unit * rule.increment)) * rule.increment)
    steps = range(1, int(most / rule.increment) + 1)
    return [step * rule.increment for step in steps if step * rule.increment >= rule.minimum_units]


def _offer(bare: CEActivityPolicy, rule: credit.CreditRule, number: int) -> CreditOffer:
    amounts = _amounts(bare, rule)
    units = amounts[number % len(amounts)]
    uans = [f"0999-0000-26-001-{letter}01-{audience}" for letter in "LH" for audience in "PT"]
    numbers = uans if rule.code == "acpe_contact_hours" else ["12345"]
    words = (
        f"The Lakeside Academy designates this {bare.format.words} for a maximum of {units} "
        f"AMA PRA Category 1 Credit(s)™. {COMMENSURATE_SENTENCE}"
        if rule.code == "ama_pra_category_1"
        else "Field of study: medicine. Delivery method: group. A credit is a 50-minute hour. Keep it for four years."
    )
    return CreditOffer(
        credit_type=rule.code,
        rule_version=rule.version,
        designated_units=units,
        designation_statement=words,
        identifiers=tuple(Option(code=each, label="Number") for each in numbers),
    )


TIMES = st.datetimes(datetime(2026, 3, 1), datetime(2026, 7, 1), timezones=st.just(UTC))  # noqa: DTZ001 -- naive bounds
UNITS = st.one_of(
    st.integers(-1, 30).map(lambda steps: steps * QUARTER),
    st.sampled_from([Decimal(text) for text in ("0.10", "0.001", "NaN", "sNaN", "Infinity", "-Infinity", "1E+40")]),
    st.decimals(),
)
_MAYBE_UNITS = st.none() | UNITS
_RESPONSES = st.sampled_from([{"relevance": 4}, {"relevance": 4, "change": "Dose"}, {"relevance": 9}, {"x": "y"}, {}])
_TYPES = st.sampled_from([*(rule.code for rule in _RULES), "participation", "participation", "gold_stars"])
_VERSIONS = st.sampled_from([*(rule.attestation_version for rule in _RULES), "participation-2026-1", "old"])
_SESSION_CODES = st.sampled_from([f"s{number}" for number in range(1, 7)])

BODIES: st.SearchStrategy[SubmissionBody] = st.one_of(
    st.builds(
        ParticipationStated,
        method=st.sampled_from([*ParticipationMethod, "oracle"]),
        value=st.sampled_from(["in_person", "recorded", CODE, f" {CODE.lower()}", "B-17", ""]),
    ),
    st.builds(StatementChosen, credit_type=_TYPES),
    st.builds(DisclosuresAcknowledged, version=st.sampled_from(["2026-1", "2025-1"])),
    st.builds(ProgressReported, content=st.sampled_from(["c0", "c1", "c2", "c9"])),
    st.just(AttemptStarted()),
    st.builds(
        AnswersGiven,
        number=st.integers(0, 3),
        answers=st.dictionaries(st.sampled_from(["q0", "q1", "q9"]), st.sampled_from(["yes", "no", "maybe"])),
    ),
    st.builds(EvaluationCompleted, responses=_RESPONSES),
    st.builds(SessionClaimed, session=_SESSION_CODES, units=_MAYBE_UNITS, responses=st.none() | _RESPONSES),
    st.builds(
        CreditClaimed,
        credit_type=_TYPES,
        units=_MAYBE_UNITS,
        attestation_version=_VERSIONS,
        is_attested=_BOOLEANS,
    ),
    st.builds(StatementFinalized, is_confirmed=_BOOLEANS),
    st.sampled_from([Opening("cea_1", "version_1"), Withdrawal("mistake"), ExtensionRequested("illness")]),
    st.sampled_from([StepRetried("repaired"), ExtensionRefused("too_late")]),
    st.builds(DeadlineExtended, due_on=st.dates(date(2026, 2, 1), date(2031, 12, 31)), reason=st.just("illness")),
)
EVIDENCE = st.builds(
    Evidence,
    claim_id=st.just(CLAIM_ID),
    match=st.none()
    | st.builds(
        RosterMatch,
        entry_id=st.just("ren_1"),
        is_group=_BOOLEANS,
        claim_id=st.sampled_from([None, None, CLAIM_ID, "clm_2"]),
        is_anothers=st.sampled_from([False, False, True]),
    ),
    wrong_tries=st.lists(TIMES, max_size=6),
)
