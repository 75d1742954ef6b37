"""``laurel audit export``: bundles and lists from the command line, complete or not at all, and always entered."""

import json
import re
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from sqlalchemy import Engine, text
from typer.testing import CliRunner, Result

from cli import audit_export
from cli.actor import cli_actor
from cli.errors import StackError
from config.settings import load_settings
from domain.identities import new_id
from storage.sealing import open_entries
from tests.api.conftest import publish_example
from tests.api.records import add_award, add_learner

WHY = ("--reason", "Site visit")
YEAR = ("--from", "2026-01-01", "--to", "2026-12-31")


@pytest.fixture(autouse=True)
def _database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("LAUREL_DATABASE_URL", database_url)
    load_settings.cache_clear()
    yield
    load_settings.cache_clear()


@pytest.fixture
def slug(engine: Engine) -> str:
    """A CE activity with one award."""
    slug = publish_example(engine)
    add_award(engine, add_learner(engine, given_name="Ada", family_name="Lovelace"), slug)
    return slug


def laurel(*arguments: object) -> Result:
    app = typer.Typer()
    app.command()(audit_export.export)
    return CliRunner().invoke(app, [*map(str, arguments)])


def said(*arguments: object) -> str:
    result = laurel(*arguments)
    assert result.exit_code == 0, result.exception
    return result.stdout


def claim_of(engine: Engine, slug: str) -> str:
    query = text("SELECT c.id FROM claims c JOIN ce_activities a ON a.id = c.ce_activity_id WHERE a.slug = :slug")
    with engine.connect() as connection:
        return str(connection.execute(query, {"slug": slug}).scalar_one())


@pytest.mark.parametrize("file_format", ["csv", "xlsx", "jsonl"])
def test_a_list_of_claims_is_written_for_its_owner_only(file_format: str, slug: str, tmp_path: Path) -> None:
    out = tmp_path / f"claims.{file_format}"
    assert "claims: 1" in said(*YEAR, *WHY, "--format", file_format, "--ce-activity", slug, "--out", out)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [out]
    if file_format == "jsonl":
        assert json.loads(out.read_text().splitlines()[1])["family_name"] == "Lovelace"


def test_a_claims_bundle_is_written_and_entered(slug: str, engine: Engine, tmp_path: Path) -> None:
    claim, out = claim_of(engine, slug), tmp_path / "claim.zip"
    anchor = tmp_path / "anchors.txt"
    anchor.write_text(f"laurel.example/audit\n1\n{'A' * 43}=\n\n\u2014 laurel.example/audit AAAA\n", encoding="utf-8")
    assert "verify.py" in said("--claim", claim, *WHY, "--out", out, "--anchor", anchor)
    with zipfile.ZipFile(out) as archive:
        assert json.loads(archive.read("manifest.json"))["made_by"] == cli_actor()
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT body FROM audit_events WHERE stream = 'disclosures'"))
        entries = open_entries(connection, [bytes(row.body) for row in rows])
    (entry,) = [each for each in entries if each["after"].get("claim") == claim]
    assert (entry["actor"], entry["private"]) == (cli_actor(), {"reason": "Site visit"})


def test_the_raw_entries_of_a_period_are_exactly_what_was_hashed(slug: str, engine: Engine, tmp_path: Path) -> None:
    with engine.connect() as connection:
        row = connection.execute(
            text(
                "SELECT e.stream, e.body, e.hash, to_char(e.recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day "
                "FROM audit_events e JOIN ce_activities a ON e.stream = 'ce_activity:' || a.id WHERE a.slug = :slug"
            ),
            {"slug": slug},
        ).one()
    out = tmp_path / "entries.jsonl"
    found = re.search(r"entries: (\d+)", said("--from", row.day, "--to", row.day, "--entries", *WHY, "--out", out))
    entries = [json.loads(line) for line in out.read_text(encoding="utf-8").split("\n") if line]
    assert found is not None
    assert len(entries) == int(found[1])
    (own,) = [entry for entry in entries if entry["stream"] == row.stream]
    assert (own["body"].encode(), own["hash"]) == (bytes(row.body), bytes(row.hash).hex())
    before = ("--from", "2001-01-01", "--to", "2001-12-31", "--entries", *WHY)
    assert "entries: 0" in said(*before, "--out", out)
    assert out.read_text() == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "either --claim, or --from and --to"),
        (("--from", "2026-01-01"), "either --claim, or --from and --to"),
        (("--claim", "clm_x", *YEAR), "either --claim, or --from and --to"),
        (("--from", "2026-02-01", "--to", "2026-01-01"), "--to is before --from"),
        ((*YEAR, "--credit-type", "gold"), "no such credit type"),
        (("--claim", new_id("clm")), "no such claim"),
        ((*YEAR, "--reason", " "), "--reason is empty"),
        ((*YEAR, "--reason", "a\x07b"), "--reason cannot be entered"),
    ],
)
def test_what_cannot_be_exported_leaves_no_file(arguments: tuple[str, ...], words: str, tmp_path: Path) -> None:
    result = laurel(*(WHY if "--reason" not in arguments else ()), *arguments, "--out", tmp_path / "out")
    assert isinstance(result.exception, StackError)
    assert words in str(result.exception)
    assert list(tmp_path.iterdir()) == []


def test_an_export_names_its_reason_and_real_days(tmp_path: Path) -> None:
    out = ("--out", tmp_path / "out")
    assert laurel(*YEAR, *out).exit_code == 2
    assert laurel("--from", "2026-02-30", "--to", "2026-03-01", *WHY, *out).exit_code == 2
    assert laurel(*YEAR, *WHY, "--format", "pdf", *out).exit_code == 2
    assert isinstance(laurel(*YEAR, *WHY, "--out", tmp_path / "no" / "folder").exception, StackError)


def test_a_file_that_was_there_is_replaced_whole(slug: str, tmp_path: Path) -> None:
    out = tmp_path / "claims.csv"
    out.write_text("before")
    assert laurel(*YEAR, *WHY, "--credit-type", "gold", "--out", out).exception is not None
    assert out.read_text() == "before"
    said(*YEAR, *WHY, "--ce-activity", slug, "--out", out)
    assert "Lovelace" in out.read_text(encoding="utf-8-sig")
