"""Every page in a language that nobody speaks: what is not written in its accents was forgotten, or is data.

The record of these tests is a database of their own, whose people and CE activities have Greek names.
"""

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final

import httpx2
import psycopg
import pytest
from sqlalchemy import Engine, make_url

from activities.claims import PostgresClaimActivities
from activities.corrections import PostgresCorrectionActivities
from activities.policies import PolicyCache
from cli.local.postgres import EmbeddedPostgres
from config.settings import Settings
from domain import credit
from domain.identities import new_id
from domain.policy import CEActivityPolicy
from domain.roles import Role
from storage.catalog import publish
from storage.database import create_sync_engine
from storage.definitions import Definition, DefinitionStatus, read_definition
from storage.migrate import upgrade
from tests.api.conftest import PUBLIC_URL, LedgerTemporal, Person, running, sign_in
from tests.api.test_claim_over_http import awarded, issue, opened, with_attempt, with_passed_test
from tests.api.test_page_access import DRAWN, ENDLESS, OF_STAFF, PUBLIC, ROUTES, names_of_nothing
from tests.claims import example_policy, without_pictures

EXAMPLES: Final = Path(__file__).parents[2] / "examples"
PSEUDO: Final = "laurel_language=en-XA"
GREEK: Final = str.maketrans(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", "αβχδεφγηιικλμνοπθρστυβωξυζΑΒΧΔΕΦΓΗΙΙΚΛΜΝΟΠΘΡΣΤΥΒΩΞΥΖ"
)
CODES: Final = {
    "code", "slug", "url", "course_url", "credit_type", "correct", "time_zone", "contact", "acronym", "activity_code",
    "profile_fields", "paper", "field_of_study", "delivery_method", "logo", "registration_format",
}  # fmt: skip
"""Fields of a definition that are no words."""
CODE: Final = re.compile(r"[a-z0-9_.-]+")

DATA: Final = re.compile(
    "|".join(
        [
            *sorted(
                map(re.escape, {text for rule in credit.rules() for text in (rule.name, rule.attestation_text)}),
                key=len,
                reverse=True,
            ),
            "JSON Lines|Excel|Laurel|Temporal|Windows|macOS|Linux",
            r"\bcourse-\w+",
            r"https?://\S+",
            r"\S+@[\w.-]+",
            r"/[\w/{}.?=&<>-]+",
            r"\b\w+[_:./][\w…][\w:./…-]*",
            r"\b\d+ (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4}",
            r"\((?:Chicago|Athens|New York|Denver|Los Angeles|Phoenix|Boston|\w+), UTC\S*\)",
            r"\b[A-Z0-9][A-Z0-9()-]*\b",
            r"\b[0-9a-f]{64}\b",
        ]
    )
)
"""What stays as it is in every language: what the record says of credit, products, addresses, codes, dates, hashes."""

LEFT: Final = re.compile(r"[A-Za-z]*[aceginosuyACEGINOSUY][A-Za-z]*")
"""A word with a letter that this language writes with an accent."""

UNREAD: Final = frozenset({"script", "style", "code", "pre", "textarea"})
VOID: Final = frozenset({"meta", "link", "input", "br", "img", "hr", "wbr", "source", "track", "col"})


