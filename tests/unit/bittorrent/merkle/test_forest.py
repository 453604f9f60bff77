"""Which piece belongs to which tree."""

from __future__ import annotations

import pytest

from bittorrent.merkle.forest import Forest
from tests.merkle_model import numbered_leaves

KIB = 1024


def test_every_file_begins_with_a_piece_of_its_own() -> None:
    a, b, c, d, e = numbered_leaves(5)
    forest = Forest.of([(100 * KIB, a + b), (20_000, c), (64 * KIB, d), (1, e)], 64 * KIB)
    assert [forest.expected(index) for index in range(5)] == [a, b, c, d, e]
    assert [forest.size_of(index) for index in range(5)] == [64 * KIB, 36 * KIB, 20_000, 64 * KIB, 1]
    assert [forest.width_of(index) for index in range(5)] == [4, 4, 2, 4, 1]
    for index in (-1, 5):
        with pytest.raises(IndexError):
            forest.expected(index)


def test_hashes_that_are_not_known() -> None:
    (a,) = numbered_leaves(1)
    forest = Forest.of([(100 * KIB, None), (20_000, a), (100 * KIB, b"")], 64 * KIB)
    assert [forest.expected(index) for index in range(5)] == [None, None, a, None, None]


def test_hashes_of_another_number_of_pieces() -> None:
    with pytest.raises(ValueError, match="no hashes of 2 pieces"):
        Forest.of([(100 * KIB, bytes(96))], 64 * KIB)
