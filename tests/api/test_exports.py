"""What staff and auditors take out of the record: a list of claims, one claim's bundle; each taking is entered."""

import csv
import hashlib
import io
import json
import runpy
import time
import tracemalloc
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx2
import openpyxl
import pytest
from sqlalchemy import Engine, insert, text

from activities.checkpoints import Checkpointer
from documents.claims_list import WrittenList
from domain.exports import COLUMNS, ExportedClaim, ExportFilter
from domain.identities import new_id
from domain.roles import Role
from storage.acts import Actor
from storage.audit_bundle import pack
from storage.audit_log import last_signed_checkpoint
from storage.disclosures import Disclosure
from storage.exports import hand_out_claims
from storage.sealing import open_entries
from storage.tables import CorrectionRow, LearnerIdentifierRow, SubmissionRow
from tests.api.conftest import Person, publish_example, sign_in
from tests.api.records import NOON, add_award, add_claim, add_learner

VERIFIER = Path(pack.__file__).parent / "verify.py"
HEADINGS = [column.heading for column in COLUMNS]
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
WHY = "reason=Annual+report"


@dataclass(frozen=True, slots=True)
class Listed:
    """A CE activity of this test's own, with an award, and a claim that expired without one."""

    slug: str
    award_id: str
    claim_id: str


@pytest.fixture
async def auditor(database_url: str, client: httpx2.AsyncClient) -> Person:
    return await sign_in(database_url, client, Role.AUDITOR)


@pytest.fixture
def listed(engine: Engine) -> Listed:
    slug = publish_example(engine)
    learner = add_learner(engine, given_name="=cmd|' /C calc'!A0", family_name="\u5c71\u7530", profession="physician")
    with engine.begin() as connection:
        connection.execute(insert(LearnerIdentifierRow).values(learner_id=learner, kind="npi", value="0234567893"))
    award = add_award(engine, learner, slug, "1.25", awarded_at=datetime(2026, 6, 1, 3, tzinfo=UTC))
    other = add_learner(engine, given_name="Bo", family_name="Ek")
    claim = add_claim(engine, other, slug, stage="expired", closed_at=datetime(2026, 7, 1, 4, 59, tzinfo=UTC))
    return Listed(slug, award, claim)


def url(listed: Listed, **values: str) -> str:
    wanted = {"from": "2026-01-01", "to": "2026-12-31", "reason": "Report", "ce_activity": listed.slug} | values
    return "/v1/staff/exports/claims?" + "&".join(f"{name}={value}" for name, value in wanted.items())


def records(response: httpx2.Response) -> list[dict[str, str]]:
    assert response.status_code == 200, response.text
    return list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"), newline="")))


def disclosed(engine: Engine, event: str, **after: Any) -> list[dict[str, Any]]:
    """The entries about what was handed out, opened."""
    with engine.connect() as connection:
        bodies = connection.execute(text("SELECT body FROM audit_events WHERE stream = 'disclosures' ORDER BY seq"))
        entries = open_entries(connection, [bytes(row.body) for row in bodies])
    return [each for each in entries if each["event"] == event and after.items() <= each["after"].items()]


async def test_an_award_and_a_claim_without_one_are_a_row_each(coordinator: Person, listed: Listed) -> None:
    first, second = records(await coordinator.get(url(listed)))
    assert list(first) == HEADINGS
    wanted = {
        "Completed on": "2026-05-31", "Family name": "\u5c71\u7530", "NPI": "0234567893", "Units awarded": "1.25",
        "Credit type": "ama_pra_category_1", "Award": "active", "Award number": listed.award_id,
        "Certificate": "issued", "Certificate version": "1", "Time zone of the dates": "America/Chicago",
        # The award was made on the first of June in UTC, and on the last of May where the CE activity is.
        "Awarded on": "2026-05-31",
    }  # fmt: skip
    assert wanted.items() <= first.items()
    wanted = {"Claim number": listed.claim_id, "Closed on": "2026-06-30", "Award": "", "Units awarded": ""}
    assert wanted.items() <= second.items()


