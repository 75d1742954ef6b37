"""The bad-input catalogue, for every route that takes a body: a problem, no change, and never the input back."""

import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, text

from api.gate import MAXIMUM_DEPTH, parse_json
from api.policies import Policies
from api.problems import ProblemError
from config.settings import Settings
from domain.identities import new_id
from domain.policy import CEActivityPolicy
from domain.roles import Role
from tests.api.conftest import LedgerTemporal, Person, definition_text, publish_example, running, sign_in
from tests.description import DESCRIPTION

CANARY = "canary-7f3a"
TABLES = ("accounts", "learners", "learner_identifiers", "sign_in_links", "outgoing_emails", "submissions", "claims",
          "idempotency_keys", "ce_activities", "ce_activity_versions")  # fmt: skip

WITH_BODY = sorted(
    (method.upper(), path)
    for path, operations in DESCRIPTION["paths"].items()
    for method, operation in operations.items()
    if "requestBody" in operation
)
# What platforms send is looked at only when it is signed: see test_integrations.py.
_NOT_JSON_ONLY = ("/v1/staff/ce-activities", "/v1/staff/employees", "/v1/staff/images", "/v1/integrations/")
JSON_ONLY = [each for each in WITH_BODY if not each[1].startswith(_NOT_JSON_ONLY)]

NOT_JSON: dict[str, tuple[bytes, str]] = {
    "NaN": (b'{"value": NaN}', "json_invalid"),
    "Infinity": (b'{"value": Infinity}', "json_invalid"),
    "minus infinity": (b'{"value": -Infinity}', "json_invalid"),
    "too large a number": (b'{"value": 1e400}', "json_invalid"),
    "a number of 5000 digits": (b'{"value": ' + b"9" * 5000 + b"}", "json_invalid"),
    "half a character in a value": (rb'{"value": "\ud800"}', "json_invalid"),
    "half a character in a name": (rb'{"\udfff": 1}', "json_invalid"),
    "NUL": (rb'{"value": "a\u0000b"}', "json_invalid"),
    "a field twice": (b'{"units": "1", "units": "99"}', "json_duplicate_key"),
    "a field twice, deeper": (b'{"a": [{"b": 1, "b": 2}]}', "json_duplicate_key"),
    "invalid UTF-8": (b'{"value": "\xff"}', "json_invalid"),
    "a byte order mark": (b'\xef\xbb\xbf{"value": 1}', "json_invalid"),
    "a tower of lists": (b'{"value": ' + b"[" * 30_000 + b"]" * 30_000 + b"}", "json_invalid"),
    "a small tower": (b"[" * 40 + b"]" * 40, "json_invalid"),
    "cut short": (b'{"value": ', "json_invalid"),
    "two documents": (b"{} {}", "json_invalid"),
    "binary": (b"\x00\x01\x02", "json_invalid"),
}


@pytest.fixture(scope="module")
async def everyone(database_url: str, engine: Engine, application: tuple[FastAPI, httpx2.AsyncClient]) -> Person:
    """A member of staff with a claim of their own, so that only the body can be what is wrong."""
    administrator = await sign_in(database_url, application[1], Role.ADMINISTRATOR)
    response = await administrator.post("/v1/claims", {"ce_activity": publish_example(engine)})
    administrator.headers["X-Claim"] = response.json()["id"]
    return administrator


def address(path: str, person: Person) -> str:
    known = {
        "claim_id": person.headers["X-Claim"],
        "number": "1",
        "learner_id": new_id("lrn"),
        "award_id": new_id("haw"),
    }
    return re.sub(r"{(\w+)}", lambda part: known.get(part[1], "some-slug"), path)


