"""``laurel claims hold``, ``retry`` ...: what staff do over HTTP, typed on the machine, with the same rules."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Engine, RowMapping, text
from temporalio.testing import WorkflowEnvironment

from activities.relay import Relay
from activities.smtp import AddressRejectedError
from cli.actor import cli_actor
from cli.local import ports
from config.settings import Settings, load_settings
from domain.claims import Attention, Stage
from domain.corrections import CorrectionState, Reissue
from domain.submissions import SubmissionKind
from tests.claims import KeptMail, TestClaim
from tests.corrections import asked, row_of
from tests.issuance import own_provider, pause, provider_of
from tests.trouble import Terminal
from workflows.contract import correction_workflow_id
from workflows.delivery import CorrectionOutline, Delivery, deliver, start_correction

NewClaim = Callable[..., TestClaim]
pytestmark = pytest.mark.usefixtures("workers")

HOLD = ("--reason-code", "identity_check", "--reason", "Two people, one badge.")


@pytest.fixture
def terminal(
    environment: WorkflowEnvironment, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Terminal]:
    terminal = Terminal(monkeypatch)
    terminal.point_at(settings, environment.client.service_client.config.target_host)
    yield terminal
    load_settings.cache_clear()


async def ready(new_claim: NewClaim) -> TestClaim:
    claim = new_claim()
    await claim.brought_to(Stage.READY_TO_CLAIM)
    return claim


async def test_an_act_is_waited_for_and_entered_as_the_users_with_code_and_reason(
    new_claim: NewClaim, terminal: Terminal
) -> None:
    claim = await ready(new_claim)
    said = await terminal.succeeds("claims", "hold", claim.claim_id, *HOLD)
    assert said == f"{claim.claim_id}: accepted, now ready_to_claim, on_hold\n"
    entry = claim.entries()[-1]
    assert (entry["event"], entry["actor"], entry["reason"]) == ("hold.accepted", cli_actor(), HOLD[-1])
    assert claim.row()["hold_reason"] == "identity_check"


async def test_each_of_several_claims_is_told_of_and_a_refusal_has_its_code_and_sentence(
    new_claim: NewClaim, terminal: Terminal
) -> None:
    held, free = await ready(new_claim), await ready(new_claim)
    await terminal.succeeds("claims", "hold", held.claim_id, *HOLD)
    code, said = await terminal.laurel("claims", "hold", held.claim_id, free.claim_id, *HOLD)
    first, second = said.splitlines()
    assert code == 1
    assert first.startswith(f"{held.claim_id}: refused (on_hold): The claim is on hold. The office decides")
    assert second == f"{free.claim_id}: accepted, now ready_to_claim, on_hold"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("hold", "clm_x", "--reason", "x", "--reason-code", "bored"), "--reason-code: value_unknown (one of particip"),
        (("hold", "clm_x", "--reason", "x"), "--reason-code: missing (one of participation_check"),
        (("retry", "clm_x", "--reason", "x", "--due-on", "2027-01-31"), "--due-on: field_unused"),
        (("extend", "clm_x", "--reason", "x"), "--due-on: missing"),
        (("retry", "clm_x", "--reason", " "), "--reason: "),
        (("retry", "--reason", "x"), "name claims, or say with --filter which are meant"),
        (("retry", "clm_x", "--filter", "stage=issuing", "--reason", "x"), "name claims, or say with --filter"),
        (("retry", "--filter", "stage", "--reason", "x"), "--filter takes NAME=VALUE, each name once"),
        (("retry", "--filter", "stage=sleeping", "--reason", "x"), "--filter stage: "),
        (("retry", "--filter", "weather=fine", "--reason", "x"), "--filter weather: "),
        (("retry", "clm_x", "--reason", "x"), "clm_x: there is no such claim"),
        (("show", "clm_x"), "clm_x: there is no such claim"),
    ],
)
async def test_what_cannot_be_meant_is_named_and_nothing_happens(
    words: tuple[str, ...], said: str, terminal: Terminal
) -> None:
    code, told = await terminal.laurel("claims", *words)
    assert (code, said in told) == (1, True), told


async def test_while_temporal_is_away_an_act_is_recorded_and_said_to_be_undecided(
    new_claim: NewClaim, terminal: Terminal, settings: Settings, environment: WorkflowEnvironment
) -> None:
    claim = await ready(new_claim)
    terminal.point_at(settings, f"127.0.0.1:{ports.next_free(17233)}")
    code, said = await terminal.laurel("claims", "hold", claim.claim_id, *HOLD)
    assert (code, "recorded and not decided yet" in said) == (2, True)
    terminal.point_at(settings, environment.client.service_client.config.target_host)
    assert "undecided     hold, received " in await terminal.succeeds("claims", "show", claim.claim_id)
    # Any delivery has the claim decide all that it was sent.
    await claim.submit(claim.opening())
    assert claim.row()["attention"] == Attention.ON_HOLD


async def test_claims_by_a_filter_are_previewed_and_acted_on_with_progress(
    new_claim: NewClaim, terminal: Terminal, engine: Engine
) -> None:
    held, free = await ready(new_claim), await ready(new_claim)
    await terminal.succeeds("claims", "hold", held.claim_id, *HOLD)
    in_vain = ("claims", "hold", "--filter", f"learner={held.claim_id}", *HOLD)
    assert "is possible for 0" in await terminal.succeeds(*in_vain, "--yes")
    meant = ("claims", "hold", "--filter", f"learner={free.claim_id}", "--filter", "stage=ready_to_claim", *HOLD)
    previewed = await terminal.succeeds(*meant, "--preview")
    assert previewed == "1 claims are meant; hold is possible for 1\n"
    assert claim_is_free(free)
    code, said = await terminal.laurel(*meant)
    assert (code, "Go on? [y/N]" in said, claim_is_free(free)) == (1, True, True)

    async def deliver_row(row: RowMapping) -> None:
        if row["claim_id"] == free.claim_id:
            await deliver(free.client, Delivery(**{**row, "kind": SubmissionKind(row["kind"])}))

    relay = asyncio.create_task(Relay(engine, deliver_row).run())
    said = await terminal.succeeds(*meant, "--yes")
    relay.cancel()
    assert said.splitlines()[-1] == "1 done, 0 refused, 0 skipped, 0 left"
    assert free.row()["attention"] == Attention.ON_HOLD
    assert free.entries()[-1]["actor"] == cli_actor()


def claim_is_free(claim: TestClaim) -> bool:
    return claim.row()["attention"] is None


async def test_named_claims_are_previewed_too(new_claim: NewClaim, terminal: Terminal) -> None:
    claim = await ready(new_claim)
    why = ("--reason-code", "checked", "--reason", "The badge is hers.")
    said = await terminal.succeeds("claims", "release", claim.claim_id, *why, "--preview")
    assert said.splitlines() == [
        "1 claims are meant; release is possible for 0",
        f"  would refuse: 1 (wrong_state), such as {claim.claim_id}",
    ]


async def test_one_claim_is_shown_with_where_it_is_why_it_waits_and_what_is_possible(
    new_claim: NewClaim, terminal: Terminal, mail: KeptMail
) -> None:
    claim = new_claim()
    mail.failures[claim.email] = AddressRejectedError()
    await claim.brought_to(Stage.ISSUING)
    await claim.until(lambda: claim.row().get("attention") == Attention.EMAIL_FAILED)
    said = await terminal.succeeds("claims", "show", claim.claim_id)
    for line in (
        f"{claim.claim_id} for {claim.slug}",
        "  stage         issuing since ",
        "  waits for you The e-mail about the award could not be sent (email_failed)",
        "  last error    The mail server refuses this address (AddressRejected)",
        "  next try      ",
        "  what to do    Correct the learner's address or repair the mail server, then retry the step.",
        f"/namespaces/default/workflows/claim-{claim.claim_id}",
        "  possible now  laurel claims retry --reason-code repaired|address_corrected|other --reason ...",
        "laurel claims resolve --reason-code handed_over|told_otherwise|other --reason ...",
    ):
        assert line in said
    del mail.failures[claim.email]
    await terminal.succeeds("claims", "retry", claim.claim_id, "--reason", "Address corrected.")
    await claim.reaches(Stage.COMPLETED)


async def test_a_claim_that_waits_for_issuance_is_shown_without_a_next_try(
    new_claim: NewClaim, terminal: Terminal, engine: Engine
) -> None:
    claim = new_claim(**own_provider())
    await claim.brought_to(Stage.READY_TO_CLAIM)
    pause(engine, provider_of(claim))
    await claim.deliver(claim.receive(claim.credit()))
    await claim.until(lambda: claim.row().get("attention") == Attention.ISSUANCE_PAUSED)
    said = await terminal.succeeds("claims", "show", claim.claim_id)
    assert "  waits for you Issuance is paused (issuance_paused)" in said
    assert "next try" not in said


async def test_a_parked_correction_is_found_with_its_error_and_retried_by_its_own_id(
    new_claim: NewClaim, terminal: Terminal, mail: KeptMail, engine: Engine
) -> None:
    claim = new_claim()
    await claim.brought_to(Stage.COMPLETED)
    await claim.handle.result()
    mail.failures[claim.email] = AddressRejectedError()
    ref = asked(claim, Reissue())
    outline = CorrectionOutline(correction_id=ref.correction_id, ce_activity=claim.slug, provider="lakeside")
    await start_correction(claim.client, outline, timedelta(seconds=10))
    await claim.until(lambda: row_of(engine, ref)["attention"] == Attention.EMAIL_FAILED)
    [group] = [each for each in await terminal.stuck() if each["reason"] == "correction_email_failed"]
    [shown] = [each for each in group["oldest"] if each["id"] == claim.claim_id]
    assert (shown["correction"], shown["last_error"]["code"]) == (ref.correction_id, "AddressRejected")
    assert shown["next_try_at"] is not None
    assert "laurel claims retry with the correction's ID" in group["suggestion"]
    _, told = await terminal.laurel("claims", "stuck")
    assert f"  {claim.claim_id}  {ref.correction_id}  since " in told
    found = await terminal.succeeds("claims", "show", claim.claim_id)
    assert f"  correction    {ref.correction_id} is parked: email_failed; laurel claims retry" in found
    del mail.failures[claim.email]
    why = ("--reason-code", "address_corrected", "--reason", "Ada wrote it down anew.")
    said = await terminal.succeeds("claims", "retry", ref.correction_id, *why)
    assert said == f"{ref.correction_id}: accepted, tries again now\n"
    handle = claim.client.get_workflow_handle(correction_workflow_id(ref.correction_id))
    assert (await handle.result())["state"] == "completed"
    [entry] = [each for each in claim.entries() if each["event"] == "correction.continued"]
    assert (entry["actor"], entry["reason"], entry["after"]["reason_code"]) == (
        cli_actor(),
        "Ada wrote it down anew.",
        "address_corrected",
    )
    history = (await handle.fetch_history()).to_json()
    assert "wrote" not in history, "what somebody typed stays in the office"
    claim.assert_audited()
    code, said = await terminal.laurel("claims", "retry", ref.correction_id, *why)
    assert (code, "refused: there is no such correction that is parked" in said) == (1, True)


async def test_while_temporal_is_away_no_correction_is_retried_and_nothing_is_recorded(
    new_claim: NewClaim, terminal: Terminal, engine: Engine, settings: Settings
) -> None:
    claim = new_claim()
    await claim.brought_to(Stage.COMPLETED)
    ref = asked(claim, Reissue(), CorrectionState.APPLIED)
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE corrections SET attention = 'email_failed' WHERE id = :id"), {"id": ref.correction_id}
        )
    terminal.point_at(settings, f"127.0.0.1:{ports.next_free(17233)}")
    code, said = await terminal.laurel("claims", "retry", ref.correction_id, "--reason", "Repaired.")
    assert (code, "nothing was changed, because Temporal does not answer" in said) == (1, True)
    assert row_of(engine, ref)["attention"] == Attention.EMAIL_FAILED
    assert "correction.continued" not in claim.events()
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM corrections WHERE id = :id"), {"id": ref.correction_id})


async def test_a_held_claim_is_shown_with_who_holds_it_and_its_deadline(
    new_claim: NewClaim, terminal: Terminal
) -> None:
    claim = await ready(new_claim)
    await terminal.succeeds("claims", "hold", claim.claim_id, *HOLD)
    said = await terminal.succeeds("claims", "show", claim.claim_id)
    assert f"  held          by {cli_actor()} since " in said
    assert "  deadline      " in said
    assert "|other --due-on DAY --reason ..." in said