async def test_no_cell_is_carried_out_as_a_formula(coordinator: Person, listed: Listed) -> None:
    first, _ = records(await coordinator.get(url(listed)))
    assert first["Given name"] == "'=cmd|' /C calc'!A0"
    book = openpyxl.load_workbook(io.BytesIO((await coordinator.get(url(listed, format="xlsx"))).content))
    cells = {cell.value: cell.data_type for row in book.active.iter_rows() for cell in row}
    assert cells["=cmd|' /C calc'!A0"] != "f" or "f" not in cells.values()


async def test_csv_has_its_headings_first_and_excels_mark_only_if_wanted(coordinator: Person, listed: Listed) -> None:
    marked, plain = [(await coordinator.get(url(listed, bom=bom))).content for bom in ("true", "false")]
    assert marked == b"\xef\xbb\xbf" + plain
    assert plain.startswith(b"Completed on,Family name,")


async def test_a_workbook_says_what_it_is_and_holds_numbers_and_dates(coordinator: Person, listed: Listed) -> None:
    response = await coordinator.get(url(listed), Accept=XLSX)
    assert response.headers["content-type"] == XLSX
    book = openpyxl.load_workbook(io.BytesIO(response.content), read_only=True)
    rows = list(book["Claims"].iter_rows(values_only=True))
    assert rows[0][0].startswith(f"Claims from 2026-01-01 to 2026-12-31, credit type: any, CE activity: {listed.slug}")
    assert "time zone" in rows[2][0]
    assert rows[3][0].startswith("Made at 20")
    assert [value for value in rows[5] if value] == HEADINGS
    first = dict(zip(HEADINGS, rows[6], strict=True))
    assert first["Units awarded"] == 1.25
    assert first["Completed on"] == datetime(2026, 5, 31)  # noqa: DTZ001  # a workbook knows no zones
    assert first["NPI"] == "0234567893"


async def test_json_lines_begin_with_what_the_list_is(coordinator: Person, listed: Listed) -> None:
    response = await coordinator.get(url(listed), Accept="application/jsonl")
    about, first, second = [json.loads(line) for line in response.text.splitlines()]
    assert (about["export"], about["from_on"], about["ce_activity"]) == ("claims", "2026-01-01", listed.slug)
    assert (first["units"], first["identifiers"]) == ("1.25", {"npi": "0234567893"})
    assert (second["claim_id"], second["units"]) == (listed.claim_id, None)


@pytest.mark.parametrize(
    ("values", "count"),
    [
        ({"from": "2026-05-31", "to": "2026-05-31"}, 1),
        ({"from": "2026-06-01", "to": "2026-06-29"}, 0),
        ({"from": "2026-06-30", "to": "2026-06-30"}, 1),
        ({"credit_type": "ama_pra_category_1"}, 1),
        ({"credit_type": "ancc_contact_hours"}, 0),
    ],
)
async def test_only_what_is_asked_for_is_listed(
    values: dict[str, str], count: int, coordinator: Person, listed: Listed
) -> None:
    assert len(records(await coordinator.get(url(listed, **values)))) == count


def claim_of(engine: Engine, award_id: str) -> tuple[str, str]:
    """The claim of an award, and its learner."""
    with engine.connect() as connection:
        query = text("SELECT claim_id, learner_id FROM awards WHERE id = :id")
        row = connection.execute(query, {"id": award_id}).one()
    return row.claim_id, row.learner_id


async def test_corrections_and_exceptions_say_who_made_and_who_approved_them(
    engine: Engine, coordinator: Person, listed: Listed, database_url: str, client: httpx2.AsyncClient
) -> None:
    approver = await sign_in(database_url, client, Role.APPROVER)
    claim_id, learner_id = claim_of(engine, listed.award_id)
    correction = {
        "id": new_id("cor"), "claim_id": claim_id, "kind": "credit", "state": "completed", "body": {},
        "reason": "Typo.", "requested_by": coordinator.account_id, "decided_by": approver.account_id,
        "applied_at": NOON,
    }  # fmt: skip
    extension = {
        "id": new_id("sub"), "claim_id": claim_id, "learner_id": learner_id, "actor": coordinator.account_id,
        "kind": "extension", "body": {"due_on": "2026-12-31", "reason": "Illness."}, "received_at": NOON,
        "decided_at": NOON, "outcome": "accepted",
    }  # fmt: skip
    with engine.begin() as connection:
        connection.execute(insert(CorrectionRow).values(**correction))
        connection.execute(insert(CorrectionRow).values(**correction | {"id": new_id("cor"), "state": "refused"}))
        connection.execute(insert(SubmissionRow).values(**extension))
        connection.execute(insert(SubmissionRow).values(**extension | {"id": new_id("sub"), "outcome": "refused"}))
    first, _ = records(await coordinator.get(url(listed)))
    assert first["Corrections"] == f"credit on 2026-05-31 by {coordinator.email}, approved by {approver.email}: Typo."
    assert first["Exceptions"] == f"extension on 2026-05-31 by {coordinator.email}: Illness."


