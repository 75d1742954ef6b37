"""Creating an account: the look-up that comes before it, the list of employees, and what a profile must hold."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
from sqlalchemy import Engine, text

from config.settings import Settings
from domain.employees import Employee
from domain.identities import new_id
from storage.employees import replace_list
from tests.api.conftest import LedgerTemporal, Person, running, sign_in

FOUND = {
    "result": "account_found",
    "message": "You have an account already. A link to sign in is on its way to the address that it is under.",
}
NO_MATCH = {"result": "no_match", "message": "No account was found. Go on and create your profile."}

Newcomer = Callable[[], Any]


@pytest.fixture
def links(engine: Engine) -> Callable[[str], list[str]]:
    """The tokens in the mails to an address that wait to be sent."""

    def read(email: str) -> list[str]:
        query = "SELECT token FROM sign_in_links WHERE email = :email AND token IS NOT NULL ORDER BY requested_at"
        with engine.connect() as connection:
            return list(connection.execute(text(query), {"email": email}).scalars())

    return read


@pytest.fixture
async def client(settings: Settings, temporal: LedgerTemporal) -> AsyncIterator[httpx2.AsyncClient]:
    """An application of this test's own, because limits are counted per application."""
    async with running(settings, temporal) as (_, client):
        yield client


@pytest.fixture
def newcomer(client: httpx2.AsyncClient, links: Callable[[str], list[str]]) -> Newcomer:
    """Someone who signed in with an address that nobody knew."""

    async def arrive() -> Person:
        email = f"{new_id('x')}@people.example"
        await client.post("/v1/session/links", json={"email": email})
        session = (await client.post("/v1/session", json={"token": links(email)[0]})).json()
        assert session["is_new"] is True
        return Person(client, email, session["access_token"], "", "", bearer(session))

    return arrive


@pytest.fixture
async def known(database_url: str, client: httpx2.AsyncClient) -> Person:
    """A learner with a profile, under a name that nobody else has."""
    return await sign_in(database_url, client, given_name="Grace", family_name=f"Hopper-{secrets.token_hex(6)}")


