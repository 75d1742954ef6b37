from dataclasses import replace
from datetime import UTC, date, datetime

from domain.exports import COLUMNS, ExportFilter, ExportHeading, StaffAct
from domain.identifiers import IDENTIFIERS
from tests.documents.test_claims_list import CLAIM, YEAR


def test_every_field_and_every_identifier_has_its_column() -> None:
    names = [column.name for column in COLUMNS]
    assert len(set(names)) == len(names)
    assert set(names) == (set(CLAIM.__slots__) - {"identifiers"}) | set(IDENTIFIERS)
    assert len({column.heading for column in COLUMNS}) == len(COLUMNS)


def test_a_claims_cells_stand_in_the_order_of_the_columns() -> None:
    cells = dict(zip([column.name for column in COLUMNS], CLAIM.cells, strict=True))
    assert (cells["npi"], cells["rn_license"], cells["units"]) == ("0123", None, CLAIM.units)
    assert cells["corrections"] == ""


def test_what_staff_did_is_told_in_one_cell() -> None:
    act = StaffAct(kind="credit", on=date(2026, 5, 1), by="ada@x.example", approved_by="bo@x.example", reason="Typo.")
    assert act.words == "credit on 2026-05-01 by ada@x.example, approved by bo@x.example: Typo."
    alone = StaffAct(kind="extension", on=date(2026, 5, 1), by="ada@x.example", approved_by=None, reason=None)
    assert alone.words == "extension on 2026-05-01 by ada@x.example"


def test_a_list_says_what_was_asked_for_and_when_it_was_made() -> None:
    wanted = replace(YEAR, credit_type="ama", ce_activity="rounds")
    heading = ExportHeading(wanted, datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC), "1.0")
    assert heading.lines[0] == "Claims from 2026-01-01 to 2026-12-31, credit type: ama, CE activity: rounds"
    assert heading.lines[-1] == "Made at 2027-01-02 03:04:05 UTC by Laurel 1.0."
    assert heading.file_name == "claims-2026-01-01-to-2026-12-31-ama-rounds-made-20270102T030405Z"


def test_a_list_of_all_days_says_how_else_it_was_narrowed_down() -> None:
    made_at = datetime(2027, 1, 2, tzinfo=UTC)
    everything = ExportHeading(ExportFilter(), made_at, "1.0")
    assert everything.file_name == "claims-all-made-20270102T000000Z"
    assert everything.lines[0] == "Claims from the first to the last, credit type: any, CE activity: any"
    few = ExportFilter(stage="grading", is_extension_requested=True, due_before=made_at, opened_from=made_at.date())
    assert few.name_parts == ["all", "grading", "filtered"]
    assert few.words.endswith(
        ", stage: grading, due before: 2027-01-02T00:00:00+00:00, waiting for more time: yes, opened from: 2027-01-02"
    )
