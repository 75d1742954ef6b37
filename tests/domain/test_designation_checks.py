from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from domain import credit
from domain.designation_checks import credit_problems
from domain.policy import (
    CEActivityPolicy,
    ClaimWindow,
    CreditOffer,
    LearningFormat,
    Option,
    Participation,
    ParticipationOption,
    PostTest,
    Signatory,
)

LIVE, ENDURING, JOURNAL = (
    LearningFormat.LIVE_ACTIVITY,
    LearningFormat.ENDURING_MATERIAL,
    LearningFormat.JOURNAL_BASED,
)
Change = Callable[[CEActivityPolicy], CEActivityPolicy]


def paths(policy: CEActivityPolicy) -> list[str]:
    return [".".join(str(part) for part in problem.path) for problem in credit_problems(policy)]


def problems(policy: CEActivityPolicy) -> list[str]:
    return [f"{'.'.join(str(part) for part in problem.path)} {problem.message}" for problem in credit_problems(policy)]


def messages(policy: CEActivityPolicy) -> str:
    return "\n".join(problems(policy))


def with_offer(policy: CEActivityPolicy, at: int, **changes: object) -> CEActivityPolicy:
    offers = list(policy.credit)
    offers[at] = replace(offers[at], **changes)  # type: ignore[arg-type]
    return replace(policy, credit=tuple(offers))


def with_statement(policy: CEActivityPolicy, old: str, new: str) -> CEActivityPolicy:
    statement = policy.credit[0].designation_statement
    assert old in statement
    return with_offer(policy, 0, designation_statement=statement.replace(old, new))


def numbers(*codes: str) -> tuple[Option, ...]:
    return tuple(Option(code=code, label="Number") for code in codes)


def uans(*kinds: str) -> tuple[Option, ...]:
    """Numbers of one activity by format letter and audience: ``HP`` is for pharmacists at home."""
    return numbers(*(f"0999-0000-26-014-{kind[0]}01-{kind[1]}" for kind in kinds))


def offer(credit_type: str, statement: str = "One.", units: str = "1", **changes: object) -> CreditOffer:
    made = CreditOffer(credit_type=credit_type, designated_units=Decimal(units), designation_statement=statement)
    return replace(made, **changes)  # type: ignore[arg-type]


def mixed(policy: CEActivityPolicy, **changes: object) -> CEActivityPolicy:
    """The policy as a live activity that may also be taken as a recording, and what else to change."""
    ways = (
        ParticipationOption(code="in-person", label="In person"),
        ParticipationOption(code="recording", label="As a recording", format=ENDURING),
    )
    return replace(
        policy,
        format=LIVE,
        requirements=(Participation(options=ways), *policy.requirements[1:]),
        **changes,  # type: ignore[arg-type]
    )


def designation(learning_format: str, units: str) -> str:
    return (
        f"The Lakeside Academy designates this {learning_format} for a maximum of {units} "
        "AMA PRA Category 1 Credit(s)™. "
        "Physicians should claim only the credit commensurate with the extent of their participation in the activity."
    )


