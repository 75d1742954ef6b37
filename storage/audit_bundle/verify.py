"""Check an audit bundle of Laurel on any machine: ``python3 verify.py [ZIP or folder] [--anchor FILE]``.

It needs Python 3.9 or newer and nothing of Laurel. Signatures, and what was sealed, need the package ``cryptography``;
without it everything else is checked. README.txt says what a result proves, and what it does not.

It ends with 0 if everything was checked and holds, with 1 if something was changed, added, or left out before the last
entry of a stream, and with 2 if what was checked holds, but something could not be checked.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import sys
import zipfile
import zlib
from datetime import datetime
from pathlib import Path
from typing import Any

try:
    from cryptography.exceptions import InvalidSignature, InvalidTag
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    HAS_CRYPTOGRAPHY = True
except ImportError:
    HAS_CRYPTOGRAPHY = False

HOLDS, CHANGED, UNCHECKED = "ok", "CHANGED", "unchecked"
NOTE = re.compile(r"([^\n]+)\n([0-9]{1,18})\n([A-Za-z0-9+/]{43}=)\n((?:[^\n]+\n)*)\n((?:\u2014 [^\n]+\n)+)")
SHA256 = re.compile(r"[0-9a-f]{64}")
MALFORMED = (AttributeError, IndexError, KeyError, RecursionError, TypeError, ValueError)
NO_PACKAGE = "not checked, because the Python package cryptography is not installed"


class Changed(Exception):
    """Something is not as it was entered or signed."""


class Unchecked(Exception):
    """Something cannot be checked here."""


def sha256(content: bytes) -> bytes:
    """Answer with the hash that everything here is hashed with."""
    return hashlib.sha256(content).digest()


def node(left: bytes, right: bytes) -> bytes:
    """Answer with the parent of two nodes of the tree (RFC 6962, 2.1)."""
    return sha256(b"\x01" + left + right)


def half(size: int) -> int:
    """Answer with how many leaves are left of the top of a tree: the largest power of two below its size."""
    return 1 << ((size - 1).bit_length() - 1)


def included(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """Answer with the root that the proof of a leaf leads to (RFC 6962, 2.1.1)."""
    if not 0 <= index < size or (size == 1 and path):
        raise Changed("a proof does not fit the tree")
    if size == 1:
        return leaf
    *below, top = path
    if index < half(size):
        return node(included(leaf, index, half(size), below), top)
    return node(top, included(leaf, index - half(size), size - half(size), below))


def grown(old: int, new: int, path: list[bytes], old_root: bytes | None) -> tuple[bytes, bytes]:
    """Answer with the roots of two sizes of a tree that a proof of consistency leads to (RFC 6962, 2.1.2)."""
    if old == new:
        (same,) = [*path, old_root] if old_root else path
        return same, same
    *below, top = path
    if old <= half(new):
        smaller, larger = grown(old, half(new), below, old_root)
        return smaller, node(larger, top)
    smaller, larger = grown(old - half(new), new - half(new), below, None)
    return node(top, smaller), node(top, larger)


class Note:
    """A checkpoint: size and root of the tree of all entries, signed (C2SP tlog-checkpoint and signed-note)."""

    def __init__(self, found: re.Match[str] | None) -> None:
        if found is None:
            raise Changed("checkpoint.note is not a checkpoint")
        self.origin, size, root, more, lines = found.groups()
        self.size, self.root = int(size), base64.b64decode(root)
        self.text = f"{self.origin}\n{size}\n{root}\n{more}".encode()
        self.signatures = [line.split(" ")[1:] for line in lines.splitlines()]

    def signer(self, keys: list[dict[str, Any]]) -> dict[str, Any]:
        """Answer with the key that signed it; there must be one, and its signature must be right."""
        for key in keys:
            public = base64.b64decode(key["public_key"])
            key_hash = sha256(self.origin.encode() + b"\n\x01" + public)[:4]
            for name, encoded in self.signatures:
                signature = base64.b64decode(encoded)
                if key["purpose"] == "audit" and name == self.origin and signature[:4] == key_hash:
                    try:
                        Ed25519PublicKey.from_public_bytes(public).verify(signature[4:], self.text)
                    except InvalidSignature:
                        raise Changed(f"the signature of {key['id']} is not right") from None
                    return key
        raise Changed(f"no audit key of keys.json signed the checkpoint of {self.size} entries")


class Bundle:
    """The files of one export, and what was found out about them."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.findings: list[tuple[str, str, str]] = []
        self.entries: dict[tuple[str, int], dict[str, Any]] = {}

    def say(self, result: str, about: str, words: str) -> None:
        """Add a finding."""
        self.findings.append((result, about, words))

    def note(self) -> Note:
        """Answer with the checkpoint."""
        if not self.files["checkpoint.note"]:
            raise Unchecked("there was no checkpoint yet, so nobody has signed for these entries")
        return Note(NOTE.fullmatch(self.files["checkpoint.note"].decode()))

    def json(self, name: str) -> Any:
        """Read a JSON file, which must be written exactly as an export writes it, so that nothing hides in it."""
        value = json.loads(self.files[name])
        if self.files[name].decode() != json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n":
            raise Changed(f"{name} is not written as an export writes it")
        return value

    def is_stated(self, name: str, content: bytes) -> bool:
        """Whether one entry names a file, or whose it is, together with its hash."""
        hashed = sha256(content).hex()
        bodies = [entry["body"] for entry in self.entries.values() if entry["body"]]
        return any(hashed in body and Path(name).stem in body for body in bodies)

    def check_files(self) -> None:
        """See that every file is there as the manifest has it, and no other."""
        found = {name: sha256(content).hex() for name, content in self.files.items() if name != "manifest.json"}
        wrong = self.json("manifest.json")["files"].items() ^ found.items()
        if wrong:
            raise Changed(f"missing, added or damaged: {', '.join(sorted({name for name, _ in wrong}))}")
        self.say(HOLDS, "files", f"{len(found)} files, each as it was written")

    def check_entries(self) -> None:
        """See that each stream is whole from its first entry on, and that each entry is chained to the one before."""
        heads: dict[str, tuple[int, str]] = {}
        *lines, last = self.files["events.jsonl"].decode().split("\n")
        for line in lines:
            entry = json.loads(line)
            stream, seq, body, named = entry["stream"], entry["seq"], entry["body"], "{seq} of {stream}".format(**entry)
            if last or line != json.dumps(entry, sort_keys=True, ensure_ascii=False):
                raise Changed(f"entry {named} is not written as an export writes it")
            before, previous = heads.get(stream, (0, "00" * 32))
            if (seq, entry["prev_hash"]) != (before + 1, previous):
                raise Changed(f"entry {named} does not follow entry {before}")
            if body is not None and sha256(body.encode()).hex() != entry["body_hash"]:
                raise Changed(f"what entry {named} says was changed")
            if body is not None and datetime.fromisoformat(json.loads(body)["recorded_at"]) != datetime.fromisoformat(
                entry["recorded_at"]
            ):
                raise Changed(f"entry {named} was recorded at another time")
            place = b"laurel-audit/v1\0" + stream.encode() + b"\0" + seq.to_bytes(8, "big")
            if sha256(place + bytes.fromhex(previous + entry["body_hash"])).hex() != entry["hash"]:
                raise Changed(f"entry {named} does not have the hash that it must have")
            heads[stream] = seq, entry["hash"]
            self.entries[stream, seq] = entry
        if [*self.entries] != sorted(self.entries):
            raise Changed("the streams are in another order")
        self.say(HOLDS, "entries", f"{len(self.entries)} entries in {len(heads)} streams, chained and without a gap")
        gone = [f"{seq} of {stream}" for (stream, seq), entry in self.entries.items() if entry["body"] is None]
        if gone:
            self.say(UNCHECKED, "entries", f"only their hashes were kept: {', '.join(gone)}")

    def check_proofs(self) -> None:
        """See that each entry is in the tree whose root the checkpoint signs."""
        note, proofs = self.note(), self.json("proofs.json")
        if proofs["tree_size"] != note.size or [(each["stream"], each["seq"]) for each in proofs["entries"]] != [
            *self.entries
        ]:
            raise Changed("proofs.json is not about these entries and this checkpoint")
        young = []
        for proof in proofs["entries"]:
            entry, named = self.entries[proof["stream"], proof["seq"]], "{seq} of {stream}".format(**proof)
            leaf, path = sha256(b"\0" + bytes.fromhex(entry["hash"])), [bytes.fromhex(each) for each in proof["path"]]
            if proof["leaf"] is None:
                young.append(named)
            elif included(leaf, proof["leaf"], note.size, path) != note.root:
                raise Changed(f"entry {named} is not in the tree that was signed")
        proved = len(self.entries) - len(young)
        self.say(HOLDS, "proofs", f"{proved} of the entries are in the signed tree of {note.size} entries")
        if young:
            self.say(UNCHECKED, "proofs", f"younger than the checkpoint, so not signed for yet: {', '.join(young)}")

    def check_checkpoint(self) -> None:
        """See that the checkpoint is signed, with a key that the entries know."""
        if not HAS_CRYPTOGRAPHY:
            raise Unchecked(NO_PACKAGE)
        note = self.note()
        key = note.signer(self.json("keys.json"))
        public = base64.b64decode(key["public_key"]).hex()
        if not any(public in entry["body"] for entry in self.entries.values() if entry["body"]):
            self.say(UNCHECKED, "checkpoint", f"no entry says since when {key['id']} is a key")
        if key["revoked_at"]:
            self.say(UNCHECKED, "checkpoint", f"{key['id']} was revoked at {key['revoked_at']}: rely on an anchor")
        self.say(HOLDS, "checkpoint", f"signed by {note.origin} with {key['id']}, public key {public}")

    def check_documents(self) -> None:
        """See that each certificate, credential and piece of evidence is the one that an entry names by its hash."""
        rules = self.json("rules.json")
        policy = json.dumps(rules["policy"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        found = {name: each for name, each in self.files.items() if name.startswith(("certificates/", "evidence/"))}
        found[rules["policy_version"]] = policy.encode()
        unstated = [name for name, content in found.items() if not self.is_stated(name, content)]
        wrong = [
            name for name in unstated if name.startswith("evidence/") and Path(name).stem != sha256(found[name]).hex()
        ]
        if all(each["body"] for each in self.entries.values()):
            wrong += [name for name in unstated if name.endswith(".pdf")]
        if wrong:
            raise Changed(f"no entry knows {', '.join(wrong)} as it is here")
        self.say(HOLDS, "documents", f"{len(found) - len(unstated)} are what entries name by their hash")
        if unstated:
            self.say(UNCHECKED, "documents", f"no entry states the hash of {', '.join(unstated)}")

    def check_sealed(self) -> None:
        """See that what was sealed in entries reads as opened.json shows it."""
        if not HAS_CRYPTOGRAPHY:
            raise Unchecked(NO_PACKAGE)
        opened, bodies = (
            self.json("opened.json"),
            {at: json.loads(each["body"] or "{}") for at, each in self.entries.items()},
        )
        shown = {(each["stream"], each["seq"]): each["values"] for each in opened["entries"]}
        for place, values in shown.items():
            box = bodies.get(place, {}).get("sealed")
            if box is None:
                raise Changed(
                    "opened.json names entry {1} of {0}, and no such sealed entry was read here".format(*place)
                )
            key, nonce, content = (
                base64.b64decode(each) for each in (opened["keys"][box["key"]], box["nonce"], box["box"])
            )
            try:
                clear = AESGCM(key).decrypt(nonce, content, box["key"].encode())
            except InvalidTag:
                raise Changed("opened.json does not hold the key of entry {1} of {0}".format(*place)) from None
            if json.loads(clear) != values:
                raise Changed("entry {1} of {0} does not hold what opened.json shows".format(*place))
        closed = sum("sealed" in body and place not in shown for place, body in bodies.items())
        self.say(HOLDS, "sealed", f"{len(shown)} entries hold what opened.json shows of them; {closed} stay sealed")

    def check_anchor(self, text: str) -> None:
        """See that the tree is one of which somebody else kept a checkpoint, or that it has grown from it."""
        note, paths = self.note(), self.json("proofs.json")["consistency"]
        anchors, compared = [Note(found) for found in NOTE.finditer(text)], 0
        for anchor in anchors:
            if HAS_CRYPTOGRAPHY:
                anchor.signer(self.json("keys.json"))
            path = [] if anchor.size == note.size else paths.get(str(anchor.size))
            if path is not None:
                roots = grown(anchor.size, note.size, [bytes.fromhex(each) for each in path], anchor.root)
                if anchor.origin != note.origin or roots != (anchor.root, note.root):
                    raise Changed(f"the anchor of {anchor.size} entries tells another history")
                compared += 1
        if compared:
            others = "; to compare the others, export with --anchor" if compared < len(anchors) else ""
            words = f"{compared} of its {len(anchors)} checkpoints could be compared: the same history{others}"
            self.say(HOLDS, "anchor", words)
        else:
            self.say(
                UNCHECKED, "anchor", f"none of its {len(anchors)} checkpoints can be compared: export with --anchor"
            )


def read_files(place: Path) -> dict[str, bytes]:
    """Read every file of a bundle, by its name."""
    if place.is_dir():
        paths = [path for path in place.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
        return {path.relative_to(place).as_posix(): path.read_bytes() for path in paths}
    with zipfile.ZipFile(place) as archive:
        names = archive.namelist()
        if len(names) != len(set(names)):
            raise Changed("the ZIP file holds a file twice")
        return {name: archive.read(name) for name in names}


def check(files: dict[str, bytes], anchor: str | None) -> list[tuple[str, str, str]]:
    """Find out all about a bundle: result, what was checked, words. One thing that is changed hides no other."""
    bundle = Bundle(files)
    for about in ("files", "entries", "proofs", "checkpoint", "documents", "sealed", *(["anchor"] if anchor else [])):
        try:
            getattr(bundle, f"check_{about}")(*([anchor] if about == "anchor" else []))
        except Changed as found:
            bundle.say(CHANGED, about, str(found))
        except Unchecked as found:
            bundle.say(UNCHECKED, about, str(found))
        except MALFORMED as error:
            bundle.say(CHANGED, about, f"not as an export writes it ({type(error).__name__}: {error})")
    return bundle.findings


def main() -> int:
    """Check what the command line names, print what was found, and answer with the exit code."""
    parser = argparse.ArgumentParser(description="Check an audit bundle of Laurel.")
    parser.add_argument("bundle", nargs="?", type=Path, default=Path(__file__).resolve().parent)
    parser.add_argument("--anchor", type=Path, help="checkpoints that you kept, or got from somebody you trust")
    chosen = parser.parse_args()
    try:
        anchor = chosen.anchor.read_text(encoding="utf-8", errors="replace") + "\n" if chosen.anchor else None
        findings = check(read_files(chosen.bundle), anchor)
    except (Changed, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        findings = [(CHANGED, "bundle", str(error))]
    except (OSError, ValueError) as error:
        findings = [(UNCHECKED, "bundle", str(error))]
    for result, about, words in findings:
        print(f"{result:<11}{about:<12}{words}")
    results = {result for result, _, _ in findings}
    code = 1 if CHANGED in results else 2 if UNCHECKED in results else 0
    print(f"\nResult: {('verified', 'CHANGED', 'incomplete')[code]}")
    return code


if __name__ == "__main__":
    sys.exit(main())
