"""Comparing people, and what a profile still lacks."""

import pytest

from domain.people import (
    ALWAYS_REQUIRED,
    NOT_AN_EMPLOYEE,
    FullName,
    Likeness,
    Person,
    is_name_of,
    likenesses,
    matching_person,
    may_be_one_name,
    missing_fields,
    name_key,
    possible_identifiers,
    required_fields,
    shared_identifiers,
    written_identifier,
)
from domain.policy import CEActivityPolicy, Profession

ADA = name_key("Ada", "Lovelace")


def person(learner_id: str, name: str | None = ADA, **identifiers: str) -> Person:
    return Person(learner_id, name, identifiers)


@pytest.mark.parametrize(
    ("given", "family"),
    [
        ("José", "Núñez"),
        ("JOSE", "nunez"),
        ("  jose ", "Nu\u0301n\u0303ez"),
        ("\uff2a\uff4f\uff53\uff45", "Nunez"),
        ("José", "Nun\u0303\u00e9z"),
    ],
)
def test_case_accents_and_blanks_make_no_other_name(given: str, family: str) -> None:
    assert name_key(given, family) == "jose nunez"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("Anne-Marie", "O'Brien"), ("Anne Marie", "O\u2019Brien")),
        (("Ana", "María López"), ("Ana Maria", "Lopez")),
        (("Groß", "Weiß"), ("GROSS", "WEISS")),
        (("İpek", "Şahin"), ("ipek", "sahin")),
        (("J.", "R. R. Tolkien"), ("J", "R R Tolkien")),
    ],
)
def test_what_stands_between_words_makes_no_other_name(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert name_key(*one) == name_key(*other)


@pytest.mark.parametrize(
    ("one", "other"),
    [(("Ada", "Lovelace"), ("Ada", "Lovelac")), (("Нина", "Ким"), ("Нина", "Кин")), (("हरि", "राम"), ("हरी", "राम"))],
)
def test_other_letters_and_vowel_signs_make_another_name(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert name_key(*one) != name_key(*other)


@pytest.mark.parametrize(
    ("given", "family"), [(None, "Lovelace"), ("Ada", None), ("", "Lovelace"), ("Ada", ""), ("-", "...")]
)
def test_half_a_name_is_no_name(given: str | None, family: str | None) -> None:
    assert name_key(given, family) is None


@pytest.mark.parametrize(
    ("listed", "is_agreed"),
    [
        (("Ada", "Lovelace"), True),
        (("ADA KING", "Lovelacé"), True),
        ((None, "Lovelace"), True),
        (("Ada", None), True),
        ((None, None), True),
        (("Ada", "King"), False),
        (("Grace", "Lovelace"), False),
        (("Adam", "Lovelace"), False),
    ],
)
def test_a_name_agrees_with_a_list_as_far_as_that_goes(
    listed: tuple[str | None, str | None], *, is_agreed: bool
) -> None:
    assert is_name_of(listed, "Ada", "Lovelace") is is_agreed


@pytest.mark.parametrize(
    ("listed", "known"),
    [
        (("Ada", "Lovelace"), ("ADA", "lovelacé")),
        (("A.", "Lovelace"), ("Ada", "Lovelace")),
        (("Ada", "Lovelace"), ("Augusta Ada", "King Lovelace")),
        (("Augusta", "Lovelace"), ("A. A.", "Lovelace")),
        (("Lovelace", "Ada"), ("Ada", "Lovelace")),
        ((None, "Lovelace, Ada"), ("Ada", "Lovelace")),
        ((None, "Lovelace"), ("Ada", "Lovelace")),
        (("Ada", None), ("Ada", "Lovelace")),
        (("José", "Núñez García"), ("J", "Nunez")),
        (("Søren", "Müller"), ("Soeren", "Mueller")),
        (("Daniel", "O\u2019Rourke"), ("Dan", "ORourke")),
        (("Eun-ji", "Park"), ("Eunji", "Park")),
        (("Zoë", "van den Berg"), ("Zoe", "Vandenberg")),
        (("Łukasz", "Groß"), ("Lukasz", "GROSS")),
        (("Нина", "Ким"), ("нина", "КИМ")),
    ],
)
def test_one_person_may_stand_in_two_places_under_names_that_are_written_otherwise(
    listed: FullName, known: FullName
) -> None:
    assert may_be_one_name(listed, known)
    assert may_be_one_name(known, listed)


@pytest.mark.parametrize(
    ("listed", "known"),
    [
        (("Ada", "Lovelace"), ("Grace", "Hopper")),
        (("Ada", "Lovelace"), ("Ada", "King")),
        (("Ada", "Lovelace"), ("Grace", "Lovelace")),
        (("A", "Lovelace"), ("Grace", "Lovelace")),
        (("María", "García López"), ("María", "García Pérez")),
        (("Bill", "Joy"), ("William", "Joy")),
        (("Ada", None), (None, "Lovelace")),
        (("Ada", "Lovelace"), (None, None)),
        ((None, None), (None, None)),
        (("Нина", "Ким"), ("Nina", "Kim")),
    ],
)
def test_names_that_say_nothing_of_each_other_or_differ_in_a_part_are_not_one(
    listed: FullName, known: FullName
) -> None:
    assert not may_be_one_name(listed, known)
    assert not may_be_one_name(known, listed)


def test_whoever_has_no_name_yet_contradicts_no_list() -> None:
    assert is_name_of(("Ada", "Lovelace"), None, None)


@pytest.mark.parametrize("text", ["NA", "na", "N/A", "n/a", " Na ", "N.A."])
def test_people_who_are_no_employees_may_say_so_in_any_case(text: str) -> None:
    assert written_identifier("employee_id", text) == NOT_AN_EMPLOYEE


def test_only_an_employee_id_may_be_na() -> None:
    assert written_identifier("npi", "NA") is None
    assert written_identifier("license_number", "n/a") is None
    assert written_identifier("employee_id", " e-10442 ") == "E-10442"
    assert written_identifier("employee_id", "?") is None


def test_a_number_alone_may_be_an_identifier_of_several_kinds() -> None:
    found = dict(possible_identifiers("123456 7893"))
    assert (found["npi"], found["nabp_eprofile_id"]) == ("1234567893", "1234567893")
    assert found["license_number"] == "123456 7893"
    assert "employee_id" not in found
    assert "birth_month_day" not in dict(possible_identifiers("07-04"))
    assert possible_identifiers("n/a") == ()


def test_an_employee_id_finds_its_person_whatever_the_name() -> None:
    married = person("a", name_key("Ada", "King"), employee_id="E1")
    assert matching_person(ADA, "E1", [married, person("b"), person("c", employee_id="E2")]) is married


def test_an_employee_id_of_two_people_needs_the_name_too() -> None:
    one, other = person("a", employee_id="E1"), person("b", "grace hopper", employee_id="E1")
    assert matching_person(ADA, "E1", [one, other]) is one
    assert matching_person("nobody else", "E1", [one, other]) is None
    assert matching_person(ADA, "E1", [one, person("c", employee_id="E1")]) is None


def test_a_name_finds_its_person_only_when_nobody_else_bears_it() -> None:
    one = person("a")
    assert matching_person(ADA, None, [one, person("b", "grace hopper")]) is one
    assert matching_person(ADA, None, [one, person("b")]) is None
    assert matching_person(ADA, None, []) is None
    assert matching_person(None, None, [person("a", None)]) is None


def test_a_namesake_with_another_employee_id_is_somebody_else() -> None:
    namesake, unknown = person("a", employee_id="E2"), person("b")
    assert matching_person(ADA, "E1", [namesake]) is None
    assert matching_person(ADA, "E1", [namesake, unknown]) is unknown
    assert matching_person(ADA, None, [namesake]) is namesake


def test_one_who_is_no_employee_is_found_by_name() -> None:
    outside = person("a", employee_id=NOT_AN_EMPLOYEE)
    assert matching_person(ADA, None, [outside]) is outside
    assert matching_person(ADA, "E1", [outside]) is outside


def test_the_same_identifier_makes_two_learners_alike() -> None:
    one = person("a", "x", npi="1234567893", license_number="MD 1")
    other = person("b", "y", npi="1234567893", license_number="MD 2")
    assert likenesses(one, other) == (Likeness.SAME_IDENTIFIER,)
    assert shared_identifiers(one, other) == ("npi",)


def test_a_birthday_alone_and_no_employment_say_nothing() -> None:
    one = person("a", "x", birth_month_day="07-04", employee_id=NOT_AN_EMPLOYEE)
    other = person("b", "y", birth_month_day="07-04", employee_id=NOT_AN_EMPLOYEE)
    assert likenesses(one, other) == ()


def test_the_same_name_and_birthday_make_two_learners_alike() -> None:
    one, other = person("a", birth_month_day="07-04"), person("b", birth_month_day="07-04")
    assert likenesses(one, other) == (Likeness.SAME_NAME_AND_BIRTH_DAY,)
    assert likenesses(one, person("c")) == ()
    assert likenesses(person("c"), one) == ()
    assert likenesses(one, person("d", None, birth_month_day="07-04")) == ()
    assert likenesses(person("d", None, birth_month_day="07-04"), one) == ()
    nameless = person("e", None, birth_month_day="07-04")
    assert likenesses(nameless, person("f", None, birth_month_day="07-04")) == ()


def test_two_learners_may_be_alike_for_both_reasons() -> None:
    one = person("a", birth_month_day="07-04", npi="1234567893")
    assert likenesses(one, person("b", birth_month_day="07-04", npi="1234567893")) == tuple(Likeness)


def test_a_ce_activity_requires_what_its_credit_for_this_profession_requires(policy: CEActivityPolicy) -> None:
    assert required_fields(policy, Profession.PHYSICIAN) == ALWAYS_REQUIRED
    assert required_fields(policy, None) == ALWAYS_REQUIRED
    pharmacist = required_fields(policy, Profession.PHARMACIST)
    assert pharmacist == (*ALWAYS_REQUIRED, "nabp_eprofile_id", "birth_month_day")


def test_what_is_missing_keeps_the_order_of_what_is_required() -> None:
    profile = {"given_name": "Ada", "family_name": "", "profession": None, "email": "ada@people.example"}
    required = (*ALWAYS_REQUIRED, "employee_id")
    assert missing_fields(profile, required) == ("family_name", "profession", "employee_id")
    assert missing_fields({**profile, "employee_id": NOT_AN_EMPLOYEE}, ["employee_id"]) == ()
