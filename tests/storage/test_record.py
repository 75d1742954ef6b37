"""The schema: made by migrations, equal to the tables, and refusing what must never be stored."""

import ast
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, Engine, LargeBinary, Text, make_url, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError

from cli.local.postgres import EmbeddedPostgres
from domain.identities import new_id
from storage.database import create_sync_engine
from storage.migrate import check, upgrade
from storage.tables import CODES, PERSONAL_DATA, PSEUDONYMS, Base

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def empty_database(postgres: EmbeddedPostgres) -> Iterator[str]:
    """The URL of a database of the test's own, without a schema."""
    name = new_id("db")
    with psycopg.connect(postgres.admin_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} OWNER laurel".encode())
        yield make_url(postgres.owner_url).set(database=name).render_as_string(hide_password=False)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def test_migrations_make_the_schema_that_the_tables_describe(empty_database: str) -> None:
    assert check(empty_database) != []
    upgrade(empty_database)
    assert check(empty_database) == []
    upgrade(empty_database)
    assert check(empty_database) == []


def test_two_processes_that_migrate_at_once_wait_for_each_other(empty_database: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(upgrade, [empty_database, empty_database]))
    assert check(empty_database) == []


def test_a_migration_waits_little_for_a_lock_and_takes_as_long_as_it_takes(
    postgres: EmbeddedPostgres, empty_database: str
) -> None:
    """The server itself notes, with each change of the schema, how long it may take."""
    own = make_url(postgres.admin_url).set(database=make_url(empty_database).database)
    with psycopg.connect(own.render_as_string(hide_password=False), autocommit=True) as connection:
        connection.execute("CREATE TABLE limits (statement text, lock text)")
        connection.execute("GRANT INSERT ON limits TO PUBLIC")
        connection.execute(
            """
            CREATE FUNCTION note_limits() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
                INSERT INTO public.limits
                VALUES (current_setting('statement_timeout'), current_setting('lock_timeout'));
            END $$
            """
        )
        connection.execute("CREATE EVENT TRIGGER note_limits ON ddl_command_end EXECUTE FUNCTION note_limits()")
        upgrade(empty_database)
        assert connection.execute("SELECT DISTINCT statement, lock FROM limits").fetchall() == [("0", "5s")]


def test_a_schema_that_somebody_changed_is_noticed(empty_database: str) -> None:
    upgrade(empty_database)
    engine = create_sync_engine(empty_database, 1)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE claims ADD COLUMN note text"))
    engine.dispose()
    [difference] = check(empty_database)
    assert "note" in difference


def test_no_extension_is_needed(engine: Engine) -> None:
    with engine.connect() as connection:
        assert connection.execute(text("SELECT extname FROM pg_extension")).scalars().all() == ["plpgsql"]


def test_every_table_says_what_personal_data_it_holds_and_for_how_long() -> None:
    assert PERSONAL_DATA.keys() == Base.metadata.tables.keys()
    for held in PERSONAL_DATA.values():
        assert held is None or all((held.what, held.purpose, held.kept))


@pytest.mark.parametrize("name", sorted(Base.metadata.tables))
def test_every_column_of_words_is_said_to_be_personal_or_not(name: str) -> None:
    table = Base.metadata.tables[name]
    written = {column.name for column in table.columns if isinstance(column.type, Text | LargeBinary | JSONB)}
    held = PERSONAL_DATA[name]
    personal = held.columns if held else frozenset()
    assert personal <= written
    assert not personal & PSEUDONYMS
    assert written - personal <= PSEUDONYMS | CODES
    has_people = personal or any(column.name in PSEUDONYMS or column.name == "claim_id" for column in table.columns)
    assert held is None or has_people


def test_every_point_in_time_carries_its_zone_and_every_day_does_not(engine: Engine) -> None:
    query = text(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'public' "
        "AND (column_name LIKE '%\\_at' OR column_name LIKE '%\\_on' OR column_name LIKE '%units')"
    )
    types = {"_at": "timestamp with time zone", "_on": "date", "units": "numeric"}
    with engine.connect() as connection:
        columns = connection.execute(query).all()
    assert len(columns) > 30
    for name, data_type in columns:
        assert data_type == next(wanted for ending, wanted in types.items() if name.endswith(ending)), name


UNITS = {"claims": "claimed_units", "awards": "units", "award_lines": "units", "historical_awards": "units"}


@contextmanager
def amounts_like(engine: Engine, table: str) -> Iterator[Connection]:
    """A table ``amounts`` with the checks of another one, whose other columns may stay empty; gone afterwards."""
    with engine.connect() as connection, connection.begin() as transaction:
        connection.execute(text(f"CREATE TEMPORARY TABLE amounts (LIKE {table} INCLUDING CONSTRAINTS)"))
        columns = connection.execute(
            text("SELECT attname FROM pg_attribute WHERE attrelid = 'amounts'::regclass AND attnum > 0 AND attnotnull")
        )
        for column in columns.scalars().all():
            connection.execute(text(f"ALTER TABLE amounts ALTER COLUMN {column} DROP NOT NULL"))
        yield connection
        transaction.rollback()


@pytest.mark.parametrize("table", UNITS)
@pytest.mark.parametrize("units", ["'NaN'", "'Infinity'", "0", "-1.00", "0.001", "200.01", "201", "99999"])
def test_an_amount_that_is_none_is_refused_by_the_database(engine: Engine, table: str, units: str) -> None:
    with amounts_like(engine, table) as connection:
        savepoint = connection.begin_nested()
        with pytest.raises(DBAPIError):
            connection.execute(text(f"INSERT INTO amounts ({UNITS[table]}) VALUES ({units})"))  # noqa: S608  # ours
        savepoint.rollback()


@pytest.mark.parametrize("table", UNITS)
def test_an_amount_is_stored_exactly_and_with_two_decimals(engine: Engine, table: str) -> None:
    with amounts_like(engine, table) as connection:
        connection.execute(text(f"ALTER TABLE amounts RENAME {UNITS[table]} TO amount"))
        connection.execute(text("INSERT INTO amounts (amount) VALUES (0.25), (200), (1.255)"))
        stored = connection.execute(text("SELECT amount FROM amounts ORDER BY 1")).scalars().all()
    assert [str(units) for units in stored] == ["0.25", "1.26", "200.00"]


def imports_of(module: Path) -> set[str]:
    """What a module imports: ``storage.claims`` or ``storage.claims.lock_claim``."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def modules_of(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("module", modules_of("storage"), ids=lambda path: path.stem)
def test_storage_imports_the_domain_and_nothing_else_of_ours(module: Path) -> None:
    ours = {"activities", "api", "cli", "config", "documents", "workflows", "worker", "temporalio"}
    assert {name for name in imports_of(module) if name.partition(".")[0] in ours} == set()


# What writes claims, awards and what follows from them.
WRITERS = ("storage.claims", "storage.awards", "storage.emails", "storage.merges", "storage.submissions")


@pytest.mark.parametrize("module", modules_of("api"), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_api_cannot_write_to_a_claim(module: Path) -> None:
    assert {name for name in imports_of(module) if name.startswith(WRITERS)} == set()


def test_activities_do_write_to_claims() -> None:
    used = {name for module in modules_of("activities") for name in imports_of(module)}
    assert used >= set(WRITERS) - {"storage.submissions"}
