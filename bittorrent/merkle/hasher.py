"""How pieces of version 2 and hybrid torrents are hashed (BEP 52)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from hashlib import sha256

from bittorrent.errors import MetainfoError
from bittorrent.merkle.forest import Forest
from bittorrent.merkle.tree import HASH_SIZE, LEAF_BYTES, leaves_of, root_of
from bittorrent.pieces.block import Block
from bittorrent.pieces.hasher import NO_LEAVES, SHA1_SIZE, Readable, RunningHash, Sha1Hasher


class MerkleHasher:
    """`PieceHasher` of a torrent of version 2: the node that stands for a piece in the tree of its file.

    Args:
        forest: the trees of all pieces.
    """

    __slots__ = ("_forest", "_zeros")

    def __init__(self, forest: Forest) -> None:
        self._forest = forest
        self._zeros: dict[tuple[int, int], bytes] = {}  # by bytes and leaves

    def begin(self, index: int) -> RunningHash:
        return _RunningTree(self._forest.width_of(index))

    def digest(self, index: int, data: Readable, leaves: Mapping[int, bytes] = NO_LEAVES) -> bytes:
        return root_of(_row_of(data, leaves), width=self._forest.width_of(index))

    def leaf_of(self, block: Block, data: Readable) -> bytes | None:
        return sha256(data).digest() if block.begin % LEAF_BYTES == 0 and block.length <= LEAF_BYTES else None

    def digest_of_zeros(self, index: int, size: int) -> bytes:
        key = size, self._forest.width_of(index)
        found = self._zeros.get(key)
        if found is None:
            if len(self._zeros) >= _MAX_ZEROS:
                self._zeros.clear()
            whole, rest = divmod(size, LEAF_BYTES)
            leaves = _ZERO_LEAF * whole + (sha256(bytes(rest)).digest() if rest else b"")
            found = self._zeros[key] = root_of(leaves, width=key[1])
        return found

    def expects(self, index: int, digest: bytes) -> bool:
        return self._forest.expected(index) == digest

    def bad_blocks(self, index: int, data: Readable, leaves: bytes) -> int | None:
        return _differences(leaves_of(data), leaves)


class HybridHasher:
    """`PieceHasher` of a hybrid torrent: the SHA-1 of a piece, and the node of its bytes that are of a file.

    What lies behind those is padding. A piece whose padding is not zeros has no node at all: nobody can make the halves
    of a torrent seem to disagree by sending it. While a node is not known the SHA-1 alone decides.

    Args:
        digests: the SHA-1 of all pieces, one after the other; none for a torrent that is being made.
        forest: the trees of all pieces.
    """

    __slots__ = ("_forest", "_sha1", "_trees")

    def __init__(self, digests: bytes, forest: Forest) -> None:
        self._sha1 = Sha1Hasher(digests)
        self._trees = MerkleHasher(forest)
        self._forest = forest

    def begin(self, index: int) -> RunningHash:
        return _RunningHybrid(self._forest.width_of(index), self._forest.size_of(index))

    def digest(self, index: int, data: Readable, leaves: Mapping[int, bytes] = NO_LEAVES) -> bytes:
        if leaves:
            return self._digest_over(index, data, leaves)
        running = self.begin(index)
        with memoryview(data) as view:
            for start in range(0, len(view), _AT_ONCE):  # while it is in the processor's cache, for the second hash
                running.update(view[start : start + _AT_ONCE])
        return running.digest()

    def _digest_over(self, index: int, data: Readable, leaves: Mapping[int, bytes]) -> bytes:
        sha1 = hashlib.sha1(data, usedforsecurity=False).digest()
        size = self._forest.size_of(index)
        with memoryview(data) as view:
            if not _is_zeros(view[size:]):
                return sha1 + _NO_NODE
            return sha1 + root_of(_row_of(view[:size], leaves), width=self._forest.width_of(index))

    def leaf_of(self, block: Block, data: Readable) -> bytes | None:
        room = self._forest.size_of(block.piece) - block.begin
        if room <= 0:
            return None
        with memoryview(data) as view:
            return self._trees.leaf_of(block, view[:room])

    def digest_of_zeros(self, index: int, size: int) -> bytes:
        content = min(size, self._forest.size_of(index))
        return self._sha1.digest_of_zeros(index, size) + self._trees.digest_of_zeros(index, content)

    def expects(self, index: int, digest: bytes) -> bool:
        """Whether a piece with this digest is the right one.

        Raises:
            IndexError: no such piece.
            MetainfoError: it is right for one half of the torrent and wrong for the other: no piece can be right.
        """
        expected = self._forest.expected(index)
        is_right = self._sha1.expects(index, digest[:SHA1_SIZE])
        if expected is not None and (expected == digest[SHA1_SIZE:]) != is_right:
            raise MetainfoError(f"the halves of the torrent disagree: no piece {index} can be right for both")
        return is_right

    def bad_blocks(self, index: int, data: Readable, leaves: bytes) -> int | None:
        with memoryview(data) as view:
            size = self._forest.size_of(index)
            bad = _differences(leaves_of(view[:size]), leaves)
            for block in range(size // LEAF_BYTES, -(-len(view) // LEAF_BYTES)):
                if not _is_zeros(view[max(size, block * LEAF_BYTES) : (block + 1) * LEAF_BYTES]):
                    bad |= 1 << block
        return bad


class _RunningTree:
    """The leaves of a piece whose bytes come part by part."""

    __slots__ = ("_block", "_leaves", "_room", "_width")

    def __init__(self, width: int) -> None:
        self._width = width
        self._leaves = bytearray()
        self._block = sha256()  # of a block that has begun
        self._room = LEAF_BYTES  # what it lacks; all when none has

    def update(self, data: Readable, /) -> None:
        with memoryview(data) as view:
            begun = 0
            if self._room < LEAF_BYTES:
                begun = min(self._room, len(view))
                self._grow(view[:begun])
            end = begun + (len(view) - begun) // LEAF_BYTES * LEAF_BYTES
            self._leaves += leaves_of(view[begun:end])
            if end < len(view):
                self._grow(view[end:])

    def _grow(self, data: memoryview) -> None:
        self._block.update(data)
        self._room -= len(data)
        if not self._room:
            self._leaves += self._block.digest()
            self._block, self._room = sha256(), LEAF_BYTES

    def digest(self) -> bytes:
        leaves = bytes(self._leaves)
        if self._room < LEAF_BYTES:
            leaves += self._block.digest()
        return root_of(leaves, width=self._width)


class _RunningHybrid:
    """Both digests of a piece, the first `size` bytes of which are of its file."""

    __slots__ = ("_is_padded_with_zeros", "_left", "_sha1", "_tree")

    def __init__(self, width: int, size: int) -> None:
        self._sha1 = hashlib.sha1(usedforsecurity=False)
        self._tree = _RunningTree(width)
        self._left = size
        self._is_padded_with_zeros = True

    def update(self, data: Readable, /) -> None:
        self._sha1.update(data)
        with memoryview(data) as view:
            content = view[: self._left]
            self._left -= len(content)
            if content:
                self._tree.update(content)
            if len(content) < len(view):
                self._is_padded_with_zeros &= _is_zeros(view[len(content) :])

    def digest(self) -> bytes:
        return self._sha1.digest() + (self._tree.digest() if self._is_padded_with_zeros else _NO_NODE)


def _row_of(data: Readable, leaves: Mapping[int, bytes]) -> bytes:
    """The leaves of a piece, some of which are known by their offsets."""
    if not leaves:
        return leaves_of(data)
    with memoryview(data) as view:
        return b"".join(
            [
                leaves.get(begin) or sha256(view[begin : begin + LEAF_BYTES]).digest()
                for begin in range(0, len(view), LEAF_BYTES)
            ]
        )


def _differences(found: bytes, leaves: bytes) -> int:
    """The blocks whose leaves differ, as a set of their numbers."""
    bad = 0
    for start in range(0, max(len(found), len(leaves)), HASH_SIZE):
        if found[start : start + HASH_SIZE] != leaves[start : start + HASH_SIZE]:
            bad |= 1 << start // HASH_SIZE
    return bad


def _is_zeros(data: memoryview) -> bool:
    return bytes(data) == (_ZEROS if len(data) == len(_ZEROS) else bytes(len(data)))


_ZERO_LEAF = sha256(bytes(LEAF_BYTES)).digest()
_NO_NODE = bytes(HASH_SIZE)
_AT_ONCE = 128 << 10
_ZEROS = bytes(_AT_ONCE)
_MAX_ZEROS = 1024  # pieces at the ends of files have many sizes