def counts(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        return {
            table: connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()  # noqa: S608
            for table in TABLES
        }


def assert_problem(response: httpx2.Response, status: int, code: str) -> None:
    problem = response.json()
    assert (response.status_code, problem["code"]) == (status, code), response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["request_id"] == response.headers["x-request-id"]
    assert {"type", "title", "status", "detail", "instance"} <= set(problem)


async def send(person: Person, method: str, path: str, content: bytes, **headers: str) -> httpx2.Response:
    named = {"Content-Type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return await person.client.request(
        method, address(path, person), content=content, headers={**person.headers, **named}
    )


@pytest.mark.parametrize(("method", "path"), WITH_BODY)
async def test_what_is_not_strict_json_reaches_no_route(
    method: str, path: str, everyone: Person, engine: Engine
) -> None:
    before = counts(engine)
    for name, (content, code) in NOT_JSON.items():
        response = await send(everyone, method, path, content)
        assert_problem(response, 400, code)
        assert name
    assert counts(engine) == before


@pytest.mark.parametrize(("method", "path"), WITH_BODY)
async def test_a_body_that_is_too_large_is_refused_while_it_arrives(
    method: str, path: str, everyone: Person, engine: Engine
) -> None:
    before = counts(engine)
    large = b'{"value": "' + b"x" * (300 * 1024) + b'"}'
    assert_problem(await send(everyone, method, path, large), 413, "body_too_large")
    sent = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(5000):
            sent += 1
            yield b" " * 1024

    headers = {**everyone.headers, "Content-Type": "application/json", "Transfer-Encoding": "chunked"}
    response = await everyone.client.request(method, address(path, everyone), content=pieces(), headers=headers)
    assert_problem(response, 413, "body_too_large")
    assert counts(engine) == before


@pytest.mark.parametrize(("method", "path"), WITH_BODY)
@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/octet-stream", "", "application/x-www-form-urlencoded", "application/json; charset=x"],
)
async def test_another_content_type_is_refused(method: str, path: str, content_type: str, everyone: Person) -> None:
    response = await send(everyone, method, path, b"{}", Content_Type=content_type)
    assert_problem(response, 415, "content_type_unsupported")


@pytest.mark.parametrize(("method", "path"), WITH_BODY)
async def test_a_compressed_body_is_refused(method: str, path: str, everyone: Person) -> None:
    response = await send(everyone, method, path, b"{}", Content_Encoding="gzip")
    assert_problem(response, 415, "content_type_unsupported")


@pytest.mark.parametrize(("method", "path"), JSON_ONLY)
async def test_unknown_fields_are_refused_and_not_repeated(
    method: str, path: str, everyone: Person, engine: Engine
) -> None:
    before = counts(engine)
    response = await send(everyone, method, path, json.dumps({f"role-{CANARY}": CANARY}).encode())
    assert_problem(response, 422, "validation_failed")
    assert {"pointer": "", "code": "unknown_field"} in response.json()["errors"]
    assert CANARY not in response.text
    assert counts(engine) == before


@pytest.mark.parametrize(("method", "path"), JSON_ONLY)
@pytest.mark.parametrize("body", [[], "text", 5, True, [[CANARY]]])
async def test_what_is_no_object_is_refused(method: str, path: str, body: Any, everyone: Person) -> None:
    response = await send(everyone, method, path, json.dumps(body).encode())
    assert_problem(response, 422, "validation_failed")
    assert CANARY not in response.text


