"""Checking the audit trail: everything that can be computed again is, and compared with what is stored.

Entries are read in the order of their streams, leaves in the order of the tree, both from one snapshot and a few
thousand rows at a time, so that memory stays constant however long the trail is.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Engine, text

from domain.merkle import EMPTY_ROOT, Frontier, ProofError, leaf_hash, prove_inclusion, root_from_inclusion
from domain.signed_notes import Checkpoint, NoteError, notes_in, open_note
from storage.audit import GENESIS, chain_hash
from storage.audit_log import StoredTree, TreeDamagedError, is_signed_by
from storage.audit_report import Report
from storage.keys import PublicKey, public_keys

PATIENCE: Final = timedelta(minutes=5)
_AUDIT: Final = "audit"
_PURGED: Final = "retention.purged"
_ROWS_AT_ONCE: Final = 5_000
_HASH: Final = 32

_ENTRY: Final = (
    "e.stream, e.seq, e.step_key, e.recorded_at, e.body, e.body_hash, e.prev_hash, e.hash, l.leaf_index, "
    "substr(l.hashes, 1, 32), length(l.stream) IS NULL AND e.recorded_at < clock_timestamp() - %(patience)s"
)
_ALL: Final = f"""
    SELECT {_ENTRY} FROM audit_events e LEFT JOIN audit_leaves l USING (stream, seq) ORDER BY e.stream, e.seq
"""  # noqa: S608  # constants only
_ONE: Final = f"""
    SELECT {_ENTRY} FROM audit_events e LEFT JOIN audit_leaves l USING (stream, seq) WHERE e.stream = %(stream)s
     ORDER BY e.seq
"""  # noqa: S608  # constants only
# From the first entry of each stream that has a young leaf, or none: no older transaction can be without one.
_YOUNG: Final = f"""
    WITH young AS (
        SELECT stream, min(seq) AS first FROM (
            SELECT stream, seq FROM audit_leaves WHERE leaf_index >= %(since)s
             UNION ALL
            SELECT e.stream, e.seq FROM audit_events e
             WHERE e.xid >= coalesce((SELECT x.xid FROM audit_leaves n JOIN audit_events x USING (stream, seq)
                                       ORDER BY n.leaf_index DESC LIMIT 1), 0)) each
         GROUP BY stream)
    SELECT {_ENTRY} FROM young JOIN audit_events e ON e.stream = young.stream AND e.seq >= young.first
      LEFT JOIN audit_leaves l ON l.stream = e.stream AND l.seq = e.seq
     ORDER BY e.stream, e.seq
"""  # noqa: S608  # constants only
_LEAVES: Final = "SELECT leaf_index, stream, seq, hashes FROM audit_leaves WHERE leaf_index >= %(since)s ORDER BY 1"
_ORPHANS: Final = text(
    """
    SELECT l.leaf_index, l.stream, l.seq FROM audit_leaves l
     WHERE (CAST(:stream AS text) IS NULL OR l.stream = :stream) AND l.leaf_index >= :since
       AND NOT EXISTS (SELECT 1 FROM audit_events e WHERE e.stream = l.stream AND e.seq = l.seq)
     ORDER BY l.stream, l.seq LIMIT 100
    """
)
_BEFORE: Final = text("SELECT hash FROM audit_events WHERE stream = :stream AND seq = :seq")
_CHECKPOINTS: Final = text(
    "SELECT tree_size, root, note, key_id, stored_at < clock_timestamp() - :patience AS is_late "
    "FROM audit_checkpoints WHERE tree_size >= :since ORDER BY tree_size"
)
_SIZE: Final = text("SELECT coalesce(max(leaf_index) + 1, 0) FROM audit_leaves")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What to check: one stream, what came after the first ``since`` entries of the tree, or everything.

    ``anchor`` is the text of signed notes that were kept elsewhere. ``pinned`` are public keys known from elsewhere,
    such as those whose private halves are here; without them the record itself says which keys are its own.
    """

    stream: str | None = None
    since: int = 0
    anchor: str | None = None
    pinned: frozenset[bytes] = frozenset()
    patience: timedelta = PATIENCE


