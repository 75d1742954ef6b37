"""The office's pages of one claim: what came with it, acting on it, correcting it; each refusal beside its form."""

import re
from collections.abc import Mapping
from typing import Any

import httpx2
import pytest
from sqlalchemy import Engine, insert, text

from activities.claims import PostgresClaimActivities
from api.pages.staff import words
from domain.claims import Attention
from domain.corrections import AwardState, CorrectionKind, CorrectionState, RevocationClass
from domain.identities import new_id
from domain.notices import NoticePurpose
from domain.office import OperatorAction
from domain.people import Likeness
from domain.policy import Finalization
from domain.progress import Action
from domain.reasons import CorrectionResolutionReason
from domain.roles import Role
from domain.submissions import SubmissionKind
from storage.tables import OutgoingEmailRow
from tests.api.conftest import Person, publish_example, sign_in
from tests.api.test_claim_over_http import awarded, issue, opened
from tests.api.test_pages import cookie
from tests.ways import FIRST, PARALLEL, SECOND, TYPE, meeting


@pytest.fixture
async def approver(database_url: str, client: httpx2.AsyncClient) -> Person:
    return await sign_in(database_url, client, Role.APPROVER)


@pytest.fixture
async def viewer(database_url: str, client: httpx2.AsyncClient) -> Person:
    return await sign_in(database_url, client, Role.VIEWER)


async def see(person: Person, path: str) -> httpx2.Response:
    return await person.client.get(path, headers=cookie(person))


async def send(person: Person, path: str, **fields: str) -> httpx2.Response:
    return await person.client.post(path, data={"key": new_id("k"), **fields}, headers=cookie(person))


async def done(learner: Person, slug: str, ledger: PostgresClaimActivities, engine: Engine) -> dict[str, Any]:
    """A completed claim with its certificate."""
    claim = await awarded(learner, slug, ledger)
    issue(engine, ledger, claim, b"%PDF-1.7 " + claim["id"].encode())
    with ledger.ledger(claim["id"]) as locked:
        locked.email_sent(new_id("eml"))
        locked.close()
    return claim


def links(page: httpx2.Response) -> set[str]:
    return set(re.findall(r'(?:href|action)="(/staff/[^"#]+)"', page.text))


@pytest.mark.parametrize(
    ("known", "codes"),
    [
        (words.ACTION_WORDS, OperatorAction),
        (words.ACTION_HINTS, OperatorAction),
        (words.LEARNER_ACTION_WORDS, Action),
        (words.SUBMISSION_WORDS, SubmissionKind),
        (words.EMAIL_WORDS, NoticePurpose),
        (words.AWARD_STATES, AwardState),
        (words.CORRECTION_WORDS, CorrectionKind),
        (words.CORRECTION_STATES, CorrectionState),
        (words.CORRECTION_RESOLUTIONS, CorrectionResolutionReason),
        (words.REVOCATION_WORDS, RevocationClass),
        (words.ATTENTION_WORDS, Attention),
        (words.ROLE_WORDS, Role),
        (words.LIKENESS_WORDS, Likeness),
    ],
)
def test_there_are_words_for_every_code(known: Mapping[str, str], codes: Any) -> None:
    assert known.keys() == set(codes)


async def test_a_claims_page_shows_whose_it_is_where_it_stands_and_what_happened(
    learner: Person, coordinator: Person, slug: str, ledger: PostgresClaimActivities, engine: Engine
) -> None:
    claim = await done(learner, slug, ledger, engine)
    page = await see(coordinator, f"/staff/claims/{claim['id']}")
    assert page.status_code == 200
    for told in ("Ada Lovelace", learner.email, claim["ce_activity"]["title"], "Completed", "The claim was opened."):
        assert told in page.text
    assert f"/workflows/claim-{claim['id']}" in page.text
    assert "Entry in full" in page.text
    assert claim["certificate"]["verification_code"] in page.text
    assert "Answers to the post-test" in page.text
    pdf = await see(coordinator, f"/staff/claims/{claim['id']}/certificates/1.pdf")
    assert pdf.content.startswith(b"%PDF-1.7")
    assert "evidence.zip" not in page.text


