"""Any file and any piece size: roots, layers and proofs are those of the whole tree, and any flipped bit is found."""

from __future__ import annotations

import hashlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bittorrent.merkle.forest import Forest
from bittorrent.merkle.hasher import HybridHasher, MerkleHasher
from bittorrent.merkle.proof import HashError, HashRange, TreeRows, check_hashes, layer_ranges, leaf_ranges
from bittorrent.merkle.shape import TreeShape
from bittorrent.merkle.tree import leaves_of, zero_root
from tests.merkle_model import full_tree, leaves_of_content, numbered_leaves

PIECE_LENGTHS = [16384 << shift for shift in range(5)]
lengths = st.one_of(
    st.integers(1, 40 * 16384),
    st.builds(lambda blocks, more: max(1, blocks * 16384 + more), st.integers(1, 40), st.integers(-1, 1)),
)


@st.composite
def ranges(draw: st.DrawFn, shape: TreeShape, root: bytes) -> HashRange:
    """Some of a tree of at least two leaves, with all their proof."""
    base = draw(st.integers(0, shape.height - 1))
    size = draw(st.integers(1, shape.height - base))
    index = draw(st.integers(0, (shape.row_width(base) >> size) - 1)) << size
    return HashRange(root, base, index, 1 << size, shape.height - base - 1)


@given(st.data(), lengths, st.sampled_from(PIECE_LENGTHS))
def test_root_layer_and_proofs_are_those_of_the_whole_tree(data: st.DataObject, length: int, piece_length: int) -> None:
    shape = TreeShape(length, piece_length)
    leaves = numbered_leaves(shape.leaf_count)
    rows = full_tree(leaves)
    root = rows[-1][0]
    assert (shape.height, shape.row_width(0)) == (len(rows) - 1, len(rows[0]))
    step = 1 << shape.subtree_height
    pieces = [b"".join(leaves[at : at + step]) for at in range(0, len(leaves), step)]
    layer = b"".join(map(shape.root_of_piece, pieces))
    assert layer == b"".join(rows[shape.subtree_height][: shape.piece_count])
    assert shape.root_of_layer(layer) == root
    tree = TreeRows(shape, layer, shape.subtree_height)
    assert b"".join(
        check_hashes(shape, wanted, tree.answer(wanted) or b"") for wanted in layer_ranges(shape, root, most=4)
    ) == (layer if shape.needs_layer else b"")
    for number, piece in enumerate(pieces):
        answers = [
            check_hashes(shape, wanted, tree.answer(wanted, leaves=piece) or b"")
            for wanted in leaf_ranges(shape, root, number, most=4)
        ]
        assert b"".join(answers) == (piece if shape.subtree_height else b"")
    if shape.height == 0:
        return
    wanted = data.draw(ranges(shape, root))
    held = b"".join(pieces[number] for number in wanted.pieces(shape))
    answer = tree.answer(wanted, leaves=held)
    assert answer is not None
    assert answer == TreeRows(shape, b"".join(leaves), 0).answer(wanted)
    assert answer[: wanted.length * 32] == b"".join(
        rows[wanted.base][wanted.index : wanted.index + wanted.length]
    )  # as BEP 52 has it: missing nodes are sent, too
    row = check_hashes(shape, wanted, answer)
    assert row + zero_root(wanted.base) * (wanted.length - len(row) // 32) == answer[: wanted.length * 32]
    flipped = bytearray(answer)
    flipped[data.draw(st.integers(0, len(answer) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(HashError):
        check_hashes(shape, wanted, bytes(flipped))


@given(st.data(), st.integers(), st.integers(1, 9 * 16384), st.sampled_from(PIECE_LENGTHS))
def test_a_flipped_bit_is_located_to_its_block(data: st.DataObject, seed: int, length: int, piece_length: int) -> None:
    """By the hash of its piece alone first, then, with the leaves that a peer proves, by its block."""
    content = random.Random(seed).randbytes(length)
    shape = TreeShape(length, piece_length)
    true_leaves = leaves_of(content)
    assert true_leaves == b"".join(leaves_of_content(content))
    cut = [content[at : at + piece_length] for at in range(0, length, piece_length)]
    layer = b"".join(shape.root_of_piece(leaves_of(piece)) for piece in cut)
    root = shape.root_of_layer(layer)
    assert root is not None
    at = data.draw(st.integers(0, length - 1))
    damaged = bytearray(content)
    damaged[at] ^= 1 << data.draw(st.integers(0, 7))
    bad_pieces = [
        number
        for number in range(shape.piece_count)
        if shape.root_of_piece(leaves_of(damaged[number * piece_length :][:piece_length]))
        != layer[number * 32 : number * 32 + 32]
    ]
    assert bad_pieces == [at // piece_length]
    piece = bad_pieces[0]
    tree = TreeRows(shape, layer, shape.subtree_height)
    proven = b"".join(
        check_hashes(shape, wanted, tree.answer(wanted, leaves=leaves_of(cut[piece])) or b"")
        for wanted in leaf_ranges(shape, root, piece)
    ) or leaves_of(cut[piece])
    received = damaged[piece * piece_length :][:piece_length]
    forest = Forest.of([(length, layer)], piece_length)
    plain = MerkleHasher(forest)
    assert not plain.expects(piece, plain.digest(piece, received))
    assert plain.bad_blocks(piece, received, proven) == 1 << at % piece_length // 16384
    hybrid = HybridHasher(b"".join(hashlib.sha1(part.ljust(piece_length, b"\0")).digest() for part in cut), forest)
    received = received.ljust(piece_length, b"\0")
    assert not hybrid.expects(piece, hybrid.digest(piece, received))
    assert hybrid.bad_blocks(piece, received, proven) == 1 << at % piece_length // 16384
