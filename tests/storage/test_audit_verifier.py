"""The stand-alone verifier: it runs without Laurel, and nothing that is under proof can be changed unseen."""

import json
import runpy
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import cryptography
import pytest

from storage.audit_bundle import pack
from storage.audit_bundle.pack import bundle_files, zip_of
from tests.storage.bundles import CERTIFICATE, CLAIM, NOON, Office, chance, remade, told_office

VERIFIER = Path(pack.__file__).parent / "verify.py"
# Without -I and -S the environment's own packages, Laurel among them, could be imported.
ALONE = ("-I", "-S")
# Loads one folder of packages as they lie there: an editable Laurel is not among them.
WITH_PACKAGES = (
    "import runpy, sys; sys.path.append(sys.argv.pop(1)); sys.argv.pop(0); runpy.run_path(sys.argv[0], {}, '__main__')"
)
PLACES = 20

Files = dict[str, bytes]
Findings = list[tuple[str, str, str]]
_CHECK: Callable[[Files, str | None], Findings] = runpy.run_path(str(VERIFIER))["check"]


def results(files: Files, anchor: str | None = None) -> set[str]:
    return {result for result, _, _ in _CHECK(files, anchor)}


def about(files: Files, result: str, anchor: str | None = None) -> set[str]:
    """What a result was found about."""
    return {what for found, what, _ in _CHECK(files, anchor) if found == result}


@pytest.fixture(scope="module")
def office() -> Office:
    return told_office()


@pytest.fixture
def files(office: Office) -> Files:
    return bundle_files(office.contents())


