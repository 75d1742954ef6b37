"""Transcripts over HTTP: whose awards they list, in which period, and as what."""

import csv
import io
import re
from datetime import date
from decimal import Decimal
from typing import Any

import httpx2
import pypdf
import pytest
from sqlalchemy import Engine, update

from activities.claims import PostgresClaimActivities
from api.v1.transcript import TranscriptFormat, format_asked
from domain.identities import new_id
from domain.policy import CertificateIssue, Finalization, LearningFormat, Participation, ParticipationOption
from storage.tables import AwardRow, ClaimRow
from tests.api.conftest import Person, publish_example
from tests.api.records import NOON, Line, add_award, add_learner, merge
from tests.api.test_claim_over_http import awarded
from tests.claims import example_policy

TITLE = example_policy().title


async def transcript(person: Person, query: str = "") -> dict[str, Any]:
    response = await person.get(f"/v1/transcript{query}")
    assert response.status_code == 200, response.text
    return dict(response.json())


async def listed(person: Person, query: str = "") -> list[str]:
    return [entry["id"] for entry in (await transcript(person, query))["entries"]]


def rows_of(response: httpx2.Response) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"), newline="")))


def text_of(response: httpx2.Response) -> str:
    pages = pypdf.PdfReader(io.BytesIO(response.content)).pages
    return " ".join(" ".join(page.extract_text() for page in pages).split())


async def test_a_learner_without_awards_has_an_empty_transcript(learner: Person) -> None:
    found = await transcript(learner)
    assert found["learner"] == {"id": learner.learner_id, "name": "Ada Lovelace", "credentials": None}
    assert (found["entries"], found["totals"], found["years"]) == ([], [], [])


async def test_an_award_is_listed_with_its_certificate(learner: Person, slug: str, engine: Engine) -> None:
    award_id = add_award(engine, learner.learner_id, slug, "1.25")
    [entry] = (await transcript(learner))["entries"]
    certificate = entry.pop("certificate")
    claim = entry.pop("claim")
    assert entry == {
        "id": award_id,
        "historical": False,
        "title": TITLE,
        "provider": example_policy().provider.name,
        "learning_format": "enduring_material",
        "completed_on": "2026-05-31",
        "credit_type": "ama_pra_category_1",
        "credit_name": "AMA PRA Category 1 Credit(s)™",
        "credit_is_italic": True,
        "unit": "credit",
        "units": "1.25",
        "sessions": [],
        "is_final": True,
        "reference": None,
    }
    code = certificate["verification_code"]
    assert certificate == {
        "issued": "here",
        "state": "issued",
        "href": f"{claim}/certificate",
        "page_url": f"http://laurel.test{claim.removeprefix('/v1')}/certificate",
        "verification_code": code,
        "verification_url": f"http://laurel.test/verify/{code}",
        "system": None,
        "url": None,
    }


async def test_credit_that_was_just_awarded_is_on_the_transcript(
    learner: Person, slug: str, ledger: PostgresClaimActivities
) -> None:
    assert await listed(learner) == []
    claim = await awarded(learner, slug, ledger)
    [entry] = (await transcript(learner))["entries"]
    assert (entry["id"], entry["units"]) == (claim["award"]["id"], "1.00")
    assert (entry["claim"], entry["is_final"], entry["sessions"]) == (claim["href"], True, [])
    assert entry["certificate"]["state"] == "reserved"
    assert entry["certificate"]["verification_code"] == claim["certificate"]["verification_code"]


async def test_a_meeting_is_listed_with_its_sessions(learner: Person, slug: str, engine: Engine) -> None:
    lines = (
        Line("Opening plenary", "1.00", "s1", date(2026, 5, 30)),
        Line("Workshop", "0.75", "s2", date(2026, 5, 31)),
    )
    add_award(engine, learner.learner_id, slug, "1.75", lines=lines)
    [entry] = (await transcript(learner))["entries"]
    assert entry["sessions"] == [
        {"title": "Opening plenary", "held_on": "2026-05-30", "units": "1.00"},
        {"title": "Workshop", "held_on": "2026-05-31", "units": "0.75"},
    ]
    [row] = rows_of(await learner.get("/v1/transcript?format=csv"))
    assert row["Sessions"] == "Opening plenary (2026-05-30): 1.00; Workshop (2026-05-31): 0.75"


async def test_totals_are_by_type_and_by_year(learner: Person, engine: Engine) -> None:
    for units, credit_type, day in (
        ("1.25", "ama_pra_category_1", date(2026, 3, 1)),
        ("0.50", "ama_pra_category_1", date(2025, 12, 31)),
        ("2.00", "participation", date(2026, 1, 1)),
    ):
        add_award(engine, learner.learner_id, publish_example(engine), units, credit_type, completed_on=day)
    found = await transcript(learner)
    assert [(total["credit_type"], total["units"], total["awards"]) for total in found["totals"]] == [
        ("ama_pra_category_1", "1.75", 2),
        ("participation", "2.00", 1),
    ]
    assert [(year["year"], [total["units"] for total in year["totals"]]) for year in found["years"]] == [
        (2026, ["1.25", "2.00"]),
        (2025, ["0.50"]),
    ]
    assert [entry["completed_on"] for entry in found["entries"]] == ["2026-03-01", "2026-01-01", "2025-12-31"]


