"""Who may see and do what: every route with a declared policy, strangers always the same 404."""

import re
from typing import Any

import httpx2
import pytest
from fastapi import APIRouter, FastAPI
from sqlalchemy import Engine

from api.auth import ACCESS, undeclared
from config.settings import Settings
from domain.identities import new_id
from domain.roles import APPROVING_ROLES, AUDITING_ROLES, OFFICE_ROLES, STAFF_ROLES, Role
from tests.api.conftest import LedgerTemporal, Person, definition_text, running, sign_in
from tests.claims import example_policy, full_responses, right_answers
from tests.description import DESCRIPTION

POLICY = example_policy()
OPERATIONS = sorted(
    (method.upper(), path) for path, operations in DESCRIPTION["paths"].items() for method in operations
)
PUBLIC = {
    ("POST", "/v1/session"), ("POST", "/v1/session/links"), ("GET", "/v1/certificates/{code}"), ("GET", "/healthz"),
    ("GET", "/readyz"), ("GET", "/metrics"), ("GET", "/v1/certificates/by-hash/{sha256}"),
    ("GET", "/v1/credentials/{code}"),
    ("GET", "/v1/status-lists/{number}"), ("GET", "/v1/ce-activities"), ("GET", "/v1/ce-activities/{slug}"),
    ("GET", "/v1/transcript-links/{token}"), ("POST", "/v1/reminders/stop"),
}  # fmt: skip
# A platform has no token: what it sends is signed.
SIGNED = {("POST", "/v1/integrations/{name}/events")}
OF_A_CLAIM = [each for each in OPERATIONS if "{claim_id}" in each[1] and "/staff/" not in each[1]]
FOR_STAFF = [each for each in OPERATIONS if "/staff/" in each[1]]

PREFIXES = {
    "claim_id": "clm",
    "submission_id": "sub",
    "learner_id": "lrn",
    "award_id": "haw",
    "correction_id": "cor",
    "bulk_id": "blk",
    "session_id": "ses",
    "link_id": "trl",
    "report_id": "prb",
    "account_id": "acc",
    "email_id": "eml",
    "pause_id": "isp",
}
BODIES: dict[str, Any] = {
    "participation": {"value": "x"},
    "answers": {"answers": right_answers(POLICY)},
    "evaluations": {"responses": full_responses(POLICY)},
    "credit": {"credit_type": "x", "units": "1", "attestation_version": "x", "attested": True},
    "withdrawal": {"reason": "Why not."},
    "extend": {"due_on": "2027-01-31", "reason": "Ill."},
    "retry": {"reason": "Fixed."},
    "clone": {"slug": "x"},
    "refuse-extension": {"reason": "Closed."},
    "bulk": {"action": "hold", "reason_code": "other", "reason": "Why not.", "filter": {}, "preview": True},
    "hold": {"reason_code": "identity_check", "reason": "Two people."},
    "release": {"reason_code": "checked", "reason": "It is hers."},
    "waive": {"requirement": "evaluation", "reason_code": "done_otherwise", "reason": "On paper."},
    "resolve": {"reason_code": "told_otherwise", "reason": "By telephone."},
    "withdraw": {"reason_code": "learner_asked", "reason": "By telephone."},
    "deny": {"reason_code": "not_eligible", "reason": "A student."},
    "reopen": {"reason_code": "appeal_granted", "reason": "The board agreed."},
    "correct": {"units": "1.00", "reason": "Wrong."},
    "revoke": {"reason_class": "duplicate", "reason": "Twice."},
    "reissue": {"reason": "New logo."},
    "approve": {},
    "decline": {},
    "statement": {"credit_type": "x"},
    "disclosures": {"version": "x"},
    "{session}": {"units": "1"},
    "{form}": {"responses": {}},
    "finalization": {"confirmed": True},
    "extension-requests": {"reason": "Ill."},
    "problem-reports": {"message": "Help."},
    "answer": {"answer": "Here."},
    "close": {"reason": "Solved."},
    "resend": {"reason": "Never came."},
    "notes": {"text": "Telephoned."},
    "preview": {"units": "1.00", "reason": "Wrong."},
    "accounts": {"email": "new@people.example", "role": "viewer", "reason": "Hired."},
    "{account_id}": {"role": "viewer", "reason": "Moved."},
    "{learner_id}": {"given_name": "Ada", "reason": "Misspelt."},
    "issuance-pauses": {"provider": "no-such-provider", "reason_code": "other", "reason": "A drill."},
    "lift": {"reason_code": "checked", "reason": "A drill."},
    "merge": {"duplicate": new_id("lrn"), "reason": "One person."},
}


