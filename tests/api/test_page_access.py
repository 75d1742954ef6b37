"""Who may open which page: every page that there is, for every role, with what is one's own, somebody else's, nobody's.

A new page is covered as soon as its router is registered. Where one of these tests fails for it, either the page lets
the wrong people in, or a table below has to learn a new parameter, a form's fields, or who else may not come.
"""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2
import pytest
from fastapi.routing import APIRoute
from sqlalchemy import Engine, text

from activities.claims import PostgresClaimActivities
from api.gate import upload_types
from api.pages.routers import ROUTERS
from api.pages.staff.definition_fields import BY_NAME
from domain.identities import new_id
from domain.roles import APPROVING_ROLES, AUDITING_ROLES, OFFICE_ROLES, STAFF_ROLES, Role
from tests.api.conftest import Person, publish_example, sign_in
from tests.api.test_login_sessions import second_session
from tests.api.test_pages import cookie, issued

ROUTES: Final = sorted(
    (method, route.path)
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute)
    for method in (route.methods or set()) - {"HEAD"}
)
PUBLIC: Final = {
    "/sign-in", "/sign-in/links", "/sign-out", "/sign-in/provider", "/sign-in/provider/callback",
    "/verify", "/verify/{code}", "/transcripts/{token}", "/transcripts/{token}/file", "/reminders/{token}",
    "/ce-activities", "/ce-activities/{slug}", "/ce-activities/{slug}/claim",
    "/", "/help", "/accessibility", "/language", "/problems", "/robots.txt", "/favicon.ico", "/static/certificate.css",
}  # fmt: skip
"""What anyone may open. Everything else leads whoever is not signed in to the sign-in page."""

OF_ONE_PERSON: Final = {"claim_id": "clm", "session_id": "ses", "link_id": "trl"}
"""Parameters that name something of one learner, with the prefix of such an id."""

OF_THE_OFFICE: Final = {
    "claim_id": "clm", "learner_id": "lrn", "award_id": "haw", "correction_id": "cor", "bulk_id": "blk",
    "account_id": "acc", "view_id": "vew", "event_id": "evt", "certificate_id": "crt", "note_id": "cnt",
    "report_id": "prb", "message_id": "eml", "email_id": "eml",
    "pause_id": "isp",
}  # fmt: skip
"""Parameters of staff's pages that name something with such an id."""

PARTS: Final = {
    "number": "1", "version": "1", "code": "x", "form_name": "evaluation", "kind": "x",
    "slug": "no-such-activity",
    "token": "x" * 43, "session": "x", "action": "hold", "template": "x", "roster_id": "x", "entry_id": "x",
    "integration": "no-such-platform", "decision": "retry",
}  # fmt: skip
"""Parameters that name a part of something, or something that belongs to nobody."""

NAMES: Final = {
    "/staff/ce-activities/{slug}/edit/{name}": next(iter(BY_NAME)), "/staff/examples/{name}.csv": "roster",
}  # fmt: skip
"""What ``name`` is where only some names mean anything; else it is the name of nothing."""

FORMS: Final[Mapping[str, Mapping[str, str]]] = {
    "withdrawal": {"reason": "Why not."},
    "merge": {"duplicate": new_id("lrn"), "reason": "One person.", "confirmed": "yes"},
    "extension-requests": {"reason": "Ill."},
    "report": {"message": "It does not work.", "about": "other"},
}
"""The fields that a form cannot be without, by the last part of its address: only then the object is looked at."""

READ_BY: Final[Mapping[str, frozenset[Role]]] = {
    "/staff/audit": AUDITING_ROLES,
    "/staff/accounts/": frozenset({Role.ADMINISTRATOR}),
    "/staff/accounts": AUDITING_ROLES,
    # These lead to forms only, which the others could not send.
    "/staff/ce-activities/new": STAFF_ROLES,
    "/staff/ce-activities/{slug}/edit/": STAFF_ROLES,
    "/staff/new-certificate-template": STAFF_ROLES,
    "/staff/claims/{claim_id}/actions/": STAFF_ROLES,
    "/staff/claims/{claim_id}/correct": STAFF_ROLES,
    "/staff/claims/{claim_id}/revoke": STAFF_ROLES,
    "/staff/claims/{claim_id}/reissue": STAFF_ROLES,
    "/staff/corrections/{correction_id}/resolve": STAFF_ROLES,
    "/staff/learners/{learner_id}/edit": STAFF_ROLES,
    "/staff/learners/{learner_id}/merge": STAFF_ROLES,
    "/staff/claims/{claim_id}/evidence.zip": AUDITING_ROLES,
    "/staff/certificate-sample.pdf": STAFF_ROLES,
    "/staff/bulk/": OFFICE_ROLES,
    "/staff/bulk": STAFF_ROLES,
}
"""Staff's pages that not everybody of the office may read, by the beginning of the path."""

