"""The office's pages of people and of the record: learners, merges, corrections, the audit trail, accounts."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import cast

import httpx2
import pytest
from sqlalchemy import Engine, text
from temporalio.client import Client

from activities.claims import PostgresClaimActivities
from activities.contract import ClaimStep
from config.settings import Settings
from domain.claims import Stage
from domain.corrections import CorrectionState, CreditChange, NameChange, Revocation, RevocationClass
from domain.identities import new_id
from domain.roles import Role
from tests.api.conftest import LedgerTemporal, Person, running, sign_in
from tests.api.test_claim_over_http import opened
from tests.api.test_staff_claim_pages import links, see, send
from tests.claims import TestClaim, example_policy
from tests.corrections import asked


@pytest.fixture
async def auditor(database_url: str, client: httpx2.AsyncClient) -> Person:
    return await sign_in(database_url, client, Role.AUDITOR)


@pytest.fixture
async def viewer(database_url: str, client: httpx2.AsyncClient) -> Person:
    return await sign_in(database_url, client, Role.VIEWER)


@pytest.fixture
def awarded(engine: Engine, ledger: PostgresClaimActivities) -> TestClaim:
    """A learner's completed claim; its certificate is not rendered."""
    claim = TestClaim(engine, cast(Client, None), example_policy())
    claim.receive_steps(Stage.COMPLETED, datetime.now(UTC) - timedelta(hours=1))
    step = ClaimStep(claim.claim_id, datetime.now(UTC))
    ledger.load_claim(step)
    ledger.grade_attempt(step)
    with ledger.ledger(claim.claim_id) as locked:
        locked.email_sent(new_id("eml"))
        locked.close()
    return claim


async def test_learners_are_found_by_address_name_and_identifier(
    coordinator: Person, database_url: str, client: httpx2.AsyncClient
) -> None:
    family = new_id("x").replace("_", "")
    learner = await sign_in(database_url, client, family_name=family)
    for query in (f"email={learner.email}", f"name={family}"):
        page = await see(coordinator, f"/staff/learners?{query}")
        assert f"/staff/learners/{learner.learner_id}" in links(page)
    nobody = await see(coordinator, f"/staff/learners?name={new_id('y')}")
    assert "Nobody is like that" in nobody.text


async def test_a_learners_page_shows_claims_and_leads_to_them(learner: Person, coordinator: Person, slug: str) -> None:
    claim = await opened(learner, slug)
    page = await see(coordinator, f"/staff/learners/{learner.learner_id}")
    assert learner.email in page.text
    assert f"/staff/claims/{claim['id']}" in links(page)
    csv = await see(coordinator, f"/staff/learners/{learner.learner_id}/transcript.csv")
    assert csv.headers["content-type"].startswith("text/csv")
    assert (await see(coordinator, f"/staff/learners/{new_id('lrn')}")).status_code == 404


async def test_a_profile_is_put_right_in_what_differs_only(learner: Person, coordinator: Person) -> None:
    path = f"/staff/learners/{learner.learner_id}"
    form = await see(coordinator, f"{path}/edit")
    was = dict(re.findall(r'name="(was_[^"]+)" value="([^"]*)"', form.text))
    assert was["was_given_name"] == "Ada"
    now = {name.removeprefix("was_"): value for name, value in was.items()}
    same = await send(coordinator, f"{path}/edit", reason="?", **was, **now)
    assert (same.status_code, "everything is as it was" in same.text) == (422, True)
    wrong = await send(coordinator, f"{path}/edit", reason="?", **was, **(now | {"npi": "12"}))
    assert (wrong.status_code, 'value="12"' in wrong.text) == (422, True)
    changes = now | {"given_name": "Adah", "npi": "1234567893"}
    right = await send(coordinator, f"{path}/edit", reason="Told by telephone.", **was, **changes)
    assert (right.status_code, right.headers["location"]) == (303, path)
    shown = (await coordinator.get(f"/v1{path}")).json()
    assert (shown["given_name"], shown["identifiers"]) == ("Adah", {"npi": "1234567893"})


