"""How pieces are hashed: what any hasher must do, SHA-1 and a tree alike."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

import bittorrent
from bittorrent.merkle.forest import Forest
from bittorrent.merkle.hasher import HybridHasher, MerkleHasher
from bittorrent.pieces.block import BLOCK_SIZE, Block
from bittorrent.pieces.hasher import SHA1_SIZE, PieceHasher, Sha1Hasher
from tests.tree_hasher import TreeHasher


def merkle_hasher(digests: bytes) -> PieceHasher:
    return MerkleHasher(Forest(1 << 18, digests, {}, {}))


def hybrid_hasher(digests: bytes) -> PieceHasher:
    each = [digests[at : at + 52] for at in range(0, len(digests), 52)]
    forest = Forest(1 << 18, b"".join(digest[20:] for digest in each), {}, {})
    return HybridHasher(b"".join(digest[:20] for digest in each), forest)


MAKERS: list[Callable[[bytes], PieceHasher]] = [Sha1Hasher, TreeHasher, merkle_hasher, hybrid_hasher]


@pytest.mark.parametrize("make", MAKERS)
@given(st.lists(st.binary(max_size=40_000), min_size=1, max_size=4), st.integers(0, 5))
def test_a_piece_has_one_digest_however_its_bytes_come(
    make: Callable[[bytes], PieceHasher], parts: list[bytes], index: int
) -> None:
    hasher = make(b"")
    if not any(parts):
        return
    running = hasher.begin(index)
    for part in parts:
        running.update(memoryview(part))
    assert running.digest() == hasher.digest(index, b"".join(parts))
    size = sum(map(len, parts))
    for _ in range(2):
        assert hasher.digest_of_zeros(index, size) == hasher.digest(index, bytes(size))


@pytest.mark.parametrize("make", MAKERS)
@given(st.integers(1, 5 * BLOCK_SIZE), st.sets(st.integers(0, 4)), st.integers(0, 5))
def test_blocks_that_were_hashed_before_change_nothing(
    make: Callable[[bytes], PieceHasher], size: int, known: set[int], index: int
) -> None:
    hasher, data = make(b""), Random(size).randbytes(size)
    leaves: dict[int, bytes] = {}
    for begin in range(0, size, BLOCK_SIZE):
        part = data[begin : begin + BLOCK_SIZE]
        leaf = hasher.leaf_of(Block(index, begin, len(part)), memoryview(part))
        if begin // BLOCK_SIZE in known and leaf is not None:
            leaves[begin] = leaf
    assert hasher.digest(index, data, leaves) == hasher.digest(index, data)


@pytest.mark.parametrize("make", [merkle_hasher, hybrid_hasher])
def test_a_leaf_counts_and_not_the_bytes_it_was_made_of(make: Callable[[bytes], PieceHasher]) -> None:
    """Otherwise it would all be hashed once more."""
    hasher, data = make(b""), bytes(3 * BLOCK_SIZE)
    leaf = hasher.leaf_of(Block(0, BLOCK_SIZE, BLOCK_SIZE), memoryview(b"x" * BLOCK_SIZE))
    assert leaf is not None
    assert hasher.digest(0, data, {BLOCK_SIZE: leaf}) != hasher.digest(0, data)


def test_the_padding_of_a_hybrid_has_no_leaf_and_is_looked_at() -> None:
    """A piece of a file of 20,000 bytes, padded to the end of its third block."""
    hasher = HybridHasher(b"", Forest(1 << 18, b"", {0: 20_000}, {}))
    data = b"x" * 20_000 + bytes(3 * BLOCK_SIZE - 20_000)
    blocks = [Block(0, begin, BLOCK_SIZE) for begin in range(0, 3 * BLOCK_SIZE, BLOCK_SIZE)]
    found = {b.begin: hasher.leaf_of(b, memoryview(data)[b.begin : b.begin + b.length]) for b in blocks}
    leaves = {begin: leaf for begin, leaf in found.items() if leaf is not None}
    assert list(leaves) == [0, BLOCK_SIZE]
    assert hasher.digest(0, data, leaves) == hasher.digest(0, data)
    spoilt = data[:-1] + b"x"
    assert hasher.digest(0, spoilt, leaves) == hasher.digest(0, spoilt)
    assert hasher.digest(0, spoilt, leaves)[20:] == bytes(32)


@pytest.mark.parametrize("make", MAKERS)
def test_only_the_right_piece_is_expected_in_its_place(make: Callable[[bytes], PieceHasher]) -> None:
    pieces = [b"first", b"second", b"third"]
    hasher = make(b"".join(make(b"").digest(index, piece) for index, piece in enumerate(pieces)))
    for index in range(3):
        found = [number for number, piece in enumerate(pieces) if hasher.expects(index, hasher.digest(index, piece))]
        assert found == [index]
    for index in (-1, 3):
        with pytest.raises(IndexError):
            hasher.expects(index, bytes(20))


def test_the_usual_digest_is_sha1() -> None:
    """FIPS 180-2, appendix A.1."""
    digest = bytes.fromhex("a9993e364706816aba3e25717850c26c9cd0d89d")
    assert Sha1Hasher().digest(0, b"abc") == digest
    assert Sha1Hasher(digest).expected(0) == digest
    assert len(digest) == SHA1_SIZE
    assert Sha1Hasher().digest_of_zeros(0, 1 << 20) == hashlib.sha1(bytes(1 << 20)).digest()


def test_nobody_else_knows_how_pieces_are_hashed() -> None:
    """SHA-1 is named where pieces are hashed, where torrents get their names, and in the rule of BEP 6."""
    package = Path(bittorrent.__path__[0])
    found = {str(path.relative_to(package)) for path in package.rglob("*.py") if "sha1(" in path.read_text("utf-8")}
    assert found == {
        "pieces/hasher.py",
        "merkle/hasher.py",
        "identity/torrent_id.py",
        "swarm/uploading/allowed_fast.py",
    }
