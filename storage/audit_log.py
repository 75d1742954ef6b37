"""The tree over the audit trail as the record keeps it: entries become leaves, the root becomes a checkpoint.

Only one process at a time adds to it (``take_turn``). Nothing here trusts the clock or the order of ids: an entry is
numbered once every transaction that could still write an earlier one has ended.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection, Row, RowMapping, TextClause, text

from domain.merkle import Frontier, leaf_hash

_LOCK: Final = 7_216_524_052
_HASH_LENGTH: Final = 32
# Numbering what was restored from another server may take minutes; so may one large import.
_TAKE_TURN: Final = text("SELECT pg_try_advisory_xact_lock(:key), set_config('statement_timeout', '0', true)")

_CLUSTER: Final = text("SELECT system_identifier FROM pg_control_system()")
# The newest leaf. Leaves are in the order of their entries' transactions, so all before it are numbered.
_LAST_LEAF: Final = text(
    "SELECT l.leaf_index, e.xid, e.cluster FROM audit_leaves l LEFT JOIN audit_events e USING (stream, seq) "
    "ORDER BY l.leaf_index DESC LIMIT 1"
)
_NEW: Final = """
    SELECT e.stream, e.seq, e.hash FROM audit_events e
     WHERE {which} AND NOT EXISTS (SELECT 1 FROM audit_leaves l WHERE l.stream = e.stream AND l.seq = e.seq)
     ORDER BY e.cluster, e.xid, e.stream, e.seq
"""
# Below the horizon no transaction is still at work, and what was committed is visible.
_BELOW_HORIZON: Final = text(
    _NEW.format(
        which="e.cluster = :cluster AND e.xid >= :xid "
        "AND e.xid < CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint)"
    )
    + " LIMIT :limit"
)
# What a dump brought from another server was finished there; its numbers of transactions mean nothing here.
_RESTORED: Final = text(
    _NEW.format(
        which="e.cluster <> :here AND (CAST(:cluster AS bigint) IS NULL OR e.cluster = :cluster) AND e.xid >= :xid"
    )
)
_HASHES: Final = text("SELECT hashes FROM audit_leaves WHERE leaf_index = :leaf_index")
_SIZE: Final = text("SELECT coalesce(max(leaf_index) + 1, 0) FROM audit_leaves")
_STORE: Final = text(
    "INSERT INTO audit_checkpoints (tree_size, root) VALUES (:tree_size, :root) ON CONFLICT DO NOTHING "
    "RETURNING tree_size"
)
_CHECKPOINTS: Final = "SELECT tree_size, root, note, key_id, stored_at, signed_at FROM audit_checkpoints "
_UNSIGNED: Final = text(_CHECKPOINTS + "WHERE note IS NULL ORDER BY tree_size")
_LAST_SIGNED: Final = text(_CHECKPOINTS + "WHERE note IS NOT NULL ORDER BY tree_size DESC LIMIT 1")
_SIGNED_AFTER: Final = text(_CHECKPOINTS + "WHERE note IS NOT NULL AND tree_size > :size ORDER BY tree_size LIMIT 1000")
# Entries without leaf are at the end of the transactions, and leaves without checkpoint at the end of the tree.
_UNSEALED: Final = text(
    """
    SELECT least(
        (SELECT min(e.recorded_at) FROM audit_leaves l JOIN audit_events e USING (stream, seq)
          WHERE l.leaf_index >= coalesce((SELECT max(tree_size) FROM audit_checkpoints WHERE note IS NOT NULL), 0)),
        (SELECT min(e.recorded_at) FROM audit_events e
          WHERE e.xid >= coalesce((SELECT x.xid FROM audit_leaves n JOIN audit_events x USING (stream, seq)
                                    ORDER BY n.leaf_index DESC LIMIT 1), 0)
            AND NOT EXISTS (SELECT 1 FROM audit_leaves l WHERE l.stream = e.stream AND l.seq = e.seq)))
    """
)
_NOTE: Final = text("SELECT note FROM audit_checkpoints WHERE tree_size = :size")
_SIGN: Final = text(
    "UPDATE audit_checkpoints SET note = :note, key_id = :key_id, signed_at = clock_timestamp() "
    "WHERE tree_size = :tree_size"
)


class TreeDamagedError(LookupError):
    """A leaf that must be there is not, or lacks its hashes."""


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """The root of the tree at one size, as it was stored; ``note`` is None until it is signed."""

    size: int
    root: bytes
    note: str | None
    key_id: str | None
    stored_at: datetime
    signed_at: datetime | None

    @classmethod
    def of(cls, row: RowMapping) -> "StoredCheckpoint":
        """From a row of ``audit_checkpoints``."""
        return cls(row["tree_size"], bytes(row["root"]), row["note"], row["key_id"], row["stored_at"], row["signed_at"])


class StoredTree:
    """The complete subtrees of the tree, by level and index (``domain.merkle.Nodes``); each leaf is read once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._hashes: dict[int, bytes] = {}

    def __call__(self, level: int, index: int) -> bytes:
        """The hash of a complete subtree, which the row of its last leaf holds; raises ``TreeDamagedError``."""
        last = ((index + 1) << level) - 1
        if last not in self._hashes:
            found = self._connection.scalar(_HASHES, {"leaf_index": last})
            if found is None:
                raise TreeDamagedError(last)
            self._hashes[last] = bytes(found)
        node = self._hashes[last][level * _HASH_LENGTH : (level + 1) * _HASH_LENGTH]
        if len(node) != _HASH_LENGTH:
            raise TreeDamagedError(last)
        return node


