"""The tree of the audit trail: equal to the definition of RFC 6962, and its proofs prove nothing else."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.merkle import (
    EMPTY_ROOT,
    Frontier,
    ProofError,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    nodes_over,
    prove_consistency,
    prove_inclusion,
    root_from_inclusion,
    root_of,
    verify_consistency,
)

# The inputs and roots that implementations of certificate transparency are commonly checked with.
INPUTS = [
    bytes.fromhex(value)
    for value in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


def leaves(count: int) -> list[bytes]:
    return [leaf_hash(hashlib.sha256(str(number).encode()).digest()) for number in range(count)]


def defined_root(several: list[bytes]) -> bytes:
    """The root by its recursive definition."""
    if len(several) <= 1:
        return several[0] if several else hashlib.sha256(b"").digest()
    middle = 1
    while middle * 2 < len(several):
        middle *= 2
    return node_hash(defined_root(several[:middle]), defined_root(several[middle:]))


@pytest.mark.parametrize("size", ROOTS)
def test_known_inputs_have_the_known_roots(size: int) -> None:
    assert root_of(map(leaf_hash, INPUTS[:size])).hex() == ROOTS[size]


def test_a_tree_without_leaves_has_the_hash_of_nothing_as_its_root() -> None:
    assert root_of([]) == EMPTY_ROOT == Frontier().root()


@pytest.mark.parametrize("size", range(1, 40))
def test_every_root_is_the_one_of_the_definition(size: int) -> None:
    assert root_of(leaves(size)) == defined_root(leaves(size))
    assert Frontier.at(size, nodes_over(leaves(size))).root() == defined_root(leaves(size))


@given(st.integers(0, 130), st.integers(0, 40))
def test_a_tree_grows_from_its_frontier_alone(size: int, more: int) -> None:
    frontier = Frontier.at(size, nodes_over(leaves(size)))
    for leaf in leaves(size + more)[size:]:
        frontier.append(leaf)
    assert (frontier.size, frontier.root()) == (size + more, root_of(leaves(size + more)))


def test_a_leaf_completes_the_subtrees_that_end_with_it() -> None:
    every, frontier = leaves(64), Frontier()
    nodes = nodes_over(every)
    for number, leaf in enumerate(every):
        for level, completed in enumerate(frontier.append(leaf)):
            assert completed == nodes(level, number >> level)
            assert (number + 1) % (1 << level) == 0


@given(st.integers(1, 130), st.data())
def test_every_leaf_is_proven_to_be_in_its_tree(size: int, data: st.DataObject) -> None:
    every, index = leaves(size), data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(every, index)
    assert root_from_inclusion(every[index], index, size, proof) == root_of(every)
    assert len(proof) <= (size - 1).bit_length()


@given(st.integers(2, 70), st.data())
def test_no_other_leaf_place_or_proof_leads_to_the_root(size: int, data: st.DataObject) -> None:
    every, index = leaves(size), data.draw(st.integers(0, size - 1))
    root, proof = root_of(every), inclusion_proof(every, index)
    other = data.draw(st.integers(0, size - 1).filter(lambda number: number != index))
    assert root_from_inclusion(every[other], index, size, proof) != root
    spoilt = data.draw(st.integers(0, len(proof) - 1))
    changed = [*proof[:spoilt], bytes(32), *proof[spoilt + 1 :]]
    assert root_from_inclusion(every[index], index, size, changed) != root
    with pytest.raises(ProofError):
        root_from_inclusion(every[index], index, size, [*proof, bytes(32)])
    with pytest.raises(ProofError):
        root_from_inclusion(every[index], index, size, proof[:-1])
    try:
        assert root_from_inclusion(every[index], other, size, proof) != root
    except ProofError:
        assert len(inclusion_proof(every, other)) != len(proof)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (3, 3), (-1, 3)])
def test_a_leaf_that_is_not_there_has_no_proof(index: int, size: int) -> None:
    with pytest.raises(ProofError):
        prove_inclusion(nodes_over(leaves(size)), index, size)
    with pytest.raises(ProofError):
        root_from_inclusion(leaf_hash(b""), index, size, [])


@given(st.integers(0, 130), st.data())
def test_a_tree_is_proven_to_begin_with_every_smaller_one(size: int, data: st.DataObject) -> None:
    every, old_size = leaves(size), data.draw(st.integers(0, size))
    proof = consistency_proof(every, old_size)
    assert verify_consistency(old_size, root_of(every[:old_size]), size, root_of(every), proof)


@given(st.integers(2, 70), st.data())
def test_a_forked_tree_cannot_be_proven(size: int, data: st.DataObject) -> None:
    every, old_size = leaves(size), data.draw(st.integers(1, size - 1))
    forked_at = data.draw(st.integers(0, old_size - 1))
    forked = [*every[:forked_at], leaf_hash(b"another"), *every[forked_at + 1 :]]
    for proof in (consistency_proof(forked, old_size), consistency_proof(every, old_size)):
        assert not verify_consistency(old_size, root_of(every[:old_size]), size, root_of(forked), proof)
        assert not verify_consistency(old_size, root_of(forked[:old_size]), size, root_of(every), proof)


@given(st.integers(2, 70), st.data())
def test_a_proof_with_a_part_too_many_or_too_few_proves_nothing(size: int, data: st.DataObject) -> None:
    every, old_size = leaves(size), data.draw(st.integers(1, size - 1))
    old, new, proof = root_of(every[:old_size]), root_of(every), consistency_proof(every, old_size)
    assert not verify_consistency(old_size, old, size, new, [*proof, bytes(32)])
    assert not verify_consistency(old_size, old, size, new, proof[:-1])
    assert not verify_consistency(old_size, old, size, new, [])


def test_trees_of_one_size_are_consistent_when_they_are_equal() -> None:
    one, other = root_of(leaves(3)), root_of(leaves(4))
    assert verify_consistency(3, one, 3, one, [])
    assert not verify_consistency(3, one, 3, other, [])
    assert not verify_consistency(3, one, 3, one, [one])


def test_nothing_is_the_beginning_of_every_tree() -> None:
    root = root_of(leaves(3))
    assert verify_consistency(0, EMPTY_ROOT, 3, root, [])
    assert not verify_consistency(0, root, 3, root, [])
    assert not verify_consistency(0, EMPTY_ROOT, 3, root, [root])


def test_a_tree_never_shrinks() -> None:
    every = leaves(5)
    with pytest.raises(ProofError):
        prove_consistency(nodes_over(every), 5, 3)
    assert not verify_consistency(5, root_of(every), 3, root_of(every[:3]), [])
    assert not verify_consistency(-1, root_of(every), 3, root_of(every[:3]), [])
