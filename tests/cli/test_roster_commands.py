"""``laurel roster``: the same preview and the same application as over HTTP."""

import re
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from typer.testing import CliRunner, Result

from cli.errors import StackError
from cli.main import app
from config.settings import load_settings
from domain.identities import new_id
from storage.catalog import publish
from storage.definitions import Definition, DefinitionStatus
from tests.platforms import roster_policy


@pytest.fixture(autouse=True)
def _database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAUREL_DATABASE_URL", database_url)
    load_settings.cache_clear()


@pytest.fixture
def slug(engine: Engine) -> str:
    slug = new_id("meeting").replace("_", "-")
    with engine.begin() as connection:
        publish(connection, Definition(slug, DefinitionStatus.PUBLISHED, roster_policy()), None)
    return slug


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "who.csv"
    file.write_text("Badge;First;Last;Shoe\nA-1;Ada;Lovelace;44\nA-2;Grace;;\n;No;Body;\n")
    return file


def laurel(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["roster", *map(str, arguments)])


def said(*arguments: object) -> str:
    result = laurel(*arguments)
    assert result.exit_code == 0, result.exception
    return result.stdout


def on_roster(engine: Engine, slug: str) -> list[str]:
    query = text(
        "SELECT k.value FROM roster_keys k JOIN ce_activities a ON a.id = k.ce_activity_id "
        "WHERE a.slug = :slug ORDER BY k.value"
    )
    with engine.connect() as connection:
        return list(connection.execute(query, {"slug": slug}).scalars())


def previewed(*arguments: object) -> tuple[str, str]:
    """What a preview printed, and the id of the roster."""
    printed = said("preview", *arguments)
    found = re.search(r"laurel roster apply (ros_\w+)$", printed, re.MULTILINE)
    assert found is not None
    return printed, found[1]


def test_a_roster_is_previewed_and_applied(slug: str, file: Path, engine: Engine) -> None:
    printed, roster_id = previewed(slug, file)
    assert "3 rows are read" in printed
    assert "line 4: The row has no badge id" in printed
    assert "line 3: The row has no name" in printed
    assert f"{roster_id} is previewed: 2 new, 0 changed, 0 unchanged, 0 removed, 1 problems, 1 warnings" in printed
    assert "columns that were not used: Shoe" in printed
    assert on_roster(engine, slug) == []
    assert f"{roster_id} is applied: 2 new" in said("apply", roster_id)
    assert f"{roster_id} is applied: 2 new" in said("apply", roster_id)
    assert on_roster(engine, slug) == ["A1", "A2"]


def test_a_replacing_roster_says_what_it_removes(slug: str, file: Path, engine: Engine) -> None:
    said("apply", previewed(slug, file)[1])
    file.write_text("Badge\nA-1\n")
    printed, roster_id = previewed(slug, file, "--replace")
    assert "1 unchanged, 1 removed" in printed
    said("apply", roster_id)
    assert on_roster(engine, slug) == ["A1"]


def test_what_cannot_be_done_is_one_sentence(slug: str, file: Path) -> None:
    assert_refused(laurel("preview", "no-such-thing", file), "no such CE activity")
    assert_refused(laurel("apply", new_id("ros")), "no such roster")
    outdated = previewed(slug, file)[1]
    said("apply", previewed(slug, file)[1])
    assert_refused(laurel("apply", outdated), "changed since the preview")
    file.write_text("Badge,Badge No\n")
    assert_refused(laurel("preview", slug, file), "who.csv: line 1: badge_id: two columns of the header mean the same")


def assert_refused(result: Result, words: str) -> None:
    assert isinstance(result.exception, StackError)
    assert words in str(result.exception)
