"""How wide and high the tree of a file is."""

from __future__ import annotations

import pytest

from bittorrent.merkle.shape import TreeShape
from bittorrent.merkle.tree import zero_root
from tests.merkle_model import full_tree, numbered_leaves

KIB = 1024


@pytest.mark.parametrize(
    ("length", "piece_length", "leaves", "pieces", "height", "subtree", "layer"),
    [
        (1, 16 * KIB, 1, 1, 0, 0, False),
        (16 * KIB, 16 * KIB, 1, 1, 0, 0, False),
        (16 * KIB + 1, 16 * KIB, 2, 2, 1, 0, True),
        (40_000, 32 * KIB, 3, 2, 2, 1, True),
        (40_000, 64 * KIB, 3, 1, 2, 2, False),
        (64 * KIB, 64 * KIB, 4, 1, 2, 2, False),
        (64 * KIB, 256 * KIB, 4, 1, 2, 2, False),  # a small file's tree is not made as high as a piece
        (128 * KIB, 64 * KIB, 8, 2, 3, 2, True),  # a power of two has no node more than it needs
        (128 * KIB + 1, 64 * KIB, 9, 3, 4, 2, True),
        (10 << 30, 4 << 20, 655_360, 2560, 20, 8, True),
    ],
)
def test_sizes(
    length: int, piece_length: int, leaves: int, pieces: int, height: int, subtree: int, layer: bool
) -> None:
    shape = TreeShape(length, piece_length)
    assert (shape.leaf_count, shape.piece_count, shape.height) == (leaves, pieces, height)
    assert shape.subtree_height == subtree
    assert shape.piece_height == (piece_length // 16384).bit_length() - 1
    assert shape.needs_layer is layer
    assert sum(map(shape.piece_size, range(pieces))) == length
    assert sum(map(shape.leaves_in_piece, range(pieces))) == leaves
    assert shape.row_count(0) == leaves
    assert shape.row_count(subtree) == pieces
    assert shape.row_width(height) == shape.row_count(height) == 1


def test_a_file_is_in_its_pieces_and_in_no_other() -> None:
    shape = TreeShape(40_000, 32 * KIB)
    assert [shape.piece_size(0), shape.piece_size(1)] == [32_768, 7_232]
    for number in (-1, 2):
        with pytest.raises(IndexError):
            shape.piece_size(number)


def test_pieces_and_layers_lead_to_the_root() -> None:
    leaves = numbered_leaves(11)
    rows = full_tree(leaves)
    shape = TreeShape(11 * 16384 - 5, 64 * KIB)
    pieces = [b"".join(leaves[at : at + 4]) for at in (0, 4, 8)]
    layer = b"".join(map(shape.root_of_piece, pieces))
    assert layer == b"".join(rows[2][:3])
    assert shape.root_of_layer(layer) == rows[-1][0]
    assert shape.root_of_layer(layer[:-32]) is None
    assert shape.root_of_layer(layer + zero_root(2)) is None
    assert shape.root_of_layer(layer[:-1]) is None
    small = TreeShape(3 * 16384, 64 * KIB)
    assert small.root_of_piece(b"".join(leaves[:3])) == full_tree(leaves[:3])[-1][0]
    assert small.root_of_layer(small.root_of_piece(b"".join(leaves[:3]))) == full_tree(leaves[:3])[-1][0]


@pytest.mark.parametrize(("length", "piece_length"), [(0, 16384), (-1, 16384), (1, 8192), (1, 49152), (1, 0)])
def test_what_has_no_tree(length: int, piece_length: int) -> None:
    with pytest.raises(ValueError, match=r"tree"):
        TreeShape(length, piece_length)