async def test_the_period_the_year_and_the_type_can_be_chosen(learner: Person, engine: Engine) -> None:
    old, new, other = (
        add_award(engine, learner.learner_id, publish_example(engine), "1.00", credit_type, completed_on=day)
        for credit_type, day in (
            ("ama_pra_category_1", date(2025, 6, 30)),
            ("ama_pra_category_1", date(2026, 6, 30)),
            ("participation", date(2026, 7, 1)),
        )
    )
    assert await listed(learner) == [other, new, old]
    assert await listed(learner, "?from=2025-06-30&to=2026-06-30") == [new, old]
    assert await listed(learner, "?from=2026-07-01") == [other]
    assert await listed(learner, "?to=2025-06-30") == [old]
    assert await listed(learner, "?year=2026") == [other, new]
    assert await listed(learner, "?year=2026&credit_type=ama_pra_category_1") == [new]
    assert await listed(learner, "?from=2001-01-01&to=2001-12-31") == []
    assert await listed(learner, "?year=2025&from=2026-01-01") == []


@pytest.mark.parametrize(
    ("query", "pointer", "code"),
    [
        ("from=2026-02-30", "from", "date_invalid"),
        ("from=soon", "from", "format"),
        ("from=1767225600", "from", "format"),
        ("to=2026-1-1", "to", "format"),
        ("from=2026-02-01&to=2026-01-31", "to", "range_reversed"),
        ("year=20", "year", "greater_than_equal"),
        ("year=twenty", "year", "int_parsing"),
        ("credit_type=air_miles", "credit_type", "credit_type_unknown"),
        ("credit_type=' OR 1=1", "credit_type", "format"),
        ("format=docx", "format", "enum"),
        ("bom=perhaps", "bom", "bool_parsing"),
    ],
)
async def test_a_wrong_filter_is_named(query: str, pointer: str, code: str, learner: Person) -> None:
    response = await learner.get(f"/v1/transcript?{query}")
    assert response.status_code == 422, response.text
    [error] = response.json()["errors"]
    assert (error["pointer"], error["code"]) == (pointer, code)


async def test_only_active_awards_are_listed(learner: Person, slug: str, engine: Engine) -> None:
    award_id = add_award(engine, learner.learner_id, slug)
    for state in ("superseded", "revoked", "duplicate"):
        with engine.begin() as connection:
            connection.execute(update(AwardRow).where(AwardRow.id == award_id).values(state=state))
        assert await listed(learner) == []


async def test_awards_of_everyone_who_was_merged_into_a_learner_are_theirs(learner: Person, engine: Engine) -> None:
    first, second, stranger = (add_learner(engine) for _ in range(3))
    merge(engine, first, learner.learner_id)
    merge(engine, second, learner.learner_id)
    mine = {add_award(engine, owner, publish_example(engine), "1.00") for owner in (learner.learner_id, first, second)}
    add_award(engine, stranger, publish_example(engine), "1.00")
    assert set(await listed(learner)) == mine
    assert (await transcript(learner))["totals"][0]["units"] == "3.00"


async def test_the_learning_format_is_the_one_of_the_way_the_learner_took_part(learner: Person, engine: Engine) -> None:
    options = (
        ParticipationOption(code="recorded", label="Recorded"),
        ParticipationOption(code="live", label="Live", format=LearningFormat.LIVE_ACTIVITY),
    )
    policy = example_policy()
    requirements = (Participation(options=options), *policy.requirements[1:])
    for option in options:
        slug = publish_example(engine, requirements=requirements)
        add_award(engine, learner.learner_id, slug, claim={"participation": option.code})
    formats = {entry["learning_format"] for entry in (await transcript(learner))["entries"]}
    assert formats == {"enduring_material", "live_activity"}


async def test_a_statement_is_final_once_the_learner_made_it_so(learner: Person, engine: Engine) -> None:
    slug = publish_example(engine, requirements=(*example_policy().requirements, Finalization()))
    award_id = add_award(engine, learner.learner_id, slug)
    assert [entry["is_final"] for entry in (await transcript(learner))["entries"]] == [False]
    with engine.begin() as connection:
        claim_of = AwardRow.__table__.select().where(AwardRow.id == award_id)
        claim_id = connection.execute(claim_of).one().claim_id
        connection.execute(update(ClaimRow).where(ClaimRow.id == claim_id).values(finalized_at=NOON))
    assert [entry["is_final"] for entry in (await transcript(learner))["entries"]] == [True]


