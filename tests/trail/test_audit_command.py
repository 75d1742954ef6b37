"""``laurel audit verify`` and what ``laurel doctor`` says of the audit trail."""

import asyncio
import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Engine, text
from typer.testing import CliRunner, Result

from activities.checkpoints import NEWEST_NOTE
from cli import doctor
from cli.errors import StackError
from cli.local import RunningStack
from cli.main import app
from config.keys import KeyPurpose
from config.settings import Settings, load_settings
from tests.trail.conftest import Trail


@pytest.fixture
def laurel(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Result]]:
    """The command on the trail's database and keys, as they are when it is called."""

    def verify(*arguments: str) -> Result:
        monkeypatch.setenv("LAUREL_DATABASE_URL", url_of(trail.engine))
        monkeypatch.setenv("LAUREL_KEYS_DIR", str(trail.keys_dir))
        load_settings.cache_clear()
        return CliRunner().invoke(app, ["audit", "verify", *arguments])

    yield verify
    load_settings.cache_clear()


def url_of(engine: Engine) -> str:
    return engine.url.set(drivername="postgresql").render_as_string(hide_password=False)


def test_the_exit_code_says_clean_changed_or_incomplete(trail: Trail, laurel: Callable[..., Result]) -> None:
    trail.write("claim:clm_1", 4)
    unsealed = laurel()
    assert unsealed.exit_code == 2
    assert "holds no signed checkpoint" in unsealed.stdout
    trail.seal()
    sealed = laurel("--all", "--anchor", str(trail.file))
    assert (sealed.exit_code, sealed.stdout.splitlines()[-1]) == (
        0,
        "verdict  clean: nothing was changed, removed or inserted",
    )
    assert laurel("--claim", "clm_1").exit_code == laurel("--since", "5").exit_code == 0
    with trail.tampering(trail.owner) as connection:
        connection.execute(text("UPDATE audit_events SET body = '{}' WHERE stream = 'claim:clm_1' AND seq = 3"))
    changed = laurel("--json")
    assert changed.exit_code == 1
    [first] = json.loads(changed.stdout)["tampered"]
    assert (first["stream"], first["seq"]) == ("claim:clm_1", 3)


def test_the_note_beside_the_key_and_the_key_itself_are_taken_into_account(
    trail: Trail, laurel: Callable[..., Result]
) -> None:
    trail.write("claim:clm_1", 4)
    trail.seal()
    assert json.loads(laurel("--json").stdout)["pinned"] is True
    public = trail.keys.key(trail.keys.ids(KeyPurpose.AUDIT)[0]).public
    newest = (trail.keys_dir / NEWEST_NOTE).read_text()
    trail.keys_dir = trail.keys_dir / "none"
    assert "keys     as the record itself names them" in laurel().stdout
    assert laurel("--key", b64encode(public).decode()).exit_code == 0
    assert laurel("--key", b64encode(bytes(32)).decode()).exit_code == 1
    trail.keys_dir.mkdir()
    (trail.keys_dir / NEWEST_NOTE).write_text(newest)
    with trail.tampering(trail.superuser) as connection:
        for table in ("audit_events", "audit_leaves", "audit_checkpoints", "signing_keys"):
            connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608  # ours
    assert laurel().exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--all", "--since", "3"], "give one of"),
        (["--claim", "clm_unknown"], "knows nothing of claim:clm_unknown"),
        (["--anchor", __file__], "holds no signed checkpoint"),
        (["--key", "c2hvcnQ="], "not the 32 bytes"),
        (["--key", "?"], "base64"),
    ],
)
def test_what_cannot_be_checked_is_said(laurel: Callable[..., Result], arguments: list[str], words: str) -> None:
    refused = laurel(*arguments)
    assert refused.exit_code == 1
    assert isinstance(refused.exception, StackError)
    assert words in str(refused.exception)


def test_the_doctor_wants_another_role_for_processes_than_the_owner(trail: Trail) -> None:
    for engine, passes in ((trail.engine, True), (trail.owner, False)):
        check = asyncio.run(doctor.check_rights(url_of(engine)))
        assert (check.passed, check.required) == (passes, False)


def test_the_doctor_wants_a_sealed_trail_and_an_anchor(trail: Trail) -> None:
    url, settings = url_of(trail.engine), Settings()
    trail.write("claim:1", 2)
    with trail.tampering(trail.owner) as connection:
        connection.execute(text("UPDATE audit_events SET recorded_at = recorded_at - interval '16 minutes'"))
    check = asyncio.run(doctor.check_audit(url, settings))
    assert (check.passed, check.required) == (False, True)
    assert "nothing is signed since" in check.detail
    trail.checkpointer.number_all()
    assert asyncio.run(doctor.check_audit(url, settings)).required
    trail.seal()
    check = asyncio.run(doctor.check_audit(url, settings))
    assert (check.passed, check.required) == (False, False)
    stack = RunningStack(1, url, url, "", "", {}, {}, is_anchored=True)
    of_stack = asyncio.run(doctor.check_audit(url, settings, stack))
    assert of_stack.passed, "the settings that count are those of its audit worker"
    assert not asyncio.run(doctor.check_audit(url, settings, replace(stack, database_url="another"))).passed
    settings = Settings(audit_anchor_file=trail.file)
    assert asyncio.run(doctor.check_audit(url, settings)).passed
    without = asyncio.run(doctor.check_audit(url, settings, replace(stack, is_anchored=False)))
    assert (without.passed, "the running stack names no anchor" in without.detail) == (False, True)