async def test_everything_that_happened_is_paged_newest_first(learner: Person, coordinator: Person, slug: str) -> None:
    claim = await opened(learner, slug)
    await send(coordinator, f"/staff/claims/{claim['id']}/actions/extend", due_on="2030-01-31", reason="Illness.")
    page = await see(coordinator, f"/staff/claims/{claim['id']}/history")
    assert page.text.index("The deadline was extended") < page.text.index("The claim was opened.")
    rest = await see(coordinator, f"/staff/claims/{claim['id']}/history?after=2")
    assert "The deadline was extended" not in rest.text
    assert "The claim was opened." in rest.text


async def test_every_act_that_is_possible_has_a_form_and_takes_effect(
    learner: Person, approver: Person, slug: str
) -> None:
    claim = await opened(learner, slug)
    path = f"/staff/claims/{claim['id']}"
    possible = (await approver.get(f"/v1{path}")).json()["operator_actions"]
    shown = links(await see(approver, path))
    assert {f"{path}/actions/{each['action']}" for each in possible} <= shown
    for each in possible:
        form = await see(approver, f"{path}/actions/{each['action']}")
        assert form.status_code == 200
        assert 'name="reason"' in form.text
        assert ('name="reason_code"' in form.text) is ("reason_codes" in each["form"])
        assert ('name="due_on"' in form.text) is ("due_on" in each["form"])
        assert ('name="requirement"' in form.text) is ("requirements" in each["form"])
    held = await send(
        approver, f"{path}/actions/hold", reason_code="identity_check", reason="Says J. Doe.", confirmation=""
    )
    assert (held.status_code, held.headers["location"]) == (303, path)
    page = await see(approver, path)
    assert "On hold" in page.text
    assert "Says J. Doe." in page.text
    assert f"{path}/actions/release" in links(page)


async def test_who_gives_more_time_sees_the_deadline_and_why_the_learner_asks(
    learner: Person, coordinator: Person, slug: str
) -> None:
    claim = await opened(learner, slug)
    path = f"/staff/claims/{claim['id']}"
    words = "My father is ill.\nIs two weeks possible?"
    asked = await learner.post(f"/v1/claims/{claim['id']}/extension-requests", {"reason": words})
    assert asked.status_code == 200, asked.text
    request = (await coordinator.get(f"/v1{path}")).json()["extension_request"]
    assert request["reason"] == words
    due_at = f'datetime="{claim["due_at"]}"'
    for page in ("", "/actions/extend", "/actions/refuse_extension"):
        shown = (await see(coordinator, f"{path}{page}")).text
        assert words in shown
        assert due_at in shown
    assert words not in (await see(coordinator, f"{path}/actions/hold")).text
    await send(coordinator, f"{path}/actions/refuse_extension", reason="The meeting's rules do not allow it.")
    assert (await coordinator.get(f"/v1{path}")).json()["extension_request"] is None
    assert words not in (await see(coordinator, f"{path}/actions/extend")).text


async def test_what_is_wrong_with_an_act_is_said_beside_its_form_with_what_was_typed(
    learner: Person, coordinator: Person, slug: str
) -> None:
    claim = await opened(learner, slug)
    path = f"/staff/claims/{claim['id']}/actions/extend"
    early = await send(coordinator, path, due_on="2020-01-31", reason="Illness & more.")
    assert early.status_code == 422
    assert "There is a problem" in early.text
    assert "Illness &amp; more." in early.text
    assert 'value="2020-01-31"' in early.text
    assert "<title>Error:" in early.text
    empty = await send(coordinator, path, due_on="", reason="")
    assert 'id="reason-error"' in empty.text


