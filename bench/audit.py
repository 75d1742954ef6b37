"""What the audit trail costs: writing an entry, giving it its place in the tree, checking it.

``.venv/bin/python -m bench.audit [ENTRIES]`` makes a PostgreSQL of its own, writes entries with and without the trigger
that checks them, then numbers and verifies a long trail. Durations depend on the machine; ratios of one run less so.
"""

import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

from sqlalchemy import Engine, text

from activities.checkpoints import Checkpointer
from cli.local.postgres import EmbeddedPostgres
from config.keys import KeyFolder, KeyPurpose
from storage import keys
from storage.audit_report import Verdict
from storage.audit_verify import Scope, verify
from storage.database import create_sync_engine
from storage.migrate import upgrade
from tests.trail.bulk import write_bulk
from tests.trail.conftest import append_entries

ENTRIES = 200_000
ROUNDS = 7
CLAIMS = 100
PER_CLAIM = 10


def main(entries: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="laurel-bench-"))
    folder.chmod(0o755)
    try:
        with EmbeddedPostgres(folder, say=lambda _: None) as server:
            upgrade(server.owner_url)
            engines = [create_sync_engine(url) for url in (server.url, server.owner_url)]
            superuser = create_sync_engine(server.admin_url.removesuffix("postgres") + "laurel")
            write(*engines)
            seal(engines[0], superuser, folder / "keys", entries)
            for engine in (*engines, superuser):
                engine.dispose()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write(engine: Engine, owner: Engine) -> None:
    """Claims of ten entries in one transaction each; by turns with the check and without it."""
    with owner.begin() as connection:
        for column in ("xid", "cluster"):
            connection.execute(text(f"ALTER TABLE audit_events ALTER {column} DROP NOT NULL"))
    rates: dict[str, list[float]] = {"ENABLE": [], "DISABLE": []}
    for turn in range(ROUNDS):
        for state, measured in rates.items():
            with owner.begin() as connection:
                connection.execute(text(f"ALTER TABLE audit_events {state} TRIGGER audit_events_checked"))
            measured.append(CLAIMS * PER_CLAIM / seconds(partial(write_claims, engine, f"{turn}-{state}")))
    with owner.begin() as connection:
        connection.execute(text("ALTER TABLE audit_events DISABLE TRIGGER USER"))
        connection.execute(text("DELETE FROM audit_events"))
        connection.execute(text("ALTER TABLE audit_events ENABLE TRIGGER USER"))
    checked, unchecked = median(rates["ENABLE"]), median(rates["DISABLE"])
    print(
        f"writing    {checked:>9,.0f} entries/s, {unchecked:,.0f} without the check: {unchecked / checked - 1:.0%} more"
    )


def write_claims(engine: Engine, name: str) -> None:
    for number in range(CLAIMS):
        with engine.begin() as connection:
            append_entries(connection, f"claim:{name}-{number}", PER_CLAIM)


def seal(engine: Engine, superuser: Engine, keys_dir: Path, entries: int) -> None:
    """A long trail: numbered, signed, checked as a whole and from its last tenth on."""
    key = KeyFolder(keys_dir).create(KeyPurpose.AUDIT)
    with engine.begin() as connection:
        fields = keys.SigningKeyFields(id=key.id, purpose=key.purpose, public_key=key.public)
        keys.register(connection, fields, "cli:bench")
    checkpointer = Checkpointer(engine, keys_dir, "https://laurel.example")
    numbering = 0.0
    for part in (entries * 9 // 10, entries // 10):
        with superuser.begin() as connection:
            write_bulk(connection, part, f"claim:{part}")
        numbering += seconds(checkpointer.number_all)
        checkpointer.checkpoint()
    with superuser.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("VACUUM ANALYZE"))
    print(f"numbering  {entries / numbering:>9,.0f} entries/s, {numbering / entries * 1e6:.1f} s for a million")
    whole = seconds(lambda: must_be_clean(engine, Scope()))
    print(f"checking   {entries / whole:>9,.0f} entries/s, {whole / entries * 1e6:.1f} s for a million")
    since = seconds(lambda: must_be_clean(engine, Scope(since=entries * 9 // 10 + 1)))
    print(f"checking the last tenth takes {since / whole:.0%} of that; numbering {numbering / whole:.0%}")


def must_be_clean(engine: Engine, scope: Scope) -> None:
    report = verify(engine, scope)
    assert report.verdict is Verdict.CLEAN, list(report.lines())


def seconds(work: Callable[[], object]) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ENTRIES)
