"""What belongs into the audit bundle of one claim, read from the record and entered as handed out."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from sqlalchemy import Connection, RowMapping, text

from domain import credit
from domain.merkle import prove_consistency, prove_inclusion
from domain.submissions import SubmissionKind
from storage import disclosures
from storage.audit import claim_stream, learner_stream
from storage.audit_bundle.pack import BundledEntry, Contents, bundle_files, zip_of
from storage.audit_log import StoredTree, TreeDamagedError, last_signed_checkpoint
from storage.canonical import canonical_json, sha256_of
from storage.catalog import ce_activity_stream
from storage.database import create_sync_engine
from storage.disclosures import Disclosure
from storage.keys import STREAM as KEYS_STREAM
from storage.keys import public_keys
from storage.sealing import unseal

_ENDINGS: Final = {"application/pdf": "pdf", "application/vc": "json"}

_CLAIM: Final = text(
    """
    SELECT c.id, c.ce_activity_id, c.version_id, v.policy, v.number, coalesce(l.merged_into, l.id) AS person,
           ARRAY(SELECT p.id FROM learners p
                  WHERE p.id IN (c.learner_id, coalesce(l.merged_into, l.id))
                     OR p.merged_into = coalesce(l.merged_into, l.id)) AS persons
      FROM claims c
      JOIN learners l ON l.id = c.learner_id
      JOIN ce_activity_versions v ON v.id = c.version_id
     WHERE c.id = :claim_id
    """
)
_ENTRIES: Final = text(
    """
    SELECT e.stream, e.seq, e.body, e.body_hash, e.prev_hash, e.hash, e.recorded_at, l.leaf_index AS leaf
      FROM audit_events e LEFT JOIN audit_leaves l USING (stream, seq)
     WHERE e.stream = ANY(:streams)
    """
)
# Of what is sealed for somebody else, or for a CE activity as a whole, an export of one claim opens nothing.
_SEALING_KEYS: Final = text("SELECT id, key FROM learner_keys WHERE learner_id = ANY(:subjects) AND key IS NOT NULL")
_CERTIFICATES: Final = text(
    """
    SELECT x.id, x.version, x.state, x.issued_at, w.id AS award_id, w.credit_type, w.rule_version,
           w.state AS award_state
      FROM awards w JOIN certificates x ON x.award_id = w.id
     WHERE w.claim_id = :claim_id ORDER BY w.number, x.version
    """
)
_DOCUMENTS: Final = text(
    """
    SELECT x.id, d.media_type, d.content
      FROM awards w
      JOIN certificates x ON x.award_id = w.id
      LEFT JOIN credentials c ON c.certificate_id = x.id
      JOIN documents d ON d.sha256 IN (x.sha256, c.sha256)
     WHERE w.claim_id = :claim_id
    """
)
_SUBMISSIONS: Final = text(
    "SELECT kind, body FROM submissions WHERE claim_id = :claim_id AND kind <> :evaluation ORDER BY received_at, id"
)


class ClaimNotFoundError(LookupError):
    """The record has no such claim."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleOrder:
    """Of which claim a bundle is wanted, and against which older sizes of the tree somebody will check it."""

    claim_id: str
    disclosure: Disclosure
    release: str
    anchored_sizes: Sequence[int] = ()


def hand_out_bundle(database_url: str, order: BundleOrder) -> bytes:
    """The ZIP file of one claim's bundle; that it was handed out is entered. Raises ``ClaimNotFoundError``."""
    engine = create_sync_engine(database_url, pool_size=1)
    try:
        with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
            claim = connection.execute(_CLAIM, {"claim_id": order.claim_id}).mappings().one_or_none()
            if claim is None:
                raise ClaimNotFoundError(order.claim_id)
            contents = _contents(connection, claim, order)
        files = bundle_files(contents)
        with engine.begin() as connection:
            disclosures.enter(
                connection,
                "claim.exported",
                order.disclosure,
                after={"claim": claim["id"], "learner": claim["person"], "entries": len(contents.entries)},
                evidence={"manifest": hashlib.sha256(files["manifest.json"]).hexdigest()},
                subject=claim["person"],
            )
    finally:
        engine.dispose()
    return zip_of(files)