async def test_credit_from_elsewhere_is_entered_and_taken_off_again(learner: Person, coordinator: Person) -> None:
    path = f"/staff/learners/{learner.learner_id}"
    award = {"title": "Old course", "provider": "Elsewhere", "credit_type": "ama_pra_category_1"}
    award |= {"units": "1,5", "completed_on": "2020-05-01", "reference": "", "reason": "Shown on paper."}
    wrong = await send(coordinator, f"{path}/historical-awards", **(award | {"units": "many"}))
    assert (wrong.status_code, 'id="units-error"' in wrong.text, 'value="Old course"' in wrong.text) == (
        422,
        True,
        True,
    )
    assert (await send(coordinator, f"{path}/historical-awards", **award)).status_code == 303
    page = await see(coordinator, path)
    (void,) = [link for link in links(page) if link.endswith("/void")]
    reasonless = await send(coordinator, void, reason="")
    assert (reasonless.status_code, "-error" in reasonless.text) == (422, True)
    assert (await send(coordinator, void, reason="A mistake.")).status_code == 303
    assert "A mistake." in (await see(coordinator, path)).text


async def test_two_learners_are_compared_and_become_one_by_a_typed_word(
    coordinator: Person, database_url: str, client: httpx2.AsyncClient
) -> None:
    kept, duplicate = [await sign_in(database_url, client) for _ in range(2)]
    path = f"/staff/learners/{kept.learner_id}/merge"
    page = await see(coordinator, f"{path}?duplicate={duplicate.learner_id}")
    assert page.status_code == 200
    assert {kept.email, duplicate.email} <= set(re.findall(r"<td>([^<]+)", page.text))
    fields = {"duplicate": duplicate.learner_id, "reason": "One person."}
    unsure = await send(coordinator, path, confirmation="ok", **fields)
    assert (unsure.status_code, 'id="confirmation-error"' in unsure.text) == (422, True)
    sure = await send(coordinator, path, confirmation="merge", **fields)
    assert sure.status_code == 303
    merged = await see(coordinator, f"/staff/learners/{duplicate.learner_id}")
    assert "part of another learner" in merged.text
    for other in ("", kept.learner_id, new_id("lrn")):
        assert (await see(coordinator, f"{path}?duplicate={other}")).status_code == 404


async def test_pairs_that_may_be_one_person_are_listed(
    coordinator: Person, database_url: str, client: httpx2.AsyncClient
) -> None:
    number = "".join(str(ord(each) % 10) for each in new_id("n")[-9:])
    people = [await sign_in(database_url, client) for _ in range(2)]
    for person in people:
        changed = await person.call("PATCH", "/v1/me", {"identifiers": {"nabp_eprofile_id": number}})
        assert changed.status_code == 200, changed.text
    ids = sorted(person.learner_id for person in people)
    page, after = "", ""
    while f"{ids[0]}/merge?duplicate={ids[1]}" not in page:
        page = (await see(coordinator, f"/staff/learners/duplicates{after}")).text
        found = re.search(r'href="/staff/learners/duplicates(\?after=[^"]+)"', page)
        after = found[1] if found else ""
        assert found or f"{ids[0]}/merge?duplicate={ids[1]}" in page
    assert "the same identifier" in page


async def test_a_second_person_agrees_to_a_correction_on_its_page(
    awarded: TestClaim, settings: Settings, temporal: LedgerTemporal
) -> None:
    careful = settings.model_copy(update={"correction_needs_approval": True})
    async with running(careful, temporal) as (_, client):
        asker, approver = [await sign_in(settings.database_url, client, Role.APPROVER) for _ in range(2)]
        preview = await send(
            asker,
            f"/staff/claims/{awarded.claim_id}/correct/preview",
            what="credit",
            units="0.50",
            reason="Left early.",
        )
        assert "A second person has to agree" in preview.text
        requested = await send(
            asker, f"/staff/claims/{awarded.claim_id}/correct", what="credit", units="0.50", reason="Left early."
        )
        assert requested.status_code == 303
        (waiting,) = (await asker.get(f"/v1/staff/claims/{awarded.claim_id}/corrections")).json()["data"]
        path = f"/staff/corrections/{waiting['id']}"
        assert f"{path}/approve" not in links(await see(asker, "/staff/corrections"))
        assert (await send(asker, f"{path}/approve")).status_code == 403
        page = await see(approver, "/staff/corrections?state=awaiting_approval")
        assert {f"{path}/approve", f"{path}/decline", f"/staff/claims/{awarded.claim_id}"} <= links(page)
        assert "Left early." in page.text
        assert (await send(approver, f"{path}/approve")).status_code == 303
        late = await send(approver, f"{path}/decline")
        assert (late.status_code, "There is a problem" in late.text) == (409, True)