class Reading(HTMLParser):
    """Collects what a page says, in its text and to screen readers."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self._unread: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        shown = ["alt", "aria-label", "title", "placeholder"]
        if tag == "input" and given.get("type") == "submit":
            shown.append("value")
        self.said += [given[name] or "" for name in shown if name in given]
        is_foreign = ("lang" in given and tag != "html") or given.get("translate") == "no"
        is_name = tag == "option" and "/" in (given.get("value") or "")
        if tag not in VOID and (self._unread or tag in UNREAD or is_foreign or is_name):
            self._unread.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._unread and self._unread[-1] == tag:
            self._unread.pop()

    def handle_data(self, data: str) -> None:
        if not self._unread:
            self.said.append(data)


def forgotten(html: str) -> set[str]:
    """What a page says in English although it should not."""
    reading = Reading()
    reading.feed(html)
    plain = (" ".join(each.split()) for each in reading.said)
    return {said for said in plain if LEFT.search(DATA.sub(" ", said))}


def test_a_forgotten_sentence_is_found_wherever_it_is_said_and_data_is_not() -> None:
    assert forgotten("<p>Hello <b>there</b></p>") == {"Hello", "there"}
    assert forgotten('<img alt="A picture"><input type="submit" value="Send"><a aria-label="Close">X</a>') == {
        "A picture", "Send", "Close",
    }  # fmt: skip
    assert forgotten("<p>⟦Rétürñéd: it was too late⟧</p>") == {"⟦Rétürñéd: it was too late⟧"}
    assert (
        forgotten('<p>⟦Šåvéd⟧ <code>saved</code> <b lang="es">Guardar</b> 30 Nov 2026, clm_1, a@b.example</p>') == set()
    )


def greek(value: Any) -> Any:
    """The same definition with Greek words."""
    if is_dataclass(value) and not isinstance(value, type):
        return replace(
            value, **{each.name: greek(getattr(value, each.name)) for each in fields(value) if each.name not in CODES}
        )
    if isinstance(value, tuple):
        return tuple(greek(each) for each in value)
    return value.translate(GREEK) if type(value) is str and not CODE.fullmatch(value) else value


def greek_policies() -> Iterator[CEActivityPolicy]:
    for path in sorted(EXAMPLES.glob("*.yaml")):
        yield greek(without_pictures(read_definition(path.read_text()).policy))


@dataclass
class Town:
    """A record in which nobody and nothing has an English name."""

    client: httpx2.AsyncClient
    learner: Person
    staff: Person
    claims: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)

    async def page(self, person: Person | None, path: str, names: Mapping[str, str]) -> httpx2.Response:
        self.client.cookies.clear()
        address = re.sub(r"{(\w+)(?::\w+)?}", lambda part: names[part[1]], path)
        cookies = f"{PSEUDO}; laurel_session={person.token}" if person else PSEUDO
        return await self.client.get(address, headers={"Cookie": cookies, "Accept": "text/html"})


@pytest.fixture(scope="module")
def own_database(postgres: EmbeddedPostgres) -> Iterator[str]:
    name = new_id("db")
    with psycopg.connect(postgres.admin_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} OWNER laurel".encode())
        upgrade(make_url(postgres.owner_url).set(database=name).render_as_string(hide_password=False))
        yield make_url(postgres.url).set(database=name).render_as_string(hide_password=False)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture(scope="module")
async def town(own_database: str) -> AsyncIterator[Town]:
    engine = create_sync_engine(own_database, pool_size=5)
    ledger = PostgresClaimActivities(engine, PolicyCache(), PUBLIC_URL)
    temporal = LedgerTemporal(ledger, None, PostgresCorrectionActivities(engine, ledger, PolicyCache(), PUBLIC_URL))
    settings = Settings(database_url=own_database, public_url=PUBLIC_URL, requests_per_minute=100_000, _env_file=None)
    async with running(settings, temporal) as (_, client):
        named = {"given_name": "Άδα", "family_name": "Λάβλεϊς"}
        learner = await sign_in(own_database, client, Role.LEARNER, **named)
        town = Town(client, learner, await sign_in(own_database, client, Role.ADMINISTRATOR, **named))
        await _settle(town, engine, ledger)
        yield town
    engine.dispose()


def _published(engine: Engine, policy: CEActivityPolicy) -> str:
    slug = new_id("course").replace("_", "-")
    with engine.begin() as connection:
        publish(connection, Definition(slug, DefinitionStatus.PUBLISHED, policy), None)
    return slug


async def _settle(town: Town, engine: Engine, ledger: PostgresClaimActivities) -> None:
    """Claims of every kind, in many states, and what the office has to do with them."""
    learner, staff, example = town.learner, town.staff, greek(example_policy())
    slugs = [_published(engine, policy) for policy in greek_policies()]
    town.claims = [(await opened(learner, slug))["id"] for slug in slugs]
    town.claims.append(await with_attempt(learner, _published(engine, example)))
    town.claims.append(await with_passed_test(learner, _published(engine, example), ledger))
    claim = await awarded(learner, _published(engine, example), ledger)
    issue(engine, ledger, claim, b"%PDF-1.7")
    town.claims.append(claim["id"])
    asked = {"reason": "Ασθένεια."}
    path = f"/v1/claims/{town.claims[0]}"
    done = [
        await learner.post(f"{path}/extension-requests", asked),
        await learner.post(f"{path}/problem-reports", {"message": "Βοήθεια."}),
        await learner.post("/v1/me/transcript-links", {"days": 7}),
        await staff.post(f"/v1/staff/claims/{town.claims[1]}/hold", {"reason_code": "identity_check", **asked}),
        await staff.post(f"/v1/staff/claims/{town.claims[2]}/deny", {"reason_code": "not_eligible", **asked}),
        await staff.post(f"/v1/staff/claims/{claim['id']}/correct", {"units": "0.50", **asked}),
        await staff.post(f"/v1/staff/claims/{town.claims[0]}/notes", {"text": "Σημείωση."}),
        await staff.post(
            f"/v1/staff/learners/{learner.learner_id}/historical-awards",
            {"title": "Μάθημα", "provider": "Σχολή", "credit_type": "ama_pra_category_1", "units": "1.00",
             "completed_on": "2024-05-01", **asked},
        ),
    ]  # fmt: skip
    assert {each.status_code for each in done} <= {200, 201, 202}, [each.text for each in done]
    [report] = (await staff.get("/v1/staff/problem-reports")).json()["data"]
    corrections = (await staff.get("/v1/staff/corrections")).json()["data"]
    town.names = {
        "learner_id": learner.learner_id, "report_id": report["id"], "account_id": learner.account_id,
        "slug": slugs[0], "code": claim["certificate"]["verification_code"], "link_id": done[2].json()["id"],
        "token": done[2].json()["url"].rpartition("/")[2], "form_name": "evaluation",
    }  # fmt: skip
    if corrections:
        town.names["correction_id"] = corrections[0]["id"]


PAGES: Final = [path for method, path in ROUTES if method == "GET" and not path.endswith((*ENDLESS, *DRAWN))]


@pytest.mark.parametrize("path", PAGES)
async def test_every_sentence_of_a_page_is_said_in_the_language_of_whoever_reads_it(path: str, town: Town) -> None:
    absent = names_of_nothing(path)
    existing = {**absent, **{name: town.names[name] for name in absent if name in town.names}}
    is_of_staff = ("GET", path) in OF_STAFF
    # What the office reads of claims differs less from one to the next.
    claims = town.claims[:: -3 if is_of_staff else 1] if "claim_id" in absent else [""]
    asked = [absent, *({**existing, "claim_id": claim} for claim in claims)]
    person = town.staff if is_of_staff else None if path in PUBLIC else town.learner
    for names in asked:
        answer = await town.page(person, path, names)
        assert answer.status_code < 500
        if answer.headers.get("content-type", "").startswith("text/html"):
            assert forgotten(answer.text) == set(), f"{answer.url}: not translated, or data"


async def test_a_certificate_is_in_the_language_of_the_record_whoever_reads_it(
    learner: Person, slug: str, ledger: PostgresClaimActivities, engine: Engine
) -> None:
    claim = await awarded(learner, slug, ledger)
    issue(engine, ledger, claim, b"%PDF-1.7")
    sent = {"Cookie": f"laurel_session={learner.token}", "Accept": "text/html"}
    printed = [
        await learner.client.get(f"/claims/{claim['id']}/certificate/print", headers={**sent, "Accept-Language": each})
        for each in ("en", "es")
    ]
    assert printed[0].status_code == 200
    # The button beside it is no part of it.
    certificates = [re.sub(r"<script [^>]*></script>", "", each.text) for each in printed]
    assert certificates[0] == certificates[1]
    assert 'data-words="Imprimir"' in printed[1].text


async def test_a_learner_who_reads_spanish_reads_it_on_every_page(town: Town) -> None:
    for path, sentence in {
        "/sign-in": "Iniciar sesión",
        f"/claims/{town.claims[-2]}": "Completar la evaluación",
        "/nowhere": "No se encontró",
    }.items():
        person = town.learner if path.startswith("/claims") else None
        headers = {"Cookie": f"laurel_session={person.token}" if person else "", "Accept": "text/html"}
        town.client.cookies.clear()
        page = await town.client.get(path, headers={**headers, "Accept-Language": "es-MX,es;q=0.9,en;q=0.5"})
        assert '<html lang="es">' in page.text
        assert sentence in page.text
