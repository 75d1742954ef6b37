"""How long pages take with many claims in the record, and how many bytes a first visit costs.

``.venv/bin/python -m bench.pages [--claims 100000] [--rounds 30]`` makes a PostgreSQL of its own, fills
it with generated claims, starts one API process on it and asks for each page again and again, one after the other. The
goal is 50 ms at the median of each page and 100 kB for everything that a first visit loads, compressed. ``busy`` is the
processor time of API and PostgreSQL for one answer: on a machine that does other things too, that is what to compare.

Generated claims have awards, certificates, attempts and e-mails, but no audit entries: histories are measured by
``bench.audit``. Temporal is not running, so the page about Laurel's parts is left out.
"""

import argparse
import asyncio
import gzip
import hashlib
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median, quantiles
from urllib.parse import urljoin

import httpx2
import psutil
from sqlalchemy import Engine, text

from cli.local.ports import next_free
from cli.local.postgres import EmbeddedPostgres
from domain import credit
from domain.roles import Role
from storage.catalog import publish
from storage.database import create_sync_engine
from storage.definitions import Definition
from storage.migrate import upgrade
from tests.claims import example_policy

CE_ACTIVITIES = 40
CLAIMS_PER_LEARNER = 2.5
GOAL_MS = 50
GOAL_BYTES = 100_000
# Files that a page names in these ways are loaded with it; fonts are named by style sheets.
_LINKED = re.compile(r'(?:<link rel="(?:stylesheet|icon)" href|<script src)="(/static/[^"]+)"')
_IN_STYLES = re.compile(r'url\("?(/static/[^")]+)"?\)')

