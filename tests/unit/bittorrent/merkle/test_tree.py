"""Leaves, rows and roots."""

from __future__ import annotations

import hashlib

import pytest

from bittorrent.merkle.tree import leaves_of, power_of_two_from, root_of, row_above, zero_root
from tests.merkle_model import full_tree, leaves_of_content, numbered_leaves


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def test_the_last_block_is_hashed_as_short_as_it_is() -> None:
    content = bytes(range(256)) * 130  # 33,280 bytes
    expected = sha256(content[:16384]) + sha256(content[16384:32768]) + sha256(content[32768:])
    for data in (content, bytearray(content), memoryview(content)):
        assert leaves_of(data) == expected
    assert leaves_of(b"a") == sha256(b"a")
    assert leaves_of(b"") == b""


def test_missing_leaves_are_zero_bytes_and_missing_nodes_are_the_roots_over_such() -> None:
    """BEP 52: a short piece layer is filled up with the root over zero leaves, not with zero bytes."""
    assert zero_root(0) == bytes(32)
    assert zero_root(1) == sha256(bytes(64))
    assert zero_root(2) == sha256(sha256(bytes(64)) * 2)
    a, b, c = numbered_leaves(3)
    assert root_of(a + b + c, width=4) == sha256(sha256(a + b) + sha256(c + bytes(32)))
    assert root_of(a + b + c, width=4, height=1) == sha256(sha256(a + b) + sha256(c + sha256(bytes(64))))
    assert root_of(a, width=4) == sha256(sha256(a + bytes(32)) + sha256(bytes(64)))
    assert root_of(a, width=1) == a


@pytest.mark.parametrize("count", [*range(1, 34), 63, 64, 65, 259])
def test_a_root_is_that_of_the_whole_tree(count: int) -> None:
    leaves = numbered_leaves(count)
    rows = full_tree(leaves)
    row = b"".join(leaves)
    for height, nodes in enumerate(rows):
        assert root_of(row, width=len(nodes), height=height) == rows[-1][0]
        assert row == b"".join(nodes)[: len(row)]
        row = row_above(row, height)


@pytest.mark.parametrize(("hashes", "width"), [(b"", 1), (bytes(31), 1), (bytes(64), 1), (bytes(96), 3)])
def test_what_is_no_row_has_no_root(hashes: bytes, width: int) -> None:
    with pytest.raises(ValueError, match="no row"):
        root_of(hashes, width=width)


def test_how_many_leaves_a_tree_is_made_to_have() -> None:
    """The table of libtorrent's test/test_merkle.cpp (num_leafs), and leaves of a content like the model's."""
    assert [power_of_two_from(count) for count in (1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17)] == [
        1, 2, 4, 4, 8, 8, 8, 8, 16, 16, 32,
    ]  # fmt: skip
    content = bytes(100_000)
    assert leaves_of(content) == b"".join(leaves_of_content(content))