def without_ids(response: httpx2.Response) -> str:
    return re.sub(r"req_\w+", "", response.text)


def address_of(path: str, **known: str) -> str:
    """An address of a route; what is not known is an id of nothing, or any word."""
    ids = {name: new_id(prefix) for name, prefix in PREFIXES.items()} | {"number": "1"} | known
    return re.sub(r"{(\w+)}", lambda part: ids.get(part[1], "x"), path)


async def call(person: Person, method: str, path: str, claim_id: str) -> httpx2.Response:
    return await person.call(method, address_of(path, claim_id=claim_id), BODIES.get(path.rpartition("/")[2]))


def test_a_route_without_a_policy_keeps_the_application_from_starting() -> None:
    router = APIRouter()

    @router.get("/open-to-all")
    async def open_to_all() -> None: ...

    assert undeclared(router.routes, ACCESS) == ["/open-to-all"]


@pytest.mark.parametrize(("method", "path"), [each for each in OPERATIONS if each not in PUBLIC])
async def test_nobody_gets_in_without_a_token(method: str, path: str, client: httpx2.AsyncClient) -> None:
    address = address_of(path)
    for headers in ({}, {"Authorization": "Bearer " + "x" * 43}, {"Authorization": "Basic YTpi"}):
        response = await client.request(method, address, headers=headers)
        code = "signature_invalid" if (method, path) in SIGNED else "not_signed_in"
        assert (response.status_code, response.json()["code"]) == (401, code)


@pytest.mark.parametrize(("method", "path"), OF_A_CLAIM)
async def test_a_strangers_claim_is_as_absent_as_one_that_never_was(
    method: str, path: str, learner: Person, coordinator: Person, slug: str
) -> None:
    claim = (await learner.post("/v1/claims", {"ce_activity": slug})).json()
    foreign = await call(coordinator, method, path, claim["id"])
    absent = await call(coordinator, method, path, new_id("clm"))
    malformed = await call(coordinator, method, path, "clm_x")
    assert foreign.status_code == 404
    assert without_ids(foreign) == without_ids(absent) == without_ids(malformed)
    assert set(foreign.headers) == set(absent.headers)


@pytest.mark.parametrize(("method", "path"), FOR_STAFF)
async def test_learners_are_not_staff(method: str, path: str, learner: Person, slug: str) -> None:
    claim = (await learner.post("/v1/claims", {"ce_activity": slug})).json()
    response = await call(learner, method, path, claim["id"])
    assert (response.status_code, response.json()["code"]) == (403, "not_allowed")


READ_BY = {
    "/v1/staff/audit": AUDITING_ROLES,
    "/v1/staff/accounts": AUDITING_ROLES,
    "/v1/staff/claims/{claim_id}/audit.zip": AUDITING_ROLES,
}
"""What not everybody of the office may read, by the beginning of the path."""

DONE_BY = {
    "/v1/staff/accounts": frozenset({Role.ADMINISTRATOR}),
    "/v1/staff/corrections/{correction_id}/resolve": STAFF_ROLES,
    "/v1/staff/corrections/{correction_id}/": APPROVING_ROLES,
    "/v1/staff/views": OFFICE_ROLES,
}
"""What other people than the staff may do, or not all of them, by the beginning of the path."""


