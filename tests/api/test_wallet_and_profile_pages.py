"""A learner's own pages: certificate, wallet, transcript and who else reads it, profile, look-up, reports."""

import re
from datetime import UTC, date, datetime
from typing import Any

import httpx2
import pytest
from sqlalchemy import Engine, text, update

from activities.claims import PostgresClaimActivities
from domain.identities import new_id
from domain.policy import CertificateIssue
from storage.tables import ClaimRow, LearnerRow
from tests.api.conftest import Person, publish_example, sign_in
from tests.api.records import add_award
from tests.api.test_claim_over_http import awarded, issue, opened


def cookies(person: Person, **others: str) -> dict[str, str]:
    """The headers of a browser in which somebody is signed in."""
    carried = {"laurel_session": person.token, **others}
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in carried.items()), "Accept": "text/html"}


async def read(person: Person, path: str, status: int = 200, **others: str) -> str:
    response = await person.client.get(path, headers=cookies(person, **others))
    assert response.status_code == status, response.text
    return response.text


async def send(person: Person, path: str, form: dict[str, Any] | None = None, **others: str) -> httpx2.Response:
    fields = {"key": new_id("key"), **(form or {})}
    return await person.client.post(path, data=fields, headers=cookies(person, **others))


async def issued(person: Person, slug: str, ledger: PostgresClaimActivities, engine: Engine) -> dict[str, Any]:
    claim = await awarded(person, slug, ledger)
    issue(engine, ledger, claim, b"%PDF-1.7 " + claim["id"].encode())
    return claim


@pytest.fixture
async def newcomer(learner: Person, engine: Engine) -> Person:
    """Somebody who signed in for the first time, and has no profile."""
    empty = {"given_name": None, "family_name": None, "name_key": None, "profession": None}
    with engine.begin() as connection:
        connection.execute(update(LearnerRow).where(LearnerRow.id == learner.learner_id).values(**empty))
    return learner


async def test_a_certificate_that_is_being_made_appears_by_itself(
    learner: Person, slug: str, ledger: PostgresClaimActivities, engine: Engine
) -> None:
    claim = await awarded(learner, slug, ledger)
    path = f"/claims/{claim['id']}/certificate"
    waiting = await read(learner, path)
    assert "The certificate is being made." in waiting
    assert 'hx-trigger="every 2s"' in waiting
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in waiting
    issue(engine, ledger, claim, b"%PDF-1.7 x")
    there = await read(learner, path)
    assert "hx-trigger" not in there
    assert f'href="{path}.pdf"' in there


async def test_a_link_to_the_certificate_is_mailed_five_times_a_day(
    learner: Person, slug: str, ledger: PostgresClaimActivities, engine: Engine
) -> None:
    claim = await issued(learner, slug, ledger, engine)
    path = f"/claims/{claim['id']}/certificate"
    sent = await send(learner, f"{path}/link")
    assert (sent.status_code, sent.headers["location"]) == (303, path)
    with engine.begin() as connection:
        # As if each had been asked for in a minute of its own.
        for number in range(5):
            connection.execute(
                text(
                    "INSERT INTO outgoing_emails (id, purpose, subject_id, claim_id, recipient, state) "
                    "VALUES (:id, 'certificate_link', :subject, :claim, '', 'dropped')"
                ),
                {"id": new_id("eml"), "subject": f"{claim['id']}:{number}", "claim": claim["id"]},
            )
    refused = await send(learner, f"{path}/link")
    assert refused.status_code == 429
    assert "You asked for five e-mails within a day." in refused.text
    assert "<title>Error:" in refused.text


async def test_versions_that_were_replaced_are_listed_and_served(
    learner: Person, coordinator: Person, slug: str, ledger: PostgresClaimActivities, engine: Engine
) -> None:
    claim = await issued(learner, slug, ledger, engine)
    await coordinator.post(f"/v1/staff/claims/{claim['id']}/reissue", {"reason": "New logo."})
    path = f"/claims/{claim['id']}"
    page = await read(learner, f"{path}/certificate")
    assert f'href="{path}/certificates/1.pdf"' in page
    assert "Superseded" in page
    pdf = await learner.client.get(f"{path}/certificates/1.pdf", headers=cookies(learner))
    assert pdf.content == b"%PDF-1.7 " + claim["id"].encode()


