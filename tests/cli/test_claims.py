"""``laurel claims stuck`` tells at the terminal what the office's page tells."""

import json
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, insert, text
from typer.testing import CliRunner

from cli.main import app
from config.settings import load_settings
from domain.identities import new_id
from storage.catalog import publish
from storage.definitions import Definition
from storage.tables import ClaimRow, LearnerRow
from tests.claims import example_policy

LONG_AGO = datetime(2000, 5, 6, 7, 8, tzinfo=UTC)


@pytest.fixture
def held(engine: Engine) -> str:
    """A claim that has been on hold for longer than any other."""
    slug, learner_id, claim_id = new_id("course").replace("_", "-"), new_id("lrn"), new_id("clm")
    with engine.begin() as connection:
        publish(connection, Definition(slug, "published", example_policy()), None)  # type: ignore[arg-type]
        activity = connection.execute(
            text("SELECT id, version_id FROM ce_activities WHERE slug = :slug"), {"slug": slug}
        ).one()
        connection.execute(insert(LearnerRow).values(id=learner_id))
        connection.execute(
            insert(ClaimRow).values(
                id=claim_id,
                learner_id=learner_id,
                ce_activity_id=activity.id,
                version_id=activity.version_id,
                stage="awaiting_test",
                stage_since_at=LONG_AGO,
                opened_at=LONG_AGO,
                attention="on_hold",
                held_at=LONG_AGO,
                held_by="operator:ada",
                hold_reason="identity_check",
            )
        )
    return claim_id


def test_stuck_claims_are_told_with_what_to_do_and_a_code_for_scripts(
    held: str, engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_settings.cache_clear()
    monkeypatch.setenv("LAUREL_DATABASE_URL", database_url)
    told = CliRunner().invoke(app, ["claims", "stuck"])
    assert told.exit_code == 1
    assert "On hold (on_hold): " in told.output
    assert "the oldest since 2000-05-06 07:08 UTC" in told.output
    assert "Release what has been checked." in told.output
    assert held in told.output
    groups = json.loads(CliRunner().invoke(app, ["claims", "stuck", "--json"]).output)
    assert next(each for each in groups if each["reason"] == "on_hold")["oldest"][0]["id"] == held
    with engine.begin() as connection:
        connection.execute(text("UPDATE claims SET attention = NULL, held_at = NULL WHERE id = :id"), {"id": held})
    assert held not in CliRunner().invoke(app, ["claims", "stuck"]).output