def allowed(path: str, table: dict[str, frozenset[Role]], others: frozenset[Role]) -> frozenset[Role]:
    return next((roles for start, roles in table.items() if path.startswith(start)), others)


@pytest.fixture(scope="module")
async def office(database_url: str, application: tuple[FastAPI, httpx2.AsyncClient]) -> dict[Role, Person]:
    """One of each role, who has no claim."""
    return {role: await sign_in(database_url, application[1], role) for role in sorted(OFFICE_ROLES)}


@pytest.mark.parametrize("path", [path for method, path in FOR_STAFF if method == "GET"])
async def test_each_role_of_the_office_reads_what_it_is_there_for(path: str, office: dict[Role, Person]) -> None:
    readers = allowed(path, READ_BY, OFFICE_ROLES)
    for role, person in office.items():
        status = (await call(person, "GET", path, new_id("clm"))).status_code
        assert status in ((200, 404, 422) if role in readers else (403,)), (
            f"{role}: say so in READ_BY if it shall be so"
        )


@pytest.mark.parametrize(("method", "path"), [each for each in FOR_STAFF if each[0] != "GET"])
async def test_whoever_may_not_do_something_in_the_office_is_refused_whatever_they_send(
    method: str, path: str, office: dict[Role, Person]
) -> None:
    doers = allowed(path, DONE_BY, STAFF_ROLES)
    for role in office.keys() - doers:
        response = await call(office[role], method, path, new_id("clm"))
        assert (response.status_code, response.json()["code"]) == (403, "not_allowed"), role


async def test_staff_extend_a_claim_and_see_whose_it_is(learner: Person, coordinator: Person, slug: str) -> None:
    claim = (await learner.post("/v1/claims", {"ce_activity": slug})).json()
    path = f"/v1/staff/claims/{claim['id']}"
    before = (await coordinator.get(path)).json()
    assert before["learner"]["email"] == learner.email
    assert before["workflow_url"].endswith(f"/namespaces/default/workflows/claim-{claim['id']}")
    response = await coordinator.post(f"{path}/extend", {"due_on": "2030-01-31", "reason": "Illness."})
    assert response.status_code == 200
    deadline = next(each for each in response.json()["deadlines"] if each["name"] == "claim")
    assert deadline["at"].startswith("2030-01-31T23:59:59.999999")
    history = (await coordinator.get(f"{path}/history")).json()["data"]
    told = "The deadline was extended to 31 Jan 2030, 23:59 (Chicago, UTC-6)."
    assert (history[-1]["text"], history[-1]["reason"]) == (told, "Illness.")


async def test_staff_find_claims_by_stage_activity_and_deadline(
    learner: Person, coordinator: Person, slug: str
) -> None:
    claim = (await learner.post("/v1/claims", {"ce_activity": slug})).json()

    async def found(query: str) -> list[str]:
        response = await coordinator.get(f"/v1/staff/claims?ce_activity={slug}&{query}")
        return [each["id"] for each in response.json()["data"]]

    assert await found("stage=verifying_participation") == [claim["id"]]
    assert await found("stage=completed") == []
    assert await found("due_before=2150-01-01T00:00:00Z") == [claim["id"]]
    assert await found("due_before=2001-01-01T00:00:00Z") == []
    assert await found("attention=email_failed") == []


async def test_nobody_decides_about_their_own_claim(coordinator: Person, slug: str) -> None:
    claim = (await coordinator.post("/v1/claims", {"ce_activity": slug})).json()
    steps = ("extend", "refuse-extension", "correct", "revoke", "reissue", "retry")
    for step in (*steps, "hold", "release", "waive", "resolve", "withdraw"):
        response = await coordinator.post(f"/v1/staff/claims/{claim['id']}/{step}", BODIES[step])
        assert (response.status_code, response.json()["code"]) == (403, "own_claim")


