"""``laurel audit verify`` and what ``laurel doctor`` says of the audit trail."""

import asyncio
import json
import os
import subprocess
import sys
from base64 import b64encode

import pytest
from sqlalchemy import text

from activities.checkpoints import NEWEST_NOTE
from cli import doctor
from config.keys import KeyPurpose
from tests.trail.conftest import Trail


def laurel(trail: Trail, *arguments: str) -> subprocess.CompletedProcess[str]:
    url = trail.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    environment = {**os.environ, "LAUREL_DATABASE_URL": url, "LAUREL_KEYS_DIR": str(trail.keys_dir)}
    command = [sys.executable, "-m", "cli", "audit", "verify", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_the_exit_code_says_clean_changed_or_incomplete(trail: Trail) -> None:
    trail.write("claim:clm_1", 4)
    unsealed = laurel(trail)
    assert unsealed.returncode == 2
    assert "no checkpoint is signed yet" in unsealed.stdout
    trail.seal()
    sealed = laurel(trail, "--all", "--anchor", str(trail.file))
    assert (sealed.returncode, sealed.stdout.splitlines()[-1]) == (
        0,
        "verdict  clean: nothing was changed, removed or inserted",
    )
    assert laurel(trail, "--claim", "clm_1").returncode == laurel(trail, "--since", "5").returncode == 0
    with trail.tampering(trail.owner) as connection:
        connection.execute(text("UPDATE audit_events SET body = '{}' WHERE stream = 'claim:clm_1' AND seq = 3"))
    changed = laurel(trail, "--json")
    assert changed.returncode == 1
    [first] = json.loads(changed.stdout)["tampered"]
    assert (first["stream"], first["seq"]) == ("claim:clm_1", 3)


def test_the_note_beside_the_key_and_the_key_itself_are_taken_into_account(trail: Trail) -> None:
    trail.write("claim:clm_1", 4)
    trail.seal()
    assert json.loads(laurel(trail, "--json").stdout)["pinned"] is True
    public = trail.keys.key(trail.keys.ids(KeyPurpose.AUDIT)[0]).public
    newest = (trail.keys_dir / NEWEST_NOTE).read_text()
    trail.keys_dir = trail.keys_dir / "none"
    assert "keys     as the record itself names them" in laurel(trail).stdout
    assert laurel(trail, "--key", b64encode(public).decode()).returncode == 0
    assert laurel(trail, "--key", b64encode(bytes(32)).decode()).returncode == 1
    trail.keys_dir.mkdir()
    (trail.keys_dir / NEWEST_NOTE).write_text(newest)
    with trail.tampering(trail.superuser) as connection:
        for table in ("audit_events", "audit_leaves", "audit_checkpoints", "signing_keys"):
            connection.execute(text(f"DELETE FROM {table}"))
    assert laurel(trail).returncode == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--all", "--since", "3"], "give one of"),
        (["--claim", "clm_unknown"], "knows nothing of claim:clm_unknown"),
        (["--anchor", __file__], "holds no signed checkpoint"),
        (["--key", "c2hvcnQ="], "not the 32 bytes"),
        (["--key", "?"], "laurel: "),
    ],
)
def test_what_cannot_be_checked_is_said(trail: Trail, arguments: list[str], words: str) -> None:
    refused = laurel(trail, *arguments)
    assert refused.returncode == 1
    assert words in refused.stderr
    assert "Traceback" not in refused.stderr


def test_the_doctor_wants_another_role_for_processes_than_the_owner(trail: Trail) -> None:
    for engine, passes in ((trail.engine, True), (trail.owner, False)):
        check = asyncio.run(doctor.check_rights(engine.url.set(drivername="postgresql").render_as_string(False)))
        assert (check.passed, check.required) == (passes, False)


def test_the_doctor_wants_a_sealed_trail_and_an_anchor(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    url = trail.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    trail.write("claim:1", 2)
    with trail.tampering(trail.owner) as connection:
        connection.execute(text("UPDATE audit_events SET recorded_at = recorded_at - interval '16 minutes'"))
    check = asyncio.run(doctor.check_audit(url))
    assert (check.passed, check.required) == (False, True)
    assert "nothing is signed since" in check.detail
    trail.checkpointer.number_all()
    assert asyncio.run(doctor.check_audit(url)).required
    trail.seal()
    check = asyncio.run(doctor.check_audit(url))
    assert (check.passed, check.required) == (False, False)
    monkeypatch.setenv("LAUREL_AUDIT_ANCHOR_FILE", str(trail.file))
    assert asyncio.run(doctor.check_audit(url)).passed