async def test_each_list_that_was_handed_out_is_entered_with_its_hash(
    engine: Engine, coordinator: Person, listed: Listed
) -> None:
    response = await coordinator.get(url(listed, reason="For the accreditor"))
    (entry,) = disclosed(engine, "claims.exported", ce_activity=listed.slug)
    assert (entry["actor"], entry["private"]) == (coordinator.account_id, {"reason": "For the accreditor"})
    assert entry["after"] | {"rows": 2, "format": "csv", "from": "2026-01-01"} == entry["after"]
    assert entry["evidence"] == {"file": hashlib.sha256(response.content).hexdigest()}
    assert entry["request_id"] == response.headers["x-request-id"]


def kept_rows(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(text("SELECT count(*) FROM audit_events WHERE stream = 'disclosures'")))


BUNDLE = "/v1/staff/claims/{}/audit.zip?" + WHY
LIST = "/v1/staff/exports/claims?from=2026-01-01&to=2026-01-02&" + WHY


@pytest.mark.parametrize(
    ("role", "may_list", "may_bundle"),
    [
        (Role.LEARNER, False, False),
        (Role.COORDINATOR, True, False),
        (Role.APPROVER, True, False),
        (Role.AUDITOR, True, True),
        (Role.ADMINISTRATOR, True, True),
    ],
)
async def test_staff_take_lists_and_only_auditors_take_bundles(
    role: Role, may_list: bool, may_bundle: bool, database_url: str, client: httpx2.AsyncClient
) -> None:
    person = await sign_in(database_url, client, role)
    assert (await person.get(LIST)).status_code == (200 if may_list else 403)
    # There is no such claim, which only those are told who might have had it.
    assert (await person.get(BUNDLE.format(new_id("clm")))).status_code == (404 if may_bundle else 403)


@pytest.mark.parametrize(
    "query",
    [
        "from=2026-01-01&to=2026-01-02",
        "from=2026-01-01&to=2026-01-02&reason=%20",
        "from=2026-01-01&to=2026-01-02&reason=a%07b",
        "from=2026-01-01&to=2026-01-02&reason=" + "x" * 2001,
        "from=2026-01-02&to=2026-01-01&" + WHY,
        "from=2026-02-30&to=2026-03-01&" + WHY,
        "to=2026-03-01&" + WHY,
        "from=2026-01-01&to=2026-01-02&credit_type=canary-7f3a&" + WHY,
        "from=2026-01-01&to=2026-01-02&ce_activity=A%00B&" + WHY,
        "from=2026-01-01&to=2026-01-02&format=pdf&" + WHY,
        "from=2026-01-01&to=2026-01-02&canary-7f3a=1&" + WHY,
    ],
)
async def test_a_wrong_order_is_refused_and_nothing_is_entered(query: str, engine: Engine, auditor: Person) -> None:
    before = kept_rows(engine)
    response = await auditor.get(f"/v1/staff/exports/claims?{query}")
    assert (response.status_code, response.json()["code"]) == (422, "validation_failed")
    assert "canary" not in response.text
    assert kept_rows(engine) == before


@pytest.mark.parametrize("path", ["clm_x", "x", "..%2f", "%00"])
async def test_a_malformed_claim_is_as_absent_as_any_other(path: str, engine: Engine, auditor: Person) -> None:
    before = kept_rows(engine)
    assert (await auditor.get(BUNDLE.format(path))).status_code == 404
    assert (await auditor.get(BUNDLE.format(new_id("clm")))).json()["code"] == "not_found"
    for query in ("", "?reason=", f"?{WHY}&anchored=0", f"?{WHY}&anchored=x"):
        assert (await auditor.get(f"/v1/staff/claims/{new_id('clm')}/audit.zip{query}")).status_code == 422
    assert kept_rows(engine) == before


