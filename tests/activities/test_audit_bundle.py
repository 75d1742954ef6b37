"""A real claim's bundle, from the first entry to the certificate, is verified by a program that needs no Laurel."""

import hashlib
import json
import runpy
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import Engine, text
from temporalio.client import Client

from activities.checkpoints import Checkpointer
from activities.contract import ClaimRef
from domain.claims import Stage
from domain.submissions import DeadlineExtended
from storage.acts import Actor
from storage.audit import first_break
from storage.audit_bundle import collect
from storage.audit_bundle.collect import BundleOrder, ClaimNotFoundError, hand_out_bundle
from storage.audit_log import last_signed_checkpoint
from storage.disclosures import Disclosure
from storage.sealing import SealPurpose, destroy_keys, open_entries
from tests.activities.test_ledger_twice import brought_to, run_together, step
from tests.activities.test_merge import merge
from tests.claims import TestClaim, example_policy
from worker import Activities

NewClaim = Callable[..., TestClaim]
Files = dict[str, bytes]
Findings = list[tuple[str, str, str]]

VERIFIER = Path(collect.__file__).parent / "verify.py"
CHECK: Callable[[Files, str | None], Findings] = runpy.run_path(str(VERIFIER))["check"]
WHY = Disclosure(Actor("cli:auditor"), "Asked for by the board.")


@pytest.fixture
def checkpointer(engine: Engine, keys_dir: Path) -> Checkpointer:
    return Checkpointer(engine, keys_dir, "https://laurel.example")


@pytest.fixture
def completed(new_claim: NewClaim, activities: Activities) -> TestClaim:
    return complete(new_claim(), activities)


def complete(claim: TestClaim, activities: Activities) -> TestClaim:
    brought_to(claim, activities, Stage.READY_TO_CLAIM)
    claim.receive(
        DeadlineExtended(datetime(2030, 1, 31, tzinfo=UTC).date(), "Illness of Ms Moreau."), actor="acc_staff"
    )
    claim.receive(claim.credit())
    activities.claims.decide_submissions(step(claim))
    activities.certificates.issue_certificate(ClaimRef(claim.claim_id))
    return claim


def signed(checkpointer: Checkpointer, engine: Engine, *claims: TestClaim) -> str:
    """A checkpoint that covers all of these claims; answers with its note."""
    unnumbered = text(
        "SELECT count(*) FROM audit_events e LEFT JOIN audit_leaves l USING (stream, seq) "
        "WHERE e.stream = ANY(:streams) AND l.leaf_index IS NULL"
    )
    streams = {"streams": [f"claim:{claim.claim_id}" for claim in claims]}
    for _ in range(600):
        checkpointer.number_all()
        checkpointer.checkpoint()
        with engine.connect() as connection:
            if connection.scalar(unnumbered, streams) == 0:
                checkpoint = last_signed_checkpoint(connection)
                assert checkpoint is not None
                assert checkpoint.note is not None
                return checkpoint.note
        time.sleep(0.05)  # a transaction anywhere that has not ended yet
    raise AssertionError("entries get no place in the tree")


