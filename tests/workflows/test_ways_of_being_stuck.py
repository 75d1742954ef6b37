"""Ten ways of being stuck: ``laurel claims stuck`` says which it is, and what it suggests frees the claim.

Every part is real, and every case breaks it as it breaks in life.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from temporalio import workflow
from temporalio.common import SearchAttributeKey
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.certificates import PostgresCertificateActivities
from cli.keys import make_missing_keys
from cli.local import ports
from cli.local.postgres import EmbeddedPostgres
from cli.local.temporal import installed_binary
from cli.temporal_setup import register_search_attributes
from config.keys import KeyFolder
from config.settings import Settings, load_settings
from documents.jobs import CertificateJob
from domain.claims import Stage
from domain.corrections import Reissue
from domain.identities import new_id
from domain.policy import Participation, ParticipationMethod
from domain.submissions import AttemptStarted, ParticipationStated
from storage import certificate_templates, integrations, platform_events
from storage.acts import Actor
from storage.catalog import provider_slug, publish
from storage.certificate_templates import NewTemplate, Source
from storage.database import create_sync_engine
from storage.definitions import Definition, DefinitionStatus
from storage.migrate import upgrade
from storage.platform_effects import Source as EventSource
from tests.claims import TestClaim
from tests.corrections import asked
from tests.trouble import Installation, MailServer, Terminal
from tests.workflows.test_finding import NEEDS_A_DEFECT, documented, found
from worker import Activities
from workflows import contract
from workflows.contract import CLAIM_WORKFLOW, CLAIMS_QUEUE, ClaimInput, ClaimResult
from workflows.delivery import CorrectionOutline, start_correction

TEMPLATE = Path(__file__).parents[2] / "examples" / "templates" / "great-lakes"
BY_ROSTER = (Participation(methods=(ParticipationMethod.ROSTER,)),)


@pytest.fixture(scope="module")
def postgres() -> Iterator[EmbeddedPostgres]:
    """A server of its own, which may be away."""
    with tempfile.TemporaryDirectory(prefix="laurel-stuck-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        with EmbeddedPostgres(Path(folder), durable=False, say=lambda _: None) as server:
            upgrade(server.owner_url)
            yield server


@pytest.fixture(scope="module")
def own_settings(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(
        database_url=postgres.url,
        public_url="https://laurel.example",
        keys_dir=tmp_path_factory.mktemp("stuck-keys"),
        smtp_url=f"smtp://127.0.0.1:{ports.next_free(2525)}",
    )


@pytest.fixture(scope="module")
def own_activities(own_settings: Settings) -> Iterator[Activities]:
    engine = create_sync_engine(own_settings.database_url, pool_size=20)
    with engine.begin() as connection:
        make_missing_keys(connection, KeyFolder(own_settings.keys_dir), "cli:tests")
    activities = Activities(engine, own_settings)
    yield activities
    activities.renderer.close()
    engine.dispose()


@pytest.fixture
async def temporal(request: pytest.FixtureRequest) -> AsyncIterator[WorkflowEnvironment]:
    """A server for each case, because it remembers workers for minutes; it reports a defect at once."""
    binary = installed_binary()
    assert binary, "the temporal binary is missing: bin/setup --dev installs it"
    attributes = [each for each in vars(contract).values() if isinstance(each, SearchAttributeKey)]
    setting = "system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute=1"
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(binary),
        dev_server_extra_args=["--dynamic-config-value", setting],
        search_attributes=[] if request.getfixturevalue("way").needs_bare_server else attributes,
    ) as environment:
        yield environment


@pytest.fixture
async def installation(
    temporal: WorkflowEnvironment,
    postgres: EmbeddedPostgres,
    own_settings: Settings,
    own_activities: Activities,
) -> AsyncIterator[Installation]:
    mail = MailServer(int(own_settings.smtp_url.rpartition(":")[2]))
    mail.start()
    engine = create_sync_engine(own_settings.database_url, pool_size=5)
    own = Installation(temporal.client, engine, postgres, mail, own_settings, own_activities)
    yield own
    await own.stop_all()
    mail.stop()
    engine.dispose()


@pytest.fixture
def terminal(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    terminal = Terminal(monkeypatch)
    terminal.point_at(installation.settings, installation.client.service_client.config.target_host)
    yield terminal
    load_settings.cache_clear()


Free = Callable[[], Awaitable[object]]


@dataclass(frozen=True)
class Way:
    """One way of being stuck: how a claim gets there, and what the command must say of it.

    ``get_stuck`` answers with the claim and with what its suggestion says, as something to do.
    """

    get_stuck: Callable[[Installation, Terminal], Awaitable[tuple[TestClaim, Free]]]
    reason: str
    suggests: str
    cause: str | None = None
    error: str | None = None
    needs_bare_server: bool = False


async def mail_server_down(own: Installation, _terminal: Terminal) -> tuple[TestClaim, Free]:
    own.mail.stop()
    await own.start("claims", "documents")
    claim = own.claim()
    await claim.brought_to(Stage.ISSUING)
    await fails(claim, "email.send")
    return claim, lambda: asyncio.to_thread(own.mail.start)


async def bad_template(own: Installation, _terminal: Terminal) -> tuple[TestClaim, Free]:
    await own.start("claims", "documents")
    claim = own.claim()
    provider = provider_slug(claim.policy.provider.name)
    html, css = (TEMPLATE.with_suffix(suffix).read_text(encoding="utf-8") for suffix in (".html", ".css"))

    def published(css: str) -> None:
        new = NewTemplate(name="own", provider=provider, credit_type=None, source=Source(html, css))
        with own.engine.begin() as connection:
            certificate_templates.publish(connection, new, Actor("acc_staff"))

    published(f"{css}.learner {{ display: none }}")
    await claim.brought_to(Stage.ISSUING)
    await claim.until(lambda: claim.row().get("attention") == "certificate_failed")

    async def mend() -> None:
        published(css)
        outline = CorrectionOutline(
            correction_id=asked(claim, Reissue()).correction_id, ce_activity=claim.slug, provider=provider
        )
        await start_correction(own.client, outline, timedelta(seconds=10))

    return claim, mend


async def platform_refused(own: Installation, _terminal: Terminal) -> tuple[TestClaim, Free]:
    await own.start("claims", "documents")
    claim, platform, code = own.claim(requirements=BY_ROSTER), new_id("academy").replace("_", "-"), new_id("X")
    await claim.submit(claim.opening(), datetime.now(UTC) - timedelta(hours=1))
    source = EventSource(platform, new_id("msg"), None)
    event = {
        "type": "participation.recorded",
        "timestamp": datetime.now(UTC).isoformat(),
        "data": {"learner": {"email": claim.email}, "ce_activity": code},
    }
    with own.engine.begin() as connection:
        integrations.add(connection, platform)
        platform_events.receive(connection, source, event)

    async def mend() -> None:
        policy = replace(claim.policy, activity_code=code)
        with own.engine.begin() as connection:
            publish(connection, Definition(claim.slug, DefinitionStatus.PUBLISHED, policy), None)
            platform_events.retry(connection, source, "acc_staff")
        await own.relay()
        await claim.reaches(Stage.READY_TO_CLAIM)
        await claim.submit(claim.credit())

    return claim, mend


class Defect:
    """A renderer with a mistake in it."""

    def render(self, job: CertificateJob) -> bytes:
        raise KeyError(job.data.learner_name)


async def bug_in_an_activity(own: Installation, _terminal: Terminal) -> tuple[TestClaim, Free]:
    activities = own.activities
    sound = activities.certificates
    activities.certificates = PostgresCertificateActivities(
        own.engine, activities.claims, Defect(), activities.credentials
    )
    await own.start("claims", "documents")
    # What comes after is the release that mends it.
    activities.certificates = sound
    claim = own.claim()
    await claim.brought_to(Stage.ISSUING)
    await fails(claim, "certificate.issue")
    return claim, lambda: own.start("documents")


async def database_away(own: Installation, _terminal: Terminal) -> tuple[TestClaim, Free]:
    await own.start("claims", "documents")
    claim = own.claim()
    await claim.brought_to(Stage.READY_TO_CLAIM)
    submission = claim.receive(claim.credit())
    await asyncio.to_thread(own.postgres.stop)
    await own.client.get_workflow_handle(claim.handle.id).signal("credit_claimed", {"submission_id": submission} | SENT)

    async def mend() -> None:
        await asyncio.to_thread(own.postgres.start)
        own.engine.dispose()

    return claim, mend


SENT = {"kind": "credit", "received_at": "2026-01-01T00:00:00Z"}


async def wrong_roster(own: Installation, terminal: Terminal) -> tuple[TestClaim, Free]:
    await own.start("claims", "documents")
    claim = own.claim(requirements=BY_ROSTER)
    await claim.submit(claim.opening(), datetime.now(UTC) - timedelta(hours=1))
    stated = ParticipationStated(ParticipationMethod.ROSTER)
    refused = await claim.submit(stated, datetime.now(UTC) - timedelta(minutes=30))
    assert refused["refusal"] == "identifier_not_found"

    async def mend() -> None:
        with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
            file.write(f"email\n{claim.email}\n")
            file.flush()
            said = await terminal.succeeds("roster", "preview", claim.slug, file.name)
        await terminal.succeeds("roster", "apply", said.split()[-1])
        await own.relay()
        await claim.reaches(Stage.READY_TO_CLAIM)
        await claim.submit(claim.credit())

    return claim, mend


async def held(own: Installation, terminal: Terminal) -> tuple[TestClaim, Free]:
    await own.start("claims", "documents")
    claim = own.claim()
    await claim.brought_to(Stage.READY_TO_CLAIM)
    why = ("--reason-code", "identity_check", "--reason", "Two people, one badge.")
    await terminal.succeeds("claims", "hold", claim.claim_id, *why)

    async def release() -> None:
        why = ("--reason-code", "checked", "--reason", "The badge is hers.")
        await terminal.succeeds("claims", "release", claim.claim_id, *why)
        await claim.submit(claim.credit())

    return claim, release


async def role_missing(own: Installation, _terminal: Terminal) -> tuple[TestClaim, Free]:
    await own.start("claims")
    claim = own.claim()
    await claim.brought_to(Stage.ISSUING)
    return claim, lambda: own.start("documents")


async def search_attribute_missing(own: Installation, _terminal: Terminal) -> tuple[TestClaim, Free]:
    await own.start("claims", "documents")
    claim = own.claim()
    claim.receive_steps(Stage.AWARDING, datetime.now(UTC) - timedelta(hours=1))
    await own.relay()

    async def mend() -> None:
        # What ``laurel temporal setup`` does; the command itself ends the process that it runs in.
        await register_search_attributes(own.client, contract.SEARCH_ATTRIBUTES)
        with own.engine.begin() as connection:
            # The relay waits longer after each try; an hour has passed.
            due = "UPDATE submissions SET deliver_after = clock_timestamp() WHERE claim_id = :id"
            connection.execute(text(due), {"id": claim.claim_id})
        await own.relay()

    return claim, mend


@workflow.defn(name=CLAIM_WORKFLOW)
class OfAnotherRelease:
    """The claim's workflow as no release had it: it begins with another command."""

    @workflow.run
    async def run(self, _claim: ClaimInput) -> ClaimResult:
        await workflow.sleep(1)
        return ClaimResult("completed")


