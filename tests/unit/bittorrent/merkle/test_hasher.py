"""Pieces of version 2 and hybrid torrents: what is right, what is wrong, and which block of it."""

from __future__ import annotations

import hashlib
import random

import pytest

from bittorrent.errors import MetainfoError
from bittorrent.merkle.forest import Forest
from bittorrent.merkle.hasher import HybridHasher, MerkleHasher
from bittorrent.merkle.tree import leaves_of
from bittorrent.pieces.hasher import PieceHasher, Sha1Hasher
from tests.merkle_model import full_tree, leaves_of_content

KIB = 1024
PIECE = 64 * KIB
LARGE = random.Random(1).randbytes(100_000)  # two pieces
SMALL = random.Random(2).randbytes(20_000)  # one, lower than a piece
FILES = [LARGE, SMALL]
PIECES = [LARGE[:PIECE], LARGE[PIECE:], SMALL]
PADDED = [piece.ljust(PIECE, b"\0") for piece in PIECES]


def node(content: bytes, height: int) -> bytes:
    """Of the leftmost node at a height of the tree over a content and, if need be, missing leaves."""
    leaves = leaves_of_content(content)
    return full_tree(leaves + [bytes(32)] * ((1 << height) - len(leaves)))[height][0]


NODES = [node(PIECES[0], 2), node(PIECES[1], 2), node(PIECES[2], 1)]
FOREST = Forest.of([(len(LARGE), NODES[0] + NODES[1]), (len(SMALL), NODES[2])], PIECE)
SHA1 = b"".join(hashlib.sha1(piece).digest() for piece in PADDED)


def test_each_piece_has_the_node_that_its_file_has_there() -> None:
    assert full_tree(leaves_of_content(LARGE))[2] == NODES[:2]
    assert full_tree(leaves_of_content(SMALL))[-1] == NODES[2:]
    hasher = MerkleHasher(FOREST)
    for index, piece in enumerate(PIECES):
        assert hasher.digest(index, piece) == NODES[index]
        assert hasher.expects(index, NODES[index])
        assert not hasher.expects(index, NODES[index - 1])


def test_padding_counts_for_one_half_of_a_hybrid() -> None:
    hasher = HybridHasher(SHA1, FOREST)
    for index, piece in enumerate(PADDED):
        digest = hasher.digest(index, piece)
        assert digest == hashlib.sha1(piece).digest() + NODES[index]
        assert hasher.expects(index, digest)
        assert not hasher.expects(index, hasher.digest(index, bytes(PIECE - 1) + b"\1"))
    bare = HybridHasher(SHA1[:40] + hashlib.sha1(SMALL).digest(), FOREST)  # no padding behind the last file
    assert bare.expects(2, bare.digest(2, SMALL))


@pytest.mark.parametrize("step", [1000, 16384, 20_000, 40_000])
def test_parts_may_end_anywhere(step: int) -> None:
    for hasher, pieces in ((MerkleHasher(FOREST), PIECES), (HybridHasher(SHA1, FOREST), PADDED)):
        for index, piece in enumerate(pieces):
            running = hasher.begin(index)
            for at in range(0, len(piece), step):
                running.update(piece[at : at + step])
            assert running.digest() == hasher.digest(index, piece)


def test_zeros() -> None:
    forest = Forest.of([(100_000, None), (20_000, None), (1, None)], PIECE)
    for index, (size, height) in enumerate([(PIECE, 2), (100_000 - PIECE, 2), (20_000, 1), (1, 0)]):
        expected = node(bytes(size), height)
        assert MerkleHasher(forest).digest_of_zeros(index, size) == expected
        assert HybridHasher(b"", forest).digest_of_zeros(index, PIECE) == hashlib.sha1(bytes(PIECE)).digest() + expected


def test_digests_of_many_sizes_of_zeros_are_not_kept_for_ever() -> None:
    hasher = MerkleHasher(Forest(PIECE, b"", {}, {}))
    for _ in range(2):
        for size in range(1, 1100):
            hasher.digest_of_zeros(0, size)
        assert hasher.digest_of_zeros(0, 7) == node(bytes(7), 2)
    assert len(hasher._zeros) <= 1024


@pytest.mark.parametrize(
    ("hasher", "pieces"), [(MerkleHasher(FOREST), PIECES), (HybridHasher(SHA1, FOREST), PADDED)], ids=["v2", "hybrid"]
)
def test_the_bad_blocks_of_a_piece_are_named(hasher: PieceHasher, pieces: list[bytes]) -> None:
    leaves = [leaves_of(piece) for piece in PIECES]
    for index, piece in enumerate(pieces):
        assert hasher.bad_blocks(index, piece, leaves[index]) == 0
        for at in (0, 16383, 16384, len(piece) - 1):
            damaged = bytearray(piece)
            damaged[at] ^= 4
            assert hasher.bad_blocks(index, damaged, leaves[index]) == 1 << at // 16384
    damaged = bytearray(pieces[0])
    damaged[5] ^= 1
    damaged[40_000] ^= 1
    assert hasher.bad_blocks(0, damaged, leaves[0]) == 0b101


def test_sha1_names_no_block() -> None:
    assert Sha1Hasher(SHA1).bad_blocks(0, bytes(PIECE), leaves_of(LARGE[:PIECE])) is None


def test_padding_that_is_not_zeros_is_a_fault_of_its_sender() -> None:
    """The tree does not cover padding: such a piece would be right for one half, and the torrent would be blamed."""
    hasher = HybridHasher(SHA1, FOREST)
    for at in (20_000, 20_001, 32_767, 32_768, 50_000, PIECE - 1):
        damaged = bytearray(PADDED[2])
        damaged[at] = 1
        assert not hasher.expects(2, hasher.digest(2, damaged))
        running = hasher.begin(2)
        running.update(damaged[:25_000])
        running.update(damaged[25_000:])
        assert not hasher.expects(2, running.digest())
        assert hasher.bad_blocks(2, damaged, leaves_of(SMALL)) == 1 << at // 16384


def test_halves_that_disagree_are_the_fault_of_the_torrent() -> None:
    """Each piece can be right for one half only: no peer can be blamed, and none could help."""
    lying = HybridHasher(SHA1[:20] + bytes(20) + SHA1[40:], FOREST)
    assert lying.expects(0, lying.digest(0, PADDED[0]))
    with pytest.raises(MetainfoError, match="halves of the torrent disagree: no piece 1 can be right for both"):
        lying.expects(1, lying.digest(1, PADDED[1]))
    other = Forest.of([(len(LARGE), NODES[1] + NODES[1]), (len(SMALL), NODES[2])], PIECE)
    with pytest.raises(MetainfoError, match="disagree"):
        HybridHasher(SHA1, other).expects(0, HybridHasher(SHA1, other).digest(0, PADDED[0]))


def test_without_layers_a_hybrid_goes_by_its_sha1_and_a_version_2_torrent_takes_nothing() -> None:
    forest = Forest.of([(len(LARGE), None), (len(SMALL), NODES[2])], PIECE)
    hybrid = HybridHasher(SHA1, forest)
    assert hybrid.expects(0, hybrid.digest(0, PADDED[0]))
    assert not hybrid.expects(0, hybrid.digest(0, bytes(PIECE)))
    with pytest.raises(IndexError):
        hybrid.expects(3, bytes(52))
    pure = MerkleHasher(forest)
    assert not pure.expects(0, NODES[0])
    assert not pure.expects(0, bytes(32))
    assert pure.expects(2, NODES[2])
    with pytest.raises(IndexError):
        pure.expects(3, bytes(32))
