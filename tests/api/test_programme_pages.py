"""The office's pages of the programme: defining CE activities by form and in YAML, preview, versions, copies."""

import re
from html import unescape
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest

from api.pages.staff.definition_fields import SECTIONS
from domain.identities import new_id
from domain.roles import Role
from storage.definitions import read_definition
from tests.api.conftest import PUBLIC_URL, Person, definition_text, sign_in

PAGES = "/staff/ce-activities"
PROGRAMME = "/v1/staff/ce-activities"
STATEMENT = (
    "Example University designates this live activity for a maximum of 1.25 AMA PRA Category 1 Credit(s)™. Physicians "
    "should claim only the credit commensurate with the extent of their participation in the activity."
)
NEW: dict[str, str] = {
    "title": "Grand rounds",
    "format": "live_activity",
    "starts_on": "2026-01-01",
    "ends_on": "2027-12-31",
    "time_zone": "America/Chicago",
    "location": "Chicago",
    "contact": "ce@example.org",
    "provider.name": "Example University",
    "provider.accreditation_statement": "Example University is accredited.",
    "credit.0.credit_type": "ama_pra_category_1",
    "credit.0.designated_units": "1.25",
    "credit.0.designation_statement": STATEMENT,
}
_INPUT = re.compile(r'<input [^>]*name="([^"]+)"[^>]*>')
_TEXTAREA = re.compile(r'<textarea [^>]*name="([^"]+)"[^>]*>(.*?)</textarea>', re.DOTALL)
_SELECT = re.compile(r'<select [^>]*name="([^"]+)"[^>]*>(.*?)</select>', re.DOTALL)


class Browser:
    """Someone who is signed in, looks at pages and sends their forms as a browser does."""

    def __init__(self, person: Person) -> None:
        self._client = person.client
        self._headers = {"Cookie": f"laurel_session={person.token}", "Accept": "text/html"}

    async def get(self, path: str) -> httpx2.Response:
        return await self._client.get(path, headers=self._headers)

    async def post(self, path: str, fields: Any) -> httpx2.Response:
        headers = {**self._headers, "Content-Type": "application/x-www-form-urlencoded", "Origin": PUBLIC_URL}
        return await self._client.post(path, content=urlencode(fields, doseq=True).encode(), headers=headers)

    async def upload(
        self, path: str, fields: dict[str, str], content: bytes, name: str = "list.csv"
    ) -> httpx2.Response:
        headers = {**self._headers, "Origin": PUBLIC_URL}
        return await self._client.post(path, data=fields, files={"file": (name, content)}, headers=headers)

    async def fields(self, path: str) -> dict[str, Any]:
        """What a browser would send of the form of a page, with nothing changed."""
        page = (await self.get(path)).text
        main = page[page.index("<main") :]
        return fields_of(main)