# Every eighth learner is one of those who claim much; learner 1 has claims for every CE activity.
_FILL = (
    """
    INSERT INTO accounts (id, email, role)
    SELECT 'acc_' || n, 'learner' || n || '@learners.example', 'learner' FROM generate_series(1, :learners) AS n
    """,
    """
    INSERT INTO learners (id, account_id, given_name, family_name, name_key, credentials, profession, time_zone)
    SELECT 'lrn_' || n, 'acc_' || n, g, f, lower(g || ' ' || f), 'MD', 'physician', 'America/Chicago'
      FROM generate_series(1, :learners) AS n,
           LATERAL (SELECT (ARRAY['Ada','Grace','Katherine','Rosalind','Chien','Barbara','Inge'])[1 + n % 7] AS g,
                           'Family' || n % 5000 AS f) AS named
    """,
    """
    INSERT INTO learner_identifiers (learner_id, kind, value)
    SELECT 'lrn_' || n, 'employee_id', 'E' || n FROM generate_series(1, :learners) AS n
    """,
    """
    INSERT INTO claims (id, learner_id, ce_activity_id, version_id, stage, stage_since_at, opened_at, due_at,
                        participation, participation_method, participation_at, disclosures_version, disclosures_at,
                        evaluated_at, credit_type, claimed_units, attestation_version, attested_at, finalized_at,
                        awarded_at, notified_at, closed_at, closed_as, attention, held_at, held_by, hold_reason,
                        extension_requested_at)
    SELECT 'clm_' || lpad(n::text, 26, '0'), learner_id, y.id, y.version_id, s.stage,
           opened_at + interval '1 day', opened_at,
           opened_at + CASE WHEN s.stage = 'expired' THEN interval '60 days' ELSE interval '410 days' END,
           'online', 'attestation', opened_at + interval '2 minutes', NULL, NULL,
           CASE WHEN is_done OR s.stage = 'ready_to_claim' THEN opened_at + interval '1 hour' END,
           CASE WHEN is_done THEN 'ama_pra_category_1' END, CASE WHEN is_done THEN 1.00 END,
           CASE WHEN is_done THEN '1' END, CASE WHEN is_done THEN opened_at + interval '2 hours' END, NULL,
           CASE WHEN is_done THEN opened_at + interval '2 hours' END,
           CASE WHEN s.stage = 'completed' THEN opened_at + interval '2 hours 1 minute' END,
           CASE WHEN s.stage IN ('completed', 'expired', 'denied', 'withdrawn') THEN opened_at + interval '3 hours' END,
           CASE WHEN s.stage IN ('expired', 'denied', 'withdrawn') THEN s.stage END,
           CASE WHEN s.stage = 'issuing' THEN 'email_failed' WHEN is_held THEN 'on_hold' END,
           CASE WHEN is_held THEN opened_at END, CASE WHEN is_held THEN 'operator:ada' END,
           CASE WHEN is_held THEN 'identity_check' END,
           CASE WHEN s.stage = 'awaiting_evaluation' AND n % 20 = 4 THEN opened_at END
      FROM generate_series(1, :claims) AS n,
           LATERAL (SELECT (ARRAY['completed','completed','completed','completed','completed','completed','expired',
                                  'awaiting_test','awaiting_evaluation','ready_to_claim'])[1 + n % 10] AS usual) AS u,
           LATERAL (SELECT CASE WHEN n % 1000 = 0 THEN 'issuing' WHEN n % 400 = 1 THEN 'withdrawn'
                                WHEN n % 5000 = 2 THEN 'denied' ELSE usual END AS stage) AS s,
           LATERAL (SELECT s.stage IN ('completed', 'issuing') AS is_done,
                           s.stage = 'awaiting_test' AND n % 500 = 7 AS is_held,
                           now() - (1 + n % 400) * interval '1 day' - n * interval '1 second' AS opened_at,
                           'lrn_' || CASE WHEN n > :ce_activities THEN 1 + n % :learners ELSE 1 END AS learner_id
                   ) AS o,
           LATERAL (SELECT id, version_id FROM bench_activities WHERE place = CASE
                      WHEN n <= :ce_activities THEN n ELSE 1 + (n / :learners + n) % :ce_activities END) AS y
        ON CONFLICT DO NOTHING
    """,
    """
    INSERT INTO attempts (claim_id, number, started_at, submitted_at, answers, correct, total, has_passed, graded_at)
    SELECT id, 1, opened_at + interval '10 minutes', opened_at + interval '20 minutes', '{}', 4, 5, true,
           opened_at + interval '21 minutes'
      FROM claims WHERE stage NOT IN ('awaiting_test', 'expired', 'withdrawn')
    """,
    """
    INSERT INTO awards (id, claim_id, number, learner_id, ce_activity_id, version_id, credit_type, rule_version, units,
                        state, completed_on, attestation_version, attested_at, awarded_at)
    SELECT 'awd_' || substr(id, 5), id, 1, learner_id, ce_activity_id, version_id, credit_type, :rule_version, 1.00,
           'active', awarded_at::date, '1', attested_at, awarded_at FROM claims WHERE awarded_at IS NOT NULL
    """,
    """
    INSERT INTO certificates (id, award_id, version, state, verification_code, data, template_version, reserved_at,
                              issued_at)
    SELECT 'crt_' || substr(id, 5), id, 1, 'issued', substr(upper(md5(id)), 1, 16), '{}', '1', awarded_at, awarded_at
      FROM awards
    """,
    """
    INSERT INTO outgoing_emails (id, purpose, subject_id, claim_id, recipient, state, tries, created_at, sent_at)
    SELECT 'eml_' || substr(id, 5), 'award', 'crt_' || substr(id, 5), id, '', 'sent', 1, awarded_at, awarded_at
      FROM claims WHERE awarded_at IS NOT NULL
    """,
    """
    INSERT INTO outgoing_emails (id, purpose, subject_id, claim_id, recipient, state, tries, created_at, last_error)
    SELECT 'eml_n' || substr(id, 6), 'deadline_reminder', id || '/1', id, '', 'failed', 9, opened_at, 'TimeoutError'
      FROM claims WHERE stage = 'awaiting_test' ORDER BY id LIMIT 200
    """,
)


