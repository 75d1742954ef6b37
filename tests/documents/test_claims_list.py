"""The office's list of claims as a file, however long it is."""

import io
import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from weakref import WeakSet

import openpyxl
import pytest

from documents import claims_list
from documents.claims_list import ListFormat, WrittenList, write_claims
from domain.exports import COLUMNS, ExportedClaim, ExportFilter, ExportHeading, StaffAct

YEAR = ExportFilter(from_on=date(2026, 1, 1), until_on=date(2026, 12, 31))
HEADING = ExportHeading(YEAR, datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC), "1.0")
CLAIM = ExportedClaim(
    claim_id="clm_x",
    learner_id="lrn_x",
    given_name="Ada",
    family_name="@SUM(1+1)",
    name_on_certificate="Ada Lovelace",
    credentials="MD",
    profession="physician",
    email="ada@people.example",
    identifiers={"npi": "0123"},
    ce_activity="grand-rounds",
    activity_code=None,
    title="Grand \u201crounds\u201d\nin two lines",
    provider="Example",
    learning_format="live activity",
    time_zone="America/Chicago",
    stage="completed",
    opened_on=date(2026, 5, 1),
    closed_on=None,
    completed_on=date(2026, 5, 2),
    awarded_on=date(2026, 5, 3),
    issued_on=date(2026, 5, 3),
    award_id="awd_x",
    award_state="active",
    credit_type="ama_pra_category_1",
    rule_version="1",
    units=Decimal("1.10"),
    certificate_id="crt_x",
    certificate_version=1,
    certificate_state="issued",
    verification_code="ABC",
    certificate_sha256="00",
    corrections=(),
    exceptions=(),
    audit_entries=7,
    newest_entry_hash="11",
)


def written(tmp_path: Path, claims: Iterator[ExportedClaim], wanted: ListFormat) -> tuple[WrittenList, bytes]:
    with (tmp_path / f"list.{wanted}").open("w+b") as file:
        result = write_claims(file, HEADING, claims, wanted)
        file.seek(0)
        return result, file.read()


def cells(content: bytes, sheet: str = "Claims") -> list[dict[str, object]]:
    """The rows of a sheet under their headings."""
    rows = list(openpyxl.load_workbook(io.BytesIO(content))[sheet].iter_rows(values_only=True))
    at = next(number for number, row in enumerate(rows) if row[0] == "Completed on")
    return [dict(zip([str(each) for each in rows[at]], row, strict=True)) for row in rows[at + 1 :]]


def test_text_stays_text_and_amounts_can_be_added_up(tmp_path: Path) -> None:
    _, content = written(tmp_path, iter([CLAIM]), ListFormat.XLSX)
    (row,) = cells(content)
    assert (row["Family name"], row["NPI"], row["Units awarded"]) == ("@SUM(1+1)", "0123", 1.1)
    assert row["CE activity"] == CLAIM.title
    sheet = openpyxl.load_workbook(io.BytesIO(content))["Claims"]
    assert {cell.data_type for row in sheet.iter_rows() for cell in row} <= {"s", "n", "d", "inlineStr"}
    assert sheet.auto_filter.ref.startswith("A6:")
    assert sheet.freeze_panes == "A7"


def test_a_workbook_that_has_more_rows_than_a_sheet_goes_on_on_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims_list, "_ROWS_ON_A_SHEET", 3)
    claims = [replace(CLAIM, claim_id=f"clm_{number}") for number in range(7)]
    result, content = written(tmp_path, iter(claims), ListFormat.XLSX)
    shown = [row["Claim number"] for name in ("Claims", "Claims 2", "Claims 3") for row in cells(content, name)]
    assert result.rows == 7
    assert shown == [claim.claim_id for claim in claims]


@pytest.mark.parametrize("wanted", ListFormat)
def test_a_list_of_nothing_still_says_what_it_is(tmp_path: Path, wanted: ListFormat) -> None:
    result, content = written(tmp_path, iter(()), wanted)
    assert result.rows == 0
    match wanted:
        case ListFormat.CSV:
            assert content.decode("utf-8-sig").splitlines() == [",".join(column.heading for column in COLUMNS)]
        case ListFormat.XLSX:
            assert cells(content) == []
        case ListFormat.JSON_LINES:
            assert json.loads(content)["made_at"] == "2027-01-02T03:04:05+00:00"


class Watched(ExportedClaim):
    """A claim that can be told to be alive, which one with slots alone cannot."""

    __hash__ = object.__hash__


@pytest.mark.parametrize("wanted", ListFormat)
def test_rows_are_let_go_as_soon_as_they_are_written(tmp_path: Path, wanted: ListFormat) -> None:
    alive: WeakSet[Watched] = WeakSet()
    counts = []

    def claims() -> Iterator[ExportedClaim]:
        for number in range(1_200):
            claim = Watched(**{**asdict(CLAIM), "claim_id": f"clm_{number}"})
            alive.add(claim)
            counts.append(len(alive))
            yield claim

    result, _ = written(tmp_path, claims(), wanted)
    assert result.rows == 1_200
    assert max(counts) < 600


def test_json_lines_keep_the_parts_of_what_staff_did(tmp_path: Path) -> None:
    act = StaffAct(kind="credit", on=date(2026, 6, 1), by="bo@x.example", approved_by=None, reason="Typo.")
    _, content = written(tmp_path, iter([replace(CLAIM, corrections=(act,))]), ListFormat.JSON_LINES)
    line = json.loads(content.splitlines()[1])
    wanted = {"kind": "credit", "on": "2026-06-01", "by": "bo@x.example", "approved_by": None, "reason": "Typo."}
    assert (line["corrections"], line["units"], line["completed_on"]) == ([wanted], "1.10", "2026-05-02")


def test_what_is_too_long_for_a_cell_is_cut_in_workbooks_only(tmp_path: Path) -> None:
    long = replace(CLAIM, title="x" * 40_000)
    (row,) = cells(written(tmp_path, iter([long]), ListFormat.XLSX)[1])
    assert row["CE activity"] == "x" * 32_767
    assert "x" * 40_000 in written(tmp_path, iter([long]), ListFormat.CSV)[1].decode()