DONE_BY: Final[Mapping[str, frozenset[Role]]] = {
    "/staff/accounts": frozenset({Role.ADMINISTRATOR}),
    "/staff/corrections/{correction_id}/resolve": STAFF_ROLES,
    "/staff/corrections/{correction_id}/": APPROVING_ROLES,
    "/staff/issuance": APPROVING_ROLES,
    "/staff/exports/audit": AUDITING_ROLES,
    "/staff/exports/claims": OFFICE_ROLES,
    "/staff/claims/views": OFFICE_ROLES,
}
"""What other people than the staff may do, or not all of them, by the beginning of the path."""

FOR_ALL: Final = {"/staff/examples/{name}.csv", "/staff/claims/views/remove"}
"""What says nothing of anybody, and does nothing to what is not one's own."""

ENDLESS: Final = ("/events",)
"""How the addresses of streams end, which go on for as long as somebody listens."""

DRAWN: Final = (".pdf", "/transcript/file")
"""How the addresses of documents end that take half a second to draw: two roles ask for those."""

OF_ONESELF: Final = ("account.", "profile.", "transcript_link.", "lookup.", "disclosure.", "export.", "reminders.")
"""How entries begin about what everybody may do for themselves, and about what was read."""


@dataclass
class World:
    """One of each role, and a learner who owns something of everything."""

    client: httpx2.AsyncClient
    owner: Person
    people: dict[Role, Person] = field(default_factory=dict)
    owned: dict[str, str] = field(default_factory=dict)

    async def ask(self, person: Person | None, method: str, path: str, names: Mapping[str, str]) -> httpx2.Response:
        """Ask for a page in the browser of this person, or of nobody, with a form that is filled in as it has to be."""
        self.client.cookies.clear()
        address = re.sub(r"{(\w+)(?::\w+)?}", lambda part: names[part[1]], path)
        headers = cookie(person) if person else {"Accept": "text/html"}
        if method == "GET":
            return await self.client.get(address, headers=headers)
        form = dict(FORMS.get(path.rpartition("/")[2], {}))
        if "multipart/form-data" in upload_types(address):
            return await self.client.request(
                method, address, headers=headers, data=form, files={"file": ("x.csv", b"x")}
            )
        return await self.client.request(method, address, headers=headers, data=form)


@pytest.fixture(scope="module")
async def world(
    application: tuple[Any, httpx2.AsyncClient], database_url: str, engine: Engine, ledger: PostgresClaimActivities
) -> World:
    client = application[1]
    owner = await sign_in(database_url, client)
    claim = await issued(owner, publish_example(engine), ledger, engine)
    await second_session(owner, database_url)
    session = (await owner.get("/v1/me/sessions")).json()["data"][1]
    link = (await owner.post("/v1/me/transcript-links", {"days": 7})).json()
    world = World(client, owner)
    world.owned = {
        "claim_id": claim["id"], "session_id": session["id"], "link_id": link["id"],
        "slug": claim["ce_activity"]["slug"], "learner_id": owner.learner_id,
    }  # fmt: skip
    for role in Role:
        world.people[role] = await sign_in(database_url, client, role)
    return world


def parameters(path: str) -> list[str]:
    return re.findall(r"{(\w+)(?::\w+)?}", path)


def names_of_nothing(path: str) -> dict[str, str]:
    """Names that could be right and are those of nothing."""
    prefixes = {**OF_ONE_PERSON, **OF_THE_OFFICE}
    unknown = [each for each in parameters(path) if each not in {*prefixes, *PARTS, "name"}]
    assert not unknown, f"{path}: say in a table above what {unknown} names"
    parts = {**PARTS, "name": NAMES.get(path, "no-such-name")}
    return {each: new_id(prefixes[each]) if each in prefixes else parts[each] for each in parameters(path)}


def told(response: httpx2.Response, *names: Mapping[str, str]) -> tuple[int, str]:
    """A page without what differs each time, and without the names that it was asked with."""
    shown = re.sub(r"req_\w+", "", response.text)
    for name in {value for each in names for value in each.values() if len(value) > 4}:
        shown = shown.replace(name, "NAME")
    return response.status_code, shown


ONLY_SIGNED_IN: Final = [each for each in ROUTES if each[1] not in PUBLIC]
OF_STAFF: Final = [each for each in ROUTES if each[1].startswith("/staff")]
OF_LEARNERS: Final = [each for each in ONLY_SIGNED_IN if each not in OF_STAFF]
WITH_OWNER: Final = [each for each in OF_LEARNERS if set(parameters(each[1])) & OF_ONE_PERSON.keys()]