async def test_a_definition_becomes_a_version_only_when_it_changes(coordinator: Person) -> None:
    slug = new_id("course").replace("_", "-")
    headers = {**coordinator.headers, "Content-Type": "application/yaml", "Idempotency-Key": "d"}
    path = f"/v1/staff/ce-activities/{slug}"
    first = await coordinator.client.put(path, content=definition_text(slug).encode(), headers=headers)
    assert first.json() == {"slug": slug, "version": 1, "is_new": True, "href": f"/v1/ce-activities/{slug}"}
    repeated = await coordinator.client.put(path, content=definition_text(slug).encode(), headers=headers)
    assert (repeated.json(), repeated.headers["idempotent-replayed"]) == (first.json(), "true")
    changed = definition_text(slug).replace("title: Grand rounds", "title: Grander rounds").encode()
    reused = await coordinator.client.put(path, content=changed, headers=headers)
    assert (reused.status_code, reused.json()["code"]) == (422, "idempotency_key_reused")
    del headers["Idempotency-Key"]
    same = await coordinator.client.put(path, content=definition_text(slug).encode(), headers=headers)
    assert (same.json()["version"], same.json()["is_new"]) == (1, False)
    second = await coordinator.client.put(path, content=changed, headers=headers)
    assert (second.json()["version"], second.json()["is_new"]) == (2, True)


async def test_what_can_be_claimed_depends_on_the_profession(
    database_url: str, client: httpx2.AsyncClient, slug: str
) -> None:
    physician = await sign_in(database_url, client, profession="physician")
    other = await sign_in(database_url, client, profession="other")
    shown = (await physician.get(f"/v1/ce-activities/{slug}")).json()
    offer = next(each for each in shown["credit"] if each["credit_type"] == "ama_pra_category_1")
    assert offer["attestation_text"]
    assert shown["claim_window"]["time_zone"] == POLICY.time_zone
    test = next(each for each in shown["requirements"] if each["kind"] == "post_test")
    assert f"at least {POLICY.post_test.passing_percent} %" in test["words"]  # type: ignore[union-attr]
    others = {each["credit_type"] for each in (await other.get(f"/v1/ce-activities/{slug}")).json()["credit"]}
    assert "ama_pra_category_1" not in others
    listed = (await physician.get("/v1/ce-activities?limit=100")).json()
    assert listed["data"]


async def test_too_many_requests_have_to_wait(settings: Settings, temporal: LedgerTemporal) -> None:
    few = settings.model_copy(update={"requests_per_minute": 3})
    async with running(few, temporal) as (_, client):
        person = await sign_in(settings.database_url, client)
        # While they are sent one minute may end.
        answers = [await person.get("/v1/me") for _ in range(7)]
    assert answers[0].headers["ratelimit"].startswith('"requests";r=2;')
    assert 429 in [answer.status_code for answer in answers]
    late = next(answer for answer in answers if answer.status_code == 429)
    assert late.json()["code"] == "rate_limited"
    assert 0 < int(late.headers["retry-after"]) <= 60


async def test_only_listed_origins_may_call_from_a_browser(settings: Settings, temporal: LedgerTemporal) -> None:
    listed = settings.model_copy(update={"allowed_origins": ("https://portal.example",)})
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    async with running(listed, temporal) as (_, client):
        ours = await client.options("/v1/claims", headers={"Origin": "https://portal.example", **asked})
        other = await client.options("/v1/claims", headers={"Origin": "https://evil.example", **asked})
    assert ours.headers["access-control-allow-origin"] == "https://portal.example"
    assert "access-control-allow-origin" not in other.headers


async def test_every_answer_carries_the_security_headers(client: httpx2.AsyncClient, app: FastAPI) -> None:
    for path in ("/healthz", "/v1/me", "/sign-in", "/nowhere", "/docs", "/openapi.json", "/static/pages.css"):
        headers = (await client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] in ("no-referrer", "same-origin")
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]


async def test_administrators_are_staff_too(database_url: str, client: httpx2.AsyncClient, engine: Engine) -> None:
    administrator = await sign_in(database_url, client, Role.ADMINISTRATOR)
    assert (await administrator.get("/v1/staff/claims?limit=1")).status_code == 200