async def test_a_certificate_elsewhere_is_named_with_its_address(learner: Person, engine: Engine) -> None:
    elsewhere = CertificateIssue(issued="elsewhere", system="Riverbend Records", url="https://records.example/ce")
    slug = publish_example(engine, certificate=elsewhere)
    add_award(engine, learner.learner_id, slug, with_certificate=False)
    [entry] = (await transcript(learner))["entries"]
    assert (entry["certificate"]["issued"], entry["certificate"]["system"]) == ("elsewhere", "Riverbend Records")
    assert entry["certificate"]["url"] == "https://records.example/ce"
    assert entry["certificate"]["href"] is None
    [row] = rows_of(await learner.get("/v1/transcript?format=csv"))
    assert (row["Certificate"], row["Verification code"]) == ("Riverbend Records", "")


async def test_csv_can_be_added_up_and_no_cell_is_a_formula(learner: Person, engine: Engine) -> None:
    hostile = '=HYPERLINK("http://evil.example","Click")'
    add_award(engine, learner.learner_id, publish_example(engine, title=hostile), "1.25")
    add_award(engine, learner.learner_id, publish_example(engine, title="@SUM(A1)"), "0.50")
    response = await learner.get("/v1/transcript", Accept="text/csv")
    assert response.headers["content-type"].startswith("text/csv")
    made_on = (await transcript(learner))["made_on"]
    assert response.headers["content-disposition"] == f'attachment; filename="transcript-{made_on}.csv"'
    assert response.content.startswith(b"\xef\xbb\xbfCompleted on,Title,")
    assert response.content.count(b"\r\n") == 3
    rows = rows_of(response)
    assert {row["Title"] for row in rows} == {f"'{hostile}", "'@SUM(A1)"}
    assert sum(Decimal(row["Units"]) for row in rows) == Decimal("1.75")
    assert all(re.fullmatch(r"http://laurel\.test/verify/[0-9A-Z-]{19}", row["Verification address"]) for row in rows)
    bare = await learner.get("/v1/transcript?format=csv&bom=false")
    assert bare.content == response.content.removeprefix(b"\xef\xbb\xbf")


async def test_the_pdf_prints_what_was_asked_for_and_twice_the_same(learner: Person, slug: str, engine: Engine) -> None:
    add_award(engine, learner.learner_id, slug, "1.25")
    response = await learner.get("/v1/transcript?year=2026", Accept="application/pdf")
    assert response.headers["content-type"] == "application/pdf"
    assert response.headers["content-disposition"].startswith('inline; filename="transcript-')
    printed = text_of(response)
    for part in ("Ada Lovelace", "Period: 2026", TITLE, "1.25 credits", "laurel.test/verify", "1 of 1"):
        assert part in printed
    assert (await learner.get("/v1/transcript?year=2026&format=pdf")).content == response.content


async def test_many_pdfs_in_a_minute_have_to_wait(learner: Person) -> None:
    codes = [(await learner.get("/v1/transcript?format=pdf")).status_code for _ in range(21)]
    assert 429 in codes
    assert (await learner.get("/v1/transcript")).status_code == 200


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", "json"),
        ("*/*", "json"),
        ("application/json", "json"),
        ("text/csv", "csv"),
        ("text/*", "csv"),
        ("application/pdf", "pdf"),
        ("Application/PDF ; version=1", "pdf"),
        ("text/csv;q=0.4, application/pdf;q=0.5", "pdf"),
        ("application/json;q=0, text/csv;q=0.1", "csv"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "json"),
        ("image/png", "json"),
        ("application/pdf;q=nonsense", "pdf"),
        (";;q=,", "json"),
    ],
)
def test_an_accept_header_chooses_what_it_prefers(accept: str, chosen: str) -> None:
    assert format_asked(accept) is TranscriptFormat(chosen)


async def test_staff_see_the_transcript_of_any_learner(
    learner: Person, coordinator: Person, slug: str, engine: Engine
) -> None:
    add_award(engine, learner.learner_id, slug)
    path = f"/v1/staff/learners/{learner.learner_id}/transcript"
    theirs = (await coordinator.get(path)).json()
    assert theirs == await transcript(learner)
    assert "Ada Lovelace" in text_of(await coordinator.get(f"{path}?format=pdf"))
    assert (await learner.get(path)).json()["code"] == "not_allowed"
    for absent in (new_id("lrn"), "lrn_x", "%00"):
        response = await coordinator.get(f"/v1/staff/learners/{absent}/transcript")
        assert (response.status_code, response.json()["code"]) == (404, "not_found")


async def test_a_learner_without_a_name_still_has_a_transcript(
    learner: Person, coordinator: Person, slug: str, engine: Engine
) -> None:
    nameless = add_learner(engine)
    add_award(engine, nameless, slug)
    path = f"/v1/staff/learners/{nameless}/transcript"
    assert (await coordinator.get(path)).json()["learner"]["name"] is None
    assert "Name not on record" in text_of(await coordinator.get(f"{path}?format=pdf"))