CREDIT = {"credit_type": "ama_pra_category_1", "attestation_version": "ama-2026-1", "attested": True}
FIELDS: list[tuple[str, str, dict[str, Any], str]] = [
    *[
        ("PUT", "/v1/claims/{claim_id}/credit", {**CREDIT, "units": units}, "/units")
        for units in (
            "NaN",
            "-1",
            "-0",
            "-0.0",
            "0",
            "0.00",
            "1.005",
            "1e1",
            "1_0",
            "\u0661",
            " 1 ",
            "1.",
            ".5",
            "+1",
            "99999",
            1,
            1.5,
            True,
            None,
            ["1"],
            "1\n",
        )
    ],
    ("PUT", "/v1/claims/{claim_id}/credit", {**CREDIT, "units": "1", "attested": "true"}, "/attested"),
    ("PUT", "/v1/claims/{claim_id}/credit", {**CREDIT, "units": "1", "attested": 1}, "/attested"),
    *[
        ("PATCH", "/v1/me", {"given_name": name}, "/given_name")
        for name in (
            "",
            "   ",
            "a\u0007",
            "\u202egnp",
            "a\u200bb",
            "\ufeffa",
            "x" * 201,
            "e" + "\u0301" * 6,
            "\u0301",
            5,
        )
    ],
    ("PATCH", "/v1/me", {"profession": "wizard"}, "/profession"),
    ("PATCH", "/v1/me", {"time_zone": "../../etc/passwd"}, "/time_zone"),
    ("PATCH", "/v1/me", {"time_zone": "Mars/Olympus"}, "/time_zone"),
    ("PATCH", "/v1/me", {"identifiers": {"npi": "12"}}, ""),
    ("PATCH", "/v1/me", {"identifiers": {"shoe_size": "44"}}, ""),
    ("PATCH", "/v1/me", {"identifiers": {"npi": 1234567890}}, "/identifiers"),
    *[
        ("POST", "/v1/session/links", {"email": email}, "/email")
        for email in ("a@x.org\r\nBcc: b@y.org", "a@x.org, b@y.org", "Ada <a@x.org>", "x" * 310 + "@x.org", "a", 5)
    ],
    ("POST", "/v1/session", {"token": "../../x"}, "/token"),
    ("POST", "/v1/session", {"token": "x" * 5000}, "/token"),
    ("POST", "/v1/claims", {"ce_activity": "../etc"}, "/ce_activity"),
    ("POST", "/v1/claims", {"ce_activity": "x" * 81}, "/ce_activity"),
    ("POST", "/v1/claims/{claim_id}/participation", {"method": "magic", "value": "x"}, "/method"),
    ("POST", "/v1/claims/{claim_id}/participation", {"value": "<img src=x>"}, "/value"),
    ("POST", "/v1/claims/{claim_id}/withdrawal", {"reason": " "}, "/reason"),
    ("POST", "/v1/claims/{claim_id}/withdrawal", {"reason": "a\u0007b"}, "/reason"),
    ("POST", "/v1/claims/{claim_id}/withdrawal", {"reason": "x" * 2001}, "/reason"),
    ("POST", "/v1/claims/{claim_id}/attempts/{number}/answers", {"answers": {"q": 1}}, "/answers"),
    ("POST", "/v1/claims/{claim_id}/attempts/{number}/answers", {"answers": {}}, "/answers"),
    (
        "POST",
        "/v1/claims/{claim_id}/attempts/{number}/answers",
        {"answers": {f"q{n}": "a" for n in range(1000)}},
        "/answers",
    ),
    ("POST", "/v1/claims/{claim_id}/evaluations", {"responses": {"q": [1]}}, "/responses"),
    ("POST", "/v1/claims/{claim_id}/evaluations", {"responses": {"q": 1.5}}, "/responses"),
    *[
        (
            "POST",
            "/v1/me/lookup",
            {"given_name": "Ada", "family_name": "Lovelace", "employee_id": value},
            "/employee_id",
        )
        for value in ("", " ", "?", "\u0661", "x" * 81, "canary-7f3a canary-7f3a", 7, None)
    ],
    ("POST", "/v1/me/lookup", {"given_name": "a\u0007", "family_name": "x", "employee_id": "NA"}, "/given_name"),
    ("POST", "/v1/me/lookup", {"given_name": "Ada", "employee_id": "NA"}, "/family_name"),
    ("PATCH", "/v1/me", {"identifiers": {"npi": "N/A"}}, ""),
    ("PATCH", "/v1/me", {"wants_reminders": "yes"}, "/wants_reminders"),
    ("PATCH", "/v1/me", {"shows_name": None}, "/shows_name"),
    ("POST", "/v1/staff/learners/{learner_id}/merge", {"duplicate": "x" * 81, "reason": "x"}, "/duplicate"),
    ("POST", "/v1/staff/learners/{learner_id}/merge", {"duplicate": "lrn_x", "reason": " "}, "/reason"),
    *[
        ("POST", "/v1/staff/claims/{claim_id}/extend", {"due_on": day, "reason": "Ill."}, "/due_on")
        for day in ("2027-02-30", "0000-01-01", "27-01-01", "2027-01-01T00:00:00Z", 20270101, "2027-W01-1", "")
    ],
]


@pytest.mark.parametrize("case", FIELDS)
async def test_a_wrong_field_is_named_and_not_repeated(
    case: tuple[str, str, dict[str, Any], str], everyone: Person, engine: Engine
) -> None:
    method, path, body, pointer = case
    before = counts(engine)
    response = await send(everyone, method, path, json.dumps(body).encode())
    assert_problem(response, 422, "validation_failed")
    errors = response.json()["errors"]
    assert any(error["pointer"] == pointer or error["pointer"].startswith(f"{pointer}/") for error in errors)
    assert counts(engine) == before
    for value in body.values():
        if isinstance(value, str) and len(value) > 12:
            assert value not in response.text


@pytest.mark.parametrize(
    "name", ["O'Brien", "Null", "Нина", "محمد", "שרה", "山田", "Nguyễn", "{{ 7*7 }}", "<b>Ada</b>"]
)
async def test_names_of_the_whole_world_are_welcome(name: str, learner: Person) -> None:
    response = await learner.call("PATCH", "/v1/me", {"given_name": name, "family_name": name})
    assert response.status_code == 200
    assert (await learner.get("/v1/me")).json()["given_name"] == name