async def test_a_credit_that_was_revoked_is_said_to_count_no_more(
    learner: Person, coordinator: Person, slug: str, ledger: PostgresClaimActivities, engine: Engine
) -> None:
    claim = await issued(learner, slug, ledger, engine)
    with ledger.ledger(claim["id"]) as locked:
        locked.email_sent(new_id("eml"))
        locked.close()
    why = {"reason_class": "issued_in_error", "reason": "Was not there."}
    assert (await coordinator.post(f"/v1/staff/claims/{claim['id']}/revoke", why)).status_code == 200
    page = await read(learner, f"/claims/{claim['id']}/certificate")
    assert "This credit was revoked and counts no more." in page
    assert "Download PDF" not in page


async def test_a_certificate_that_another_system_issues_is_linked_there(
    learner: Person, ledger: PostgresClaimActivities, engine: Engine
) -> None:
    elsewhere = CertificateIssue(issued="elsewhere", system="The Registry", url="https://registry.example/")
    claim = await awarded(learner, publish_example(engine, certificate=elsewhere), ledger)
    page = await read(learner, f"/claims/{claim['id']}/certificate")
    assert 'href="https://registry.example/"' in page
    assert "The Registry" in page


async def test_the_wallet_sums_everything_and_lists_what_is_asked_for(learner: Person, engine: Engine) -> None:
    for units, day in (("1.25", date(2026, 3, 1)), ("0.50", date(2025, 12, 31))):
        add_award(engine, learner.learner_id, publish_example(engine), units, completed_on=day)
    page = await read(learner, "/wallet?year=2025")
    assert '<span class="amount">1.75</span>' in page
    assert "31 Dec 2025" in page
    assert "1 Mar 2026" not in page
    assert '<option value="2025" selected>' in page
    assert "Nothing matches." in await read(learner, "/wallet?text=nothing+like+this")
    wrong = await read(learner, "/wallet?credit_type=gold", 422)
    assert "Choose one of the types of credit." in wrong
    assert "<title>Error:" in wrong


async def test_a_long_wallet_goes_on_with_the_same_filters(learner: Person, engine: Engine) -> None:
    for number in range(27):
        day = date(2025, 1, 1 + number)
        add_award(engine, learner.learner_id, publish_example(engine), "1.00", completed_on=day, with_certificate=False)
    first = await read(learner, "/wallet?year=2025")
    following = re.search(r'href="(/wallet\?year=2025&amp;after=\w+)"', first)
    assert following is not None
    second = await read(learner, following[1].replace("&amp;", "&"))
    assert "1 Jan 2025" in second
    assert "27 Jan 2025" not in second
    assert "after=" not in second


async def test_a_wallet_without_awards_says_how_to_begin(learner: Person) -> None:
    page = await read(learner, "/wallet")
    assert 'href="/ce-activities"' in page
    assert "as soon as credit is awarded" in page


async def test_the_transcript_is_filtered_and_downloaded_as_it_is_shown(learner: Person, engine: Engine) -> None:
    for units, day in (("1.25", date(2026, 3, 1)), ("0.50", date(2025, 12, 31))):
        add_award(engine, learner.learner_id, publish_example(engine), units, completed_on=day)
    page = await read(learner, "/transcript?from=2026-01-01&to=&year=&credit_type=ama_pra_category_1")
    assert "1 Mar 2026" in page
    assert "31 Dec 2025" not in page
    files = re.search(r'href="(/transcript/file\?[^"]*format=csv)"', page)
    assert files is not None
    rows = await learner.client.get(files[1].replace("&amp;", "&"), headers=cookies(learner))
    assert rows.headers["content-type"].startswith("text/csv")
    assert len(rows.text.splitlines()) == 2
    wrong = await read(learner, "/transcript?from=2026-02-02&to=2026-01-01", 422)
    assert 'href="#to"' in wrong
    assert "The last day is before the first one." in wrong


async def test_a_link_is_shown_once_and_opens_the_transcript_for_anyone_until_it_is_ended(
    learner: Person, slug: str, engine: Engine, client: httpx2.AsyncClient
) -> None:
    add_award(engine, learner.learner_id, slug, "1.25")
    made = await send(learner, "/transcript/links", {"days": "7"})
    address = re.search(r'value="http://laurel\.test(/transcripts/[\w-]{43})"', made.text)
    assert made.status_code == 200
    assert address is not None
    assert address[1] not in await read(learner, "/transcript/links")
    shared = await client.get(address[1])
    assert shared.status_code == 200
    assert '<meta name="robots" content="noindex, nofollow">' in shared.text
    assert "Ada Lovelace" in shared.text
    assert "/claims/" not in shared.text
    pdf = await client.get(f"{address[1]}/file?format=pdf")
    assert pdf.headers["content-type"] == "application/pdf"
    end = re.search(r'action="(/transcript/links/trl_\w+/revoke)"', await read(learner, "/transcript/links"))
    assert end is not None
    assert (await send(learner, end[1])).headers["location"] == "/transcript/links"
    gone = await client.get(address[1], headers={"Accept": "text/html"})
    assert gone.status_code == 410
    assert "This link has ended" in gone.text