async def test_what_ends_a_claim_is_typed_before_it_is_done(learner: Person, approver: Person, slug: str) -> None:
    claim = await opened(learner, slug)
    path = f"/staff/claims/{claim['id']}"
    fields = {"reason_code": "not_eligible", "reason": "A student."}
    unsure = await send(approver, f"{path}/actions/deny", confirmation="yes", **fields)
    assert (unsure.status_code, 'id="confirmation-error"' in unsure.text) == (422, True)
    assert (await approver.get(f"/v1{path}")).json()["stage"] != "denied"
    sure = await send(approver, f"{path}/actions/deny", confirmation="Deny", **fields)
    assert sure.status_code == 303
    assert (await approver.get(f"/v1{path}")).json()["stage"] == "denied"


async def test_an_act_that_is_not_possible_leads_back_to_the_claim(
    learner: Person, coordinator: Person, slug: str
) -> None:
    claim = await opened(learner, slug)
    path = f"/staff/claims/{claim['id']}"
    for impossible in ("release", "deny", "nonsense"):
        assert (await see(coordinator, f"{path}/actions/{impossible}")).headers["location"] == path
        assert (await send(coordinator, f"{path}/actions/{impossible}", reason="?")).status_code in (303, 422)


async def test_ones_own_claim_has_no_controls(coordinator: Person, slug: str) -> None:
    claim = await opened(coordinator, slug)
    page = await see(coordinator, f"/staff/claims/{claim['id']}")
    assert "This is your own claim" in page.text
    assert not [link for link in links(page) if "/actions/" in link or link.endswith(("/correct", "/revoke"))]
    refused = await send(coordinator, f"/staff/claims/{claim['id']}/revoke", confirmation="revoke", reason="?")
    assert refused.status_code in (403, 404, 422)


async def test_viewers_read_and_have_no_controls(learner: Person, viewer: Person, slug: str) -> None:
    claim = await opened(learner, slug)
    page = await see(viewer, f"/staff/claims/{claim['id']}")
    assert page.status_code == 200
    assert 'method="post" action="/staff' not in page.text
    assert "/actions/" not in page.text
    written = await send(viewer, f"/staff/claims/{claim['id']}/notes", text="Hello.")
    assert written.status_code == 403


async def test_notes_are_written_and_read_by_colleagues(
    learner: Person, coordinator: Person, viewer: Person, slug: str
) -> None:
    claim = await opened(learner, slug)
    path = f"/staff/claims/{claim['id']}"
    assert (await send(coordinator, f"{path}/notes", text="Telephoned <twice>.")).status_code == 303
    assert "Telephoned &lt;twice&gt;." in (await see(viewer, path)).text
    empty = await send(coordinator, f"{path}/notes", text=" ")
    assert (empty.status_code, 'id="text-error"' in empty.text) == (422, True)


async def test_an_email_that_failed_is_sent_once_more_from_the_page(
    learner: Person, coordinator: Person, slug: str, engine: Engine
) -> None:
    claim = await opened(learner, slug)
    path, email_id = f"/staff/claims/{claim['id']}", new_id("eml")
    row = {"id": email_id, "purpose": "window_opened", "subject_id": f"{claim['id']}:{email_id}"}
    row |= {"claim_id": claim["id"], "recipient": "", "state": "failed"}
    with engine.begin() as connection:
        connection.execute(insert(OutgoingEmailRow).values(**row))
    assert f"{path}/emails/{email_id}/resend" in links(await see(coordinator, path))
    reasonless = await send(coordinator, f"{path}/emails/{email_id}/resend", reason="")
    assert (reasonless.status_code, f'id="reason-{email_id}-error"' in reasonless.text) == (422, True)
    assert (await send(coordinator, f"{path}/emails/{email_id}/resend", reason="Repaired.")).status_code == 303
    assert "Waits to be sent" in (await see(coordinator, path)).text