def is_signed_by(public: bytes, signature: bytes, text: bytes) -> bool:
    """Whether an Ed25519 signature is right."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, text)
    except InvalidSignature:
        return False
    return True


def take_turn(connection: Connection) -> bool:
    """Become the one process that adds to the tree, until the transaction ends; False when another one is."""
    return bool(connection.execute(_TAKE_TURN, {"key": _LOCK}).one()[0])


def number_entries(connection: Connection, limit: int = 20_000) -> int:
    """Make leaves of entries that none can precede any more, in the order of their transactions.

    The caller has its turn. Answers how many; about ``limit`` at most, except after a restore from another server.
    """
    last = connection.execute(_LAST_LEAF).one_or_none()
    frontier = Frontier.at(last.leaf_index + 1 if last else 0, StoredTree(connection))
    before = frontier.size
    for entries in _new_entries(connection, last, limit):
        _add_leaves(connection, frontier, entries)
    return frontier.size - before


def _new_entries(connection: Connection, last: Row[Any] | None, limit: int) -> Iterator[Iterator[Row[Any]]]:
    here = connection.scalar(_CLUSTER)
    cluster, xid = (last.cluster, last.xid or 0) if last else (None, 0)
    if cluster != here:
        yield _streamed(connection, _RESTORED, {"here": here, "cluster": cluster, "xid": xid})
        xid = 0
    yield _streamed(connection, _BELOW_HORIZON, {"cluster": here, "xid": xid, "limit": limit})


def _streamed(connection: Connection, query: TextClause, values: dict[str, Any]) -> Iterator[Row[Any]]:
    return iter(connection.execute(query.execution_options(yield_per=10_000), values))


def _add_leaves(connection: Connection, frontier: Frontier, entries: Iterator[Row[Any]]) -> None:
    driver: Any = connection.connection.driver_connection
    while batch := list(islice(entries, 10_000)):
        with driver.cursor().copy("COPY audit_leaves (leaf_index, stream, seq, hashes) FROM STDIN") as copy:
            for entry in batch:
                leaf_index = frontier.size
                hashes = frontier.append(leaf_hash(bytes(entry.hash)))
                copy.write_row((leaf_index, entry.stream, entry.seq, b"".join(hashes)))


def tree_size(connection: Connection) -> int:
    """How many leaves the tree has."""
    return int(connection.scalar(_SIZE) or 0)


def store_checkpoint(connection: Connection) -> bool:
    """Store the root of the tree as it is; False when there is one of this size, or nothing to store."""
    size = tree_size(connection)
    if size == 0:
        return False
    root = Frontier.at(size, StoredTree(connection)).root()
    return connection.execute(_STORE, {"tree_size": size, "root": root}).one_or_none() is not None


def sign_checkpoint(connection: Connection, size: int, note: str, key_id: str) -> None:
    """Note the signature of a stored checkpoint; one that was signed before refuses another."""
    connection.execute(_SIGN, {"tree_size": size, "note": note, "key_id": key_id})


def unsealed_since(connection: Connection) -> datetime | None:
    """When the oldest entry was recorded that no signed checkpoint covers; None when all are covered."""
    since: datetime | None = connection.scalar(_UNSEALED)
    return since


def last_signed_checkpoint(connection: Connection) -> StoredCheckpoint | None:
    """The checkpoint of the largest tree whose root is signed."""
    row = connection.execute(_LAST_SIGNED).mappings().one_or_none()
    return StoredCheckpoint.of(row) if row else None


def signed_note(connection: Connection, size: int) -> str | None:
    """The signed note of the checkpoint at one size of the tree."""
    note: str | None = connection.scalar(_NOTE, {"size": size})
    return note


def unsigned_checkpoints(connection: Connection) -> Sequence[StoredCheckpoint]:
    """What was stored and not signed, smallest tree first."""
    return [StoredCheckpoint.of(row) for row in connection.execute(_UNSIGNED).mappings()]


def signed_checkpoints_after(connection: Connection, size: int) -> Sequence[StoredCheckpoint]:
    """The next thousand signed checkpoints of larger trees, smallest first."""
    return [StoredCheckpoint.of(row) for row in connection.execute(_SIGNED_AFTER, {"size": size}).mappings()]