def _contents(connection: Connection, claim: RowMapping, order: BundleOrder) -> Contents:
    checkpoint, tree = last_signed_checkpoint(connection), StoredTree(connection)
    size = checkpoint.size if checkpoint else 0
    own = [claim_stream(claim["id"]), *map(learner_stream, claim["persons"])]
    entries = _entries(connection, [*own, ce_activity_stream(claim["ce_activity_id"]), KEYS_STREAM])
    proved = [_proved(entry, tree, size) for entry in entries]
    sealing_keys = _sealing_keys(connection, [*own, *claim["persons"]])
    certificates = connection.execute(_CERTIFICATES, {"claim_id": claim["id"]}).mappings().all()
    return Contents(
        about={
            "claim": claim["id"],
            "made_at": datetime.now(UTC).isoformat(),
            "made_by": order.disclosure.actor.id,
            "reason": order.disclosure.reason,
            "release": order.release,
            "certificates": [{name: _plain(value) for name, value in row.items()} for row in certificates],
        },
        entries=[_opened(entry, sealing_keys) for entry in proved],
        note=(checkpoint and checkpoint.note) or "",
        tree_size=size,
        consistency={old: prove_consistency(tree, old, size) for old in set(order.anchored_sizes) if 0 < old < size},
        public_keys=public_keys(connection),
        opened_keys={name: key for name, key in sealing_keys.items() if name in _key_names(proved)},
        documents={**_documents(connection, claim["id"]), **_evidence(connection, claim["id"], proved)},
        rules=_rules(claim, certificates),
    )


def _entries(connection: Connection, streams: Sequence[str]) -> list[BundledEntry]:
    """Every entry of these streams, in the order of the verifier, which no collation of a database changes."""
    rows = connection.execute(_ENTRIES, {"streams": streams}).mappings()
    return sorted((BundledEntry(**row) for row in rows), key=lambda entry: (entry.stream, entry.seq))


def _proved(entry: BundledEntry, tree: StoredTree, size: int) -> BundledEntry:
    """The entry with the proof of its place; without a place if the checkpoint is older than it."""
    if entry.leaf is None or entry.leaf >= size:
        return replace(entry, leaf=None)
    try:
        return replace(entry, path=prove_inclusion(tree, entry.leaf, size))
    except TreeDamagedError:
        # A bundle of a damaged tree is still a bundle, and what it lacks is what its verifier points out.
        return entry


def _sealing_keys(connection: Connection, subjects: Sequence[str]) -> dict[str, bytes]:
    rows = connection.execute(_SEALING_KEYS, {"subjects": subjects})
    return {row.id: bytes(row.key) for row in rows}


def _sealed(entry: BundledEntry) -> Mapping[str, str] | None:
    """What is sealed in an entry; None also where the body cannot be read, which the verifier tells by its hash."""
    try:
        sealed: Mapping[str, str] | None = json.loads(entry.body or b"{}").get("sealed")
    except ValueError:
        return None
    return sealed


def _key_names(entries: Iterable[BundledEntry]) -> set[str]:
    return {sealed["key"] for entry in entries if (sealed := _sealed(entry))}


def _opened(entry: BundledEntry, keys: Mapping[str, bytes]) -> BundledEntry:
    sealed = _sealed(entry)
    if sealed is None or sealed["key"] not in keys:
        return entry
    try:
        return replace(entry, private=unseal(keys[sealed["key"]], sealed))
    except InvalidTag:
        # Shown as empty, which it is not, so that the verifier points it out.
        return replace(entry, private={})


def _documents(connection: Connection, claim_id: str) -> dict[str, bytes]:
    """Every version of the certificate, and its credential, as they were issued."""
    rows = connection.execute(_DOCUMENTS, {"claim_id": claim_id})
    return {f"certificates/{row.id}.{_ENDINGS[row.media_type]}": bytes(row.content) for row in rows}


def _evidence(connection: Connection, claim_id: str, entries: Iterable[BundledEntry]) -> dict[str, bytes]:
    """What was submitted, as far as an entry of the claim names it by its hash; never the answers to an evaluation."""
    bodies = [entry.body.decode(errors="replace") for entry in entries if entry.body]
    values = {"claim_id": claim_id, "evaluation": SubmissionKind.EVALUATION}
    found = {}
    for row in connection.execute(_SUBMISSIONS, values):
        digest = sha256_of(row.body)
        if row.body.get("responses") is None and any(digest in body for body in bodies):
            found[f"evidence/{digest}.json"] = canonical_json(row.body)
    return found


def _rules(claim: RowMapping, certificates: Iterable[RowMapping]) -> dict[str, Any]:
    """The policy that the claim is bound to, and each credit rule by which it was awarded."""
    named = {(row["credit_type"], row["rule_version"]) for row in certificates}
    rules = [credit.rule(code, version) for code, version in sorted(named)]
    return {
        "policy_version": claim["version_id"],
        "policy_number": claim["number"],
        "policy": claim["policy"],
        "credit_rules": [{name: _plain(value) for name, value in asdict(rule).items()} for rule in rules],
    }


def _plain(value: object) -> object:
    """A value as JSON has it; sets in their order, so that the same rules have the same bytes."""
    match value:
        case None | bool() | int():
            return value
        case frozenset() | tuple():
            return sorted(str(each) for each in value)
        case datetime():
            return value.astimezone(UTC).isoformat()
    return str(value)