async def test_a_correction_is_previewed_and_then_made(
    learner: Person, coordinator: Person, slug: str, ledger: PostgresClaimActivities, engine: Engine
) -> None:
    claim = await done(learner, slug, ledger, engine)
    path = f"/staff/claims/{claim['id']}"
    assert f"{path}/correct" in links(await see(coordinator, path))
    form = await see(coordinator, f"{path}/correct")
    assert 'value="Lovelace"' in form.text
    fields = {"what": "credit", "units": "0,5", "reason": "Left early."}
    preview = await send(coordinator, f"{path}/correct/preview", **fields)
    assert preview.status_code == 200
    assert "What would change" in preview.text
    assert (await coordinator.get(f"/v1{path}/corrections")).json()["data"] == []
    hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', preview.text))
    assert hidden.items() >= fields.items()
    made = await coordinator.client.post(f"{path}/correct", data=hidden, headers=cookie(coordinator))
    assert (made.status_code, made.headers["location"]) == (303, f"{path}#certificates")
    (correction,) = (await coordinator.get(f"/v1{path}/corrections")).json()["data"]
    assert correction["change"] == {"units": "0.5"}
    assert "Other amount of credit" in (await see(coordinator, path)).text


async def test_a_correction_that_would_be_refused_is_refused_at_its_preview(
    learner: Person, coordinator: Person, slug: str, ledger: PostgresClaimActivities, engine: Engine
) -> None:
    claim = await done(learner, slug, ledger, engine)
    path = f"/staff/claims/{claim['id']}/correct/preview"
    most = await send(coordinator, path, what="credit", units="150", reason="More.")
    assert (most.status_code, "There is a problem" in most.text) == (409, True)
    names = {"was_given_name": "Ada", "given_name": "Ada", "was_family_name": "Lovelace", "family_name": "Lovelace"}
    same = await send(coordinator, path, what="name", reason="?", was_credentials="", credentials="", **names)
    assert "everything is as it was" in same.text
    other = await send(
        coordinator,
        path,
        what="name",
        reason="!",
        was_credentials="",
        credentials="MD",
        **(names | {"given_name": "Adah"}),
    )
    assert "Adah Lovelace, MD" in other.text


async def test_a_revocation_is_typed_and_says_why_in_public(
    learner: Person, coordinator: Person, slug: str, ledger: PostgresClaimActivities, engine: Engine
) -> None:
    claim = await done(learner, slug, ledger, engine)
    path = f"/staff/claims/{claim['id']}"
    fields = {"reason_class": "duplicate", "reason": "Twice."}
    unsure = await send(coordinator, f"{path}/revoke", confirmation="", **fields)
    assert (unsure.status_code, 'id="confirmation-error"' in unsure.text) == (422, True)
    assert (await send(coordinator, f"{path}/revoke", confirmation="revoke", **fields)).status_code == 303
    page = await see(coordinator, path)
    assert "The same credit was awarded twice" in page.text
    assert f"{path}/revoke" not in links(page)
    assert "counts again" in (await see(coordinator, f"{path}/reissue")).text
    assert (await send(coordinator, f"{path}/reissue", reason="It was true after all.")).status_code == 303
    assert (await coordinator.get(f"/v1{path}")).json()["award"]["state"] == "active"


async def test_staff_see_a_claim_as_its_learner_does_and_can_do_nothing_there(
    learner: Person, coordinator: Person, slug: str
) -> None:
    claim = await opened(learner, slug)
    page = await see(coordinator, f"/staff/claims/{claim['id']}/as-learner")
    assert page.status_code == 200
    assert "Say how they took part" in page.text
    assert "We are waiting for you." in page.text
    assert "<form" not in page.text.partition("<main")[2].partition("</main>")[0]


async def test_auditors_download_the_evidence_for_a_reason(
    learner: Person, slug: str, database_url: str, client: httpx2.AsyncClient
) -> None:
    auditor = await sign_in(database_url, client, Role.AUDITOR)
    claim = await opened(learner, slug)
    path = f"/staff/claims/{claim['id']}"
    assert f"{path}/evidence.zip" in links(await see(auditor, path))
    bundle = await see(auditor, f"{path}/evidence.zip?reason=Audit")
    assert (bundle.status_code, bundle.content[:2]) == (200, b"PK")
    reasonless = await see(auditor, f"{path}/evidence.zip?reason=")
    assert (reasonless.status_code, 'id="evidence_reason-error"' in reasonless.text) == (422, True)


