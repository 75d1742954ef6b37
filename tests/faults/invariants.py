"""What is counted after a run, under the names of reliability.md: invariants I1-I16 and guarantees G1-G7, G14, G16."""

import asyncio
import hashlib
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psycopg
from sqlalchemy import Connection, Engine, make_url, text

from cli.local.postgres import EmbeddedPostgres, installed_server
from config.settings import Settings
from documents.models import CertificateData
from storage.database import create_sync_engine
from tests.agreement import check_every_certificate
from tests.faults import record
from tests.faults.installation import Installation
from tests.faults.learners import Diary, Letters
from tests.faults.queries import NEVER
from worker import Activities

_RENDERED_AGAIN = 3
# The checkpointer signs what is new every five seconds here.
_SEAL_SECONDS = 30.0


@dataclass(frozen=True)
class Evidence:
    """A run that is over, and what its learners saw."""

    installation: Installation
    engine: Engine
    diary: Diary
    letters: Letters


Look = Callable[[Evidence], Sequence[str]]


def count(evidence: Evidence) -> dict[str, list[str]]:
    """The violations of each invariant and guarantee, in words; most have none. It takes a while: use a thread."""
    found: dict[str, list[str]] = {}
    # Of I10, I9 and I11 tell. Of G1, G4 and G6: I1, I8 and I12.
    with evidence.engine.connect() as connection:
        for name in NEVER:
            found[name] = record.of_record(connection, [name])
        for name, looks in _of_connection(connection, evidence).items():
            found.setdefault(name, []).extend(looks)
    for name, look in _LOOKS.items():
        found.setdefault(name, []).extend(look(evidence))
    return dict(sorted(found.items(), key=lambda each: (each[0][0] == "G", int(each[0][1:]))))


def _of_connection(connection: Connection, evidence: Evidence) -> dict[str, list[str]]:
    diary = evidence.diary
    return {
        "G2": record.of_steps(connection, diary.steps),
        "G3": [each for each in diary.surprises if "double click" in each],
        "G5": record.of_documents(connection, diary) + record.of_mail(connection, evidence.letters),
        "G7": [each for each in diary.surprises if "double click" not in each],
        "I9": record.of_audit(connection),
    }


def _represented(evidence: Evidence) -> list[str]:
    """Certificate, ledger, verification page and credential say the same of every award."""
    try:
        check_every_certificate(evidence.installation.running.database_url, evidence.installation.api_url)
    except AssertionError as disagreement:
        return [str(disagreement)]
    return []


def _replayed(evidence: Evidence) -> list[str]:
    return _command(evidence, "audit", "replay")


def _sealed(evidence: Evidence) -> list[str]:
    """The whole trail is sealed and clean, once the checkpointer has signed the last entries."""
    end = time.monotonic() + _SEAL_SECONDS
    while found := _command(evidence, "audit", "verify", "--all"):
        if time.monotonic() > end:
            return found
        time.sleep(1)
    return []


def _reconciled(evidence: Evidence) -> list[str]:
    return _command(evidence, "reconcile", "--check")


def _command(evidence: Evidence, *arguments: str) -> list[str]:
    code, said = evidence.installation.command(*arguments)
    return [] if code == 0 else [f"laurel {' '.join(arguments)} ended with {code}: {said[-2000:]}"]


def _rendered_again(evidence: Evidence) -> list[str]:
    """Some certificates, made again from what was stored, are the same bytes."""
    installation = evidence.installation
    settings = Settings(
        database_url=installation.running.database_url,
        keys_dir=installation.folder / "keys",
        public_url=installation.api_url,
    )
    activities = Activities(evidence.engine, settings)
    query = text(
        "SELECT c.id, c.data, c.sha256, s.content FROM certificates c JOIN credentials r ON r.certificate_id = c.id "
        "JOIN documents s ON s.sha256 = r.sha256 ORDER BY c.id LIMIT :limit"
    )
    with evidence.engine.connect() as connection:
        rows = connection.execute(query, {"limit": _RENDERED_AGAIN}).all()
    activities.renderer.start()
    try:
        again = {
            row.id: activities.renderer.render(
                activities.certificates._job(CertificateData.from_json(row.data), bytes(row.content))
            )
            for row in rows
        }
    finally:
        activities.renderer.close()
    return [
        f"{row.id} is rendered to other bytes"
        for row in rows
        if hashlib.sha256(again[row.id]).digest() != bytes(row.sha256)
    ]


def _restored(evidence: Evidence) -> list[str]:
    """A dump of the record, restored beside it, holds as many claims, and its trail replays and verifies."""
    installation = evidence.installation
    port = make_url(installation.running.database_url).port
    postgres, server = EmbeddedPostgres(installation.folder, port=port), installed_server()
    assert server is not None
    with psycopg.connect(postgres.admin_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE restored OWNER laurel")
    dump, copied = installation.folder / "record.dump", postgres.owner_url.removesuffix("laurel") + "restored"
    for program, *arguments in (
        ("pg_dump", "--format=custom", f"--file={dump}", postgres.owner_url),
        ("pg_restore", "--exit-on-error", f"--dbname={copied}", str(dump)),
    ):
        command = [str(server / "bin" / program), *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode:
            return [f"{program} ended with {ended.returncode}: {ended.stderr[-1000:]}"]
    engine = create_sync_engine(copied, 1)
    with engine.connect() as restored, evidence.engine.connect() as original:
        counts = [each.execute(text("SELECT count(*) FROM claims")).scalar() for each in (original, restored)]
        found = record.of_record(restored) + record.of_audit(restored)
    engine.dispose()
    return found if counts[0] == counts[1] else [f"{counts[0]} claims were dumped, {counts[1]} restored", *found]


_LOOKS: dict[str, Look] = {
    "I2": _represented,
    "I9": _replayed,
    "I11": _sealed,
    "I12": _reconciled,
    "I14": _rendered_again,
    "G14": lambda evidence: record.of_logs(evidence.installation.folder / "logs"),
    "G16": _restored,
}


# Under which names something is counted. ``_of_connection`` has five of them.
NAMES = {*NEVER, *_LOOKS, "G2", "G3", "G5", "G7", "I9"}


async def count_aside(evidence: Evidence) -> dict[str, list[str]]:
    """The same, beside the loop."""
    return await asyncio.to_thread(count, evidence)