def fill(engine: Engine, claims: int) -> list[str]:
    """Make this many claims (a few less: one learner claims once for each CE activity); the slugs of the activities."""
    slugs = [f"course-{number:02}" for number in range(1, CE_ACTIVITIES + 1)]
    with engine.begin() as connection:
        for slug in slugs:
            publish(connection, Definition(slug, "published", example_policy()), None)  # type: ignore[arg-type]
        connection.execute(
            text(
                "CREATE TEMPORARY TABLE bench_activities ON COMMIT DROP AS "
                "SELECT row_number() OVER (ORDER BY slug) AS place, id, version_id FROM ce_activities"
            )
        )
        connection.execute(text("SET LOCAL statement_timeout = '10min'"))
        values = {
            "claims": claims,
            "learners": int(claims / CLAIMS_PER_LEARNER),
            "ce_activities": CE_ACTIVITIES,
            "rule_version": credit.rule("ama_pra_category_1").version,
        }
        for statement in _FILL:
            wanted = text(statement)
            connection.execute(wanted, {name: values[name] for name in wanted.compile().params})
    return slugs


def sign_in(engine: Engine, role: Role, account_id: str) -> str:
    """Sign an account in, with a role; the token."""
    token = secrets.token_urlsafe(32)
    session = (
        "INSERT INTO login_sessions (id, token_hash, account_id, expires_at) VALUES (:id, :hash, :account, :until)"
    )
    with engine.begin() as connection:
        connection.execute(text("UPDATE accounts SET role = :role WHERE id = :id"), {"role": role, "id": account_id})
        connection.execute(
            text(session),
            {
                "id": f"ses_{secrets.token_hex(13)}",
                "hash": hashlib.sha256(token.encode()).digest(),
                "account": account_id,
                "until": datetime.now(UTC) + timedelta(hours=8),
            },
        )
    return token


@contextmanager
def api_process(database_url: str) -> Iterator[tuple[str, int]]:
    """One API process on the database, as in production; its address, and the process's id."""
    port = next_free(8300)
    url = f"http://127.0.0.1:{port}"
    chosen = {
        "LAUREL_DATABASE_URL": database_url,
        "LAUREL_PUBLIC_URL": url,
        "LAUREL_REQUESTS_PER_MINUTE": "1000000",
    }
    command = [sys.executable, "-m", "cli", "api", "--port", str(port)]
    process = subprocess.Popen(
        command, env={**os.environ, **chosen}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )  # ours
    try:
        with httpx2.Client() as client:
            for _ in range(200):
                try:
                    client.get(f"{url}/healthz")
                    break
                except httpx2.TransportError:
                    time.sleep(0.1)
        yield url, process.pid
    finally:
        process.terminate()
        process.wait()


def postgres_pid(engine: Engine) -> int:
    """The process id of the server, whose children serve its connections."""
    with engine.connect() as connection:
        backend: int = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    return int(psutil.Process(backend).ppid())


def pages_of(slugs: list[str], claim: str) -> dict[str, list[str]]:
    """The pages that are measured, by who looks at them."""
    slug = slugs[0]
    soon = (datetime.now(UTC) + timedelta(days=7)).date()
    return {
        "learner": [
            "/",
            "/ce-activities",
            f"/ce-activities/{slug}",
            f"/claims/{claim}",
            "/wallet",
            "/profile",
        ],
        "coordinator": [
            "/staff",
            f"/staff?ce_activity={slug}",
            "/staff/claims",
            "/staff/claims?stage=completed",
            "/staff/claims?stage=denied",
            "/staff/claims?attention=email_failed",
            f"/staff/claims?ce_activity={slug}",
            f"/staff/claims?ce_activity={slug}&stage=ready_to_claim",
            f"/staff/claims?due_before={soon}&sort=due",
            "/staff/claims?is_extension_requested=true",
            "/staff/claims?learner=learner77@learners.example",
            "/staff/claims?learner=family77",
            "/staff/claims?learner=E4711",
            "/staff/claims?opened_from=2026-01-01&opened_until=2026-01-31",
            f"/staff/claims/{claim}",
            "/staff/stuck",
            "/staff/emails",
            "/staff/ce-activities",
            f"/staff/ce-activities/{slug}",
            f"/staff/ce-activities/{slug}/completion",
            f"/staff/ce-activities/{slug}/outcomes",
            "/staff/learners",
            "/staff/learners?name=family77",
            "/staff/corrections",
        ],
    }