async def test_what_was_corrected_is_listed_without_what_its_retention_removed(
    awarded: TestClaim, coordinator: Person, engine: Engine
) -> None:
    changes = (CreditChange(Decimal("0.50")), NameChange("Ann"), Revocation(RevocationClass.DUPLICATE))
    for change in changes:
        asked(awarded, change, CorrectionState.COMPLETED)
    with engine.begin() as connection:
        removed = text("UPDATE corrections SET body = '{}', reason = '' WHERE claim_id = :id")
        connection.execute(removed, {"id": awarded.claim_id})
    listed = (await coordinator.get(f"/v1/staff/claims/{awarded.claim_id}/corrections")).json()["data"]
    assert [each["change"] for each in listed] == [{}, {}, {}]
    page = await see(coordinator, f"/staff/claims/{awarded.claim_id}")
    assert page.text.count("(removed, because its retention is over)") == len(changes)


async def test_auditors_search_the_trail_and_others_do_not(
    auditor: Person, coordinator: Person, learner: Person, slug: str
) -> None:
    claim = await opened(learner, slug)
    page = await see(auditor, f"/staff/audit?stream=claim:{claim['id']}&actor={learner.email}&since=2020-01-01")
    assert page.status_code == 200
    assert "The claim was opened." in page.text
    assert 'id="stream-hint"' in page.text
    assert f"/staff/claims/{claim['id']}" in links(page)
    assert "/staff/accounts" in links(page)
    nothing = await see(auditor, f"/staff/audit?stream=claim:{claim['id']}&event=credit.awarded")
    assert "No entry is like that" in nothing.text
    wrong = await see(auditor, "/staff/audit?event=?!")
    assert (wrong.status_code, 'id="event-error"' in wrong.text) == (422, True)
    assert (await see(coordinator, "/staff/audit")).status_code == 403
    assert "/staff/audit" not in links(await see(coordinator, "/staff/learners"))


async def test_administrators_add_people_and_change_their_roles(
    administrator: Person, auditor: Person, coordinator: Person, viewer: Person
) -> None:
    email = f"{new_id('x')}@people.example"
    wrong = await send(administrator, "/staff/accounts", email="nobody", role="viewer", reason="New.")
    assert (wrong.status_code, 'id="email-error"' in wrong.text, 'value="nobody"' in wrong.text) == (422, True, True)
    added = await send(administrator, "/staff/accounts", email=email, role="viewer", reason="New.")
    assert added.status_code == 303
    path = f"/staff/accounts/{coordinator.account_id}"
    assert (await see(administrator, path)).status_code == 200
    changed = await send(administrator, path, role="approver", is_active="yes", reason="Moved up.")
    assert changed.status_code == 303
    now = (await administrator.get(f"/v1{path}")).json()
    assert (now["role"], (await coordinator.get("/v1/me")).status_code) == ("approver", 401)
    reasonless = await send(administrator, path, role="approver", is_active="no", reason="")
    assert (reasonless.status_code, 'id="reason-error"' in reasonless.text) == (422, True)
    own = await see(administrator, f"/staff/accounts/{administrator.account_id}")
    assert "Another administrator changes it" in own.text
    read = await see(auditor, "/staff/accounts")
    assert (read.status_code, "Give this role" in read.text) == (200, False)
    assert (await see(viewer, "/staff/accounts")).status_code == 403


@pytest.mark.parametrize(
    "path", ["/staff/learners", "/staff/learners/duplicates", "/staff/corrections", "/staff/audit", "/staff/accounts"]
)
async def test_learners_see_none_of_it(path: str, learner: Person) -> None:
    assert (await see(learner, path)).status_code == 403