@pytest.mark.parametrize(
    "query",
    [
        "/v1/claims?limit=0", "/v1/claims?limit=101", "/v1/claims?limit=1e9", "/v1/claims?group=everything",
        "/v1/claims?after=' OR 1=1", "/v1/claims?after=clm_x", "/v1/ce-activities?after=..%2f",
        "/v1/ce-activities?format=x",
        "/v1/staff/claims?stage=x", "/v1/staff/claims?due_before=2026-01-01T00:00:00", "/v1/staff/claims?due_before=0",
        "/v1/staff/claims?due_before=0001-01-01T00:00:00%2B14:00",
        "/v1/staff/claims?due_before=9999-12-31T23:59:59-14:00",
        "/v1/staff/learners?name=A%00B", "/v1/staff/learners?limit=0", "/v1/staff/learners?after=x",
        "/v1/staff/duplicates?after=lrn_x.lrn_y", "/v1/staff/duplicates?limit=101",
        "/v1/staff/claims?ce_activity=A%00B", "/v1/staff/claims?attention=x",
    ],
)  # fmt: skip
async def test_a_wrong_parameter_is_refused(query: str, coordinator: Person) -> None:
    assert_problem(await coordinator.get(query), 422, "validation_failed")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/claims/..%2f", "/v1/claims/clm_", "/v1/claims/%00", "/v1/claims/1", "/v1/nothing", "/v1/claims/x/history",
        "/v1/claims/' OR 1=1/submissions/x", "/v1/ce-activities/A%00", "/v1/ce-activities/UPPER", "/nowhere",
    ],
)  # fmt: skip
async def test_a_malformed_id_is_as_absent_as_any_other(path: str, learner: Person) -> None:
    assert_problem(await learner.get(path), 404, "not_found")


async def test_another_method_is_a_problem_too(learner: Person) -> None:
    response = await learner.call("DELETE", "/v1/claims")
    assert_problem(response, 405, "method_not_allowed")
    assert {"GET", "POST"} == set(response.headers["allow"].split(", "))


async def test_a_definition_with_mistakes_names_each_line_and_field(coordinator: Person, engine: Engine) -> None:
    before = counts(engine)
    wrong = definition_text("some-slug").replace("2026-01-01", "soon").replace('"1.25"', '"1.255"')
    response = await send(coordinator_with_claim(coordinator), "PUT", "/v1/staff/ce-activities/{slug}", wrong.encode(),
                          Content_Type="application/yaml")  # fmt: skip
    assert_problem(response, 422, "definition_invalid")
    places = [error["pointer"] for error in response.json()["errors"]]
    assert any("starts_on" in place and place.startswith("line ") for place in places)
    assert any("designated_units" in place for place in places)
    assert counts(engine) == before


def coordinator_with_claim(person: Person) -> Person:
    person.headers.setdefault("X-Claim", "clm_none")
    return person


@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe", b"", b"slug: other", b"a: &a [*a]", b"!!python/object:os.system {}", b"- " * 5000, b"{" * 2000],
)
async def test_a_hostile_definition_is_refused(content: bytes, coordinator: Person) -> None:
    response = await send(coordinator_with_claim(coordinator), "PUT", "/v1/staff/ce-activities/{slug}", content,
                          Content_Type="application/yaml")  # fmt: skip
    assert_problem(response, 422, "definition_invalid")


async def test_an_unexpected_failure_shows_an_incident_and_nothing_else(
    settings: Settings, temporal: LedgerTemporal, learner: Person, slug: str
) -> None:
    class BrokenPolicies(Policies):
        async def get(self, version_id: str) -> CEActivityPolicy:
            raise KeyError(CANARY, version_id)

    async with running(settings, temporal) as (app, client):
        services = app.state.services
        app.state.services = replace(services, policies=BrokenPolicies(services.database))
        response = await client.get(f"/v1/ce-activities/{slug}", headers=learner.headers)
    assert_problem(response, 500, "internal_error")
    assert response.json()["incident"].startswith("inc_")
    assert CANARY not in response.text
    assert "KeyError" not in response.text


def test_a_document_may_be_as_deep_as_the_limit() -> None:
    assert parse_json(b"[" * MAXIMUM_DEPTH + b"]" * MAXIMUM_DEPTH) is not None
    with pytest.raises(ProblemError):
        parse_json(b"[" * (MAXIMUM_DEPTH + 1) + b"]" * (MAXIMUM_DEPTH + 1))


def test_a_backslash_before_u0000_is_a_text_like_any_other() -> None:
    assert parse_json(rb'"\\u0000"') == "\\u0000"
