"""The demo: each of its stories on the stack of the session, and one as a visitor runs it."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.demo.stories import STORIES
from cli.demo.telling import Teller
from cli.local import LocalStack
from cli.local.folders import is_locked

TIMELINE = re.compile(r"^  \d\d:\d\d:\d\d\.\d{3}  (.+)$", re.MULTILINE)


def told(stack: LocalStack, flow: str) -> str:
    """Everything that one story says."""
    lines: list[str] = []
    Teller(stack, STORIES[flow], lines.append).tell()
    return "\n".join(lines)


def steps_in(story: str, *expected: str) -> list[str]:
    """These pieces of the story in the order in which they are told; those that are not there are left out."""
    return sorted((each for each in expected if each in story), key=story.index)


def test_flow_a_is_told_from_the_activity_code_to_the_mailed_certificate(stack: LocalStack) -> None:
    story = told(stack, "a")
    steps = (
        "Priya signs in",
        "Priya follows the link of activity 485327",
        "Priya is looked up by name",
        "Priya fills in the profile",
        "Priya opens the claim",
        "Priya proves participation by code: 485327",
        "Priya completes the evaluation",
        "types of credit for this profession: ACPE contact hour(s), Certificate of participation",
        "Priya attests to and claims 0.75 of 1.00",
        "e-mail: Your CPE credit for",
        "e-mail: Your certificate:",
        "Awarded: 0.75 ACPE contact hour(s)",
    )
    assert steps_in(story, *steps) == list(steps)
    assert TIMELINE.findall(story)[-1] == "The certificate was announced by e-mail."


def test_flow_b_is_told_from_the_first_event_to_the_certificate_elsewhere(stack: LocalStack) -> None:
    story = told(stack, "b")
    steps = (
        "The platform reports 5 minutes",
        "Tomas finds it in progress: CEU in my profile",
        "live: 45 of 300 minutes are complete",
        "live: 85 of 300 minutes are complete",
        "live: 120 of 300 minutes are complete",
        "Tomas completes the evaluation",
        "Tomas attests to and claims 2.00 of 5.00",
        "Awarded: 2.00 nursing contact hour(s)",
        "Certificate:  issued in Ridgeline Member Center, https://members.ridgeline-nurses.example/certificates",
    )
    assert steps_in(story, *steps) == list(steps)
    assert "Verification:" not in story


def test_flow_d_is_told_from_the_roster_to_the_transcript_as_often_as_one_likes(stack: LocalStack) -> None:
    told(stack, "d")
    story = told(stack, "d")
    steps = (
        "The office uploads the badges",
        "preview: 1 new, 30 unchanged",
        "The office applies them",
        "Ingrid opens the claim",
        "Ingrid seeks AMA PRA Category 1 Credit(s)™",
        "Ingrid proves participation by badge id: GL26-",
        "Ingrid reads 3 pages of disclosures",
        "Ingrid claims 2.25: Workshop: Validating",
        "refused: Sessions overlap.",
        "summary: 5 of 30 sessions, 0 evaluations missing,",
        "Ingrid attests to and claims 5.50 of 18.75",
        "warning: Once you print your certificate",
        "Ingrid confirms: the statement is final",
        "1.25  Closing plenary: The year in clinical microbiology",
        "in all: 5.50 AMA PRA Category 1 Credit(s)™",
        "Claiming a session was refused: sessions overlap (",
    )
    assert steps_in(story, *steps) == list(steps)


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
    timeline = TIMELINE.findall(story)
    assert (timeline[0], timeline[-1]) == ("The claim was opened.", "The certificate was announced by e-mail.")
    certificate = re.search(r"^Certificate: +(\S+)$", story, re.MULTILINE)
    assert certificate is not None
    assert Path(certificate.group(1)).read_bytes().startswith(b"%PDF-")
    assert re.search(r"^Verification: +http://localhost:\d+/verify/[0-9A-Z-]+$", story, re.MULTILINE)
    assert re.search(r"^Workflow: +http://localhost:\d+/namespaces/default/workflows/claim-clm_", story, re.MULTILINE)
    assert not is_locked(data_dir)