@pytest.mark.parametrize("end", ["", "/history", "/as-learner", "/actions/extend", "/correct", "/revoke", "/reissue"])
async def test_a_claim_that_is_not_there_is_not_found_and_learners_see_nothing(
    end: str, learner: Person, coordinator: Person, slug: str
) -> None:
    for absent in (new_id("clm"), "clm_x", "..%2F..%2Fme"):
        page = await see(coordinator, f"/staff/claims/{absent}{end}")
        assert page.status_code == 404
    claim = await opened(learner, slug)
    assert (await see(learner, f"/staff/claims/{claim['id']}{end}")).status_code == 403


async def test_a_claim_whose_act_waits_says_so_and_shows_the_outcome(
    learner: Person, coordinator: Person, slug: str, engine: Engine
) -> None:
    claim = await opened(learner, slug)
    path = f"/staff/claims/{claim['id']}"
    refused = (await coordinator.post(f"/v1{path}/extend", {"due_on": "2020-01-31", "reason": "?"})).json()
    assert refused["status"] == 409
    (newest, _) = (await coordinator.get(f"/v1{path}/submissions")).json()["data"]
    told = await see(coordinator, f"{path}?submission={newest['id']}")
    assert "It was refused" in told.text
    with engine.begin() as connection:
        undecided = "UPDATE submissions SET outcome = NULL, decided_at = NULL WHERE id = :id"
        connection.execute(text(undecided), {"id": newest["id"]})
    waiting = await see(coordinator, f"{path}?submission={newest['id']}")
    assert "It is not decided yet" in waiting.text
    assert 'hx-trigger="every 3s"' in waiting.text
    assert '<meta http-equiv="refresh" content="5">' in waiting.text


async def at_a_meeting(learner: Person, engine: Engine) -> dict[str, Any]:
    """A claim of a meeting for which a learner was awarded one session."""
    slug = publish_example(engine, **meeting(requirements=(Finalization(warning="Are all sessions in?"),)))
    claim = await opened(learner, slug)
    offer = (await learner.get(f"/v1/ce-activities/{slug}")).json()["credit"][0]
    credit = {"credit_type": TYPE, "attestation_version": offer["attestation_version"], "attested": True}
    for path, body in (
        (f"sessions/{FIRST}", {"units": "1.00"}),
        ("credit", credit),
    ):
        taken = await learner.call("PUT", f"{claim['href']}/{path}", body)
        assert taken.status_code == 200, taken.text
    final = await learner.post(f"{claim['href']}/finalization", {"confirmed": True})
    assert (final.status_code, final.json()["award"]["units"]) == (200, "1.00"), final.text
    return claim


async def test_at_a_meeting_the_sessions_are_corrected(learner: Person, coordinator: Person, engine: Engine) -> None:
    claim = await at_a_meeting(learner, engine)
    path = f"/staff/claims/{claim['id']}"
    for history in (f"/v1{path}/history", f"/v1{path}/audit"):
        assert f"“Session {FIRST}” was saved" in (await coordinator.get(history)).text
    assert f"“Session {FIRST}” was saved" in (await learner.get(f"{claim['href']}/history")).text
    form = await see(coordinator, f"{path}/correct")
    assert re.search(rf'name="session\.{FIRST}"[^>]* value="1.00"', form.text)
    units = {f"session.{FIRST}": "0.50", f"session.{SECOND}": "0,25", f"session.{PARALLEL}": ""}
    preview = await send(coordinator, f"{path}/correct/preview", what="credit", reason="Left early.", **units)
    assert (preview.status_code, "What would change" in preview.text) == (200, True)
    assert re.search(r"<td>1\.00</td><td>0\.75</td>", preview.text)
    listed = (await coordinator.get(f"/v1{path}/sessions?claimed=true")).json()["data"]
    assert [(each["code"], each["units"]) for each in listed] == [(FIRST, "1.00")]
