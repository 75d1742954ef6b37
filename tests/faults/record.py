"""Counting after the storm: each function answers with the violations it found, in words."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text
from temporalio.client import Client, WorkflowExecutionStatus

from storage.audit import claim_stream, first_break
from tests.faults.learners import Diary, Letters, Step
from tests.faults.queries import NEVER
from workflows.contract import claim_workflow_id

SUBMISSIONS = ("opening", "participation", "attempt", "answers", "evaluation", "credit")

_ONCE = ("claim.opened", "credit.awarded", "certificate.issued", "email.sent")


def of_record(connection: Connection, invariants: Iterable[str] = tuple(NEVER)) -> list[str]:
    """The queries of these invariants, which must find nothing."""
    found = []
    for invariant in invariants:
        for words, query in NEVER[invariant].items():
            offenders = connection.execute(text(query)).scalars().all()
            if offenders:
                found.append(f"{len(offenders)} {words}: {', '.join(map(str, offenders[:5]))}")
    return found


def of_audit(connection: Connection) -> list[str]:
    """Every claim's chain holds, tells each thing once, and ends in the claim's stage."""
    found = []
    for claim_id, stage in connection.execute(text("SELECT id, stage FROM claims")).all():
        if (seq := first_break(connection, claim_stream(claim_id))) is not None:
            found.append(f"the audit chain of {claim_id} breaks at {seq}")
        entries = _entries(connection, claim_id)
        stages = [entry["after"]["stage"] for entry in entries if "stage" in entry.get("after", {})]
        if not stages or stages[-1] != stage:
            found.append(f"the audit trail of {claim_id} ends in {stages[-1:]}, the claim in {stage}")
        events = [entry["event"] for entry in entries]
        graded = [entry["after"]["attempt"] for entry in entries if entry["event"] == "attempt.graded"]
        twice = [event for event in _ONCE if events.count(event) > 1]
        if twice or len(graded) != len(set(graded)):
            found.append(f"the audit trail of {claim_id} tells something twice: {events}")
    return found


def _entries(connection: Connection, claim_id: str) -> list[dict[str, Any]]:
    query = text("SELECT body FROM audit_events WHERE stream = :stream ORDER BY seq")
    bodies = connection.execute(query, {"stream": claim_stream(claim_id)}).scalars()
    return [json.loads(bytes(body)) for body in bodies]


def of_steps(connection: Connection, steps: Iterable[Step]) -> list[str]:
    """What the learners were told is what the record says."""
    query = text(
        "SELECT k.key, s.outcome, s.refusal FROM idempotency_keys k JOIN submissions s ON s.id = k.submission_id"
    )
    recorded = {key: (outcome, refusal) for key, outcome, refusal in connection.execute(query)}
    found = []
    for step in steps:
        if step.kind not in SUBMISSIONS:
            continue
        outcome, refusal = recorded.get(step.key, (None, None))
        if step.is_acknowledged and outcome is None:
            found.append(f"acknowledged, and not in the record: {step}")
        if step.status in (200, 201) and outcome != "accepted":
            found.append(f"accepted to the learner, {outcome} in the record: {step}")
        if outcome == "accepted" and set(step.requests) == {"failed"}:
            found.append(f"refused to the learner every time, accepted in the record: {step}")
        if step.status == 409 and (outcome, refusal) != ("refused", step.code):
            found.append(f"refused to the learner, {outcome} in the record: {step}")
    return found


def of_documents(connection: Connection, diary: Diary) -> list[str]:
    """The certificates that learners downloaded are the ones in the record."""
    query = text(
        "SELECT a.claim_id, encode(c.sha256, 'hex') FROM certificates c JOIN awards a ON a.id = c.award_id "
        "WHERE c.state = 'issued'"
    )
    stored = dict[str, str](connection.execute(query).all())
    return [
        f"the certificate of {claim_id} was served as {served}, and is {stored.get(claim_id)}"
        for claim_id, served in diary.certificates.items()
        if stored.get(claim_id) != served
    ]


def of_mail(connection: Connection, letters: Letters) -> list[str]:
    """Each award was announced to its learner, under one Message-ID, to nobody else."""
    letters.to("")
    ids = defaultdict(set)
    for message in letters.messages:
        for recipient in message.to if "/certificate" in (message.text or "") else ():
            ids[recipient].add(message.message_id.strip("<>").partition("@")[0])
    query = text("SELECT e.recipient, e.id FROM outgoing_emails e JOIN certificates c ON c.id = e.subject_id")
    expected = {recipient: {email_id} for recipient, email_id in connection.execute(query)}
    return [
        f"{recipient} got the award mails {ids.get(recipient)}, and should get {expected.get(recipient)}"
        for recipient in ids.keys() | expected.keys()
        if ids.get(recipient) != expected.get(recipient)
    ]


def of_logs(folder: Path) -> list[str]:
    """No worker found that a claim's history is not what its code would have done."""
    found = []
    for log in sorted(folder.glob("worker-*.log*")):
        count = log.read_text(errors="replace").casefold().count("nondeterminism")
        if count:
            found.append(f"{log.name} speaks of nondeterminism {count} times")
    return found


async def of_workflows(temporal: Client, claim_ids: Sequence[str], status: WorkflowExecutionStatus) -> list[str]:
    """The workflows of these claims are running, or have completed."""
    found = []
    for claim_id in claim_ids:
        description = await temporal.get_workflow_handle(claim_workflow_id(claim_id)).describe()
        if description.status is not status:
            found.append(f"the workflow of {claim_id} is {description.status and description.status.name}")
    return found