def verify(engine: Engine, scope: Scope) -> Report:
    """Check the audit trail. Raises ``LookupError`` for a stream that has neither entries nor leaves."""
    with _snapshot(engine) as connection:
        return verify_snapshot(connection, scope)


def verify_snapshot(connection: Connection, scope: Scope) -> Report:
    """Check the audit trail as one transaction sees it, which must read everything from one snapshot."""
    check = _Check(connection, scope, Report(pinned=bool(scope.pinned)), public_keys(connection, _AUDIT))
    check.entries()
    check.roots_signed()
    check.anchors()
    if scope.stream is None:
        check.tree()
    else:
        check.inclusion()
    check.orphans()
    if scope.stream and not check.report.entries and not check.report.tampered:
        raise LookupError(f"the audit trail knows nothing of {scope.stream}")
    return check.report


@contextmanager
def _snapshot(engine: Engine) -> Iterator[Connection]:
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection, connection.begin():
        connection.execute(text("SET TRANSACTION READ ONLY"))
        for limit in ("statement_timeout", "idle_in_transaction_session_timeout"):
            connection.execute(text(f"SET LOCAL {limit} = 0"))
        yield connection


@dataclass(slots=True)
class _Check:
    """One check under way; ``roots`` holds what the tree must be at which size, and who says so."""

    connection: Connection
    scope: Scope
    report: Report
    keys: Sequence[PublicKey]
    roots: dict[int, list[tuple[bytes, str]]] = field(default_factory=dict)
    newest: Checkpoint | None = None
    leaves: dict[int, tuple[int, bytes]] = field(default_factory=dict)

    def entries(self) -> None:
        """Bodies, chains and sequences, and each entry against its leaf."""
        query = _ALL if self.scope.since == 0 else _YOUNG
        values = {"patience": self.scope.patience, "since": self.scope.since, "stream": self.scope.stream}
        stream: _Stream | None = None
        for row in self._rows(_ONE if self.scope.stream else query, values):
            if stream is None or stream.name != row[0]:
                _end(stream, self.report)
                stream = self._begun(row[0], row[1])
            stream.take(row, self.report)
            if self.scope.stream and row[8] is not None:
                self.leaves[row[1]] = (row[8], bytes(row[9]))
        _end(stream, self.report)

    def _begun(self, name: str, first: int) -> "_Stream":
        """A stream from its first entry on, or from a later one whose predecessors were checked before."""
        if self.scope.since == 0 or first == 1:
            return _Stream(name)
        head = self.connection.scalar(_BEFORE, {"stream": name, "seq": first - 1})
        return _Stream(name) if head is None else _Stream(name, first, bytes(head))

    def orphans(self) -> None:
        """Leaves whose entry is gone."""
        where = {"stream": self.scope.stream, "since": self.scope.since}
        for row in self.connection.execute(_ORPHANS, where):
            self.report.tamper(f"is missing, though leaf {row.leaf_index} is its", stream=row.stream, seq=row.seq)

    def roots_signed(self) -> None:
        """Each stored root against its signed note, and the newest note against the keys that are trusted."""
        late = {"patience": self.scope.patience, "since": 0 if self.scope.stream else self.scope.since}
        newest_key: PublicKey | None = None
        for row in self.connection.execute(_CHECKPOINTS, late):
            size, root = row.tree_size, bytes(row.root)
            self.roots.setdefault(size, []).append((root, "the stored checkpoint"))
            if row.note is None:
                if row.is_late:
                    self.report.lack("is not signed", tree_size=size)
                continue
            signed = self._opened(row.note, size)
            if signed is None:
                continue
            checkpoint, newest_key = signed
            if (checkpoint.size, checkpoint.root) != (size, root) or newest_key.id != row.key_id:
                self.report.tamper("differs from what was signed", tree_size=size)
            self.newest = checkpoint
            self.report.checkpoints += 1
        if newest_key is None or self.newest is None:
            self.report.lack("holds no signed checkpoint")
        elif newest_key.revoked_at is not None:
            self.report.lack("is signed with a key that was revoked", tree_size=self.newest.size)
        elif self.scope.pinned and newest_key.public_key not in self.scope.pinned:
            self.report.tamper("is signed with a key that is not one of those trusted here", tree_size=self.newest.size)

    def _opened(self, note: str, size: int) -> tuple[Checkpoint, PublicKey] | None:
        by_public = {key.public_key: key for key in self.keys}
        try:
            checkpoint, public = open_note(note, by_public, is_signed_by)
        except NoteError as error:
            self.report.tamper(f"has a note that does not hold: {error}", tree_size=size)
            return None
        return checkpoint, by_public[public]

    def anchors(self) -> None:
        """What was kept elsewhere says what the tree must be, and which checkpoints, whatever is stored here."""
        if self.scope.anchor is None:
            return
        publics = {key.public_key for key in self.keys} | self.scope.pinned
        stored = set(self.roots)
        for note in dict.fromkeys(notes_in(self.scope.anchor)):
            try:
                checkpoint, _ = open_note(note, publics, is_signed_by)
            except NoteError as error:
                self.report.tamper(f"one of the anchor's notes does not hold here: {error}")
                continue
            self.report.anchored += 1
            if checkpoint.size >= self.scope.since:
                if checkpoint.size not in stored:
                    self.report.tamper("was signed, and was removed", tree_size=checkpoint.size)
                self.roots.setdefault(checkpoint.size, []).append((checkpoint.root, "the anchor"))
        if not self.report.anchored:
            self.report.lack("the anchor holds no checkpoint of this trail")

    def tree(self) -> None:
        """Every subtree and every root again, from the leaves."""
        frontier = self._start()
        if frontier is None:
            return
        for leaf_index, stream, seq, hashes in self._rows(_LEAVES, {"since": frontier.size}):
            place = {"stream": stream, "seq": seq, "leaf_index": leaf_index}
            if leaf_index != frontier.size:
                self.report.tamper(f"leaf {frontier.size} is missing before this one", **place)
                return
            if b"".join(frontier.append(bytes(hashes[:_HASH]))) != hashes:
                self.report.tamper("the subtrees that its leaf completes were changed", **place)
            self.report.leaves += 1
            self._compare(frontier)
        for size in sorted(size for size in self.roots if size > frontier.size):
            for _, who in self.roots[size]:
                self.report.tamper(f"{who} knows {size} entries, the tree has {frontier.size}", tree_size=size)

    def _start(self) -> Frontier | None:
        try:
            frontier = Frontier.at(self.scope.since, StoredTree(self.connection))
        except TreeDamagedError as error:
            self.report.tamper("is missing, or was cut", leaf_index=error.args[0])
            return None
        self._compare(frontier)
        if self.scope.since and self.scope.since not in self.roots:
            self.report.lack("there is no checkpoint of this size to start from", tree_size=self.scope.since)
        return frontier

    def _compare(self, frontier: Frontier) -> None:
        for root, who in self.roots.get(frontier.size, ()):
            if root != frontier.root():
                self.report.tamper(f"{who} has another root than the tree", tree_size=frontier.size)

    def inclusion(self) -> None:
        """Each entry of one stream in the tree of the newest signed root, by proof."""
        tree = StoredTree(self.connection)
        self._roots_again(tree)
        for seq, (index, leaf) in self.leaves.items():
            place: dict[str, Any] = {"stream": self.scope.stream, "seq": seq, "leaf_index": index}
            self.report.leaves += 1
            if self.newest is None or index >= self.newest.size:
                continue
            try:
                proof = prove_inclusion(tree, index, self.newest.size)
                root = root_from_inclusion(leaf, index, self.newest.size, proof)
            except (TreeDamagedError, ProofError):
                root = EMPTY_ROOT
            if root != self.newest.root:
                self.report.tamper(f"is not in the tree that was signed at {self.newest.size} entries", **place)

    def _roots_again(self, tree: StoredTree) -> None:
        """Roots that others keep, from stored subtrees: of one stream this is all that anchors can be compared with."""
        size = int(self.connection.scalar(_SIZE) or 0)
        anchored = {size: roots for size, roots in self.roots.items() if any(who == "the anchor" for _, who in roots)}
        for at in sorted(anchored):
            try:
                frontier = Frontier.at(at, tree) if at <= size else None
            except TreeDamagedError as error:
                self.report.tamper("is missing, or was cut", leaf_index=error.args[0])
                continue
            if frontier is None:
                self.report.tamper(f"the anchor knows {at} entries, the tree has {size}", tree_size=at)
            else:
                self._compare(frontier)

    def _rows(self, query: str, values: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
        driver: Any = self.connection.connection.driver_connection
        with driver.cursor(name="audit_verify", binary=True) as cursor:
            cursor.itersize = _ROWS_AT_ONCE
            cursor.execute(query, values)
            yield from cursor


@dataclass(slots=True)
class _Stream:
    """One stream being read: what its next entry must be, and how many bodies are gone on whose authority."""

    name: str
    expected: int = 1
    head: bytes = GENESIS
    purged: int = 0
    authorised: int = 0

    def take(self, row: tuple[Any, ...], report: Report) -> None:
        """Check the next entry as it is stored."""
        stream, seq, step_key, recorded_at, body, body_hash, prev_hash, stored, leaf_index, leaf, is_late = row
        place: dict[str, Any] = {"stream": stream, "seq": seq}
        report.entries += 1
        self._follow(seq, prev_hash, report)
        if body is None:
            self.purged += 1
        elif hashlib.sha256(body).digest() != body_hash:
            report.tamper("its text is not the one that was entered", **place)
        elif not self._says(body, step_key, recorded_at):
            report.tamper("names another step or another time than its text does", **place)
        hashed = chain_hash(stream, seq, prev_hash, body_hash)
        if hashed != stored:
            report.tamper("its hash is not that of its content", **place)
        elif leaf is None:
            if is_late:
                report.lack("has no place in the tree yet", **place)
        elif leaf_hash(hashed) != leaf:
            report.tamper(f"is not what the tree was built from (leaf {leaf_index})", **place)
        self.expected, self.head = seq + 1, stored

    def _follow(self, seq: int, prev_hash: bytes, report: Report) -> None:
        if seq > self.expected:
            report.tamper("is missing", stream=self.name, seq=self.expected)
        elif seq < self.expected:
            report.tamper("stands here once more", stream=self.name, seq=seq)
        elif prev_hash != self.head:
            report.tamper("does not follow from the entry before it", stream=self.name, seq=seq)

    def _says(self, text: bytes, step_key: str, recorded_at: datetime) -> bool:
        """Whether the text says what stands in columns of its own."""
        try:
            body = json.loads(text.decode())
            if body.get("event") == _PURGED:
                self.authorised += int(body["after"]["removed"].get("audit_events", 0))
            said = datetime.fromisoformat(body["recorded_at"]) if "recorded_at" in body else recorded_at
        except (ValueError, TypeError, LookupError, AttributeError):
            return False
        return bool(body.get("step", step_key) == step_key and said == recorded_at)


def _end(stream: _Stream | None, report: Report) -> None:
    if stream is None:
        return
    report.streams += 1
    if stream.purged:
        report.purged[stream.name] = stream.purged
    if stream.purged > stream.authorised:
        report.unauthorised[stream.name] = stream.purged - stream.authorised