def test_what_accreditors_ask_for_is_no_problem(policy: CEActivityPolicy) -> None:
    assert problems(policy) == []


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (lambda p: replace(p, credit=()), "credit"),
        (lambda p: replace(p, credit=(*p.credit, p.credit[-1])), "credit.3.credit_type"),
        (lambda p: with_offer(p, 2, credit_type="gold_stars"), "credit.2.credit_type"),
        (lambda p: with_offer(p, 2, rule_version="1066-1"), "credit.2.rule_version"),
        (lambda p: with_offer(p, 2, designated_units=Decimal(0)), "credit.2.designated_units"),
        (lambda p: with_offer(p, 2, designated_units=Decimal("1.10")), "credit.2.designated_units"),
        (lambda p: with_offer(p, 2, designated_units=Decimal("200.25")), "credit.2.designated_units"),
        (lambda p: with_offer(p, 1, identifiers=()), "credit.1.identifiers"),
        (lambda p: with_offer(p, 1, identifiers=numbers("UAN 12")), "credit.1.identifiers.0.code"),
        (lambda p: with_offer(p, 1, identifiers=uans("HP", "HP")), "credit.1.identifiers.1.code"),
        (lambda p: with_offer(p, 1, identifiers=uans("LP")), "credit.1.identifiers"),
        (lambda p: with_offer(p, 1, identifiers=uans("HP", "LT")), "credit.1.identifiers"),
    ],
)
def test_a_mistake_is_reported_at_its_field_and_nowhere_else(
    policy: CEActivityPolicy, change: Change, path: str
) -> None:
    assert paths(change(policy)) == [path]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: replace(p, provider=replace(p.provider, name="Hill Clinic")), "names the provider: Hill Clinic"),
        (lambda p: replace(p, format=JOURNAL), "names the learning format: this journal-based activity"),
        (lambda p: with_statement(p, "Credit(s)™", "Credits"), "names the credit in full"),
        (lambda p: with_statement(p, "Physicians should claim only", "Claim"), "ends with the sentence"),
        (lambda p: with_statement(p, "maximum of 1.25", "maximum of 1.5"), "says: a maximum of 1.25"),
        (lambda p: with_statement(p, "maximum of 1.25", "total of 1.25"), "says: a maximum of 1.25"),
        (lambda p: with_statement(p, "AMA PRA Category 1", "Category 1"), "writes the credit's name in full"),
        (lambda p: with_offer(p, 2, designation_statement="2 ACCME credits."), "does not say ACCME credit"),
        (lambda p: with_offer(p, 2, designation_statement="Credit was applied for."), "credit was applied for"),
        (
            lambda p: replace(p, provider=replace(p.provider, accreditation_statement="Category 1 for all.")),
            "provider.accreditation_statement writes the credit's name in full",
        ),
        (
            lambda p: replace(p, requirements=tuple(r for r in p.requirements if not isinstance(r, PostTest))),
            "has a post_test, which enduring material needs",
        ),
    ],
)
def test_statements_that_an_accreditor_would_refuse_are_reported(
    policy: CEActivityPolicy, change: Change, message: str
) -> None:
    assert message in messages(change(policy))


def test_the_maximum_of_a_statement_is_compared_as_a_number_and_line_breaks_do_not_matter(
    policy: CEActivityPolicy,
) -> None:
    assert problems(with_statement(policy, "maximum of 1.25", "maximum of\n1.250")) == []


def test_a_live_ce_activity_needs_no_post_test(policy: CEActivityPolicy) -> None:
    live = with_statement(replace(policy, format=LIVE), "enduring material", "live activity")
    live = with_offer(live, 1, identifiers=uans("LP"))
    assert problems(replace(live, requirements=policy.requirements[:1])) == []


def test_the_least_and_the_most_that_may_be_designated_are_no_problem(policy: CEActivityPolicy) -> None:
    for units in (Decimal("0.25"), Decimal(200)):
        assert problems(with_offer(policy, 2, designated_units=units)) == []


def test_an_offer_of_other_credit_needs_no_physicians_statement(policy: CEActivityPolicy) -> None:
    assert problems(replace(policy, credit=(offer("participation", "One hour."),))) == []


def test_offers_of_one_type_stand_beside_each_other_when_they_share_no_learning_format(
    policy: CEActivityPolicy,
) -> None:
    live = offer("ama_pra_category_1", designation("live activity", "2"), "2", formats=(LIVE,))
    recorded = offer("ama_pra_category_1", designation("enduring material", "1"), "1", formats=(ENDURING,))
    assert problems(mixed(policy, credit=(live, recorded))) == []


@pytest.mark.parametrize(
    ("formats", "other_formats", "path"),
    [
        ((LIVE,), (LIVE, ENDURING), "credit.1.formats"),
        ((), (ENDURING,), "credit.1.formats"),
        ((LIVE,), (), "credit.1.credit_type"),
    ],
)
def test_offers_of_one_type_that_share_a_learning_format_are_a_mistake(
    policy: CEActivityPolicy, formats: tuple[LearningFormat], other_formats: tuple[LearningFormat], path: str
) -> None:
    one, other = (offer("participation", formats=each) for each in (formats, other_formats))
    assert paths(mixed(policy, credit=(one, other))) == [path]


def test_a_third_offer_that_shares_formats_with_two_is_one_mistake(policy: CEActivityPolicy) -> None:
    one = offer("participation")
    assert paths(replace(policy, credit=(one, one, one))) == ["credit.1.credit_type", "credit.2.credit_type"]