def fields_of(html: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for tag, name in ((each[0], each[1]) for each in _INPUT.finditer(html)):
        value = re.search(r' value="([^"]*)"', tag)
        if ('type="checkbox"' in tag or 'type="radio"' in tag) and " checked" not in tag:
            continue
        found.setdefault(name, []).append(unescape(value[1]) if value else "")
    for each in _TEXTAREA.finditer(html):
        found[each[1]] = [unescape(each[2])]
    for each in _SELECT.finditer(html):
        options = re.findall(r'<option value="([^"]*)"( selected)?', each[2])
        found[each[1]] = [next((value for value, chosen in options if chosen), options[0][0] if options else "")]
    return found


def new_slug() -> str:
    return new_id("course").replace("_", "-")


@pytest.fixture
def browser(coordinator: Person) -> Browser:
    return Browser(coordinator)


@pytest.fixture
async def draft(coordinator: Person) -> str:
    slug = new_slug()
    headers = coordinator.headers | {"Content-Type": "application/yaml"}
    content = (definition_text(slug) + "status: draft\n").encode()
    assert (await coordinator.client.put(f"{PROGRAMME}/{slug}", content=content, headers=headers)).status_code == 200
    return slug


async def definition(person: Person, slug: str) -> dict[str, Any]:
    document: dict[str, Any] = (await person.get(f"{PROGRAMME}/{slug}")).json()
    return document


async def test_a_new_activity_is_saved_as_a_draft_from_the_form(browser: Browser, coordinator: Person) -> None:
    slug = new_slug()
    saved = await browser.post(f"{PAGES}/new", {**NEW, "slug": slug})
    assert (saved.status_code, saved.headers["location"]) == (303, f"{PAGES}/{slug}")
    shown = await definition(coordinator, slug)
    assert (shown["status"], shown["title"]) == ("draft", "Grand rounds")
    page = (await browser.get(f"{PAGES}/{slug}")).text
    assert "Learners cannot see this activity until it is published." in page


async def test_a_new_activity_never_takes_over_words_of_one_provider_among_several(browser: Browser) -> None:
    for name in ("Example University", "Example Hospital"):
        theirs = {
            "provider.name": name,
            "credit.0.designation_statement": STATEMENT.replace("Example University", name),
        }
        saved = await browser.post(f"{PAGES}/new", {**NEW, **theirs, "slug": new_slug()})
        assert saved.status_code == 303
    page = (await browser.get(f"{PAGES}/new")).text
    assert 'name="provider.name" value=""' in page
    assert "is accredited" not in page


async def test_mistakes_are_told_beside_their_fields_and_nothing_typed_is_lost(browser: Browser) -> None:
    slug = new_slug()
    typed = {**NEW, "slug": slug, "time_zone": "Mars/Base", "title": "Kept words", "credit.0.designated_units": "x"}
    refused = await browser.post(f"{PAGES}/new", typed)
    assert refused.status_code == 422
    assert "<title>Error: New activity" in refused.text
    assert '<a href="#time_zone">Time zone is an IANA time zone, such as America/Chicago.</a>' in refused.text
    assert 'id="credit.0.designated_units-error"' in refused.text
    assert "Credit offer 1: Designated amount is written in digits" in refused.text
    assert 'value="Kept words"' in refused.text
    assert (await browser.get(f"{PAGES}/{slug}")).status_code == 404


async def test_a_name_that_is_taken_is_refused_and_changes_nothing(
    browser: Browser, coordinator: Person, draft: str
) -> None:
    refused = await browser.post(f"{PAGES}/new", {**NEW, "slug": draft, "title": "Another"})
    assert refused.status_code == 409
    assert "its name is taken" in refused.text
    assert (await definition(coordinator, draft))["version"] == 1
    for wrong in ("", "Not A Slug", "../../x"):
        response = await browser.post(f"{PAGES}/new", {**NEW, "slug": wrong})
        assert response.status_code == 422
        assert 'href="#slug"' in response.text


async def test_saving_a_section_as_it_is_changes_nothing(browser: Browser, coordinator: Person, slug: str) -> None:
    before = await definition(coordinator, slug)
    for section in SECTIONS:
        path = f"{PAGES}/{slug}/edit/{section.name}"
        saved = await browser.post(path, await browser.fields(path))
        assert saved.status_code == 303, saved.text
        assert "laurel_notice=nothing_changed" in saved.headers["set-cookie"], section.name
    after = await definition(coordinator, slug)
    assert (after["version"], after["definition"]) == (before["version"], before["definition"])


async def test_a_section_is_changed_and_the_rest_stays_as_it_is(
    browser: Browser, coordinator: Person, slug: str
) -> None:
    before = (await definition(coordinator, slug))["definition"]
    path = f"{PAGES}/{slug}/edit/claiming"
    page = (await browser.get(path)).text
    assert "Saving makes version 2. Claims keep the version that they were opened with." in page
    await browser.post(
        path, await browser.fields(path) | {"claim_window.closes_on": "2049-05-30", "reminder_days": "9, 2"}
    )
    after = (await definition(coordinator, slug))["definition"]
    assert after["claim_window"] == {**before["claim_window"], "closes_on": "2049-05-30"}
    assert after["reminder_days"] == [9, 2]
    assert {**after, "claim_window": 0, "reminder_days": 0} == {**before, "claim_window": 0, "reminder_days": 0}


async def test_a_post_test_is_written_question_by_question(browser: Browser, coordinator: Person, draft: str) -> None:
    path = f"{PAGES}/{draft}/edit/post-test"
    typed = {
        "base": "1",
        "is_asked": "1",
        "passing_percent": "80",
        "grading_seconds": "30",
        "questions.0.text": "Which culture comes first?",
        "questions.0.options.0.label": "Blood",
        "questions.0.options.1.label": "Urine",
        "questions.0.options.2.label": "",
        "questions.0.correct": "1",
        "next": "stay",
    }
    saved = await browser.post(path, typed)
    assert (saved.status_code, saved.headers["location"]) == (303, path)
    requirements = (await definition(coordinator, draft))["definition"]["requirements"]
    assert [each["kind"] for each in requirements] == ["participation", "post_test"]
    question = requirements[1]["questions"][0]
    assert question["options"] == [{"code": "blood", "label": "Blood"}, {"code": "urine", "label": "Urine"}]
    assert question["correct"] == "urine"

    fields = await browser.fields(path)
    fields |= {"questions.1.text": "And then?", "questions.1.options.0.label": "Wait"}
    refused = await browser.post(path, fields)
    assert refused.status_code == 422
    assert "Question 2" in refused.text
    assert "And then?" in refused.text
    assert (await definition(coordinator, draft))["version"] == 2

    fields = await browser.fields(path) | {"questions.0.remove": "1"}
    fields |= {"questions.1.text": "And then?", "questions.1.options.0.label": "Wait"}
    fields |= {"questions.1.options.1.label": "Act", "questions.1.correct": "1"}
    assert (await browser.post(path, fields)).status_code == 303
    questions = (await definition(coordinator, draft))["definition"]["requirements"][1]["questions"]
    assert [each["text"] for each in questions] == ["And then?"]


async def test_a_meeting_of_hundreds_of_sessions_is_edited_in_one_form(
    browser: Browser, coordinator: Person, draft: str
) -> None:
    path = f"{PAGES}/{draft}/edit/sessions"
    typed = {"base": "1"}
    for at in range(300):
        typed |= {
            f"sessions.{at}.title": f"Session {at}",
            f"sessions.{at}.held_on": "2026-06-11",
            f"sessions.{at}.starts_at": "08:00",
            f"sessions.{at}.ends_at": "09:15",
            f"sessions.{at}.maximum_units": "1.25",
        }
    too_little = await browser.post(path, typed | {f"sessions.{at}.maximum_units": "1.00" for at in range(300)})
    assert "Credit, Credit offer 1: Designated amount is at most 1.00" in too_little.text
    saved = await browser.post(path, typed)
    assert saved.status_code == 303, saved.text
    fields = await browser.fields(path) | {"sessions.299.remove": "1", "sessions.7.title": "Another title"}
    assert (await browser.post(path, fields)).status_code == 303
    sessions = (await definition(coordinator, draft))["definition"]["sessions"]
    assert [len(sessions), sessions[7]["title"], sessions[7]["code"]] == [299, "Another title", "session-7"]
    wrong = await browser.post(path, await browser.fields(path) | {"sessions.7.starts_at": "9 o'clock"})
    assert wrong.status_code == 422
    assert '<a href="#sessions.7.starts_at">Session 8: From is a time of day such as 08:30.</a>' in wrong.text


async def test_a_step_is_switched_off_and_on_in_its_place(browser: Browser, coordinator: Person, slug: str) -> None:
    kinds = [each["kind"] for each in (await definition(coordinator, slug))["definition"]["requirements"]]
    path = f"{PAGES}/{slug}/edit/evaluation"
    fields = await browser.fields(path)
    without = {name: value for name, value in fields.items() if name != "is_asked"}
    assert (await browser.post(path, without)).status_code == 303
    left = [each["kind"] for each in (await definition(coordinator, slug))["definition"]["requirements"]]
    assert left == [kind for kind in kinds if kind != "evaluation"]
    assert (await browser.post(path, fields | {"base": "2", "key": "again"})).status_code == 303
    again = [each["kind"] for each in (await definition(coordinator, slug))["definition"]["requirements"]]
    assert again == kinds


async def test_a_form_over_an_older_version_is_refused_with_what_was_typed(
    browser: Browser, coordinator: Person, draft: str
) -> None:
    path = f"{PAGES}/{draft}/edit/general"
    mine = await browser.fields(path)
    theirs = mine | {"location": "Boston"}
    assert (await browser.post(path, theirs | {"key": "theirs"})).status_code == 303
    refused = await browser.post(path, mine | {"location": "Denver", "key": "mine"})
    assert refused.status_code == 409
    by_the_back_button = await browser.post(path, theirs | {"location": "Oslo", "key": "theirs"})
    assert by_the_back_button.status_code == 422
    assert "Nothing was saved; open it again to see." in by_the_back_button.text
    assert 'value="Denver"' in refused.text
    assert (await definition(coordinator, draft))["definition"]["location"] == "Boston"


async def test_a_form_that_is_sent_twice_has_one_effect(browser: Browser, coordinator: Person, draft: str) -> None:
    path = f"{PAGES}/{draft}/edit/general"
    fields = await browser.fields(path) | {"location": "Boston"}
    assert (await browser.post(path, fields)).status_code == 303
    assert (await browser.post(path, fields)).status_code == 303
    assert (await definition(coordinator, draft))["version"] == 2


async def test_yaml_is_saved_and_its_mistakes_are_told_by_line(
    browser: Browser, coordinator: Person, draft: str
) -> None:
    path = f"{PAGES}/{draft}/yaml"
    fields = await browser.fields(path)
    text = fields["yaml"][0]
    assert read_definition(text).slug == draft
    wrong = text.replace("time_zone: America/Chicago", "time_zone: Mars/Base")
    refused = await browser.post(path, fields | {"yaml": wrong.replace("\n", "\r\n")})
    assert refused.status_code == 422
    line = wrong.split("\n").index("time_zone: Mars/Base") + 1
    assert f"Line {line}" in refused.text
    assert "<code>time_zone</code> is an IANA time zone" in refused.text
    assert "time_zone: Mars/Base" in refused.text
    saved = await browser.post(path, fields | {"yaml": text.replace("Grand rounds", "Grander rounds"), "key": "k2"})
    assert saved.status_code == 303
    assert (await definition(coordinator, draft))["title"] == "Grander rounds"


async def test_a_new_activity_is_written_in_yaml(browser: Browser, coordinator: Person) -> None:
    slug = new_slug()
    refused = await browser.post(f"{PAGES}/new/yaml", {"yaml": "title: x"})
    assert refused.status_code == 422
    assert "<code>slug</code>" in refused.text
    saved = await browser.post(f"{PAGES}/new/yaml", {"yaml": definition_text(slug)})
    assert saved.headers["location"] == f"{PAGES}/{slug}"
    taken = await browser.post(f"{PAGES}/new/yaml", {"yaml": definition_text(slug).replace("Grand", "Other")})
    assert taken.status_code == 409
    assert (await definition(coordinator, slug))["version"] == 1


async def test_a_draft_is_published_and_closed_by_buttons(browser: Browser, learner: Person, draft: str) -> None:
    await browser.post(f"{PAGES}/{draft}/publish", {"key": "a"})
    assert (await learner.get(f"/v1/ce-activities/{draft}")).json()["status"] == "published"
    await browser.post(f"{PAGES}/{draft}/close", {"key": "b"})
    page = (await browser.get(f"{PAGES}/{draft}")).text
    assert "Open again" in page
    assert "Nobody can open a claim any more; claims that are open go on." in page


async def test_a_copy_is_made_and_a_name_that_is_taken_is_told_beside_the_form(
    browser: Browser, coordinator: Person, draft: str
) -> None:
    refused = await browser.post(f"{PAGES}/{draft}/clone", {"slug": draft, "title": "Next"})
    assert refused.status_code == 422
    assert 'id="slug-error">Another activity has this name.' in refused.text
    copy = new_slug()
    made = await browser.post(f"{PAGES}/{draft}/clone", {"slug": copy, "title": "Next year"})
    assert made.headers["location"] == f"{PAGES}/{copy}"
    assert (await definition(coordinator, copy))["title"] == "Next year"


async def test_versions_show_what_changed_line_by_line(browser: Browser, draft: str) -> None:
    path = f"{PAGES}/{draft}/edit/general"
    await browser.post(path, await browser.fields(path) | {"location": "Boston"})
    page = (await browser.get(f"{PAGES}/{draft}/versions?from=1&to=2")).text
    assert '<span class="hidden">Added:</span>+ location: Boston' in page
    assert re.search('<span class="hidden">Removed:</span>. location: Chicago', page)
    assert "A claim keeps the version that it was opened with" in page
    older = (await browser.get(f"{PAGES}/{draft}/yaml?version=1")).text
    assert "This is version 1; version 2 is the current one." in older
    assert (await browser.get(f"{PAGES}/{draft}/versions?from=x&to=2")).status_code == 422


async def test_a_draft_is_previewed_as_a_learner_without_a_claim(
    browser: Browser, coordinator: Person, slug: str, draft: str
) -> None:
    page = (await browser.get(f"{PAGES}/{draft}/preview")).text
    assert "Checklist of a new claim" in page
    assert "Participation" in page
    other = (await browser.get(f"{PAGES}/{draft}/preview?profession=other")).text
    assert "There is no credit for this profession." in other
    with_test = (await browser.get(f"{PAGES}/{slug}/preview")).text
    assert "Pass the post-test" in with_test
    assert (await coordinator.get("/v1/staff/claims?ce_activity=" + draft)).json()["data"] == []


async def test_the_list_is_searched_and_paged(browser: Browser, draft: str) -> None:
    found = (await browser.get(f"{PAGES}?search={draft}")).text
    assert f'href="{PAGES}/{draft}"' in found
    assert "○ Draft" in found
    none = (await browser.get(f"{PAGES}?search={new_slug()}")).text
    assert "No activity is like that." in none


async def test_viewers_read_and_are_offered_no_control(
    database_url: str, client: httpx2.AsyncClient, slug: str
) -> None:
    viewer = Browser(await sign_in(database_url, client, Role.VIEWER))
    page = await viewer.get(f"{PAGES}/{slug}")
    assert page.status_code == 200
    assert "<h2>Make a copy</h2>" not in page.text
    assert f"{PAGES}/{slug}/close" not in page.text
    assert (await viewer.post(f"{PAGES}/{slug}/close", {})).status_code == 403
    assert (await viewer.post(f"{PAGES}/new", NEW)).status_code == 403


async def test_learners_are_not_let_in_and_what_is_absent_is_not_found(
    learner: Person, browser: Browser, slug: str
) -> None:
    for page in ("", "/preview", "/yaml", "/versions", "/edit/general"):
        assert (await Browser(learner).get(f"{PAGES}/{slug}{page}")).status_code == 403
        assert (await browser.get(f"{PAGES}/{new_slug()}{page}")).status_code == 404
        nobody = await learner.client.get(f"{PAGES}/{slug}{page}", headers={"Accept": "text/html"})
        assert nobody.headers["location"] == "/sign-in"
    assert (await browser.get(f"{PAGES}/{slug}/edit/nothing")).status_code == 404