def bearer(session: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {session['access_token']}"}


async def family_name_of(person: Person) -> str:
    return str((await person.get("/v1/me")).json()["family_name"])


async def look_up(person: Person, family_name: str, employee_id: str = "NA", **more: str) -> httpx2.Response:
    body = {"given_name": more.pop("given_name", "Grace"), "family_name": family_name, "employee_id": employee_id}
    return await person.post("/v1/me/lookup", body, **more)


async def set_employee_id(person: Person, employee_id: str) -> httpx2.Response:
    return await person.call("PATCH", "/v1/me", {"identifiers": {"employee_id": employee_id}})


@contextmanager
def loaded(engine: Engine, *employees: Employee) -> Iterator[None]:
    """The list of employees while a test runs; none is loaded before and afterwards."""
    with engine.begin() as connection:
        replace_list(connection, employees)
    try:
        yield
    finally:
        with engine.begin() as connection:
            replace_list(connection, ())


async def test_a_session_says_whether_its_learner_is_new(newcomer: Newcomer, links: Callable[[str], list[str]]) -> None:
    person = await newcomer()
    me = (await person.get("/v1/me")).json()
    assert (me["is_new"], me["missing"]) == (True, ["given_name", "family_name", "profession"])
    changed = await person.call("PATCH", "/v1/me", {"given_name": "Ada", "family_name": "Lovelace"})
    assert (changed.json()["is_new"], changed.json()["missing"]) == (False, ["profession"])
    await person.client.post("/v1/session/links", json={"email": person.email})
    again = await person.client.post("/v1/session", json={"token": links(person.email)[0]})
    assert again.json()["is_new"] is False


async def test_a_name_that_one_learner_has_finds_their_account(
    newcomer: Newcomer, known: Person, links: Callable[[str], list[str]]
) -> None:
    family_name = await family_name_of(known)
    response = await look_up(await newcomer(), f"  {family_name.upper()} ", given_name="gr\u00e1ce")
    assert (response.status_code, response.json()) == (200, FOUND)
    assert len(links(known.email)) == 1


async def test_nothing_about_the_account_is_told(newcomer: Newcomer, known: Person) -> None:
    response = await look_up(await newcomer(), await family_name_of(known))
    told = response.text + str(response.headers)
    for secret in (known.email, known.email.partition("@")[0], known.learner_id, known.account_id):
        assert secret not in told
    assert set(response.json()) == {"result", "message"}


async def test_the_link_signs_in_as_the_account_found_and_the_empty_one_is_gone(
    newcomer: Newcomer, known: Person, links: Callable[[str], list[str]], engine: Engine
) -> None:
    shell = await newcomer()
    await look_up(shell, await family_name_of(known))
    [token] = links(known.email)
    session = (await known.client.post("/v1/session", json={"token": token})).json()
    assert session["is_new"] is False
    me = (await known.client.get("/v1/me", headers=bearer(session))).json()
    assert me["email"] == known.email
    assert (await shell.get("/v1/me")).status_code == 401
    with engine.connect() as connection:
        left = connection.execute(text("SELECT count(*) FROM accounts WHERE email = :e"), {"e": shell.email}).scalar()
    assert left == 0


@pytest.mark.parametrize("content", ["claim", "name", "profession", "identifier"])
async def test_an_account_that_holds_something_is_never_removed(
    content: str, newcomer: Newcomer, known: Person, links: Callable[[str], list[str]], slug: str
) -> None:
    shell = await newcomer()
    await look_up(shell, await family_name_of(known))
    if content == "claim":
        assert (await shell.post("/v1/claims", {"ce_activity": slug})).status_code == 201
    else:
        changes = {
            "name": {"given_name": "Ada"},
            "profession": {"profession": "nurse"},
            "identifier": {"identifiers": {"npi": "1234567893"}},
        }
        assert (await shell.call("PATCH", "/v1/me", changes[content])).status_code == 200
    assert (await known.client.post("/v1/session", json={"token": links(known.email)[0]})).status_code == 200
    assert (await shell.get("/v1/me")).status_code == 200


async def test_an_account_is_kept_until_the_link_is_used(newcomer: Newcomer, known: Person) -> None:
    shell = await newcomer()
    await look_up(shell, await family_name_of(known))
    assert (await shell.get("/v1/me")).status_code == 200


async def test_a_name_that_several_learners_have_finds_nobody(
    newcomer: Newcomer, known: Person, database_url: str, links: Callable[[str], list[str]]
) -> None:
    family_name = await family_name_of(known)
    other = await sign_in(database_url, known.client, given_name="Gr\u00e1ce", family_name=family_name.upper())
    response = await look_up(await newcomer(), family_name)
    assert (response.status_code, response.json()) == (200, NO_MATCH)
    assert links(known.email) + links(other.email) == []


async def test_a_name_that_nobody_has_finds_nobody(newcomer: Newcomer) -> None:
    assert (await look_up(await newcomer(), secrets.token_hex(8))).json() == NO_MATCH


async def test_somebody_who_cannot_sign_in_any_more_is_not_found(
    newcomer: Newcomer, known: Person, engine: Engine
) -> None:
    family_name = await family_name_of(known)
    with engine.begin() as connection:
        connection.execute(text("UPDATE accounts SET deactivated_at = now() WHERE id = :id"), {"id": known.account_id})
    assert (await look_up(await newcomer(), family_name)).json() == NO_MATCH


async def test_an_employee_id_finds_its_account_under_another_name(
    newcomer: Newcomer, known: Person, links: Callable[[str], list[str]]
) -> None:
    employee_id = f"E-{secrets.token_hex(6)}"
    assert (await set_employee_id(known, employee_id)).status_code == 200
    assert (await look_up(await newcomer(), "Murray", employee_id.upper())).json() == FOUND
    assert len(links(known.email)) == 1


async def test_a_namesake_with_another_employee_id_is_somebody_else(newcomer: Newcomer, known: Person) -> None:
    await set_employee_id(known, f"E-{secrets.token_hex(6)}")
    family_name = await family_name_of(known)
    assert (await look_up(await newcomer(), family_name, f"E-{secrets.token_hex(6)}")).json() == NO_MATCH


@pytest.mark.parametrize("employee_id", ["NA", "na", "N/A", "n/a"])
async def test_people_who_are_no_employees_say_na_in_any_case(
    employee_id: str, newcomer: Newcomer, known: Person, engine: Engine
) -> None:
    person = await newcomer()
    with loaded(engine, Employee(employee_id="7")):
        assert (await look_up(person, await family_name_of(known), employee_id)).json() == FOUND
        changed = await set_employee_id(person, employee_id)
    assert (changed.status_code, changed.json()["identifiers"]) == (200, {"employee_id": "NA"})


async def test_people_who_are_no_employees_do_not_find_each_other(newcomer: Newcomer, known: Person) -> None:
    await set_employee_id(known, "NA")
    assert (await look_up(await newcomer(), secrets.token_hex(8), "NA")).json() == NO_MATCH


async def test_an_employee_id_that_is_not_on_the_list_is_refused(newcomer: Newcomer, engine: Engine) -> None:
    person = await newcomer()
    on_the_list, absent = f"E-{secrets.token_hex(6)}".upper(), f"E-{secrets.token_hex(6)}".upper()
    with loaded(engine, Employee(employee_id=on_the_list, given_name="Grace", family_name="Quillfeather")):
        refused = await look_up(person, "Quillfeather", absent)
        in_profile = await set_employee_id(person, absent)
        taken = await look_up(person, "Quillfeather", on_the_list.lower())
    assert (refused.status_code, refused.json()["code"]) == (422, "employee_id_unknown")
    assert refused.json()["errors"] == [{"pointer": "/employee_id", "code": "employee_id_unknown"}]
    assert (in_profile.status_code, in_profile.json()["code"]) == (422, "employee_id_unknown")
    assert in_profile.json()["errors"][0]["pointer"] == "/identifiers"
    assert taken.json() == NO_MATCH


async def test_a_name_that_is_not_the_lists_is_refused_like_an_absent_id(newcomer: Newcomer, engine: Engine) -> None:
    person = await newcomer()
    with loaded(engine, Employee(employee_id="E-7", given_name="Grace", family_name="Hopper")):
        other_name = await look_up(person, "Murray", "E-7")
        absent = await look_up(person, "Murray", "E-8")
        names = {"given_name": "Ada", "family_name": "Lovelace", "identifiers": {"employee_id": "E-7"}}
        in_profile = await person.call("PATCH", "/v1/me", names)
    known = {key: value for key, value in other_name.json().items() if key not in ("request_id", "instance")}
    assert known == {key: value for key, value in absent.json().items() if key not in ("request_id", "instance")}
    assert in_profile.json()["code"] == "employee_id_unknown"
    assert (await person.get("/v1/me")).json()["given_name"] is None


async def test_without_a_list_ids_are_taken_as_they_are_given(newcomer: Newcomer) -> None:
    person = await newcomer()
    assert (await set_employee_id(person, "anything-7")).json()["identifiers"] == {"employee_id": "ANYTHING-7"}
    removed = await person.call("PATCH", "/v1/me", {"identifiers": {"employee_id": None}})
    assert removed.json()["identifiers"] == {}


async def test_whoever_has_a_profile_looks_nobody_up(known: Person) -> None:
    response = await look_up(known, "Lovelace")
    assert (response.status_code, response.json()["code"]) == (409, "profile_exists")


async def test_looking_up_is_limited_per_account(newcomer: Newcomer, known: Person) -> None:
    person = await newcomer()
    responses = [await look_up(person, secrets.token_hex(8)) for _ in range(6)]
    assert [response.status_code for response in responses] == [200] * 5 + [429]
    assert int(responses[-1].headers["retry-after"]) > 0
    other = await newcomer()
    assert (await look_up(other, await family_name_of(known))).status_code == 200


async def test_refused_employee_ids_count_too(newcomer: Newcomer, engine: Engine) -> None:
    person = await newcomer()
    with loaded(engine, Employee(employee_id="E-7")):
        looked_up = [await look_up(person, "Hopper", f"E-{100 + n}") for n in range(6)]
        changed = [await set_employee_id(person, f"E-{100 + n}") for n in range(21)]
    assert [response.status_code for response in looked_up] == [422] * 5 + [429]
    assert [response.status_code for response in changed] == [422] * 20 + [429]


async def test_one_address_gets_only_so_many_links_however_often_it_is_found(
    newcomer: Newcomer, known: Person, links: Callable[[str], list[str]], settings: Settings
) -> None:
    family_name = await family_name_of(known)
    for _ in range(3):
        person = await newcomer()
        answers = [await look_up(person, family_name) for _ in range(5)]
        assert {answer.text for answer in answers} == {answers[0].text}
    # One more was used to sign in.
    assert len(links(known.email)) == settings.sign_in_links_per_hour - 1


async def test_a_repeated_look_up_sends_one_mail_and_is_answered_the_same(
    newcomer: Newcomer, known: Person, links: Callable[[str], list[str]]
) -> None:
    person, family_name = await newcomer(), await family_name_of(known)
    first = await look_up(person, family_name, Idempotency_Key="k")
    second = await look_up(person, family_name, Idempotency_Key="k")
    other = await look_up(person, "Lovelace", Idempotency_Key="k")
    assert (first.json(), second.headers["idempotent-replayed"]) == (second.json(), "true")
    assert len(links(known.email)) == 1
    assert other.json()["code"] == "idempotency_key_reused"


async def test_a_look_up_is_recorded_without_names(newcomer: Newcomer, known: Person, engine: Engine) -> None:
    person = await newcomer()
    await asyncio.gather(look_up(person, await family_name_of(known)), look_up(person, secrets.token_hex(8)))
    query = """
        SELECT convert_from(e.body, 'UTF8')::json AS body FROM audit_events e
          JOIN learners l ON e.stream = 'learner:' || l.id JOIN accounts a ON a.id = l.account_id
         WHERE a.email = :email
    """
    with engine.connect() as connection:
        bodies = list(connection.execute(text(query), {"email": person.email}).scalars())
    looked_up = [body for body in bodies if body["event"].startswith("lookup.")]
    assert sorted(body["event"] for body in looked_up) == ["lookup.account_found", "lookup.no_match"]
    assert {key for body in looked_up for key in body} == {
        "v", "step", "recorded_at", "event", "at", "actor", "request_id",
    }  # fmt: skip


async def test_the_learner_chooses_whether_to_be_reminded(known: Person) -> None:
    assert (await known.get("/v1/me")).json()["wants_reminders"] is True
    assert (await known.call("PATCH", "/v1/me", {"wants_reminders": False})).json()["wants_reminders"] is False
    assert (await known.call("PATCH", "/v1/me", {"given_name": "Grace"})).json()["wants_reminders"] is False
    refused = await known.call("PATCH", "/v1/me", {"wants_reminders": None})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/wants_reminders")