def test_offers_of_one_type_are_judged_by_one_version_of_its_rule(policy: CEActivityPolicy) -> None:
    live, recorded = offer("participation", formats=(LIVE,)), offer("participation", formats=(ENDURING,))
    found = problems(mixed(policy, credit=(live, replace(recorded, rule_version="2026-1"))))
    assert found == ["credit.1.rule_version is the same in every offer of participation"]


def test_a_designation_statement_names_a_learning_format_of_its_own_offer(policy: CEActivityPolicy) -> None:
    physicians = offer("ama_pra_category_1", designation("live activity", "1"), formats=(ENDURING,))
    found = problems(mixed(policy, credit=(physicians,)))
    assert found == ["credit.0.designation_statement names the learning format: this enduring material"]
    both = replace(physicians, formats=(ENDURING, LIVE))
    assert problems(mixed(policy, credit=(both,))) == []
    neither = replace(both, designation_statement=designation("manuscript review", "1"))
    assert "this enduring material or this live activity" in messages(mixed(policy, credit=(neither,)))


def test_only_learners_of_the_formats_that_need_a_post_test_must_have_one(policy: CEActivityPolicy) -> None:
    physicians = offer("ama_pra_category_1", designation("live activity", "1"))
    both_ways = mixed(policy, credit=(physicians,))
    participation, post_test, evaluation = both_ways.requirements
    assert isinstance(post_test, PostTest)
    for formats, is_enough in (((), True), ((ENDURING,), True), ((LIVE,), False)):
        tested = replace(both_ways, requirements=(participation, replace(post_test, formats=formats), evaluation))
        assert paths(tested) == ([] if is_enough else ["requirements"])
    live_only = replace(physicians, formats=(LIVE,))
    assert problems(replace(both_ways, credit=(live_only,), requirements=(participation, evaluation))) == []


def test_each_audience_has_a_number_for_each_format_in_which_it_takes_part(policy: CEActivityPolicy) -> None:
    pharmacy = offer("acpe_contact_hours", identifiers=uans("LP", "HP", "LT"))
    found = problems(mixed(policy, credit=(pharmacy,)))
    wanted = "holds a number for pharmacy technicians (T) who take part in enduring material: one of format H"
    assert found == [f"credit.0.identifiers {wanted}"]
    assert problems(mixed(policy, credit=(replace(pharmacy, identifiers=uans("LP", "HP", "LT", "HT")),))) == []
    assert problems(mixed(policy, credit=(replace(pharmacy, formats=(LIVE,)),))) == []


def test_an_offer_that_is_limited_to_live_activities_does_not_hold_home_numbers_only(policy: CEActivityPolicy) -> None:
    pharmacy = offer("acpe_contact_hours", identifiers=uans("HP"), formats=(LIVE,))
    wanted = "holds a number for pharmacists (P) who take part in live activity: one of format L"
    assert problems(mixed(policy, credit=(pharmacy,))) == [f"credit.0.identifiers {wanted}"]


def test_a_number_of_a_format_that_nobody_can_read_covers_every_format(policy: CEActivityPolicy) -> None:
    assert problems(mixed(policy, credit=(offer("acpe_contact_hours", identifiers=uans("BP")),))) == []


AAPA = "This activity is designated for 1.25 AAPA Category 1 CME credits."


def test_credit_of_physician_assistants_is_named_in_full_with_its_amount(policy: CEActivityPolicy) -> None:
    assert problems(replace(policy, credit=(offer("aapa_category_1", AAPA, "1.25"),))) == []
    assert problems(replace(policy, credit=(offer("aapa_category_1", AAPA, "1.5"),))) == [
        "credit.0.designation_statement says: 1.5 AAPA Category 1 CME credits"
    ]
    [missing] = problems(replace(policy, credit=(offer("aapa_category_1", "1.25 credits.", "1.25"),)))
    assert missing == "credit.0.designation_statement names the credit in full: AAPA Category 1 CME credits"


