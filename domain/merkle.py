"""The Merkle tree over the audit trail, and its proofs: RFC 6962, section 2.1; verified as in RFC 9162, section 2.1.

A leaf is the hash of one entry. A *complete subtree* of level ``l`` and index ``i`` covers the ``2**l`` leaves from
``i * 2**l`` on. It never changes once its last leaf is there, so every root and every proof, also of an earlier size,
can be made from a look-up of complete subtrees (``Nodes``), a few dozen of them for ten million leaves.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Final

EMPTY_ROOT: Final = hashlib.sha256(b"").digest()

Nodes = Callable[[int, int], bytes]
Range = tuple[int, int]


class ProofError(ValueError):
    """A proof that cannot be one for this index and this size of tree."""


def leaf_hash(entry_hash: bytes) -> bytes:
    """The leaf of an entry, from its 32-byte chain hash."""
    return hashlib.sha256(b"\0" + entry_hash).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees; its prefix keeps a node from being passed off as a leaf."""
    return hashlib.sha256(b"\1" + left + right).digest()


@dataclass(slots=True)
class Frontier:
    """The complete subtrees that a tree consists of, largest first: all that is needed to add leaves to it."""

    size: int = 0
    subtrees: list[bytes] = field(default_factory=list)

    @classmethod
    def at(cls, size: int, nodes: Nodes) -> "Frontier":
        """The frontier of the first ``size`` leaves."""
        return cls(size, [nodes(level, index) for level, index in _complete_subtrees(0, size)])

    def append(self, leaf: bytes) -> list[bytes]:
        """Add a leaf; answers the subtrees that are complete now, the leaf itself (level 0) first."""
        completed = [leaf]
        rest = self.size
        while rest & 1:
            completed.append(node_hash(self.subtrees.pop(), completed[-1]))
            rest >>= 1
        self.subtrees.append(completed[-1])
        self.size += 1
        return completed

    def root(self) -> bytes:
        """The root of the tree."""
        return _folded(self.subtrees) if self.subtrees else EMPTY_ROOT


def root_of(leaf_hashes: Iterable[bytes]) -> bytes:
    """The root of a tree of these leaves."""
    frontier = Frontier()
    for leaf in leaf_hashes:
        frontier.append(leaf)
    return frontier.root()


def nodes_over(leaf_hashes: Sequence[bytes]) -> Nodes:
    """The complete subtrees over leaves that are at hand."""

    def node(level: int, index: int) -> bytes:
        return root_of(leaf_hashes[index << level : (index + 1) << level])

    return node


def inclusion_proof(leaf_hashes: Sequence[bytes], index: int) -> list[bytes]:
    """What proves that the leaf at ``index`` is in the tree of these leaves; raises ``ProofError`` for no leaf."""
    return prove_inclusion(nodes_over(leaf_hashes), index, len(leaf_hashes))


def prove_inclusion(nodes: Nodes, index: int, size: int) -> list[bytes]:
    """What proves that the leaf at ``index`` is in the tree of the first ``size`` leaves: siblings, leaf upwards."""
    if not 0 <= index < size:
        raise ProofError(index, size)
    start, end, siblings = 0, size, list[Range]()
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            siblings.append((middle, end))
            end = middle
        else:
            siblings.append((start, middle))
            start = middle
    return [_range_root(nodes, sibling) for sibling in reversed(siblings)]


def root_from_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """The root that a tree of ``size`` leaves must have if the proof is right; raises ``ProofError``."""
    if not 0 <= index < size:
        raise ProofError(index, size)
    place, last, root = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise ProofError(index, size)
        if place & 1 or place == last:
            root = node_hash(sibling, root)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            root = node_hash(root, sibling)
        place, last = place >> 1, last >> 1
    if last:
        raise ProofError(index, size)
    return root


def consistency_proof(leaf_hashes: Sequence[bytes], old_size: int) -> list[bytes]:
    """What proves that the tree of these leaves begins with that of its first ``old_size``."""
    return prove_consistency(nodes_over(leaf_hashes), old_size, len(leaf_hashes))


def prove_consistency(nodes: Nodes, old_size: int, new_size: int) -> list[bytes]:
    """What proves that the larger tree begins with the smaller one; raises ``ProofError`` when it is not larger."""
    if not 0 <= old_size <= new_size:
        raise ProofError(old_size, new_size)
    if old_size in (0, new_size):
        return []
    start, end, parts = 0, new_size, list[Range]()
    while end != old_size:
        middle = start + _split(end - start)
        if old_size <= middle:
            parts.append((middle, end))
            end = middle
        else:
            parts.append((start, middle))
            start = middle
    if start:
        parts.append((start, end))
    return [_range_root(nodes, part) for part in reversed(parts)]


def verify_consistency(old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the proof shows that the tree of the new root begins with that of the old one."""
    if old_size == new_size:
        return not proof and old_root == new_root
    if old_size == 0:
        return not proof and old_root == EMPTY_ROOT
    if not 0 < old_size < new_size:
        return False
    path = list(proof)
    if old_size.bit_count() == 1:
        path.insert(0, old_root)
    place, last = old_size - 1, new_size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    return bool(path) and _two_roots(path, place, last) == (old_root, new_root)


def _two_roots(path: Sequence[bytes], place: int, last: int) -> tuple[bytes, bytes] | None:
    old = new = path[0]
    for part in path[1:]:
        if last == 0:
            return None
        if place & 1 or place == last:
            old, new = node_hash(part, old), node_hash(part, new)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            new = node_hash(new, part)
        place, last = place >> 1, last >> 1
    return (old, new) if last == 0 else None


def _split(size: int) -> int:
    """The largest power of two that is smaller than the size."""
    return 1 << (size - 1).bit_length() - 1


def _complete_subtrees(start: int, end: int) -> list[tuple[int, int]]:
    """Level and index of the complete subtrees that leaves consist of, largest first."""
    parts = []
    while start < end:
        level = (end - start).bit_length() - 1
        parts.append((level, start >> level))
        start += 1 << level
    return parts


def _range_root(nodes: Nodes, leaves: Range) -> bytes:
    return _folded([nodes(level, index) for level, index in _complete_subtrees(*leaves)])


def _folded(subtrees: Sequence[bytes]) -> bytes:
    """The root over neighbouring subtrees, from the small ones at the right to the left."""
    return reduce(lambda right, left: node_hash(left, right), reversed(subtrees))
