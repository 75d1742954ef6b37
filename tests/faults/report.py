"""The result of a run as Markdown, for ``docs/guarantees.md``."""

import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[2]
HEADING = "## The last long run"

# What each name means, in the words of the table.
MEANINGS = {
    "I1": "awards of one credit to one learner, beyond the first",
    "I2": "awards whose ledger, certificate, verification page and credential differ",
    "I3": "awards without exactly one current certificate",
    "I4": "certificates without exactly one e-mail that was sent",
    "I5": "certificates without an award, e-mails without a certificate",
    "I6": "acknowledged steps that are neither applied nor refused with a reason",
    "I7": "steps applied twice, or under no key, or under two",
    "I8": "steps accepted after the deadline",
    "I9": "claims whose state is not what their audit entries lead to; audit chains that break",
    "I11": "audit entries that no signed checkpoint covers, or that verification refuses",
    "I12": "open claims without a workflow, workflows without an open claim",
    "I13": "rows that belong to two learners",
    "I14": "documents that do not hash to their name, or are rendered to other bytes",
    "I15": "grades without exactly one submission",
    "I16": "numbers that are none, times without a zone",
    "G2": "answers to learners that the record does not know, or knows otherwise",
    "G3": "double clicks with two answers",
    "G5": "certificates and award e-mails that differ from the record",
    "G7": "claims that did not end, answers that no learner should meet",
    "G14": "workers that found a history they could not replay",
    "G16": "violations in a dump of the record, restored",
}


def table(counts: Mapping[str, Sequence[str]]) -> str:
    """Violations by invariant and guarantee."""
    rows = [f"| {name} | {MEANINGS[name]} | {len(found)} |" for name, found in counts.items()]
    return "\n".join(["| | Counted | Violations |", "|---|---|---|", *rows])


def commit() -> str:
    """What is being tested: ask at the beginning of a run, because a run is long."""
    describe = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    return subprocess.run(describe, capture_output=True, text=True, check=False, cwd=ROOT).stdout.strip()


def section(counts: Mapping[str, Sequence[str]], figures: Sequence[str], command: str, tested: str) -> str:
    """The section of the document: when, which commit, by which command, what happened, what was counted."""
    happened = "\n".join(f"- {figure}" for figure in figures)
    return f"""{HEADING}

{datetime.now(UTC):%Y-%m-%d}, commit `{tested}`: `{command}`.

{happened}

{table(counts)}
"""


def publish(document: Path, new: str) -> None:
    """Put the section in the place of the last one, which is at the document's end."""
    kept, _, _ = document.read_text().partition(HEADING)
    document.write_text(f"{kept}{new}")