async def nondeterminism(own: Installation, _terminal: Terminal) -> tuple[TestClaim, Free]:
    await own.start("claims", "documents")
    claim = own.claim()
    await claim.brought_to(Stage.AWAITING_TEST)
    await own.stop("claims")
    other = Worker(
        own.client,
        task_queue=CLAIMS_QUEUE,
        workflows=[OfAnotherRelease],
        workflow_runner=UnsandboxedWorkflowRunner(),
    )
    await own.run("claims", other)
    await claim.deliver(claim.receive(AttemptStarted()))
    problems = SearchAttributeKey.for_keyword_list("TemporalReportedProblems")
    await claim.described(lambda described: bool(described.typed_search_attributes.get(problems)))
    # The list that operators are told to use finds it as well, a moment later.
    async with asyncio.timeout(30):
        while not await found(own.client, documented()[NEEDS_A_DEFECT], [claim.handle.id]):  # noqa: ASYNC110  # no event
            await asyncio.sleep(0.05)

    async def mend() -> None:
        await own.start("claims")
        for body in (claim.answers(), claim.evaluation(), claim.credit()):
            await claim.submit(body)
            await asyncio.sleep(0)

    return claim, mend


async def fails(claim: TestClaim, activity: str) -> None:
    """Wait until an activity failed and is tried again."""
    await claim.described(
        lambda described: any(
            pending.activity_type.name == activity and pending.HasField("last_failure")
            for pending in described.raw_description.pending_activities
        )
    )