def bundle(database_url: str, claim: TestClaim, *anchored: int) -> Files:
    order = BundleOrder(claim_id=claim.claim_id, disclosure=WHY, release="1.2.3", anchored_sizes=anchored)
    with zipfile.ZipFile(BytesIO(hand_out_bundle(database_url, order))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def results(files: Files, anchor: str | None = None) -> dict[str, set[str]]:
    """What was found, and about what."""
    found: dict[str, set[str]] = {}
    for result, about, _ in CHECK(files, anchor):
        found.setdefault(result, set()).add(about)
    return found


def entries_of(files: Files) -> list[dict[str, Any]]:
    return [json.loads(line) for line in files["events.jsonl"].decode().split("\n") if line]


def test_a_completed_claim_is_verified_with_all_that_belongs_to_it(
    completed: TestClaim, checkpointer: Checkpointer, database_url: str, engine: Engine
) -> None:
    signed(checkpointer, engine, completed)
    files = bundle(database_url, completed)
    assert results(files) == {"ok": {"files", "entries", "proofs", "checkpoint", "documents", "sealed"}}, CHECK(
        files, None
    )
    names = {Path(name).suffix for name in files if name.startswith("certificates/")}
    assert names == {".pdf", ".json"}
    streams = {entry["stream"].split(":")[0] for entry in entries_of(files)}
    assert {"claim", "ce_activity", "keys"} <= streams
    rules = json.loads(files["rules.json"])
    assert rules["policy_version"] == completed.published.version_id
    assert rules["credit_rules"][0]["code"] == completed.awards()[0]["credit_type"]
    manifest = json.loads(files["manifest.json"])
    assert (manifest["claim"], manifest["reason"]) == (completed.claim_id, WHY.reason)
    assert manifest["certificates"][0]["state"] == "issued"


def test_what_was_submitted_is_evidence_but_never_the_answers_to_an_evaluation(
    completed: TestClaim, checkpointer: Checkpointer, database_url: str, engine: Engine
) -> None:
    signed(checkpointer, engine, completed)
    files = bundle(database_url, completed)
    evidence = [json.loads(content) for name, content in files.items() if name.startswith("evidence/")]
    assert any("answers" in each for each in evidence)
    assert not any("responses" in each for each in evidence)
    everything = b"".join(files.values())
    assert b"Clear and practical." not in everything
    assert b"accepted" in everything


def test_what_is_sealed_about_the_learner_can_be_read_and_nothing_of_anybody_else(
    completed: TestClaim, new_claim: NewClaim, checkpointer: Checkpointer, database_url: str, engine: Engine
) -> None:
    signed(checkpointer, engine, completed)
    opened = json.loads(bundle(database_url, completed)["opened.json"])
    assert any("Illness of Ms Moreau." in each["values"].values() for each in opened["entries"])
    assert {each["stream"] for each in opened["entries"]} <= {
        f"claim:{completed.claim_id}",
        f"learner:{completed.learner_id}",
    }
    with engine.begin() as connection:
        destroy_keys(connection, [completed.learner_id, f"claim:{completed.claim_id}"], *SealPurpose)
    files = bundle(database_url, completed)
    assert json.loads(files["opened.json"]) == {"entries": [], "keys": {}}
    assert "CHANGED" not in results(files)


def test_entries_of_after_the_checkpoint_are_there_and_said_to_be_unsigned(
    new_claim: NewClaim, activities: Activities, checkpointer: Checkpointer, database_url: str, engine: Engine
) -> None:
    claim = brought_to(new_claim(), activities, Stage.READY_TO_CLAIM)
    signed(checkpointer, engine, claim)
    before = len(entries_of(bundle(database_url, claim)))
    claim.receive(claim.credit())
    activities.claims.decide_submissions(step(claim))
    files = bundle(database_url, claim)
    assert len(entries_of(files)) == before + 2
    assert results(files)["unchecked"] == {"proofs"}
    signed(checkpointer, engine, claim)
    assert "unchecked" not in results(bundle(database_url, claim))


def test_an_anchor_of_long_ago_is_compared_if_the_bundle_was_asked_to_prove_it(
    completed: TestClaim, new_claim: NewClaim, checkpointer: Checkpointer, database_url: str, engine: Engine
) -> None:
    anchor = signed(checkpointer, engine, completed)
    new_claim()  # publishes a CE activity, which is entered
    signed(checkpointer, engine, completed)
    assert results(bundle(database_url, completed), anchor)["unchecked"] == {"anchor"}
    size = int(anchor.split("\n")[1])
    files = bundle(database_url, completed, size, size + 10**9)
    assert "unchecked" not in results(files, anchor)
    assert results(files, anchor.replace(anchor.split("\n")[2], "A" * 43 + "="))["CHANGED"] == {"anchor"}


def test_a_claim_that_was_moved_by_a_merge_brings_the_story_of_both_accounts(
    activities: Activities, engine: Engine, checkpointer: Checkpointer, database_url: str
) -> None:
    policy = example_policy()
    kept = TestClaim(engine, cast(Client, None), policy)
    duplicate = complete(TestClaim(engine, cast(Client, None), policy), activities)
    merge(engine, activities, kept, duplicate)
    signed(checkpointer, engine, duplicate)
    files = bundle(database_url, duplicate)
    streams = {entry["stream"] for entry in entries_of(files)}
    assert {f"learner:{kept.learner_id}", f"learner:{duplicate.learner_id}"} <= streams
    assert "CHANGED" not in results(files)


def test_that_a_bundle_was_handed_out_is_entered_with_its_hash_before_anyone_has_it(
    completed: TestClaim, database_url: str, engine: Engine
) -> None:
    files = bundle(database_url, completed)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT body FROM audit_events WHERE stream = 'disclosures'"))
        opened = open_entries(connection, [bytes(row.body) for row in rows])
    (entry,) = [each for each in opened if each["after"].get("claim") == completed.claim_id]
    assert (entry["event"], entry["actor"], entry["private"]) == (
        "claim.exported",
        "cli:auditor",
        {"reason": WHY.reason},
    )
    assert entry["evidence"] == {"manifest": hashlib.sha256(files["manifest.json"]).hexdigest()}


def test_bundles_that_are_handed_out_at_the_same_time_are_each_entered(
    completed: TestClaim, database_url: str, engine: Engine
) -> None:
    run_together(lambda: bundle(database_url, completed), times=6)
    with engine.connect() as connection:
        bodies = connection.execute(text("SELECT body FROM audit_events WHERE stream = 'disclosures'")).scalars()
        entries = [json.loads(bytes(body)) for body in bodies]
        assert first_break(connection, "disclosures") is None
    assert sum(each["after"].get("claim") == completed.claim_id for each in entries) == 6


def test_a_claim_that_is_not_on_record_has_no_bundle(new_claim: NewClaim, database_url: str) -> None:
    with pytest.raises(ClaimNotFoundError):
        bundle(database_url, new_claim())


@contextmanager
def changed_by_the_owner(owner_engine: Engine, statement: str, **values: object) -> Iterator[None]:
    """Let the owner of the tables rewrite history, as no process can."""
    with owner_engine.begin() as connection:
        connection.execute(text("ALTER TABLE audit_events DISABLE TRIGGER USER"))
        connection.execute(text(statement), values)
        connection.execute(text("ALTER TABLE audit_events ENABLE TRIGGER USER"))
    yield


def test_history_that_the_owner_of_the_tables_rewrote_does_not_verify(
    completed: TestClaim, checkpointer: Checkpointer, database_url: str, engine: Engine, owner_engine: Engine
) -> None:
    signed(checkpointer, engine, completed)
    stream = f"claim:{completed.claim_id}"
    body = "convert_to(replace(convert_from(body, 'UTF8'), '\"units\":\"1.00\"', '\"units\":\"9.00\"'), 'UTF8')"
    rewrite = f"UPDATE audit_events SET body = {body} WHERE stream = :stream"  # noqa: S608
    with changed_by_the_owner(owner_engine, rewrite, stream=stream):
        assert "entries" in results(bundle(database_url, completed))["CHANGED"]
    hashed = "UPDATE audit_events SET body_hash = sha256(body) WHERE stream = :stream"
    with changed_by_the_owner(owner_engine, hashed, stream=stream):
        assert "entries" in results(bundle(database_url, completed))["CHANGED"]
    unreadable = "UPDATE audit_events SET body = '\\xff'::bytea WHERE stream = :stream AND seq = 3"
    with changed_by_the_owner(owner_engine, unreadable, stream=stream):
        assert "entries" in results(bundle(database_url, completed))["CHANGED"]
