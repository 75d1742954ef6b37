"""Reading an organisation's list of its people."""

import pytest

from domain.employees import MOST_MISTAKES, Employee, EmployeeListError, read_employees

ADA = Employee(employee_id="E-7", given_name="Ada", family_name="Núñez", email="ada@hospital.example")
HEADER = "Employee ID,First name,Last name,E-mail\n"


def mistakes(text: str) -> list[tuple[int, str, str]]:
    with pytest.raises(EmployeeListError) as refused:
        read_employees(text.encode())
    return [(each.line, each.column, each.code) for each in refused.value.mistakes]


@pytest.mark.parametrize(
    "text",
    [
        HEADER + "e-7,Ada,Núñez,ada@hospital.example\n",
        "Surname;First;Mail;Staff no\r\nNúñez;Ada;ada@HOSPITAL.example;E-7\r\n",
        "email\tid\tgiven name\tfamily name\tDepartment\nada@hospital.example\tE-7\tAda\tNúñez\tER\n",
        'sep=,\nEmployee number,"First name","Last name",E-mail\n"E-7"," Ada ",Núñez,ada@hospital.example\n',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_any_sensible_order_heading_separator_and_encoding_is_read(text: str, encoding: str) -> None:
    assert read_employees(text.encode(encoding)) == (ADA,)


def test_what_the_list_leaves_empty_stays_empty() -> None:
    assert read_employees(b"Employee ID\n7\n8\n") == (Employee(employee_id="7"), Employee(employee_id="8"))
    assert read_employees(HEADER.encode() + b"7,Ada\n8,,,\n") == (
        Employee(employee_id="7", given_name="Ada"),
        Employee(employee_id="8"),
    )


def test_zeros_at_the_front_are_kept() -> None:
    assert read_employees(b"id\n007\n")[0].employee_id == "007"


def test_every_mistake_is_named_with_its_line_and_column() -> None:
    text = HEADER + "7,Ada,Lovelace,ada@hospital.example\n,Ada,,\nNA,,,\n7,,,\n8,A\u0007da,,nowhere\n9,\u0301,,\n"
    assert mistakes(text) == [
        (3, "employee_id", "employee_id_format"),
        (4, "employee_id", "employee_id_format"),
        (5, "employee_id", "employee_id_repeated"),
        (6, "given_name", "name_characters"),
        (6, "email", "email_format"),
        (7, "given_name", "name_characters"),
    ]


def test_a_mistake_reads_as_a_sentence() -> None:
    with pytest.raises(EmployeeListError) as refused:
        read_employees(b"id\n7\n7\n")
    assert str(refused.value) == "line 3: employee_id is on the list already, on line 2"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", (1, "", "empty")),
        ('id\n7\n"8', (3, "", "quotes")),
        ("First name,Last name\nAda,Lovelace\n", (1, "employee_id", "column_missing")),
        ("id,Staff no\n7,7\n", (1, "employee_id", "column_repeated")),
        (HEADER, (1, "", "list_empty")),
    ],
)
def test_a_file_that_is_no_list_is_refused(text: str, found: tuple[int, str, str]) -> None:
    assert mistakes(text) == [found]


def test_only_so_many_mistakes_are_told() -> None:
    assert len(mistakes("id\n" + "?\n" * (MOST_MISTAKES + 1))) == MOST_MISTAKES


def test_each_reason_has_words_of_its_own() -> None:
    names = ["x" * 201, "e" + "\u0301" * 6, "\u200b"]
    text = "id,First name,E-mail\n" + "".join(f"{at},{name},\n" for at, name in enumerate(names)) + f"9,,{'x' * 300}\n"
    assert [code for _, _, code in mistakes(text)] == [
        "name_too_long",
        "name_marks",
        "name_characters",
        "email_too_long",
    ]