WAYS = {
    "mail server down": Way(
        mail_server_down, "email_overdue", "Repair the mail server", error="ConnectionRefusedError"
    ),
    "bad template": Way(bad_template, "certificate_failed", "reissue the certificate", error="LearnerNotShown"),
    "participation system refusing": Way(
        platform_refused, "event_quarantined", "try them again", error="ce_activity_unknown"
    ),
    "bug in an activity": Way(
        bug_in_an_activity, "certificate_overdue", "Install the release", cause="defect", error="KeyError"
    ),
    "database away": Way(database_away, "database_away", "Start PostgreSQL"),
    "wrong roster": Way(
        wrong_roster, "participation_refused", "Upload the roster corrected", error="identifier_not_found"
    ),
    "held": Way(held, "on_hold", "Release"),
    "worker of a role missing": Way(
        role_missing, "certificate_overdue", "laurel worker --role documents", cause="documents_worker_missing"
    ),
    "search attribute missing": Way(
        search_attribute_missing,
        "submission_undecided",
        "laurel temporal setup",
        cause="search_attributes_missing",
        needs_bare_server=True,
    ),
    "nondeterminism": Way(
        nondeterminism, "workflow_failing", "Run workers of the release that fits", error="NonDeterministicError"
    ),
}


@pytest.mark.parametrize("way", [pytest.param(way, id=name) for name, way in WAYS.items()])
async def test_a_claim_that_is_stuck_is_shown_with_the_reason_and_freed_by_what_is_suggested(
    way: Way, installation: Installation, terminal: Terminal
) -> None:
    claim, free = await way.get_stuck(installation, terminal)
    code, told = await terminal.laurel("claims", "stuck")
    assert code == 1
    assert f"({way.cause or way.reason})" in told
    assert way.suggests in told
    if way.reason != "database_away":
        [group] = await terminal.stuck()
        [shown] = group["oldest"]
        cause = group["cause"] and group["cause"]["code"]
        assert (shown["id"], group["reason"], cause) == (claim.claim_id, way.reason, way.cause)
        assert way.error is None or shown["last_error"]["code"] == way.error
        assert way.error is None or f"{shown['last_error']['words']} ({way.error})" in told
    await free()
    await claim.reaches(Stage.COMPLETED)
    await claim.handle.result()
    assert [award["state"] for award in claim.awards()] == ["active"]
    claim.assert_audited()
    assert await terminal.succeeds("claims", "stuck") == "every claim goes on by itself or waits for its learner\n"
