"""A sealed audit trail in a database of the test's own: who may tamper with it, and who then checks it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, Engine, make_url, text

from activities.checkpoints import Checkpointer
from cli.local.postgres import EmbeddedPostgres
from config.keys import KeyFolder, KeyPurpose, SigningKey
from domain.identities import new_id
from storage import keys
from storage.audit import AuditEntry, AuditStream
from storage.audit_report import Report
from storage.audit_verify import Scope, verify
from storage.database import create_sync_engine
from storage.migrate import upgrade

SEALED = ("audit_events", "audit_leaves", "audit_checkpoints")
PUBLIC_URL = "https://credit.hospital.example"


@dataclass
class Trail:
    """One database, as the application, its owner and a superuser reach it, and the folder with its keys."""

    engine: Engine
    owner: Engine
    superuser: Engine
    keys_dir: Path
    file: Path

    @property
    def keys(self) -> KeyFolder:
        return KeyFolder(self.keys_dir)

    @property
    def checkpointer(self) -> Checkpointer:
        return Checkpointer(self.engine, self.keys_dir, PUBLIC_URL, file=self.file)

    def write(self, stream: str, count: int = 1) -> None:
        for _ in range(count):
            with self.engine.begin() as connection:
                write_entry(connection, stream)

    def seal(self) -> None:
        self.checkpointer.number_all()
        self.checkpointer.checkpoint()

    def verify(self, **scope: object) -> Report:
        return verify(self.engine, Scope(**scope))  # type: ignore[arg-type]

    def create_key(self) -> SigningKey:
        key = self.keys.create(KeyPurpose.AUDIT)
        with self.engine.begin() as connection:
            fields = keys.SigningKeyFields(id=key.id, purpose=key.purpose, public_key=key.public)
            keys.register(connection, fields, "cli:office")
        return key

    def ask(self, question: str, **values: object) -> list[tuple[object, ...]]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(question), values)]

    @contextmanager
    def tampering(self, who: Engine) -> Iterator[Connection]:
        """A transaction with every trigger off; they are on again afterwards."""
        with who.begin() as connection:
            self.switch_triggers_off(connection)
            yield connection
            self.switch_triggers_on(connection)

    def switch_triggers_off(self, connection: Connection) -> None:
        """Whoever owns the tables switches off their triggers; a superuser those of all tables."""
        if connection.engine is self.superuser:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
        for table in SEALED if connection.engine is self.owner else ():
            connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))

    def switch_triggers_on(self, connection: Connection) -> None:
        for table in SEALED if connection.engine is self.owner else ():
            connection.execute(text(f"ALTER TABLE {table} ENABLE TRIGGER USER"))


def write_entry(connection: Connection, stream: str) -> None:
    append_entries(connection, stream, 1)


def append_entries(connection: Connection, stream: str, count: int) -> None:
    end = AuditStream.open(connection, stream)
    for _ in range(count):
        entry = AuditEntry(
            step_key=f"step:{end.seq + 1}",
            event="evaluation.accepted",
            at=datetime.now(UTC),
            actor="acc_1",
            after={"answer": end.seq},
        )
        end.append(entry)


@pytest.fixture(scope="session")
def template_database(postgres: EmbeddedPostgres) -> str:
    """A migrated database that is only ever copied."""
    name = new_id("db")
    with psycopg.connect(postgres.admin_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} OWNER laurel".encode())
    upgrade(make_url(postgres.owner_url).set(database=name).render_as_string(hide_password=False))
    return name


@contextmanager
def new_database(postgres: EmbeddedPostgres, template: str, folder: Path) -> Iterator[Trail]:
    """A copy of the template with a key; gone afterwards."""
    name = new_id("db")
    with psycopg.connect(postgres.admin_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} OWNER laurel".encode())
    urls = [
        make_url(url).set(database=name).render_as_string(hide_password=False)
        for url in (postgres.url, postgres.owner_url, postgres.admin_url)
    ]
    engine, owner, superuser = (create_sync_engine(url, pool_size=12) for url in urls)
    trail = Trail(engine, owner, superuser, keys_dir=folder / name, file=folder / f"{name}.notes")
    trail.create_key()
    yield trail
    for each in (engine, owner, superuser):
        each.dispose()
    with psycopg.connect(postgres.admin_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def trail(postgres: EmbeddedPostgres, template_database: str, tmp_path: Path) -> Iterator[Trail]:
    with new_database(postgres, template_database, tmp_path) as trail:
        yield trail