class Machine:
    """What the processes that answer have worked so far: unlike durations that does not depend on who else works."""

    def __init__(self, api: int, postgres: int) -> None:
        self._api = psutil.Process(api)
        self._postgres = psutil.Process(postgres)

    def seconds(self) -> float:
        """Seconds of processor time of the API, and of PostgreSQL with all its processes."""
        processes = [self._api, self._postgres, *self._postgres.children(recursive=True)]
        return sum(sum(each.cpu_times()[:2]) for each in processes)


async def measure(client: httpx2.AsyncClient, machine: Machine, path: str, token: str, rounds: int) -> str:
    """One line about a page: the first answer, the median, the slowest of twenty; what is over the goal is marked."""
    headers = {"Cookie": f"laurel_session={token}", "Accept": "text/html"}
    times, status, size = [], 0, 0
    worked = 0.0
    for number in range(rounds + 1):
        worked = machine.seconds() if number == 1 else worked
        started = time.perf_counter()
        response = await client.get(path, headers=headers)
        times.append(1000 * (time.perf_counter() - started))
        status, size = response.status_code, len(gzip.compress(response.content))
    first, *others = times
    busy = 1000 * (machine.seconds() - worked) / rounds
    p50, p95 = median(others), quantiles(others, n=20)[-1]
    mark = " " if p50 <= GOAL_MS and status == 200 else "!"
    return f"{mark} {p50:6.1f} {p95:6.1f} {first:7.1f} {busy:6.1f}  {status}  {size:6}  {path}"


async def first_visit(client: httpx2.AsyncClient, token: str) -> int:
    """The bytes of the home page and everything that it loads, compressed as a proxy does."""
    page = await client.get("/", headers={"Cookie": f"laurel_session={token}", "Accept": "text/html"})
    total, wanted = len(gzip.compress(page.content)), list(dict.fromkeys(_LINKED.findall(page.text)))
    for path in wanted:
        file = await client.get(path)
        size = len(file.content) if path.endswith(".woff2") else len(gzip.compress(file.content))
        print(f"  {size:7}  {path}")
        total += size
        if path.endswith(".css"):
            named = [urljoin(path, each) for each in _IN_STYLES.findall(file.text)]
            wanted += [each for each in named if each not in wanted]
    return total


async def run(url: str, machine: Machine, tokens: dict[str, str], pages: dict[str, list[str]], rounds: int) -> bool:
    """Measure every page, then a first visit; whether every goal is met."""
    lines = []
    async with httpx2.AsyncClient(base_url=url, timeout=60) as client:
        print("     p50    p95   first   busy  status  bytes  page")
        for who, paths in pages.items():
            for path in paths:
                lines.append(await measure(client, machine, path, tokens[who], rounds))
                print(lines[-1], flush=True)
        print("first visit of a learner, compressed:")
        total = await first_visit(client, tokens["learner"])
    print(f"  {total:7}  of at most {GOAL_BYTES} bytes")
    return total <= GOAL_BYTES and not any(line.startswith("!") for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--claims", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=30)
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="laurel-bench-"))
    folder.chmod(0o755)
    try:
        with EmbeddedPostgres(folder, durable=False, say=lambda _: None) as server:
            upgrade(server.owner_url)
            owner = create_sync_engine(server.owner_url)
            started = time.perf_counter()
            slugs = fill(owner, chosen.claims)
            with owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("SET statement_timeout = '10min'"))
                connection.execute(text("VACUUM ANALYZE"))
                claims = connection.execute(text("SELECT count(*) FROM claims")).scalar_one()
            print(f"{claims} claims were made in {time.perf_counter() - started:.0f} s")
            tokens = {
                "learner": sign_in(owner, Role.LEARNER, "acc_1"),
                "coordinator": sign_in(owner, Role.COORDINATOR, "acc_2"),
            }
            pages = pages_of(slugs, f"clm_{8:026}")
            with api_process(server.url) as (url, pid):
                is_met = asyncio.run(run(url, Machine(pid, postgres_pid(owner)), tokens, pages, chosen.rounds))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(0 if is_met else 1)


if __name__ == "__main__":
    main()
