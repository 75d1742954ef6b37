"""The demo as a visitor runs it, in a process and a folder of its own."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.local.folders import is_locked


@pytest.fixture
def data_dir() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="laurel-demo-"))
    folder.chmod(0o755)  # PostgreSQL runs as another user when we are root.
    yield folder
    shutil.rmtree(folder)


def test_the_demo_drives_a_claim_to_its_certificate_and_ends(data_dir: Path) -> None:
    command = [sys.executable, "-m", "cli", "demo", "--once", "--fast", "--data-dir", str(data_dir)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False, env=dict(os.environ))
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
    story = ended.stdout
    for step in ("signs in", "opens the claim", "answers 5 questions", "completes the evaluation", "attests to"):
        assert step in story
    timeline = re.findall(r"^  \d\d:\d\d:\d\d\.\d{3}  (.+)$", story, re.MULTILINE)
    assert (timeline[0], timeline[-1]) == ("The claim was opened.", "The certificate was announced by e-mail.")
    certificate = re.search(r"^Certificate: +(\S+)$", story, re.MULTILINE)
    assert certificate is not None
    assert Path(certificate.group(1)).read_bytes().startswith(b"%PDF-")
    assert re.search(r"^Verification: +http://localhost:\d+/verify/[0-9A-Z-]+$", story, re.MULTILINE)
    assert re.search(r"^Workflow: +http://localhost:\d+/namespaces/default/workflows/claim-clm_", story, re.MULTILINE)
    assert not is_locked(data_dir)