@pytest.mark.parametrize("form", [{"days": "0"}, {"days": "x"}, {"days": ""}, {"days": "7", "year": "18"}])
async def test_a_link_that_cannot_be_made_is_refused_beside_the_form(learner: Person, form: dict[str, str]) -> None:
    refused = await send(learner, "/transcript/links", form)
    assert refused.status_code == 422
    assert 'class="errors"' in refused.text


async def test_nobody_ends_another_persons_link(learner: Person, coordinator: Person) -> None:
    link = (await learner.post("/v1/me/transcript-links", {})).json()
    for link_id in (link["id"], new_id("trl")):
        assert (await send(coordinator, f"/transcript/links/{link_id}/revoke")).status_code == 404


async def test_a_profile_is_changed_and_what_was_not_shown_stays(learner: Person) -> None:
    await learner.call("PATCH", "/v1/me", {"identifiers": {"npi": "1234567893"}})
    form = {"given_name": "Ada", "family_name": "King", "profession": "nurse", "time_zone": "Europe/London"}
    saved = await send(learner, "/profile", {**form, "shows_name": "1"})
    assert (saved.status_code, saved.headers["location"]) == (303, "/profile")
    profile = (await learner.get("/v1/me")).json()
    assert (profile["family_name"], profile["time_zone"], profile["wants_reminders"]) == (
        "King",
        "Europe/London",
        False,
    )
    assert profile["identifiers"] == {"npi": "1234567893"}
    await send(learner, "/profile", {**form, "npi": ""})
    assert (await learner.get("/v1/me")).json()["identifiers"] == {}
    assert 'value="King"' in await read(learner, "/profile")


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"family_name": ""}, "family_name", "Fill this in."),
        ({"given_name": "\u202eAda"}, "given_name", "Some of these characters cannot be stored."),
        ({"time_zone": "Chicago"}, "time_zone", "Choose one of the time zones."),
        ({"npi": "12"}, "npi", "NPI: This does not look like such a number."),
        ({"profession": ""}, "profession", "Fill this in."),
        ({"profession": "wizard"}, "profession", "There is no such choice."),
    ],
)
async def test_what_is_wrong_with_a_profile_is_said_beside_the_field(
    learner: Person, changes: dict[str, str], field: str, words: str
) -> None:
    form = {"given_name": "Ada", "family_name": "Byron", "profession": "physician", **changes}
    refused = await send(learner, "/profile", form)
    assert refused.status_code == 422
    assert f'<a href="#{field}">{words}' in refused.text
    assert f'id="{field}-error"' in refused.text
    assert (await learner.get("/v1/me")).json()["family_name"] == "Lovelace"


async def test_a_newcomer_is_looked_up_creates_an_account_and_goes_back_to_the_activity(
    newcomer: Person, engine: Engine
) -> None:
    slug = publish_example(engine, title="Pharmacy rounds", profile_fields=("credentials", "npi"))
    wanted = f"/ce-activities/{slug}?code=485327"
    profile = await newcomer.client.get("/profile", headers=cookies(newcomer))
    assert profile.headers["location"] == "/profile/look-up"
    who = {"given_name": f"G{new_id('x')}", "family_name": "Nobody", "employee_id": "n/a"}
    found = await send(newcomer, "/profile/look-up", who)
    assert "No account was found" in found.text
    # What was typed goes on to the form, and into no address.
    assert re.search(r'<form method="post" action="/profile/new">', found.text)
    begun = await send(newcomer, "/profile/new", who, laurel_next=f'"{wanted}"')
    for name, value in who.items():
        assert re.search(rf'id="{name}" name="{name}" value="{value}"', begun.text), name
    assert re.search(r'<input id="time_zone"[^>]* value=""[^>]*>', begun.text)
    assert (await newcomer.get("/v1/me")).json()["given_name"] is None
    form = await read(newcomer, "/profile/create", laurel_next=f'"{wanted}"')
    assert "Then you go on to Pharmacy rounds." in form
    assert re.search(r'id="npi"[^>]* required', form)
    typed = {"given_name": "Grace", "family_name": "Hopper", "profession": "physician", "credentials": "MD"}
    missing = await send(newcomer, "/profile/create", typed, laurel_next=f'"{wanted}"')
    assert '<a href="#npi">' in missing.text
    assert (await newcomer.get("/v1/me")).json()["is_new"] is True
    created = await send(newcomer, "/profile/create", {**typed, "npi": "1234567893"}, laurel_next=f'"{wanted}"')
    assert (created.status_code, created.headers["location"]) == (303, wanted)
    assert "laurel_notice=account_created" in str(created.headers.get_list("set-cookie"))
    assert (await newcomer.get("/v1/me")).json()["is_new"] is False


