"""Publishing: versions that never change, codes that are unique, and files of which all or none are imported."""

import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from domain.identities import new_id
from storage.audit import first_break
from storage.catalog import (
    COMMAND_LINE,
    ImportRefusedError,
    Published,
    ce_activity_stream,
    import_files,
    policy_of,
    publish,
)
from storage.definitions import Definition, DefinitionError, DefinitionStatus, read_definition

DEFINITION = """\
slug: {slug}
status: published
title: Grand Rounds
format: live_activity
activity_code: {code}
provider:
  name: {provider}
  accreditation_statement: The provider is accredited.
time_zone: UTC
starts_on: 2026-09-01
ends_on: 2026-09-30
contact: ce@provider.example
requirements: []
credit:
  - credit_type: participation
    designated_units: 1.50
    designation_statement: One and a half hours.
"""


def new_slug() -> str:
    return new_id("course").replace("_", "-")


def written(provider: str, code: str, slug: str | None = None) -> str:
    return DEFINITION.format(slug=slug or new_slug(), provider=provider, code=code)


@pytest.fixture
def provider() -> str:
    return f"Provider {new_id('prv')}"


def published(engine: Engine, definition: Definition, actor: str | None = None) -> Published:
    with engine.begin() as connection:
        return publish(connection, definition, actor)


def entries(engine: Engine, version: Published) -> list[dict[str, Any]]:
    stream = ce_activity_stream(version.ce_activity_id)
    with engine.connect() as connection:
        assert first_break(connection, stream) is None
        query = text("SELECT body FROM audit_events WHERE stream = :stream ORDER BY seq")
        return [json.loads(bytes(body)) for body in connection.execute(query, {"stream": stream}).scalars()]


def test_a_changed_policy_is_a_new_version_and_an_unchanged_one_is_not(engine: Engine, provider: str) -> None:
    definition = read_definition(written(provider, "GR-2026"))
    first, again = published(engine, definition), published(engine, definition)
    changed = replace(definition, policy=replace(definition.policy, title="Grand Rounds, with slides"))
    second = published(engine, changed)
    assert [(each.number, each.is_new) for each in (first, again, second)] == [(1, True), (1, False), (2, True)]
    with engine.connect() as connection:
        assert policy_of(connection, first.version_id).title == "Grand Rounds"
        assert policy_of(connection, second.version_id).title == "Grand Rounds, with slides"


def test_a_published_version_cannot_be_changed(engine: Engine, provider: str) -> None:
    version = published(engine, read_definition(written(provider, "GR-2026")))
    change = text("UPDATE ce_activity_versions SET policy = '{}' WHERE id = :id")
    with engine.connect() as connection, pytest.raises(DBAPIError):
        connection.execute(change, {"id": version.version_id})


def test_every_version_and_every_change_of_status_is_in_the_audit_trail_once(engine: Engine, provider: str) -> None:
    definition = read_definition(written(provider, "GR-2026"))
    closed = replace(definition, status=DefinitionStatus.CLOSED)
    for each, actor in ((definition, None), (definition, "acc_1"), (closed, "acc_1"), (closed, None)):
        version = published(engine, each, actor)
    told = [(each["event"], each["actor"], each.get("before")) for each in entries(engine, version)]
    assert told == [
        ("ce_activity.published", COMMAND_LINE, None),
        ("ce_activity.status_changed", "acc_1", {"status": "published", "version_id": version.version_id}),
    ]
    after = [each["after"] for each in entries(engine, version)]
    assert [(each["status"], each["version_id"]) for each in after] == [
        ("published", version.version_id),
        ("closed", version.version_id),
    ]


def test_the_activity_code_of_the_newest_version_is_the_one_that_learners_type(engine: Engine, provider: str) -> None:
    slug = new_slug()
    for code in ("GR-2026", "GR-2027"):
        published(engine, read_definition(written(provider, code, slug)))
    with engine.connect() as connection:
        query = text("SELECT activity_code FROM ce_activities WHERE slug = :slug")
        assert connection.execute(query, {"slug": slug}).scalar_one() == "GR-2027"


def test_a_code_that_another_ce_activity_of_the_provider_has_is_a_mistake_at_its_line(
    engine: Engine, provider: str
) -> None:
    first = read_definition(written(provider, "GR-2026"))
    published(engine, first)
    with pytest.raises(DefinitionError, match=f"^line 5: activity_code: is used once .* {first.slug} has this one$"):
        published(engine, read_definition(written(provider, "gr-2026")))
    assert published(engine, read_definition(written(f"{provider} two", "GR-2026"))).is_new


def test_of_two_who_publish_one_code_at_once_one_is_refused(engine: Engine, provider: str) -> None:
    def attempt(_: int) -> str:
        try:
            return str(published(engine, read_definition(written(provider, "GR-2026"))).number)
        except DefinitionError:
            return "refused"

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(attempt, range(4))) == ["1", "refused", "refused", "refused"]


def test_the_mistakes_of_all_files_are_reported_and_none_is_published(
    engine: Engine, database_url: str, tmp_path: Path, provider: str
) -> None:
    texts = {
        "right": written(provider, "GR-2026"),
        "wrong": written(provider, "1").replace("UTC", "Mars/Base"),
        "twice": written(provider, "GR-2026"),
        "broken": "title: [",
    }
    for name, content in texts.items():
        (tmp_path / f"{name}.yaml").write_text(content)
    (tmp_path / "latin.yaml").write_bytes("title: Café".encode("latin-1"))
    with pytest.raises(ImportRefusedError) as refused:
        import_files(database_url, sorted(tmp_path.iterdir()))
    told = re.findall(r"(\w+)\.yaml:(\d+): ([\w ]+):", str(refused.value))
    assert told == [
        ("broken", "2", "the definition"),
        ("latin", "1", "the definition"),
        ("wrong", "5", "activity_code"),
        ("wrong", "9", "time_zone"),
    ]
    with pytest.raises(ImportRefusedError, match=r"twice\.yaml:5: activity_code"):
        import_files(database_url, [tmp_path / "right.yaml", tmp_path / "twice.yaml"])
    with engine.connect() as connection:
        query = text(
            "SELECT count(*) FROM ce_activities a JOIN providers p ON p.slug = a.provider_slug WHERE p.name = :name"
        )
        assert connection.execute(query, {"name": provider}).scalar_one() == 0


def test_two_files_cannot_define_one_ce_activity(database_url: str, tmp_path: Path, provider: str) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text(written(provider, "GR-2026", "grand-rounds"))
    with pytest.raises(ImportRefusedError, match="two:1: slug: is used once among the files"):
        import_files(database_url, sorted(tmp_path.iterdir()))


def laurel(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_files_can_be_checked_without_a_database(tmp_path: Path, provider: str) -> None:
    right, wrong = tmp_path / "right.yaml", tmp_path / "wrong.yaml"
    right.write_text(written(provider, "GR-2026"))
    wrong.write_text(written(provider, "GR-2026").replace("UTC", "Mars/Base"))
    ended = laurel("import", "--check", right)
    assert (ended.returncode, ended.stdout) == (0, f"{right}: nothing is wrong\n")
    ended = laurel("import", "--check", right, wrong)
    assert ended.returncode == 1
    assert f"{wrong}:9: time_zone: is an IANA time zone" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_schema_is_printed_for_editors() -> None:
    ended = laurel("schema")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["title"] == "CE activity definition"