def test_every_page_that_is_said_to_be_public_exists() -> None:
    assert {path for _, path in ROUTES} >= PUBLIC


@pytest.mark.parametrize(("method", "path"), ONLY_SIGNED_IN)
async def test_whoever_is_not_signed_in_is_led_to_the_sign_in_page_and_learns_nothing(
    method: str, path: str, world: World
) -> None:
    absent = names_of_nothing(path)
    for names in (absent, {**absent, **world.owned}):
        answer = await world.ask(None, method, path, names)
        assert (answer.status_code, answer.headers["location"], answer.text) == (303, "/sign-in", "")


@pytest.mark.parametrize(("method", "path"), [each for each in ROUTES if each[1] in PUBLIC])
async def test_a_public_page_answers_everyone_and_never_fails(method: str, path: str, world: World) -> None:
    # Signing out is what this page is for; the others would be asked by nobody from then on.
    people = () if path == "/sign-out" else world.people.values()
    for person in (None, *people):
        answer = await world.ask(person, method, path, names_of_nothing(path))
        assert answer.status_code < 500
        assert answer.status_code != 403


@pytest.mark.parametrize(("method", "path"), WITH_OWNER)
async def test_what_belongs_to_somebody_else_is_as_absent_as_what_never_was(
    method: str, path: str, world: World
) -> None:
    absent = names_of_nothing(path)
    malformed = {**absent, **{each: f"{OF_ONE_PERSON[each]}_x" for each in absent if each in OF_ONE_PERSON}}
    foreign = {**absent, **{each: world.owned[each] for each in absent if each in OF_ONE_PERSON}}
    stranger = world.people[Role.LEARNER]
    answers = [await world.ask(stranger, method, path, names) for names in (foreign, absent, malformed)]
    assert {each.status_code for each in answers} == {404}, f"fill in the form of {path} in FORMS"
    assert len({told(each, foreign, absent, malformed) for each in answers}) == 1
    for role in OFFICE_ROLES:
        assert (await world.ask(world.people[role], method, path, foreign)).status_code == 404, role


@pytest.mark.parametrize(
    "path", [path for method, path in WITH_OWNER if method == "GET" and not path.endswith(ENDLESS)]
)
async def test_what_is_ones_own_is_shown_or_said_not_to_be_there_yet(path: str, world: World) -> None:
    names = {**names_of_nothing(path), **world.owned}
    answer = await world.ask(world.owner, "GET", path, names)
    assert answer.status_code in (200, 303, 404, 409)
    assert answer.headers.get("location") != "/sign-in"


@pytest.mark.parametrize(("method", "path"), [each for each in OF_LEARNERS if each not in WITH_OWNER])
async def test_pages_about_oneself_are_open_to_every_role(method: str, path: str, world: World) -> None:
    for person in world.people.values():
        answer = await world.ask(person, method, path, names_of_nothing(path))
        assert answer.status_code in (200, 303, 404, 409, 422), answer.text
        assert answer.headers.get("location") != "/sign-in"


@pytest.mark.parametrize(("method", "path"), [each for each in OF_STAFF if each[1] not in FOR_ALL])
async def test_learners_see_no_page_of_the_office_and_no_difference_between_what_is_there_and_what_is_not(
    method: str, path: str, world: World
) -> None:
    absent = names_of_nothing(path)
    existing = {**absent, **{each: world.owned[each] for each in absent if each in world.owned}}
    for person in (world.people[Role.LEARNER], world.owner):
        answers = [await world.ask(person, method, path, names) for names in (existing, absent)]
        assert {each.status_code for each in answers} == {403}
        assert len({told(each, existing, absent) for each in answers}) == 1


def allowed(path: str, table: Mapping[str, frozenset[Role]], others: frozenset[Role]) -> frozenset[Role]:
    return next((roles for start, roles in table.items() if path.startswith(start)), others)


@pytest.mark.parametrize("path", [path for method, path in OF_STAFF if method == "GET"])
async def test_whoever_may_read_in_the_office_reads_and_nobody_else(path: str, world: World) -> None:
    names = names_of_nothing(path)
    existing = {**names, **{each: world.owned[each] for each in names if each in world.owned}}
    readers = allowed(path, READ_BY, OFFICE_ROLES)
    for role in (Role.VIEWER, Role.ADMINISTRATOR) if path.endswith(DRAWN) else OFFICE_ROLES:
        answer = await world.ask(world.people[role], "GET", path, existing)
        if role in readers:
            assert answer.status_code in (200, 303, 404, 409, 422), f"{role}: say so in READ_BY if it shall be so"
        else:
            assert answer.status_code == 403, role


