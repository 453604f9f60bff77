"""Requests for parts of trees, their answers, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bittorrent.merkle.proof import (
    HashError,
    HashRange,
    TreeRows,
    check_hashes,
    hashes_for,
    layer_ranges,
    leaf_ranges,
)
from bittorrent.merkle.shape import TreeShape
from bittorrent.merkle.tree import zero_root
from tests.merkle_model import full_tree, numbered_leaves

KIB = 1024
ROOT = bytes(range(32))


@pytest.mark.parametrize(
    ("pieces", "piece_length", "expected"),
    [
        (2, 64 * KIB, [(2, 0, 2, 0)]),
        (3, 64 * KIB, [(2, 0, 4, 1)]),
        (42, 64 * KIB, [(2, 0, 64, 5)]),
        (600, 32 * KIB, [(1, 0, 512, 9), (1, 512, 128, 9)]),
    ],
)
def test_layers_are_asked_for_as_libtorrent_asks(
    pieces: int, piece_length: int, expected: list[tuple[int, int, int, int]]
) -> None:
    """What libtorrent 2.1.1 sent for files of so many pieces."""
    shape = TreeShape(pieces * piece_length, piece_length)
    found = [(r.base, r.index, r.length, r.proof_layers) for r in layer_ranges(shape, ROOT)]
    assert found == expected
    assert all(r.root == ROOT for r in layer_ranges(shape, ROOT))


def test_each_part_of_a_long_layer_is_asked_for_with_all_its_proof() -> None:
    """libtorrent asks (0, 512, 512, 9): it has the upper nodes from the first answer. Here each answer stands alone."""
    shape = TreeShape(1500 * 16384, 16384)
    found = [(r.base, r.index, r.length, r.proof_layers) for r in layer_ranges(shape, ROOT)]
    assert found == [(0, 0, 512, 10), (0, 512, 512, 10), (0, 1024, 512, 10)]
    assert [r.hash_count for r in layer_ranges(shape, ROOT)] == [514, 514, 514]


@pytest.mark.parametrize(
    ("numbers", "hashes"),
    [((2, 0, 2, 0), 2), ((2, 0, 64, 5), 64), ((0, 0, 512, 10), 514), ((0, 512, 512, 9), 513), ((1, 512, 128, 9), 131)],
)
def test_how_many_hashes_answer_a_request(numbers: tuple[int, int, int, int], hashes: int) -> None:
    assert HashRange(ROOT, *numbers).hash_count == hashes


def test_leaves_are_asked_for_by_piece() -> None:
    shape = TreeShape(11 * 16384 - 5, 64 * KIB)
    found = [[(r.base, r.index, r.length, r.proof_layers) for r in leaf_ranges(shape, ROOT, n)] for n in range(3)]
    assert found == [[(0, 0, 4, 3)], [(0, 4, 4, 3)], [(0, 8, 4, 3)]]
    one_left = TreeShape(9 * 16384, 64 * KIB)
    assert [(r.index, r.length) for r in leaf_ranges(one_left, ROOT, 2)] == [(8, 2)]
    assert leaf_ranges(TreeShape(16384, 64 * KIB), ROOT, 0) == []  # the root is the leaf
    assert leaf_ranges(TreeShape(40_000, 16384), ROOT, 1) == []  # the piece layer is the leaves
    large = TreeShape(100 << 20, 16 << 20)
    assert [(r.index, r.length) for r in leaf_ranges(large, ROOT, 6)] == [(6144, 256)]
    assert [(r.index, r.length) for r in leaf_ranges(large, ROOT, 1)] == [(1024, 512), (1536, 512)]
    assert layer_ranges(TreeShape(64 * KIB, 64 * KIB), ROOT) == []


def test_a_layer_answers_for_itself_and_with_the_leaves_of_a_piece_for_those() -> None:
    leaves = numbered_leaves(11)
    rows = full_tree(leaves)
    shape = TreeShape(11 * 16384 - 5, 64 * KIB)
    root = rows[-1][0]
    tree = TreeRows(shape, b"".join(rows[2][:3]), 2)
    assert tree.root == root
    assert tree.row(3) == b"".join(rows[3])
    assert tree.answer(HashRange(root, 2, 0, 4, 1)) == b"".join(rows[2])
    assert tree.answer(HashRange(root, 2, 2, 2, 1)) == rows[2][2] + zero_root(2) + rows[3][0]
    in_piece = HashRange(root, 0, 6, 2, 3)
    assert in_piece.pieces(shape) == range(1, 2)
    expected = leaves[6] + leaves[7] + rows[1][2] + rows[2][0] + rows[3][1]
    assert tree.answer(in_piece, leaves=b"".join(leaves[4:8])) == expected
    assert tree.answer(in_piece) is None
    assert tree.answer(in_piece, leaves=b"".join(leaves[4:7])) is None
    assert check_hashes(shape, in_piece, expected) == leaves[6] + leaves[7]
    over_two = HashRange(root, 0, 8, 8, 3)
    assert over_two.pieces(shape) == range(2, 3)
    answer = tree.answer(over_two, leaves=b"".join(leaves[8:]))
    assert answer == b"".join(rows[0][8:]) + rows[3][0]
    assert check_hashes(shape, over_two, answer) == b"".join(leaves[8:])
    assert hashes_for(shape, over_two, b"".join(leaves), 0) == answer
    assert hashes_for(shape, over_two, root, shape.height) is None  # a root alone knows nothing below
    behind = HashRange(root, 0, 12, 4, 3)
    assert behind.pieces(shape) == range(3, 3)
    answer = tree.answer(behind)
    assert answer == bytes(128) + rows[2][2] + rows[3][0]
    assert check_hashes(shape, behind, answer) == b""


def test_a_file_of_one_piece_answers_from_its_root_and_leaves() -> None:
    leaves = numbered_leaves(3)
    shape = TreeShape(40_000, 256 * KIB)
    root = full_tree(leaves)[-1][0]
    tree = TreeRows(shape, root, shape.height)
    (wanted,) = leaf_ranges(shape, root, 0)
    assert (wanted.length, wanted.proof_layers) == (4, 1)
    answer = tree.answer(wanted, leaves=b"".join(leaves))
    assert answer == b"".join(leaves) + bytes(32)
    assert check_hashes(shape, wanted, answer) == b"".join(leaves)


@pytest.mark.parametrize(
    "change",
    [
        {"base": 4},  # the root
        {"base": -1},
        {"base": 5},
        {"length": 0},
        {"length": 1},
        {"length": 3},
        {"length": 32},
        {"length": 1 << 31},
        {"index": 2, "length": 4},
        {"index": 16},
        {"index": -2},
        {"index": 15, "length": 2},
        {"proof_layers": 4},  # more than log2(16) - 1
        {"proof_layers": 1 << 31},
        {"proof_layers": -1},
        {"base": 3, "length": 2, "proof_layers": 1},
    ],
)
def test_numbers_that_are_no_range_of_the_tree_are_not_answered(change: dict[str, Any]) -> None:
    leaves = numbered_leaves(11)
    shape = TreeShape(11 * 16384, 64 * KIB)
    wanted = replace(HashRange(full_tree(leaves)[-1][0], 0, 0, 2, 3), **change)
    assert not wanted.is_within(shape)
    assert hashes_for(shape, wanted, b"".join(leaves), 0) is None
    with pytest.raises(HashError):
        check_hashes(shape, wanted, bytes(64))


def test_no_more_hashes_are_answered_at_once_than_libtorrent_answers() -> None:
    shape = TreeShape(1 << 30, 16384)
    assert HashRange(ROOT, 0, 0, 8192, 15).is_within(shape)
    assert not HashRange(ROOT, 0, 0, 16384, 15).is_within(shape)
    assert not HashRange(ROOT, 0, 0, 1024, 15).is_within(shape, most=512)


def test_answers_that_lie() -> None:
    leaves = numbered_leaves(11)
    shape = TreeShape(11 * 16384, 64 * KIB)
    root = full_tree(leaves)[-1][0]
    wanted = HashRange(root, 0, 8, 4, 3)
    good = hashes_for(shape, wanted, b"".join(leaves), 0)
    assert good is not None
    assert check_hashes(shape, wanted, good) == b"".join(leaves[8:])
    for bad in (b"", good[:-1], good[:-32], good + bytes(32), good[32:] + good[:32]):
        with pytest.raises(HashError):
            check_hashes(shape, wanted, bad)
    with pytest.raises(HashError, match="all the proof"):
        check_hashes(shape, replace(wanted, proof_layers=2), good[:-32])
    with pytest.raises(HashError, match="root"):
        check_hashes(shape, replace(wanted, root=ROOT), good)


def test_a_tree_with_hashes_behind_the_end_of_its_file_is_refused() -> None:
    """A root may have been made over them: nobody could ever have such blocks."""
    leaves = numbered_leaves(4)
    root = full_tree(leaves)[-1][0]
    shape = TreeShape(3 * 16384, 16384)
    with pytest.raises(HashError, match="behind the end"):
        check_hashes(shape, HashRange(root, 0, 0, 4, 1), b"".join(leaves))


def test_rows_that_are_not_those_of_the_file() -> None:
    with pytest.raises(ValueError, match="nodes of height 2"):
        TreeRows(TreeShape(11 * 16384, 64 * KIB), bytes(64), 2)
