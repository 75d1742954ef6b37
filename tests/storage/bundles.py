"""An audit trail that exists in memory only, and the bundle of one claim from it, for tests of the verifier."""

import hashlib
import json
import random
from base64 import b64encode
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from domain import merkle
from domain.signed_notes import Checkpoint, format_note
from storage.audit import GENESIS, chain_hash
from storage.audit_bundle.pack import BundledEntry, Contents
from storage.canonical import canonical_json
from storage.keys import PublicKey

ORIGIN = "laurel.example/audit"
NOON = datetime(2026, 5, 31, 12, tzinfo=UTC)
CLAIM, LEARNER, KEYS = "claim:clm_x", "learner:lrn_x", "keys"
CERTIFICATE = b"%PDF-1.7 a certificate"
EVIDENCE = b'{"answers":{"q1":"a"}}'
POLICY = {"title": "Caf\u00e9, s\u00e9pticos y \u5c71\u7530", "units": "1.25"}


def chance(name: str) -> random.Random:
    """The same random places at each run."""
    return random.Random(name)  # noqa: S311  # nothing is kept secret with it


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class Office:
    """A whole audit trail, with a key that signs it."""

    private: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    entries: list[BundledEntry] = field(default_factory=list)
    leaves: list[tuple[str, int] | None] = field(default_factory=list)
    sealing_key: bytes = field(default_factory=lambda: AESGCM.generate_key(256))
    hashes: list[bytes] = field(default_factory=list)

    @property
    def public(self) -> bytes:
        return self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @property
    def key(self) -> PublicKey:
        return PublicKey(
            id="audit-2026-05-31-00000000",
            purpose="audit",
            public_key=self.public,
            algorithm="Ed25519",
            created_at=NOON,
            retired_at=None,
            revoked_at=None,
        )

    def enter(self, stream: str, private: dict[str, Any] | None = None, **values: Any) -> None:
        """Append an entry to a stream, as ``storage.audit`` does."""
        earlier = [entry for entry in self.entries if entry.stream == stream]
        seq, prev = len(earlier) + 1, earlier[-1].hash if earlier else GENESIS
        at = NOON + timedelta(minutes=len(self.entries))
        said = {"at": at.isoformat(), "recorded_at": at.isoformat(), "v": 1, **values}
        if private is not None:
            nonce = hashlib.sha256(str(len(self.entries)).encode()).digest()[:12]
            box = AESGCM(self.sealing_key).encrypt(nonce, canonical_json(private), b"lky_x")
            said["sealed"] = {"key": "lky_x", "nonce": b64encode(nonce).decode(), "box": b64encode(box).decode()}
        body = canonical_json(said)
        entry = BundledEntry(
            stream=stream,
            seq=seq,
            body=body,
            body_hash=hashlib.sha256(body).digest(),
            prev_hash=prev,
            hash=chain_hash(stream, seq, prev, hashlib.sha256(body).digest()),
            recorded_at=at,
            private=private,
        )
        self.entries.append(entry)

    def number(self) -> None:
        """Give every entry that has none a place in the tree, among entries of others."""
        placed = {place for place in self.leaves if place}
        for entry in self.entries:
            if (entry.stream, entry.seq) not in placed:
                self._add(None, hashlib.sha256(str(len(self.leaves)).encode()).digest())
                self._add((entry.stream, entry.seq), entry.hash)

    def _add(self, place: tuple[str, int] | None, entry_hash: bytes) -> None:
        self.leaves.append(place)
        self.hashes.append(merkle.leaf_hash(entry_hash))

    def note(self, size: int | None = None) -> str:
        """The checkpoint of the tree, or of an earlier size of it."""
        size = len(self.hashes) if size is None else size
        checkpoint = Checkpoint(ORIGIN, size, merkle.root_of(self.hashes[:size]))
        return format_note(checkpoint, self.public, self.private.sign)

    def contents(self, **changes: Any) -> Contents:
        """What a bundle of this trail holds."""
        placed = {place: index for index, place in enumerate(self.leaves) if place}
        size = len(self.hashes)
        entries = []
        for entry in sorted(self.entries, key=lambda each: (each.stream, each.seq)):
            leaf = placed.get((entry.stream, entry.seq))
            path = () if leaf is None else merkle.inclusion_proof(self.hashes, leaf)
            entries.append(replace(entry, leaf=leaf, path=path))
        older = {old: merkle.consistency_proof(self.hashes, old) for old in (1, 4, 7) if old < size}
        contents = Contents(
            about={"claim": "clm_x", "made_at": NOON.isoformat()},
            entries=entries,
            note=self.note() if size else "",
            tree_size=size,
            consistency=older,
            public_keys=[self.key],
            opened_keys={"lky_x": self.sealing_key},
            documents={"certificates/crt_x.pdf": CERTIFICATE, f"evidence/{sha256(EVIDENCE)}.json": EVIDENCE},
            rules={"policy_version": "ver_x", "policy": POLICY, "credit": {"code": "ama"}},
        )
        return replace(contents, **changes)


def told_office(**keys: Any) -> Office:
    """An office where one claim was completed, with 20 entries about it."""
    office = Office(**keys)
    office.enter(KEYS, event="key.registered", after={"public_key": office.public.hex()})
    office.enter(LEARNER, event="profile.changed", private={"given_name": "S\u00f8ren", "family_name": "\u5c71\u7530"})
    policy = {"version_id": "ver_x"}
    office.enter(
        "ce_activity:cea_x",
        event="ce_activity.published",
        after=policy,
        evidence={"policy": sha256(canonical_json(POLICY))},
    )
    office.enter(CLAIM, event="opening.accepted", after={"stage": "awaiting_test"})
    office.enter(CLAIM, event="answers.accepted", evidence={"answers": sha256(EVIDENCE)})
    for number in range(10):
        office.enter(CLAIM, event="session.accepted", reason=f"Line\u2028separator \x85 {number}")
    office.enter(CLAIM, event="credit.awarded", private={"units": "1.25"})
    office.enter(CLAIM, event="certificate.issued", after={"certificate": "crt_x", "sha256": sha256(CERTIFICATE)})
    office.number()
    return office


def remade(files: dict[str, bytes]) -> dict[str, bytes]:
    """The files with a manifest that fits them, as somebody writes it who changed them on purpose."""
    manifest = json.loads(files["manifest.json"])
    manifest["files"] = {name: sha256(content) for name, content in files.items() if name != "manifest.json"}
    page = json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    return files | {"manifest.json": page.encode()}