@pytest.mark.parametrize(("method", "path"), [each for each in OF_STAFF if each[0] != "GET"])
async def test_only_staff_change_anything_and_viewers_and_auditors_never(method: str, path: str, world: World) -> None:
    names = names_of_nothing(path)
    existing = {**names, **{each: world.owned[each] for each in names if each in world.owned}}
    doers = allowed(path, DONE_BY, STAFF_ROLES)
    for role in OFFICE_ROLES:
        answer = await world.ask(world.people[role], method, path, names if role in doers else existing)
        if role in doers:
            assert answer.status_code in (200, 303, 404, 409, 422), f"{role}: say so in DONE_BY if it shall be so"
        else:
            # What they typed may be judged first; nothing comes of it, as the next test says.
            assert answer.status_code in (403, 404, 422), role


TO_PAGES: Final = re.compile(r'\bhref="(/staff[^"#]*)')
FORM: Final = re.compile(r"<form\b([^>]*)>(.*?)</form>", re.DOTALL)


def route_of(method: str, address: str) -> str:
    """The route that answers at an address, as the tables above name it."""
    path = address.partition("?")[0]
    shaped = ((each, re.sub(r"{\w+:path}", ".+", each)) for kind, each in ROUTES if kind == method)
    found = [each for each, shape in shaped if re.fullmatch(re.sub(r"{\w+}", "[^/]+", shape), path)]
    assert found, f"{method} {address} leads nowhere"
    return min(found, key=lambda each: each.count("{"))


@pytest.mark.parametrize("role", sorted(OFFICE_ROLES))
async def test_no_page_of_the_office_shows_a_link_or_a_form_that_this_role_may_not_use(
    role: Role, world: World
) -> None:
    seen = 0
    for path in [path for method, path in OF_STAFF if method == "GET" and not path.endswith(DRAWN)]:
        answer = await world.ask(world.people[role], "GET", path, {**names_of_nothing(path), **world.owned})
        if answer.status_code != 200 or not answer.headers["content-type"].startswith("text/html"):
            continue
        seen += 1
        for address in map(html.unescape, TO_PAGES.findall(answer.text)):
            there = route_of("GET", address)
            assert role in allowed(there, READ_BY, OFFICE_ROLES), f"{path} leads {role} to {there}"
        for attributes, within in FORM.findall(answer.text):
            method = "POST" if 'method="post"' in attributes else "GET"
            action = re.search(r'action="([^"]*)"', attributes)
            further = re.findall(r'formaction="([^"]*)"', within)
            for address in [html.unescape(action[1]) if action else answer.url.path, *map(html.unescape, further)]:
                there = route_of(method, address)
                if there.startswith("/staff"):
                    table, others = (DONE_BY, STAFF_ROLES) if method == "POST" else (READ_BY, OFFICE_ROLES)
                    assert role in allowed(there, table, others), f"{path} asks {role} to fill in {there}"
    assert seen > 20


async def test_forms_about_oneself_that_would_be_refused_are_not_shown(world: World, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE accounts SET role = 'coordinator' WHERE id = :id"), {"id": world.owner.account_id}
        )
    try:
        for path in ("claims/{claim_id}/correct", "claims/{claim_id}/revoke", "claims/{claim_id}/reissue",
                     "learners/{learner_id}/edit"):  # fmt: skip
            answer = await world.ask(world.owner, "GET", f"/staff/{path}", world.owned)
            assert answer.status_code == 403, path
            assert "Another member of staff must do this." in answer.text
    finally:
        with engine.begin() as connection:
            connection.execute(
                text("UPDATE accounts SET role = 'learner' WHERE id = :id"), {"id": world.owner.account_id}
            )


async def test_whoever_may_change_nothing_has_left_nothing_but_reading_in_the_trail(
    world: World, engine: Engine
) -> None:
    query = text("SELECT convert_from(body, 'UTF8')::jsonb ->> 'event' FROM audit_events "
                 "WHERE convert_from(body, 'UTF8')::jsonb ->> 'actor' = :actor")  # fmt: skip
    with engine.connect() as connection:
        for role in set(Role) - STAFF_ROLES:
            done = connection.execute(query, {"actor": world.people[role].account_id}).scalars()
            assert {event for event in done if not event.startswith(OF_ONESELF)} == set(), role


@pytest.mark.parametrize("path", [path for _, path in OF_STAFF if set(parameters(path)) & OF_THE_OFFICE.keys()])
async def test_what_is_not_there_is_not_found_by_the_office_either(path: str, world: World) -> None:
    absent = names_of_nothing(path)
    malformed = {each: f"{OF_THE_OFFICE[each]}_x" if each in OF_THE_OFFICE else absent[each] for each in absent}
    if ("GET", path) in ROUTES:
        for names in (absent, malformed):
            answer = await world.ask(world.people[Role.ADMINISTRATOR], "GET", path, names)
            assert answer.status_code == 404