def verify(*arguments: str | Path, packages: bool = True) -> tuple[int, str]:
    """Run the verifier as an auditor does, in an interpreter that knows nothing of Laurel."""
    folder = Path(cryptography.__file__).parent.parent
    command = ["-c", WITH_PACKAGES, str(folder)] if packages else []
    done = subprocess.run(
        [sys.executable, *ALONE, *command, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert not done.stderr
    return done.returncode, done.stdout


@pytest.fixture
def zipped(tmp_path: Path, files: Files) -> Path:
    path = tmp_path / "claim.zip"
    path.write_bytes(zip_of(files))
    return path


def unzipped(path: Path) -> Path:
    folder = path.with_suffix("")
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    return folder


def test_a_whole_bundle_is_verified_by_its_own_copy_of_the_verifier(zipped: Path) -> None:
    code, said = verify(unzipped(zipped) / "verify.py")
    assert (code, said.splitlines()[-1]) == (0, "Result: verified")
    assert "17 entries in 4 streams" in said
    assert "CHANGED" not in said


def test_a_bundle_may_stay_zipped(zipped: Path) -> None:
    assert verify(VERIFIER, zipped)[0] == 0


def test_without_cryptography_everything_else_is_checked(zipped: Path) -> None:
    code, said = verify(VERIFIER, zipped, packages=False)
    assert code == 2
    assert said.count("cryptography is not installed") == 2
    files = {name: content for name, content in _read(zipped).items() if name != "certificates/crt_x.pdf"}
    zipped.write_bytes(zip_of(files))
    assert verify(VERIFIER, zipped, packages=False)[0] == 1


def _read(path: Path) -> Files:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_verifier_imports_nothing_of_laurel(zipped: Path) -> None:
    folder = Path(__file__).parent.parent.parent
    own = {path.name for path in folder.iterdir() if (path / "__init__.py").exists()}
    imported = {
        line.split()[1].split(".")[0]
        for line in VERIFIER.read_text().splitlines()
        if line.lstrip().startswith(("import ", "from "))
    }
    assert "storage" in own
    assert not own & imported
    assert imported - set(sys.stdlib_module_names) == {"cryptography"}


def test_a_change_is_printed_with_its_place(zipped: Path, files: Files) -> None:
    changed = files | {"events.jsonl": files["events.jsonl"].replace(b"awaiting_test", b"completed")}
    zipped.write_bytes(zip_of(remade(changed)))
    code, said = verify(VERIFIER, zipped)
    assert code == 1
    assert f"what entry 1 of {CLAIM} says was changed" in said
    assert said.endswith("Result: CHANGED\n")


@pytest.mark.parametrize(
    ("content", "code"), [(b"", 1), (b"PK\x05\x06 no zip", 1), (None, 2)], ids=["empty", "broken", "absent"]
)
def test_what_is_no_bundle_is_said_to_be_none(tmp_path: Path, content: bytes | None, code: int) -> None:
    path = tmp_path / "claim.zip"
    if content is not None:
        path.write_bytes(content)
    found, said = verify(VERIFIER, path)
    assert found == code
    assert "Traceback" not in said


def test_a_zip_file_that_was_damaged_is_not_verified(zipped: Path) -> None:
    whole, places = zipped.read_bytes(), chance("zip")
    # Only the contents: a reader ignores much of what stands between them.
    with zipfile.ZipFile(zipped) as archive:
        info = archive.getinfo("events.jsonl")
    start = info.header_offset + 30 + len(info.filename)
    for _ in range(3):
        at = start + places.randrange(info.compress_size)
        zipped.write_bytes(whole[:at] + bytes([whole[at] ^ 0x5A]) + whole[at + 1 :])
        code, said = verify(VERIFIER, zipped)
        assert code == 1
        assert "Traceback" not in said


# keys.json, rules.json and proofs.json hold things that are for reading; those are tested by name below.
PROVED = ("events.jsonl", "proofs.json", "checkpoint.note", "opened.json", "certificates/crt_x.pdf", "evidence/")


@pytest.mark.parametrize("name", PROVED)
def test_no_byte_that_is_under_proof_can_be_changed(name: str, files: Files) -> None:
    places = chance(name)
    (path,) = [each for each in files if each.startswith(name)]
    for _ in range(PLACES):
        at = places.randrange(len(files[path]))
        other = files[path][at] ^ places.randrange(1, 256)
        content = files[path][:at] + bytes([other]) + files[path][at + 1 :]
        changed = files | {path: content}
        assert "CHANGED" in results(changed)
        assert "CHANGED" in results(remade(changed)) or _differs_for_anchors_only(files[path], content), at


def _differs_for_anchors_only(before: bytes, after: bytes) -> bool:
    """Whether only the proofs for anchors differ, which prove nothing else and are looked at with an anchor."""
    pages = [json.loads(content) for content in (before, after) if content.startswith(b"{")]
    return len(pages) == 2 and pages[0]["entries"] == pages[1]["entries"] and "consistency" in pages[0]


@pytest.mark.parametrize("name", ["README.txt", "verify.py", "keys.json", "rules.json", "manifest.json"])
def test_damage_to_any_other_file_is_noticed(name: str, files: Files) -> None:
    places = chance(name)
    for _ in range(PLACES):
        at = places.randrange(len(files[name]))
        changed = files[name][:at] + bytes([files[name][at] ^ 1]) + files[name][at + 1 :]
        found = results(files | {name: changed})
        # What the manifest says of itself is for reading.
        assert "CHANGED" in found or (
            name == "manifest.json" and json.loads(changed)["files"] == json.loads(files[name])["files"]
        )


def edited(files: Files, change: Callable[[list[dict[str, Any]]], None], *, with_proofs: bool) -> Files:
    """The files after somebody changed the list of entries, and of their proofs too."""
    entries = [json.loads(line) for line in files["events.jsonl"].decode().split("\n") if line]
    proofs = json.loads(files["proofs.json"])
    change(entries)
    if with_proofs:
        change(proofs["entries"])
    lines = "".join(json.dumps(entry, sort_keys=True, ensure_ascii=False) + "\n" for entry in entries)
    page = json.dumps(proofs, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    return remade(files | {"events.jsonl": lines.encode(), "proofs.json": page.encode()})


@pytest.mark.parametrize("with_proofs", [False, True])
def test_entries_cannot_be_dropped_swapped_doubled_or_added(files: Files, *, with_proofs: bool) -> None:
    count = files["events.jsonl"].count(b"\n")
    places = chance("entries")

    def last_of_its_stream(entries: list[dict[str, Any]], at: int) -> bool:
        return at + 1 == len(entries) or entries[at + 1]["stream"] != entries[at]["stream"]

    listed = [json.loads(line) for line in files["events.jsonl"].decode().split("\n") if line]
    for at in range(count):
        if with_proofs and last_of_its_stream(listed, at):
            continue
        assert "CHANGED" in results(edited(files, partial(drop, at), with_proofs=with_proofs))

    for _ in range(PLACES):
        one, other = places.sample(range(count), 2)
        assert "CHANGED" in results(edited(files, partial(swap, one, other), with_proofs=with_proofs))
        assert "CHANGED" in results(edited(files, partial(repeat, one, other), with_proofs=with_proofs))


def drop(at: int, entries: list[dict[str, Any]]) -> None:
    del entries[at]


def swap(one: int, other: int, entries: list[dict[str, Any]]) -> None:
    entries[one], entries[other] = entries[other], entries[one]


def repeat(one: int, other: int, entries: list[dict[str, Any]]) -> None:
    entries.insert(one, entries[other])


def test_the_end_of_a_stream_cannot_be_dropped_where_a_file_depends_on_it(files: Files) -> None:
    entries = files["events.jsonl"].decode().split("\n")
    at = max(number for number, line in enumerate(entries) if line and json.loads(line)["stream"] == CLAIM)
    shorter = edited(files, partial(drop, at), with_proofs=True)
    assert about(shorter, "CHANGED") == {"documents"}


def test_an_entry_that_was_dropped_and_is_shown_in_clear_is_named(files: Files) -> None:
    shown = json.loads(files["opened.json"])["entries"][0]
    entries = [json.loads(line) for line in files["events.jsonl"].decode().split("\n") if line]
    at = [(entry["stream"], entry["seq"]) for entry in entries].index((shown["stream"], shown["seq"]))
    found = {what: words for _, what, words in _CHECK(edited(files, partial(drop, at), with_proofs=False), None)}
    place = f"entry {shown['seq']} of {shown['stream']}"
    assert found["sealed"] == f"opened.json names {place}, and no such sealed entry was read here"


def test_an_entry_that_is_chained_and_was_never_signed_for_is_found(office: Office) -> None:
    forged = told_office(private=office.private)
    forged.enter(CLAIM, event="credit.awarded", after={"units": "200"})
    contents = forged.contents()
    last = max(entry.seq for entry in contents.entries if entry.stream == CLAIM)
    entries = [
        replace(entry, leaf=1) if (entry.stream, entry.seq) == (CLAIM, last) else entry for entry in contents.entries
    ]
    assert about(bundle_files(contents), "unchecked") == {"proofs"}
    assert about(bundle_files(replace(contents, entries=entries)), "CHANGED") == {"proofs"}


def test_a_new_history_that_is_signed_with_another_key_is_told_by_the_key_and_by_an_anchor(
    office: Office, files: Files
) -> None:
    kept = office.note()
    forged = bundle_files(told_office().contents())
    assert results(forged) == {"ok"}
    assert about(forged, "CHANGED", kept) == {"anchor"}
    claimed = bundle_files(told_office().contents(public_keys=[office.key]))
    assert about(claimed, "CHANGED") == {"checkpoint"}
    assert office.public.hex() in next(words for _, what, words in _CHECK(files, None) if what == "checkpoint")


def test_a_new_history_that_is_signed_with_the_same_key_is_told_by_an_anchor(office: Office) -> None:
    forged = Office(private=office.private)
    forged.enter("keys", event="key.registered", after={"public_key": office.public.hex()})
    for number in range(20):
        forged.enter(CLAIM, event="x", after={"number": number})
    forged.number()
    contents = forged.contents(documents={}, rules={"policy_version": "x", "policy": {}})
    for size in (4, 7):
        assert about(bundle_files(contents), "CHANGED", office.note(size)) == {"anchor"}
        assert about(bundle_files(contents), "CHANGED", forged.note(size)) == set()


def test_anchors_of_this_and_of_earlier_sizes_are_compared(office: Office, files: Files) -> None:
    for anchor in (
        office.note(),
        office.note(1),
        office.note(4),
        office.note(7),
        office.note(4) + "\n" + office.note(),
    ):
        assert results(files, anchor) == {"ok"}
    words = {what: words for _, what, words in _CHECK(files, office.note(5) + "\n" + office.note())}["anchor"]
    assert words.startswith("1 of its 2 checkpoints could be compared: the same history; to compare the others, ")
    assert about(files, "unchecked", office.note(5)) == {"anchor"}
    assert about(files, "unchecked", "no checkpoint at all") == {"anchor"}
    assert about(files, "CHANGED", told_office().note(4)) == {"anchor"}


def test_an_anchor_file_is_read_from_the_command_line(zipped: Path, office: Office) -> None:
    anchor = zipped.with_name("anchors.txt")
    # As a text editor on another system saves what came by e-mail.
    anchor.write_bytes(f"Kept since May.\n\n{office.note(4)}\n{office.note()}".strip().replace("\n", "\r\n").encode())
    code, said = verify(VERIFIER, zipped, "--anchor", anchor)
    assert (code, "2 of its 2 checkpoints" in said) == (0, True)
    anchor.write_text(told_office().note(), encoding="utf-8")
    assert verify(VERIFIER, zipped, "--anchor", anchor)[0] == 1


def test_entries_that_are_younger_than_the_checkpoint_are_named() -> None:
    office = told_office()
    office.enter(CLAIM, event="certificate.superseded")
    found = _CHECK(bundle_files(office.contents()), None)
    (words,) = [words for result, _, words in found if result == "unchecked"]
    assert words.startswith("younger than the checkpoint")
    assert f" of {CLAIM}" in words


def test_before_the_first_checkpoint_nothing_is_called_proved() -> None:
    office = told_office()
    office.leaves, office.hashes = [], []
    files = bundle_files(office.contents())
    assert "CHANGED" not in results(files)
    assert about(files, "unchecked") == {"proofs", "checkpoint"}


def test_a_revoked_key_and_a_key_that_no_entry_knows_are_pointed_out(office: Office) -> None:
    revoked = replace(office.key, revoked_at=NOON + timedelta(days=1))
    assert about(bundle_files(office.contents(public_keys=[revoked])), "unchecked") == {"checkpoint"}
    contents = office.contents()
    without = [entry for entry in contents.entries if entry.stream != "keys"]
    assert about(bundle_files(replace(contents, entries=without)), "unchecked") == {"checkpoint"}


def test_a_key_for_credentials_signs_no_checkpoint(office: Office) -> None:
    other = replace(office.key, purpose="credential")
    assert about(bundle_files(office.contents(public_keys=[other])), "CHANGED") == {"checkpoint"}


def test_a_certificate_that_no_entry_knows_is_a_change(office: Office) -> None:
    for name, content in (("crt_y.pdf", CERTIFICATE), ("crt_x.pdf", b"%PDF-1.7 another")):
        documents = {f"certificates/{name}": content}
        assert about(bundle_files(office.contents(documents=documents)), "CHANGED") == {"documents"}


def test_an_entry_whose_retention_has_ended_is_listed_and_its_place_still_proved(office: Office) -> None:
    contents = office.contents()
    gone = [
        replace(entry, body=None) if entry.stream == CLAIM and entry.seq == 2 else entry for entry in contents.entries
    ]
    files = bundle_files(replace(contents, entries=gone))
    assert "CHANGED" not in results(files)
    assert "entries" in about(files, "unchecked")


def test_what_is_sealed_reads_as_it_is_shown_or_stays_sealed(office: Office) -> None:
    contents = office.contents()
    lied = [
        replace(entry, private={"units": "2"}) if entry.private and "units" in entry.private else entry
        for entry in contents.entries
    ]
    assert about(bundle_files(replace(contents, entries=lied)), "CHANGED") == {"sealed"}
    wrong_key = bundle_files(office.contents(opened_keys={"lky_x": bytes(32)}))
    assert about(wrong_key, "CHANGED") == {"sealed"}
    closed = [replace(entry, private=None) for entry in contents.entries]
    files = bundle_files(replace(contents, entries=closed, opened_keys={}))
    assert results(files) == {"ok"}
    assert any("2 stay sealed" in words for _, _, words in _CHECK(files, None))


def test_the_same_contents_give_the_same_bytes(office: Office) -> None:
    assert zip_of(bundle_files(office.contents())) == zip_of(bundle_files(office.contents()))