def test_nurses_certificates_can_show_where_the_provider_is(policy: CEActivityPolicy) -> None:
    nowhere = replace(policy, credit=(offer("ancc_contact_hours"),))
    assert paths(nowhere) == ["provider.address"]
    for place in ({"address": "1 Lake Street"}, {"website": "https://lakeside.example"}):
        assert problems(replace(nowhere, provider=replace(policy.provider, **place))) == []


def ready_for_boards(policy: CEActivityPolicy, credit_type: str, statement: str) -> CEActivityPolicy:
    return replace(
        policy,
        provider=replace(policy.provider, address="1 Lake Street, Lakeside"),
        signatories=(Signatory(name="Ada Lovelace", title="Director"),),
        location="Lakeside",
        credit=(offer(credit_type, statement, identifiers=numbers("12345")),),
    )


CALIFORNIA = "Provider approved for 1 contact hour. Retain this certificate for a period of four years."


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (lambda p: replace(p, provider=replace(p.provider, address=None)), "provider.address"),
        (lambda p: replace(p, signatories=()), "signatories"),
        (lambda p: with_offer(p, 0, identifiers=()), "credit.0.identifiers"),
        (lambda p: with_offer(p, 0, designation_statement="Keep it."), "credit.0.designation_statement"),
        (lambda p: with_offer(p, 0, designated_units=Decimal("0.5")), "credit.0.designated_units"),
    ],
)
def test_california_finds_on_the_certificate_what_its_regulation_lists(
    policy: CEActivityPolicy, change: Change, path: str
) -> None:
    sound = ready_for_boards(policy, "california_rn_contact_hours", CALIFORNIA)
    assert problems(sound) == []
    assert paths(change(sound)) == [path]


NASBA = "Field of study: Accounting. Delivery method: Group Live. Credits are granted on a 50-minute hour."


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: replace(p, provider=replace(p.provider, address=None)), "provider.address is needed"),
        (lambda p: replace(p, signatories=()), "signatories has at least one"),
        (lambda p: replace(p, format=LIVE, location=None), "location is needed"),
        (lambda p: with_offer(p, 0, identifiers=()), "credit.0.identifiers holds the sponsor's"),
        (lambda p: with_statement(p, "Field", "Area"), "credit.0.designation_statement names the field of study"),
        (lambda p: with_statement(p, "Delivery m", "M"), "credit.0.designation_statement names the delivery method"),
        (lambda p: with_statement(p, "50-minute", "60-minute"), "credit.0.designation_statement says that a credit"),
        (lambda p: with_offer(p, 0, designated_units=Decimal("1.2")), "credit.0.designated_units is a multiple of 1,"),
    ],
)
def test_accountants_certificates_show_what_their_registry_lists(
    policy: CEActivityPolicy, change: Change, message: str
) -> None:
    sound = ready_for_boards(policy, "nasba_cpe", NASBA)
    assert problems(sound) == []
    [found] = problems(change(sound))
    assert found.startswith(message)


def test_only_live_activities_of_accountants_need_a_place(policy: CEActivityPolicy) -> None:
    sound = ready_for_boards(policy, "nasba_cpe", NASBA)
    assert sound.format is ENDURING
    assert problems(replace(sound, location=None)) == []


@pytest.mark.parametrize(("version", "units"), [(None, "2"), ("2026-1-halves", "1.5"), ("2026-1-fifths", "1.20")])
def test_a_program_for_accountants_counts_in_the_steps_that_its_sponsor_chose(
    policy: CEActivityPolicy, version: str | None, units: str
) -> None:
    sound = ready_for_boards(policy, "nasba_cpe", NASBA)
    assert problems(with_offer(sound, 0, rule_version=version, designated_units=Decimal(units))) == []
    assert paths(with_offer(sound, 0, rule_version=version, designated_units=Decimal("1.3"))) == [
        "credit.0.designated_units"
    ]


@pytest.mark.parametrize("credit_type", sorted(r.code for r in credit.rules() if r.code.endswith("_moc_points")))
def test_points_of_a_board_may_be_claimed_until_a_day_that_the_board_knows(
    policy: CEActivityPolicy, credit_type: str
) -> None:
    points = replace(policy, credit=(offer(credit_type),))
    assert problems(points) == []
    for window in (ClaimWindow(), ClaimWindow(days=30)):
        assert paths(replace(points, claim_window=window)) == ["claim_window.closes_on"]