async def test_whoever_is_known_gets_a_link_to_the_address_on_record_and_is_told_nothing_of_it(
    newcomer: Person, database_url: str, client: httpx2.AsyncClient, engine: Engine
) -> None:
    family_name = f"Known {new_id('x')}"
    known = await sign_in(database_url, client, family_name=family_name)
    who = {"given_name": "Ada", "family_name": family_name, "employee_id": "NA"}
    found = await send(newcomer, "/profile/look-up", who)
    assert "You have an account already" in found.text
    assert known.email not in found.text
    assert 'action="/profile/new"' in found.text
    with engine.connect() as connection:
        mailed = connection.execute(
            text("SELECT count(*) FROM sign_in_links WHERE email = :email AND asked_by = :by"),
            {"email": known.email, "by": newcomer.account_id},
        )
        assert mailed.scalar_one() == 1


async def test_a_look_up_needs_all_its_fields_and_is_for_newcomers_only(newcomer: Person, coordinator: Person) -> None:
    refused = await send(newcomer, "/profile/look-up", {"given_name": "", "family_name": "X", "employee_id": ""})
    assert refused.status_code == 422
    assert '<a href="#given_name">' in refused.text
    assert '<a href="#employee_id">' in refused.text
    known = await send(coordinator, "/profile/look-up", {"given_name": "A", "family_name": "B", "employee_id": "NA"})
    assert known.headers["location"] == "/profile"
    begun = await send(coordinator, "/profile/new", {"given_name": "A"})
    assert begun.headers["location"] == "/profile"


async def test_a_problem_is_reported_and_its_answer_is_read_on_the_same_page(
    learner: Person, coordinator: Person, slug: str
) -> None:
    claim = await opened(learner, slug)
    path = f"/claims/{claim['id']}/report"
    empty = await send(learner, path, {"message": " "})
    assert (empty.status_code, '<a href="#message">Fill this in.' in empty.text) == (422, True)
    sent = await send(learner, path, {"message": "My badge is <refused>."})
    assert sent.headers["location"] == path
    [report] = (await learner.get(f"/v1/claims/{claim['id']}/problem-reports")).json()["data"]
    await coordinator.post(f"/v1/staff/problem-reports/{report['id']}/answer", {"answer": "Try again."})
    page = await read(learner, path)
    assert "My badge is &lt;refused&gt;." in page
    assert "Try again." in page
    assert (await coordinator.client.get(path, headers=cookies(coordinator))).status_code == 404
    answers = [await send(learner, path, {"message": f"Number {number}."}) for number in range(5)]
    assert answers[-1].status_code == 429
    assert "Number 4." in answers[-1].text


async def test_the_deadline_of_a_claim_is_a_file_for_calendars(learner: Person, slug: str, engine: Engine) -> None:
    claim = await opened(learner, slug)
    with engine.begin() as connection:
        due = datetime(2031, 1, 31, 23, 59, tzinfo=UTC)
        connection.execute(update(ClaimRow).where(ClaimRow.id == claim["id"]).values(due_at=due))
    file = await learner.client.get(f"/claims/{claim['id']}/deadline.ics", headers=cookies(learner))
    assert file.headers["content-type"].startswith("text/calendar")
    assert b"DTSTART:20310131T235900Z" in file.content


async def test_choosing_a_language_is_kept_in_the_browser_and_the_account(learner: Person) -> None:
    chosen = await send(learner, "/language", {"language": "es", "back": "/wallet"})
    assert (chosen.status_code, chosen.headers["location"]) == (303, "/wallet")
    assert "laurel_language=es" in str(chosen.headers.get_list("set-cookie"))
    assert (await learner.get("/v1/me")).json()["language"] == "es"


async def test_pages_are_in_the_language_of_the_account_on_a_device_where_none_was_chosen(learner: Person) -> None:
    await learner.call("PATCH", "/v1/me", {"language": "es"})
    assert '<html lang="es">' in await read(learner, "/wallet")
    assert '<html lang="en">' in await read(learner, "/wallet", laurel_language="en")
    form = {"given_name": "Ada", "family_name": "Lovelace", "profession": "physician", "language": "en"}
    saved = await send(learner, "/profile", form)
    assert "laurel_language=en" in str(saved.headers.get_list("set-cookie"))
    assert '<html lang="en">' in await read(learner, "/wallet")