async def test_an_auditor_takes_the_bundle_of_a_claim_and_checks_it(
    learner: Person, auditor: Person, slug: str, engine: Engine, checkpointer: Checkpointer
) -> None:
    claim = (await learner.post("/v1/claims", {"ce_activity": slug})).json()
    note = signed(checkpointer, engine, claim["id"])
    size = int(note.split("\n")[1])
    response = await auditor.get(BUNDLE.format(claim["id"]) + f"&anchored={size}")
    assert (response.status_code, response.headers["content-type"]) == (200, "application/zip")
    assert response.headers["content-disposition"] == f'attachment; filename="audit-{claim["id"]}.zip"'
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    found = runpy.run_path(str(VERIFIER))["check"](files, note)
    assert {result for result, _, _ in found} == {"ok"}, found
    (entry,) = disclosed(engine, "claim.exported", claim=claim["id"])
    assert (entry["actor"], entry["private"]["reason"]) == (auditor.account_id, "Annual report")


@pytest.fixture
def checkpointer(engine: Engine, keys_dir: Path) -> Checkpointer:
    return Checkpointer(engine, keys_dir, "http://laurel.test")


def signed(checkpointer: Checkpointer, engine: Engine, claim_id: str) -> str:
    """The note of a checkpoint that covers this claim."""
    numbered = text("SELECT max(leaf_index) FROM audit_leaves WHERE stream = :stream")
    for _ in range(600):
        checkpointer.number_all()
        checkpointer.checkpoint()
        with engine.connect() as connection:
            newest = last_signed_checkpoint(connection)
            if newest and (connection.scalar(numbered, {"stream": f"claim:{claim_id}"}) or newest.size) < newest.size:
                return newest.note or ""
        time.sleep(0.05)  # a transaction anywhere that has not ended yet
    raise AssertionError("the claim gets no checkpoint")


def test_a_long_list_is_read_a_few_hundred_rows_at_a_time(engine: Engine, database_url: str) -> None:
    slug = publish_example(engine)
    add_many(engine, slug, 3_000)
    wanted = ExportFilter(from_on=date(2026, 1, 1), until_on=date(2026, 12, 31), ce_activity=slug)

    def measure(claims: Iterator[ExportedClaim]) -> WrittenList:
        next(claims)
        tracemalloc.start()
        rows = 1 + sum(1 for _ in claims)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        # All rows at once would be 10 MB and more.
        assert peak < 3_000_000
        return WrittenList(rows, b"")

    why = Disclosure(Actor("cli:tests"), "Measured.")
    assert hand_out_claims(database_url, wanted, "none", why, measure).rows == 3_000


def add_many(engine: Engine, slug: str, count: int) -> None:
    """Awards of as many learners, without documents."""
    with engine.begin() as connection:
        values = {"slug": slug, "count": count, "run": new_id("x")[-8:]}
        for statement in MANY:
            connection.execute(text(statement), values)


MANY = (
    """
    INSERT INTO learners (id, given_name, family_name)
    SELECT 'lrn_' || :run || n, 'Given ' || n, 'Family ' || n FROM generate_series(1, :count) n
    """,
    """
    INSERT INTO claims (id, learner_id, ce_activity_id, version_id, stage, stage_since_at, opened_at)
    SELECT 'clm_' || :run || n, 'lrn_' || :run || n, a.id, a.version_id, 'completed', now(), now()
      FROM generate_series(1, :count) n, ce_activities a WHERE a.slug = :slug
    """,
    """
    INSERT INTO awards (id, claim_id, learner_id, ce_activity_id, version_id, credit_type, rule_version, units, state,
                        completed_on, attestation_version, attested_at, awarded_at)
    SELECT 'awd_' || :run || n, 'clm_' || :run || n, 'lrn_' || :run || n, a.id, a.version_id, 'ama_pra_category_1',
           '2026-1', 1.25, 'active', '2026-05-05', '1', now(), now()
      FROM generate_series(1, :count) n, ce_activities a WHERE a.slug = :slug
    """,
)
