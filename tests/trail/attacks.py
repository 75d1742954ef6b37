"""What somebody who owns the tables can do to the audit trail, and how far they can cover it up."""

import hashlib
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, text

from config.keys import SigningKey
from domain.merkle import Frontier, leaf_hash
from domain.signed_notes import Checkpoint, format_note
from storage.audit import GENESIS, chain_hash

ORIGIN = "credit.hospital.example/audit"


class Attacker:
    """Works in one transaction, with every trigger switched off, at places that the seed draws."""

    def __init__(self, connection: Connection, rng: random.Random) -> None:
        self.connection = connection
        self.rng = rng

    def rows(self, query: str, **values: Any) -> list[Any]:
        return list(self.connection.execute(text(query), values))

    def run(self, query: str, **values: Any) -> None:
        self.connection.execute(text(query), values)

    def stream(self) -> str:
        streams = self.rows("SELECT DISTINCT stream FROM audit_events WHERE stream LIKE 'claim:%' ORDER BY 1")
        return str(self.rng.choice(streams)[0])

    def entry(self) -> Any:
        return self.rng.choice(
            self.rows("SELECT stream, seq FROM audit_events WHERE stream LIKE 'claim:%' ORDER BY 1, 2")
        )

    def rechain(self) -> None:
        """Compute every hash anew, as if the entries had always been as they are."""
        stream, head = None, GENESIS
        for row in self.rows("SELECT stream, seq, body, hash FROM audit_events ORDER BY stream, seq, step_key"):
            head = head if row.stream == stream else GENESIS
            body_hash = hashlib.sha256(row.body).digest()
            hashed = chain_hash(row.stream, row.seq, head, body_hash)
            if hashed != row.hash:
                self.run(
                    "UPDATE audit_events SET body_hash = :body_hash, prev_hash = :head, hash = :hash "
                    "WHERE stream = :stream AND seq = :seq",
                    body_hash=body_hash, head=head, hash=hashed, stream=row.stream, seq=row.seq,
                )  # fmt: skip
            stream, head = row.stream, hashed

    def regrow(self) -> None:
        """Build the tree anew over the entries that there are, and let every stored root be that tree's."""
        leaves = self.rows("SELECT stream, seq FROM audit_leaves ORDER BY leaf_index")
        hashes = {(row.stream, row.seq): row.hash for row in self.rows("SELECT stream, seq, hash FROM audit_events")}
        sizes = {row.tree_size for row in self.rows("SELECT tree_size FROM audit_checkpoints")}
        frontier, grown, roots = Frontier(), list[dict[str, Any]](), dict[int, bytes]()
        for stream, seq in ((row.stream, row.seq) for row in leaves if (row.stream, row.seq) in hashes):
            completed = b"".join(frontier.append(leaf_hash(hashes[stream, seq])))
            grown.append({"index": frontier.size - 1, "stream": stream, "seq": seq, "hashes": completed})
            if frontier.size in sizes:
                roots[frontier.size] = frontier.root()
        self.run("DELETE FROM audit_leaves")
        self.connection.execute(text("INSERT INTO audit_leaves VALUES (:index, :stream, :seq, :hashes)"), grown)
        for size in sizes - roots.keys():
            self.run("DELETE FROM audit_checkpoints WHERE tree_size = :size", size=size)
        for size, root in roots.items():
            self.run("UPDATE audit_checkpoints SET root = :root WHERE tree_size = :size", root=root, size=size)

    def sign(self, key: SigningKey) -> None:
        """Sign every stored root, as only the holder of a key can."""
        for row in self.rows("SELECT tree_size, root FROM audit_checkpoints"):
            note = format_note(Checkpoint(ORIGIN, row.tree_size, row.root), key.public, key.private.sign)
            self.run(
                "UPDATE audit_checkpoints SET note = :note, key_id = :key WHERE tree_size = :size",
                note=note, key=key.id, size=row.tree_size,
            )  # fmt: skip


def edit(by: Attacker) -> None:
    stream, seq = by.entry()
    by.run(
        "UPDATE audit_events SET body = replace(convert_from(body, 'UTF8'), 'acc_1', 'acc_2')::bytea "
        "WHERE stream = :stream AND seq = :seq",
        stream=stream, seq=seq,
    )  # fmt: skip


def edit_and_rechain(by: Attacker) -> None:
    edit(by)
    by.rechain()


def cut_tail(by: Attacker) -> None:
    stream = by.stream()
    length = by.rows("SELECT max(seq) FROM audit_events WHERE stream = :stream", stream=stream)[0][0]
    by.run(
        "DELETE FROM audit_events WHERE stream = :stream AND seq > :seq", stream=stream, seq=by.rng.randrange(1, length)
    )


def drop_claim(by: Attacker) -> None:
    by.run("DELETE FROM audit_events WHERE stream = :stream", stream=by.stream())


def back_date(by: Attacker) -> None:
    stream, seq = by.entry()
    earlier = timedelta(days=by.rng.randrange(1, 30))
    by.run(
        "UPDATE audit_events SET recorded_at = recorded_at - :by WHERE stream = :stream AND seq = :seq",
        by=earlier, stream=stream, seq=seq,
    )  # fmt: skip


def swap(by: Attacker) -> None:
    stream = by.stream()
    seqs = [row[0] for row in by.rows("SELECT seq FROM audit_events WHERE stream = :stream", stream=stream)]
    one, other = by.rng.sample(seqs, 2)
    by.run(
        "UPDATE audit_events e SET body = o.body, body_hash = o.body_hash, recorded_at = o.recorded_at "
        "FROM audit_events o WHERE e.stream = :stream AND o.stream = :stream AND e.seq IN (:one, :other) "
        "AND o.seq = :one + :other - e.seq",
        stream=stream, one=one, other=other,
    )  # fmt: skip


def reuse_seq(by: Attacker) -> None:
    stream, seq = by.entry()
    by.run("ALTER TABLE audit_events DROP CONSTRAINT pk_audit_events")
    by.run(
        "INSERT INTO audit_events (stream, seq, step_key, recorded_at, body, body_hash, prev_hash, hash, xid, cluster) "
        "SELECT stream, seq, 'again', recorded_at, body, body_hash, prev_hash, hash, xid, cluster FROM audit_events "
        "WHERE stream = :stream AND seq = :seq",
        stream=stream, seq=seq,
    )  # fmt: skip


def alter_checkpoint(by: Attacker) -> None:
    size = by.rng.choice(by.rows("SELECT tree_size FROM audit_checkpoints ORDER BY 1"))[0]
    change = by.rng.choice(
        [
            "root = sha256(root)",
            "tree_size = tree_size + 1",
            "note = replace(note, '/audit', '/other')",
            "note = overlay(note placing 'A' from length(note) - 40)",
            "key_id = 'audit-of-mine'",
        ]
    )
    by.run(f"UPDATE audit_checkpoints SET {change} WHERE tree_size = :size", size=size)  # noqa: S608  # ours


def fork_tree(by: Attacker) -> None:
    """Another history from a random leaf on: its entry edited, chained anew, and a whole tree grown over it."""
    edit_and_rechain(by)
    by.regrow()


ATTACKS: list[Callable[[Attacker], None]] = [
    edit,
    edit_and_rechain,
    cut_tail,
    drop_claim,
    back_date,
    swap,
    reuse_seq,
    alter_checkpoint,
    fork_tree,
]
